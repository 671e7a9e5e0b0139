//! Imports of components against grants of a manifest. `inspect` lists what is needed, `plan` lists unused and
//! missing grants, and `check` refuses what cannot work.

use crate::component;
use crate::guests::Guest;
use cascade_host_tests::{Host, Project, build_rust_guests};
use serde_json::json;

/// A component with a single function, which calls `context`.
fn attempt(grants: &str) -> Project {
    Project::new(&format!(
        "{}{grants}[tasks.t]\ncall = \"g.number\"\n[tasks.u]\ncall = \"g.number\"\n",
        component(Guest::Attempt)
    ))
}

fn inspect(file: &str) -> (String, serde_json::Value) {
    let path = build_rust_guests().join(file).display().to_string();
    let shown = Host::new(["inspect", &path]).run().expect(0).text();
    (shown, Host::new(["inspect", &path, "--json"]).run().expect(0).json())
}

#[test]
fn inspect_prints_needed_grants_as_manifest_lines() {
    let (shown, json) = inspect("attempt.wasm");
    for text in [
        "a call traps unless `context` is granted",
        "[components.attempt.grants]\n  context = true",
        "current",
    ] {
        assert!(shown.contains(text), "{text} is not in:\n{shown}");
    }
    let grant = json["grants"].as_array().expect("grants").iter().find(|grant| grant["grant"] == "context");
    let expected = json!({
        "grant": "context", "weight": "needed", "without": "a call traps",
        "imports": ["cascade:task/context@0.1.0 (current)"],
        "toml": ["[components.attempt.grants]", "context = true"],
    });
    assert_eq!(grant, Some(&expected));
    // Imports of the standard library are commented out: the guest can do without their grants.
    let (shown, json) = inspect("basic.wasm");
    assert!(shown.contains("\n  # clock = true") && !shown.contains("\n  clock = true"), "{shown}");
    let weights = json["grants"].as_array().expect("grants").iter().map(|grant| &grant["weight"]);
    assert!(weights.clone().count() > 3 && weights.clone().all(|weight| weight == "optional"), "{json}");
}

#[test]
fn check_refuses_a_run_that_could_only_trap_and_prints_the_grant() {
    let finished = attempt("").command("check").run().expect(2);
    let finished = finished.says([
        "task `t` cannot run without the grant `context`",
        "cascade:task/context@0.1.0 (current)",
        "call = \"g.number\"",
        "[components.g.grants]",
        "context = true",
    ]);
    assert!(!finished.stderr.contains("task `u`"), "once is enough:\n{}", finished.stderr);
    let with_others = attempt("[components.g.grants]\nclock = true\n").command("check").run().expect(2);
    with_others.says(["context = true  # in `components.g.grants`", "its grants"]);
    attempt("").run().expect(2).says(["cannot run without"]);
    attempt("[components.g.grants]\ncontext = true\n").run().expect(0);
}

#[test]
fn plan_shows_unused_and_missing_grants() {
    // With many functions in a component, its tasks may never call the import.
    let project = Project::new(&format!(
        "{}grants = {{ dns = false, args = [] }}\n{}[tasks.t]\ncall = \"g.progress-steps\"\nargs.n = 1\n\
         [tasks.own]\ncall = \"b.double\"\nargs.x = 1\n",
        component(Guest::HostCalls),
        component(Guest::Basic).replace("components.g", "components.b")
            + "grants.context = true\ngrants.clock = true\n",
    ));
    project.command("check").run().expect(0);
    let shown = project.command("plan").run().expect(0).text();
    for text in [
        "missing grant: context, for cascade:task/context@0.1.0",
        "context = true  # in `components.g.grants`",
        "unused grants: context",
    ] {
        assert!(shown.contains(text), "{text} is not in:\n{shown}");
    }
    let json = project.command("plan").args(["--json"]).run().expect(0).json();
    let task = |name: &str| {
        let tasks = json["tasks"].as_array().expect("tasks");
        tasks.iter().find(|task| task["name"] == name).cloned().expect("the task is there")
    };
    assert_eq!(task("own")["unused_grants"], json!(["context"]));
    let missing = task("t")["missing_grants"].clone();
    let weight_of = |grant: &str| {
        let missing = missing.as_array().expect("a list").iter();
        missing.clone().find(|row| row["grant"] == grant).map(|row| row["weight"].clone())
    };
    assert_eq!(weight_of("context"), Some(json!("needed")));
    assert_eq!(weight_of("clock"), Some(json!("optional")), "{missing}");
    assert_eq!(task("t")["unused_grants"], json!([]));
}

#[test]
fn plan_marks_folders_outside_the_manifests_folder_through_links() {
    let project = Project::basic(
        "grants = { read = [\"inside\", \"way-out:/out\", \"/usr:/usr\"] }\n[tasks.t]\ncall = \"g.double\"\nargs.x = 1\n",
    );
    std::fs::create_dir(project.folder().join("inside")).expect("a folder can be made");
    std::os::unix::fs::symlink("/tmp", project.folder().join("way-out")).expect("a link can be made");
    let json = project.command("plan").args(["--json"]).run().expect(0).json();
    let outside = json["tasks"][0]["outside"].as_array().expect("a list").clone();
    assert!(
        outside.len() == 2 && outside[1] == "/usr" && outside[0].to_string().contains("way-out"),
        "{json}"
    );
    let shown = project.command("plan").run().expect(0).text();
    assert_eq!(shown.matches("(outside").count(), 2, "{shown}");
}
