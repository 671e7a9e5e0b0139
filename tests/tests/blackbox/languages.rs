//! Components in Python and JavaScript run unchanged: the host knows only WIT.
//! `tests/run` documents how to skip a missing toolchain.

use cascade_host_tests::{
    Host, Project, Toolchain, build_javascript, build_javascript_shapes, build_python, build_python_shapes,
    build_rust_guests,
};
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
fn imports_and_exports_of_a_runtime_are_no_advice() {
    if Toolchain::Python.is_declined() {
        return;
    }
    let path = build_python().display().to_string();
    let shown = Host::new(["inspect", &path]).run().expect(0).text();
    let init = shown.find("init, which componentize-py calls while it builds: no task").expect(&shown);
    assert!(shown.find("python.look").is_some_and(|task| task < init), "{shown}");
    assert!(shown.contains("\n  # tcp = ") && shown.contains("\n  # dns = "), "{shown}");
    let project = Project::new(&format!(
        "[components.py]\npath = \"{path}\"\n[tasks.greet]\ncall = \"py.greet\"\nargs.name = \"Ada\"\n"
    ));
    let plan = project.command("plan").run().expect(0).text();
    assert!(!plan.contains("missing grant"), "{plan}");
    let json = project.command("plan").args(["--json"]).run().expect(0).json();
    let missing = json["tasks"][0]["missing_grants"].as_array().expect("a list");
    let tcp = missing.iter().find(|missing| missing["grant"] == "tcp").expect("the import is listed");
    assert_eq!(tcp["weight"], "optional");
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

/// Calls of the guest `shapes`: shared types in parameters, results and errors, across two interfaces.
const SHAPES: &str = r#"
    [tasks.moved]
    call = "shapes.by"
    args.what = { polygon = [{ x = 0, y = 0 }, { x = 4, y = 0 }, { x = 4, y = 2 }, { x = 0, y = 2 }] }
    args.offset = { x = 1, y = 1 }
    [tasks.summary]
    call = "shapes.summarise"
    args.of = { task = "moved" }
    [tasks.centre]
    call = "shapes.centre"
    args.of = { task = "summary" }
    [tasks.flat]
    call = "shapes.summarise"
    args.of = { dot = { x = 1, y = 1 } }
    on-error = "value"
    [outputs]
    summary = { task = "summary" }
    centre = { task = "centre" }
    flat = { task = "flat" }
"#;

#[test]
fn imports_that_have_only_types_need_nothing() {
    let mut guests = vec![build_rust_guests().join("shapes.wasm")];
    if !Toolchain::Python.is_declined() {
        guests.push(build_python_shapes().to_owned());
    }
    if !Toolchain::JavaScript.is_declined() {
        guests.push(build_javascript_shapes().to_owned());
    }
    for guest in guests {
        let component = format!("[components.shapes]\npath = \"{}\"\n", guest.display());
        let project = Project::new(&(component + SHAPES));
        assert_eq!(
            project.run().expect(0).json(),
            json!({
                "summary": { "area": 8.0, "centre": { "x": 3.0, "y": 2.0 } },
                "centre": { "x": 3.0, "y": 2.0 },
                "flat": { "err": "flat" },
            })
        );
        project.command("check").run().expect(0);
        assert!(!project.command("plan").run().expect(0).text().contains("test:shapes/types"));
        let inspected = Host::new(["inspect", &guest.display().to_string()]).run().expect(0).text();
        let types = inspected.lines().find(|line| line.contains("test:shapes/types@1.0.0"));
        assert!(types.is_some_and(|line| line.contains("types only: needs nothing")), "{inspected}");
    }
}
