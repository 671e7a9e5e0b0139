//! Limits with an entry an attempt: lists of `limits.memory` and `timeout`.
//! All other repetitions are in `retries`; what is hit at a limit, in `hostile`.

use cascade_host_tests::{Events, Project, Redis, wait_for};
use serde_json::{Value, json};

/// The attempts of `task.retrying`, each with its class and the limits that grow.
fn retrying(events: &Events) -> Vec<(u64, Value, Value, Value)> {
    let retrying = events.of("task.retrying");
    let keys = |event: &Value| {
        let key = |key: &str| event.get(key).cloned().unwrap_or_default();
        (event["attempt"].as_u64().unwrap_or(0), key("class"), key("memory_bytes"), key("timeout_ms"))
    };
    retrying.map(keys).collect()
}

const MEMORY: &str = "limits.memory = [\"16MiB\", \"32MiB\", \"128MiB\"]\nretry = { delay = \"1ms\" }\n";

#[test]
fn attempt_that_needs_more_memory_gets_the_next_entry() {
    let server = Redis::start("");
    for uri in ["memory:", &server.uri()] {
        let project = Project::basic(&format!(
            "[defaults]\n{MEMORY}[tasks.t]\ncall = \"g.grow\"\nfor-each.mib = [50, 1]\nargs.mib = {{ item = \"mib\" }}\n"
        ));
        let finished = project.host().args(["--state", uri]).run().expect(0);
        assert_eq!(finished.json(), json!({ "t": [50, 1] }));
        let mib = |count: u64| json!(count << 20);
        let events = project.events();
        let expected =
            [(1, json!("limit"), mib(32), Value::Null), (2, json!("limit"), mib(128), Value::Null)];
        assert_eq!(retrying(&events), expected);
        assert_eq!(events.of("task.started").count(), 4, "the small element needs one attempt");
        assert!(!finished.stderr.contains("raise it"), "{}", finished.stderr);
        finished.says(["retrying   t[0]  in 1ms with memory 128MiB, limit: `limits.memory` = 32MiB reached"]);
    }
}

#[test]
fn end_of_a_list_is_final_unless_retry_says_more() {
    let task = "[tasks.t]\ncall = \"g.grow\"\nargs.mib = 200\n";
    for (retry, attempts) in [
        ("retry = { attempts = 3, delay = \"1ms\" }", 3),
        ("retry = { attempts = 3, delay = \"1ms\", on = [\"limit\"] }", 5),
    ] {
        let project =
            Project::basic(&format!("{task}limits.memory = [\"16MiB\", \"32MiB\", \"64MiB\"]\n{retry}\n"));
        let finished = project.host().run().expect(1);
        finished.says(["`limits.memory` = 64MiB reached", "to the list `limits.memory`"]);
        assert_eq!(project.events().of("task.started").count(), attempts, "{retry}");
    }
    // Other limits than that of the list do not advance it.
    let project = Project::basic(
        "[tasks.t]\ncall = \"g.big\"\nargs.bytes = 3000\nlimits = { memory = [\"16MiB\", \"32MiB\"], output = \"2KiB\" }\n",
    );
    project.host().run().expect(1).says(["`limits.output` = 2KiB reached"]);
    assert_eq!(project.events().of("task.started").count(), 1);
}

#[test]
fn attempt_that_takes_longer_gets_the_next_timeout() {
    let project = Project::basic(
        "[tasks.t]\ncall = \"g.spin\"\ntimeout = [\"20ms\", \"40ms\"]\nretry = { delay = \"1ms\" }\n",
    );
    project.host().run().expect(1).says(["in 1ms with timeout 40ms, timeout:", "`timeout` = 40ms reached"]);
    assert_eq!(retrying(&project.events()), [(1, json!("timeout"), Value::Null, json!(40))]);
}

#[test]
fn host_that_takes_a_task_over_goes_on_with_its_entry() {
    let server = Redis::start("");
    let project = Project::basic(
        "[tasks.t]\ncall = \"g.grow\"\nargs.mib = 50\nlimits.memory = [\"16MiB\", \"128MiB\"]\n\
         retry = { delay = \"3s\", jitter = false }\n",
    );
    let uri = format!("{}?lease=1s", server.uri());
    let flags = ["--state", &uri, "--run-id", "r1"];
    let names = ["events.jsonl", "other.jsonl"];
    let hosts = names.map(|name| project.other_host(name).args(flags).start());
    let text = |name: &str| std::fs::read_to_string(project.folder().join(name)).unwrap_or_default();
    // A host that comes later would resume the run, which begins with the first entry.
    let have_begun = || names.iter().all(|name| text(name).contains("run.started"));
    wait_for("both hosts", || have_begun().then_some(()));
    let killed =
        wait_for("the first attempt", || names.iter().position(|name| text(name).contains("task.retrying")));
    hosts[killed].signal("KILL");
    for (number, host) in hosts.into_iter().enumerate() {
        let finished = host.wait();
        if number != killed {
            assert_eq!(finished.expect(0).json(), json!({ "t": 50 }));
        }
    }
    let events = Events::read(&names.map(text).concat());
    let attempts: Vec<_> = events.of("task.finished").map(|event| event["attempt"].clone()).collect();
    assert_eq!((attempts, retrying(&events).len()), (vec![json!(2)], 1), "not once more with 16 MiB");
}

#[test]
fn plan_lists_the_entries() {
    let project = Project::basic(&format!(
        "[tasks.t]\ncall = \"g.grow\"\nargs.mib = 1\n{MEMORY}timeout = [\"1s\", \"1m\"]\n"
    ));
    let planned = project.command("plan").run().expect(0).text();
    for text in ["memory 16MiB then 32MiB then 128MiB", "timeout 1s then 1m"] {
        assert!(planned.contains(text), "{planned}");
    }
}
