//! Resources of the manifest and the host's memory bound which guests run together.

use crate::engine::tests::draft::*;
use crate::engine::tests::fixture::*;
use crate::model::{Capacity, Name, Size};
use crate::plan::{Resource, ResourceScope};

fn gpu() -> Resource {
    let name = Name::new("gpu").unwrap();
    Resource { name, capacity: Capacity::Amount(1), scope: ResourceScope::Host }
}

fn pool(resource: Resource) -> Draft {
    let mut draft = Draft::new();
    draft.resources.push(resource);
    for name in ["a", "b", "c"] {
        draft.task(name, vec![]).resources = vec![(0, 1)];
    }
    draft.task("free", vec![]);
    draft
}

#[tokio::test(start_paused = true)]
async fn resource_is_taken_while_a_guest_runs() {
    for scope in [ResourceScope::Run, ResourceScope::Host] {
        let report = Fixture::new().run(&pool(Resource { scope, ..gpu() }).bound(), echo).await;
        let started = |task: &str| report.call(task).started;
        assert_eq!((started("a"), started("b"), started("c"), started("free")), (0, 10, 20, 0));
        assert_eq!(report.events("b"), ["ready", "blocked", "started", "finished"]);
        assert_eq!(report.event("b", "blocked")["resource"], "gpu");
    }
}

#[tokio::test(start_paused = true)]
async fn hosts_count_own_resources_each_and_shared_resources_together() {
    for (scope, together) in [(ResourceScope::Host, 2), (ResourceScope::Run, 1)] {
        let fixture = Fixture::new();
        let bound = pool(Resource { scope, ..gpu() }).bound();
        let (first, other) = tokio::join!(fixture.run(&bound, echo), fixture.run(&bound, echo));
        let started = first
            .calls_made
            .iter()
            .chain(&other.calls_made)
            .filter(|record| record.node != "free" && record.started == 0);
        assert_eq!(started.count(), together);
        assert_eq!(first.outputs(), other.outputs());
    }
}

#[tokio::test(start_paused = true)]
async fn memory_admits_fitting_tasks_and_a_larger_task_runs_alone() {
    let mut draft = Draft::new();
    for (name, mebibytes) in [("a", 60), ("b", 60), ("small", 30), ("huge", 5000)] {
        draft.task(name, vec![]).limits.memory = Size::bytes(mebibytes << 20);
    }
    let fixture = Fixture { memory: Size::bytes(100 << 20), ..Fixture::new() };
    let report = fixture.run(&draft.bound(), echo).await;
    let started = |task: &str| report.call(task).started;
    assert_eq!((started("a"), started("small"), started("b"), started("huge")), (0, 0, 10, 20));
    assert_eq!(report.event("b", "blocked")["resource"], "host-memory");
}
