//! The manifests of `plugins/examples` that need a service, other hosts or toolchains. The manual's page tries the rest.

use cascade_host_tests::{
    Answer, Host, Project, Receiver, Redis, Reply, Service, Toolchain, build_plugins, build_sql, repository,
};
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

/// Maximum number of lines of an example, so that it fits on a screen.
const MOST_LINES: usize = 39;

fn text_of(path: &str) -> String {
    fs::read_to_string(repository().join(path)).expect("the repository has the file")
}

/// Runs a command line of the page, and compares what it prints with the page.
#[track_caller]
fn prints_what_the_page_shows(command: &str) {
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let host = words.iter().fold(Host::new([]), |host, word| host.args([word])).within(repository());
    let shown = format!("$ {command} 2> log.txt\n{}\n```", host.run().expect(0).text().trim_end());
    assert!(text_of("host/docs/examples.md").contains(&shown), "the page does not have\n{shown}");
}

/// A project with an example, whose relative paths lead into the repository.
fn project(name: &str, replaced: &[(&str, &str)]) -> Project {
    build_plugins();
    let folder = repository().join("plugins/examples");
    let target = repository().join("plugins/target");
    let mut manifest = text_of(&format!("plugins/examples/{name}.toml"));
    manifest = manifest.replace("../target/", &format!("{}/", target.display()));
    manifest = manifest.replace("\"sales.toml\"", &format!("\"{}\"", folder.join("sales.toml").display()));
    for (from, to) in replaced {
        assert!(manifest.contains(from), "{from} is not in {name}.toml");
        manifest = manifest.replace(from, to);
    }
    Project::raw(&manifest)
}

#[test]
fn every_example_is_short_and_on_the_page() {
    let page = text_of("host/docs/examples.md");
    let files =
        fs::read_dir(repository().join("plugins/examples")).expect("the examples are there").flatten();
    let mut seen = 0;
    for file in files.filter(|file| file.path().extension().is_some_and(|extension| extension == "toml")) {
        let text = fs::read_to_string(file.path()).expect("a manifest is text");
        let name = file.file_name().into_string().expect("names are UTF-8");
        assert!(text.lines().count() <= MOST_LINES, "{name} has {} lines", text.lines().count());
        assert!(page.contains(&name), "examples.md does not name {name}");
        seen += 1;
    }
    assert_eq!(seen, 11, "ten examples, and a pipeline that one of them includes");
}

#[test]
fn a_log_is_asked_in_sql() {
    if !Toolchain::Python.is_declined() {
        build_plugins();
        build_sql();
        prints_what_the_page_shows(
            "cascade-host run plugins/examples/access-log.toml --output report -o raw",
        );
    }
}

#[test]
fn a_text_goes_through_three_languages() {
    if !Toolchain::Python.is_declined() && !Toolchain::JavaScript.is_declined() {
        prints_what_the_page_shows("cascade-host run --build plugins/examples/languages.toml");
    }
}

#[test]
fn orders_are_fetched_with_retries_and_kept() {
    let failures = AtomicU32::new(0);
    let service = Service::start(move |request| {
        let name = request.line().1.trim_start_matches('/').to_owned();
        let is_first = name == "orders-1.json" && failures.fetch_add(1, Ordering::Relaxed) == 0;
        if is_first {
            Reply::new(503, "busy")
        } else {
            Reply::new(200, text_of(&format!("plugins/examples/data/{name}")))
        }
    });
    let server = Redis::start("");
    let project = project("orders", &[("127.0.0.1:8000", &service.address())]);
    let run = || project.host().args(["--cache", &server.uri()]).run().expect(0).text();
    let shown = run();
    assert!(text_of("host/docs/examples.md").contains(shown.trim_end()), "the page does not have {shown}");
    assert_eq!(service.received().len(), 3, "two pages, one of them twice");
    assert_eq!(run(), shown);
    assert_eq!(service.received().len(), 3, "the cache had both pages");
}

#[test]
fn a_thousand_seeds_survive_a_host() {
    let server = Redis::start("");
    let project = project("monte-carlo", &[]);
    let host = |name: &str| {
        let arguments = ["--state", &format!("{}?lease=1s", server.uri()), "--run-id", "pi", "-j", "1"];
        project.other_host(name).args(arguments).args(["-p", "draws=20000"]).start()
    };
    let (mut one, mut two) = (host("one"), host("two"));
    one.until("run        monte-carlo");
    two.until("run        monte-carlo");
    one.signal("KILL");
    one.wait();
    let together = two.wait().expect(0).json();
    let alone = project.host().args(["-p", "draws=20000"]).run().expect(0).json();
    assert_eq!(together, alone);
    assert_eq!(alone["pi"]["draws"], 20_000_000);
}

#[test]
fn a_nightly_run_leaves_a_note_and_tells_of_a_failure() {
    let hook = Receiver::start(&[Answer::Status(200)]);
    let sales = repository().join("plugins/examples/sales.toml").display().to_string();
    let ends = |included: &str, code: i32, note: &str| {
        let project = project("nightly", &[(&sales, included)]);
        project.include(
            "broken.toml",
            "[params.none]\ntype = \"list<u8>\"\ndefault = []\n\
             [tasks.t]\ncall = \"std.to-json\"\nargs.value = { param = \"none\", path = \"[0]\" }\n",
        );
        fs::create_dir(project.folder().join("journal")).expect("the folder is new");
        let host = project.host().env("HOOK", &hook.url("/")).env("HOOK_SECRET", "key");
        host.args(["--run-id", "night"]).run().expect(code);
        let written =
            fs::read_to_string(project.folder().join("journal/night.txt")).expect("the note is there");
        assert!(written.starts_with(note), "{written}");
    };
    ends(&sales, 0, "night: succeeded\n");
    assert_eq!(hook.received().len(), 0, "a success is not told");
    ends("broken.toml", 1, "night: failed; sales/t: ");
    let received = hook.received();
    assert_eq!(received.len(), 1, "a failure is told");
    assert_eq!(received[0].json()["failures"][0]["task"], "sales/t");
}
