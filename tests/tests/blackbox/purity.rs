//! Hermetic tasks: the same call gives the same result, so results can be shared.
//! The guest `purity` looks for differences.

use crate::component;
use crate::guests::Guest;
use cascade_host_tests::{Host, Project, Toolchain, build_javascript, build_python};
use serde_json::{Value, json};
use std::time::Duration;

const WORLD: &str =
    "[tasks.now]\ncall = \"g.now\"\n[tasks.wall]\ncall = \"g.wall\"\n[tasks.random]\ncall = \"g.random\"\n";

#[test]
fn without_grants_clocks_and_randomness_are_deterministic() {
    let project = Project::basic(WORLD);
    let first = project.run().expect(0).json();
    assert_eq!(project.run().expect(0).json(), first);
}

#[test]
fn with_grants_clocks_and_randomness_are_real() {
    let project = Project::basic(&format!("grants = {{ clock = true, random = true }}\n{WORLD}"));
    let (first, second) = (project.run().expect(0).json(), project.run().expect(0).json());
    assert_ne!(first["random"], second["random"]);
    assert!(first["wall"].as_u64() > Some(1_700_000_000_000_000_000), "{first}");
    assert!(first["wall"].as_u64() < second["wall"].as_u64());
}

#[test]
fn sleep_without_the_clock_grant_returns_at_once() {
    let project = Project::basic("[tasks.t]\ncall = \"g.sleep-ms\"\nargs.ms = 3_600_000\n");
    let finished = project.run().expect(0);
    assert!(finished.took < Duration::from_secs(20), "{:?}", finished.took);
    assert!(finished.json()["t"].as_u64() >= Some(3_600_000), "{}", finished.text());
}

#[test]
fn pure_call_is_computed_once_with_a_cache() {
    let project = Project::basic(
        "[cache]\nuri = \"memory:\"\n[tasks.a]\ncall = \"g.double\"\nargs.x = 4\n\
         [tasks.b]\ncall = \"g.double\"\nargs.x = 4\nafter = [\"a\"]\n\
         [tasks.c]\ncall = \"g.double\"\nargs.x = 4\nafter = [\"a\"]\ncache = false\n",
    );
    let finished = project.run().expect(0);
    assert_eq!(finished.json(), json!({ "a": 8, "b": 8, "c": 8 }));
    let events = project.events();
    assert_eq!(events.tasks("task.cached"), ["b"]);
    assert!(
        events
            .of("task.cached")
            .next()
            .is_some_and(|event| event["key"].as_str().is_some_and(|key| key.len() == 64))
    );
    let off = project.host().args(["--cache", "off"]).run().expect(0);
    assert_eq!(off.json(), finished.json());
    assert!(project.events().tasks("task.cached").is_empty());
}

#[test]
fn impure_results_are_cached_only_with_cache_true() {
    let component = format!("{}grants.random = true\n", component(Guest::Basic));
    let project = Project::new(&format!(
        "[cache]\nuri = \"memory:\"\n{component}{}",
        "[tasks.a]\ncall = \"g.random\"\n[tasks.b]\ncall = \"g.random\"\nafter = [\"a\"]\n\
         [tasks.c]\ncall = \"g.random\"\nafter = [\"b\"]\ncache = true\n\
         [tasks.d]\ncall = \"g.random\"\nafter = [\"c\"]\ncache = true\n"
    ));
    let shown = project.run().expect(0).json();
    assert_ne!(shown["a"], shown["b"]);
    assert_eq!(shown["c"], shown["d"]);
    assert_eq!(project.events().tasks("task.cached"), ["d"]);
}

/// A single call, and the same call for several elements.
const LOOKS: &str = "[tasks.look]\ncall = \"g.look\"\nargs.x = 7\n\
     [tasks.each]\ncall = \"g.look\"\nfor-each.x = [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]\nargs.x = { item = \"x\" }\n\
     [tasks.other]\ncall = \"g.look\"\nargs.x = 8\n";

/// Returns the same run in environments with as little as possible in common.
fn hosts_in_different_environments(project: &Project) -> Vec<Host> {
    let elsewhere = Host::new(["run"]).args([&*project.folder().join("manifest.toml").display().to_string()]);
    vec![
        project.command("run").args(["-j", "1"]),
        project.command("run").args(["-j", "8"]).env("LANG", "de_DE.UTF-8").env("TZ", "Asia/Tokyo"),
        elsewhere.within(std::path::Path::new("/")).args(["-j", "3"]).env("HOME", "/nonexistent"),
        project.command("run").args(["--state", "memory:", "--memory", "300MiB"]).env("RUST_LOG", "trace"),
    ]
}

/// Runs all of them concurrently, each under the load of the others, and asserts equal results.
#[track_caller]
fn assert_same_everywhere(project: &Project) -> Value {
    let alone = project.run().expect(0).json();
    let running: Vec<_> = hosts_in_different_environments(project).into_iter().map(Host::start).collect();
    for process in running {
        let seen = process.wait().expect(0).json();
        for task in ["look", "other"] {
            assert_equal(&alone[task], &seen[task]);
        }
        let elements = seen["each"].as_array().expect("a list");
        for element in elements {
            assert_equal(&alone["look"], element);
        }
    }
    alone
}

/// Asserts equality, and shows only the differences.
#[track_caller]
fn assert_equal(one: &Value, other: &Value) {
    let (one, other) = (one.as_array().expect("a list"), other.as_array().expect("a list"));
    let differing = one.iter().zip(other).find(|(one, other)| one != other);
    assert!(one.len() == other.len() && !one.is_empty() && differing.is_none(), "{differing:#?}");
}

#[test]
fn rust_guest_observes_no_differences() {
    let project = Project::new(&format!("{}{LOOKS}", component(Guest::Purity)));
    let seen = assert_same_everywhere(&project);
    let sight = |task: &str, tried: &str| {
        let all = seen[task].as_array().expect("a list").iter();
        all.clone().find(|sight| sight["tried"] == tried).map(|sight| sight["seen"].clone()).expect(tried)
    };
    // Another call has another seed, so that repeated samples are independent.
    for tried in ["random u64", "random bytes", "insecure u64", "order of a map"] {
        assert_ne!(sight("look", tried), sight("other", tried), "{tried}");
    }
    for (tried, nothing) in [
        // Hash tables have one seed per call. A timer that is only polled is due at once.
        ("the same seed again", "true"),
        ("a timer that is asked", "[false, true, true]"),
        ("fresh pages", "0"),
        ("growth by too much", "18446744073709551615"),
        ("variables", "[]"),
        ("arguments", "[]"),
        ("another thread", "false"),
        ("terminal", "(false, false)"),
        ("input text", "\"\""),
    ] {
        let seen = sight("look", tried);
        let as_pages = nothing.replace("18446744073709551615", "4294967295");
        assert!(seen == nothing || seen == as_pages.as_str(), "{tried}: {seen}");
    }
    for tried in ["root", "processes", "executable", "cores"] {
        let seen = sight("look", tried);
        assert!(seen.as_str().is_some_and(|seen| seen.starts_with("Err(")), "{tried}: {seen}");
    }
}

#[test]
fn every_nan_is_canonical() {
    let project = Project::new(&format!("{}[tasks.t]\ncall = \"g.nans\"\n", component(Guest::Purity)));
    let seen = project.run().expect(0).json();
    let odd: Vec<&Value> = seen["t"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|sight| sight["seen"] != "7fc00000" && sight["seen"] != "7ff8000000000000")
        .collect();
    assert!(odd.is_empty(), "{odd:#?}");
}

#[test]
fn python_guest_observes_no_differences() {
    if Toolchain::Python.is_declined() {
        return;
    }
    let path = build_python().display();
    let project = Project::new(&format!("[components.g]\npath = \"{path}\"\n{LOOKS}"));
    let seen = assert_same_everywhere(&project);
    assert!(seen["look"].to_string().contains("variables: {}"), "{seen}");
}

#[test]
fn javascript_guest_observes_no_differences() {
    if Toolchain::JavaScript.is_declined() {
        return;
    }
    let path = build_javascript().display();
    let project = Project::new(&format!("[components.g]\npath = \"{path}\"\n{LOOKS}"));
    assert_same_everywhere(&project);
}
