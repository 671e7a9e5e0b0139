//! Resources of the manifest and the host's memory bound which guests run together.

use crate::engine::tests::draft::*;
use crate::engine::tests::fixture::*;
use crate::model::{Name, Size};
use crate::plan::Resource;

fn gpu() -> Resource {
    Resource { name: Name::new("gpu").unwrap(), amount: 1, is_shared: false }
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
async fn a_resource_is_taken_while_a_guest_runs() {
    for is_shared in [true, false] {
        let report = Fixture::new().run(&pool(Resource { is_shared, ..gpu() }).bound(), echo).await;
        let began = |task: &str| report.call(task).began;
        assert_eq!((began("a"), began("b"), began("c"), began("free")), (0, 10, 20, 0));
        assert_eq!(report.events("b"), ["ready", "blocked", "started", "finished"]);
        assert_eq!(report.event("b", "blocked")["resource"], "gpu");
    }
}

#[tokio::test(start_paused = true)]
async fn hosts_count_their_own_resources_and_share_the_runs() {
    for (is_shared, together) in [(false, 2), (true, 1)] {
        let bench = Fixture::new();
        let bound = pool(Resource { is_shared, ..gpu() }).bound();
        let (one, other) = tokio::join!(bench.run(&bound, echo), bench.run(&bound, echo));
        let began = one.made.iter().chain(&other.made).filter(|made| made.node != "free" && made.began == 0);
        assert_eq!(began.count(), together);
        assert_eq!(one.outputs(), other.outputs());
    }
}

#[tokio::test(start_paused = true)]
async fn memory_admits_what_fits_and_a_task_beyond_it_runs_alone() {
    let mut draft = Draft::new();
    for (name, mebibytes) in [("a", 60), ("b", 60), ("small", 30), ("huge", 5000)] {
        draft.task(name, vec![]).limits.memory = Size::bytes(mebibytes << 20);
    }
    let bench = Fixture { memory: Size::bytes(100 << 20), ..Fixture::new() };
    let report = bench.run(&draft.bound(), echo).await;
    let began = |task: &str| report.call(task).began;
    assert_eq!((began("a"), began("small"), began("b"), began("huge")), (0, 0, 10, 20));
    assert_eq!(report.event("b", "blocked")["resource"], "host-memory");
}
