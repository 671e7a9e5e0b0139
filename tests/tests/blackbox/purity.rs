//! Hermetic tasks: the same call gives the same result, which is what lets results be shared.
//! Caches that outlive a process come with their backends.

use crate::component;
use crate::guests::Guest;
use cascade_host_tests::Project;
use serde_json::json;
use std::time::Duration;

const WORLD: &str =
    "[tasks.now]\ncall = \"g.now\"\n[tasks.wall]\ncall = \"g.wall\"\n[tasks.random]\ncall = \"g.random\"\n";

fn basic(body: &str) -> Project {
    Project::new(&format!("{}{body}", component(Guest::Basic)))
}

#[test]
fn without_grants_clocks_and_chance_are_the_same_in_every_run() {
    let project = basic(WORLD);
    let first = project.run().expect(0).json();
    assert_eq!(project.run().expect(0).json(), first);
}

#[test]
fn with_grants_they_are_real() {
    let project = Project::new(&format!(
        "{}grants = {{ clock = true, random = true }}\n{WORLD}",
        component(Guest::Basic)
    ));
    let (first, second) = (project.run().expect(0).json(), project.run().expect(0).json());
    assert_ne!(first["random"], second["random"]);
    assert!(first["wall"].as_u64() > Some(1_700_000_000_000_000_000), "{first}");
    assert!(first["wall"].as_u64() < second["wall"].as_u64());
}

#[test]
fn a_guest_that_sleeps_without_a_clock_does_not_wait() {
    let project = basic("[tasks.t]\ncall = \"g.sleep-ms\"\nargs.ms = 3_600_000\n");
    let finished = project.run().expect(0);
    assert!(finished.took < Duration::from_secs(20), "{:?}", finished.took);
    assert!(finished.json()["t"].as_u64() >= Some(3_600_000), "{}", finished.text());
}

#[test]
fn the_same_pure_call_is_computed_once_where_there_is_a_cache() {
    let project = basic(
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
fn impure_results_are_shared_only_where_the_author_vouches() {
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
