//! Components in Python and JavaScript run unchanged: the host knows only WIT.
//! `tests/run` documents how to skip a missing toolchain.

use cascade_host_tests::{Project, Toolchain, build_javascript, build_python};
use serde_json::json;
use std::path::Path;

#[test]
fn python_component_runs() {
    if Toolchain::Python.is_declined() {
        return;
    }
    let project = Project::new(&format!(
        "[components.py]\npath = \"{}\"\n{}",
        build_python().display(),
        r#"
        [tasks.greet]
        call = "py.greet"
        args.name = "Ada"
        [tasks.stats]
        call = "py.stats"
        args.xs = [1, 2, 6]
        [tasks.none]
        call = "py.mean"
        args.xs = []
        on-error = "value"
        "#
    ));
    let shown = project.run().expect(0).json();
    assert_eq!(shown["greet"], "Hello, Ada!");
    assert_eq!(shown["stats"], json!({ "count": 3, "mean": 3.0, "least": 1.0, "greatest": 6.0 }));
    assert_eq!(shown["none"], json!({ "err": "no numbers" }));
    assert_exception_is_reported(
        build_python(),
        &["Traceback (most recent call last)", "ValueError: it is so"],
    );
}

#[test]
fn javascript_component_runs() {
    if Toolchain::JavaScript.is_declined() {
        return;
    }
    let project = Project::new(&format!(
        "[components.js]\npath = \"{}\"\n{}",
        build_javascript().display(),
        r#"
        [tasks.slug]
        call = "js.slug"
        args.text = "Hello, World!"
        [tasks.tally]
        call = "js.tally"
        args.words = ["b", "a", "b"]
        "#
    ));
    let shown = project.run().expect(0).json();
    let tally = json!([{ "word": "b", "times": 2 }, { "word": "a", "times": 1 }]);
    assert_eq!(shown, json!({ "slug": "hello-world", "tally": tally }));
    assert_exception_is_reported(build_javascript(), &["it is so", "javascript/app.js"]);
}

/// Asserts that a trap includes the exception: an interpreter prints it, and then traps by itself.
fn assert_exception_is_reported(component: &Path, says: &[&str]) {
    let project = Project::new(&format!(
        "[components.c]\npath = \"{}\"\n[tasks.t]\ncall = \"c.fail\"\nargs.text = \"it is so\"\n",
        component.display()
    ));
    let finished = project.host().args(["--log-level", "error"]).run().expect(1);
    let events = project.events();
    let failed = events.of("task.failed").next().expect("a task failed");
    let error = failed["error"].as_str().expect("a text");
    for text in says {
        assert!(
            error.contains(text) && finished.stderr.contains(text),
            "{text}: {error}\n{}",
            finished.stderr
        );
    }
}
