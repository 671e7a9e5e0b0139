//! Components in Python and JavaScript run unchanged: the WIT interface is all that the host knows.
//! `tests/run` says where a toolchain cannot be installed.

use cascade_host_tests::{Project, Toolchain, build_javascript, build_python};
use serde_json::json;

#[test]
fn a_component_in_python_runs() {
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
}

#[test]
fn a_component_in_javascript_runs() {
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
}
