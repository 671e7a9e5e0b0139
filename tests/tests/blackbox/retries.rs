//! Retries: how often, for which failures, and the outcome once they are used up.
//! The effect of a failure on the rest of the run is in `policies`.

use crate::guests::Guest;
use crate::{component, named};
use cascade_host_tests::Project;
use serde_json::json;

fn host_calls(body: &str) -> Project {
    let grants = "grants.context = true\n";
    Project::new(&format!("{}{grants}{}\n{body}", named("h", Guest::HostCalls), component(Guest::Basic)))
}

fn failures(project: &Project, kind: &str) -> Vec<(u64, String)> {
    let events = project.events();
    let fact = |event: &serde_json::Value| {
        (event["attempt"].as_u64().unwrap_or(0), event["class"].as_str().unwrap_or("?").to_owned())
    };
    events.of(kind).map(fact).collect()
}

#[test]
fn errors_and_traps_are_retried_until_they_succeed() {
    for function in ["flaky", "flaky-trap"] {
        let project = host_calls(&format!(
            "[tasks.t]\ncall = \"h.{function}\"\nargs.until = 3\nretry = {{ attempts = 5, delay = \"1ms\" }}\n"
        ));
        assert_eq!(project.run().expect(0).json(), json!({ "t": 3 }));
        let class = if function == "flaky" { "error" } else { "trap" };
        assert_eq!(failures(&project, "task.retrying"), [(1, class.to_owned()), (2, class.to_owned())]);
        assert_eq!(project.events().tasks("task.started").len(), 3);
        assert_eq!(project.events().of("task.failed").count(), 0);
    }
}

#[test]
fn attempts_count_the_first_one() {
    let project = host_calls("[tasks.t]\ncall = \"h.flaky\"\nargs.until = 9\nretry = 2\n");
    project.run().expect(1);
    assert_eq!(failures(&project, "task.retrying").len(), 1);
    assert_eq!(failures(&project, "task.failed"), [(2, "error".to_owned())]);
}

#[test]
fn only_listed_classes_are_retried() {
    let retry = "retry = { attempts = 3, delay = \"1ms\", on = [\"trap\"] }\n";
    let error = host_calls(&format!("[tasks.t]\ncall = \"h.flaky\"\nargs.until = 2\n{retry}"));
    error.run().expect(1);
    let trap = host_calls(&format!("[tasks.t]\ncall = \"h.flaky-trap\"\nargs.until = 2\n{retry}"));
    trap.run().expect(0);
}

#[test]
fn permanent_cases_are_not_retried() {
    let task = |kind: &str| {
        host_calls(&format!(
            "[tasks.t]\ncall = \"g.fails\"\nargs.kind = \"{kind}\"\n\
             retry = {{ attempts = 3, delay = \"1ms\", permanent = [\"gone\"] }}\n"
        ))
    };
    let gone = task("gone");
    gone.run().expect(1).says(["gone"]);
    assert_eq!(gone.events().tasks("task.started").len(), 1);
    let busy = task("busy");
    busy.run().expect(1).says(["busy"]);
    assert_eq!(busy.events().tasks("task.started").len(), 3);
}

#[test]
fn timeout_has_its_own_class_and_is_retried() {
    let project = host_calls(
        "[tasks.t]\ncall = \"g.spin\"\ntimeout = \"50ms\"\nretry = { attempts = 2, delay = \"1ms\", on = [\"timeout\"] }\n",
    );
    let finished = project.run().expect(1).says(["timeout"]);
    assert_eq!(failures(&project, "task.retrying"), [(1, "timeout".to_owned())]);
    assert_eq!(failures(&project, "task.failed"), [(2, "timeout".to_owned())]);
    assert!(finished.took < std::time::Duration::from_secs(30), "{:?}", finished.took);
}

#[test]
fn retry_delay_grows_and_is_reported() {
    let project = host_calls(
        "[tasks.t]\ncall = \"h.flaky\"\nargs.until = 4\n\
         retry = { attempts = 4, delay = \"20ms\", max-delay = \"50ms\", jitter = false }\n",
    );
    project.run().expect(0);
    let events = project.events();
    let waits: Vec<_> = events.of("task.retrying").map(|event| event["delay_ms"].as_u64()).collect();
    assert_eq!(waits, [Some(20), Some(40), Some(50)]);
}

#[test]
fn on_error_value_turns_an_error_into_data() {
    let project = host_calls(
        r#"
        [tasks.all]
        call = "g.maybe-fail"
        for-each.x = [1, 2]
        args.x = { item = "x" }
        on-error = "value"
        [tasks.one]
        call = "g.fails"
        args.kind = { other = "why" }
        on-error = "value"
        [tasks.still-fails]
        call = "g.fails"
        args.kind = "busy"
        "#,
    );
    let finished = project.host().args(["--keep-going"]).run().expect(1);
    let all = finished.json()["all"].clone();
    assert_eq!(all[1], json!({ "ok": 2 }));
    assert!(all[0]["err"].is_string(), "{all}");
    assert_eq!(finished.json()["one"], json!({ "err": { "other": "why" } }));
    assert_eq!(project.events().tasks("task.failed"), ["still-fails"]);
}
