//! Tasks that repeat: what is fed, when they end, and what is stored, cached and emitted of each iteration.

use crate::cache::{Cache, MemoryCache};
use crate::engine::tests::draft::*;
use crate::engine::tests::fixture::*;
use crate::engine::{Ended, Interrupt, Verification};
use crate::invoke::Call;
use crate::model::{Capacity, FailureClass, FailurePolicy, Name, Path, RunStatus};
use crate::plan::{Binding, Bound, CacheRule, OnError, Repeat, Resource, ResourceScope, Retry};
use crate::state::Mode;
use crate::value::{ResultType, Type, assign, compose_tuple, pick, wire};
use bytes::Bytes;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// A state, and whether it is the last one.
fn pair_type() -> Type {
    Type::Tuple([Type::String, Type::Bool].into())
}

/// A state that is the last one at this length.
fn pair(state: &str, last: usize) -> Bytes {
    let mut bool_bytes = Vec::new();
    wire::put_bool(&mut bool_bytes, state.len() == last);
    compose_tuple(&[string(state), bool_bytes.into()])
}

/// A task `grow` that repeats, fed by its first argument, and a task after it.
fn growing(max: u32) -> Draft {
    let mut draft = Draft::new();
    let task = draft.task("grow", vec![Binding::Constant(pair("", 1)), literal("x")]);
    (task.output, task.value) = (Some(pair_type()), Some(pair_type()));
    task.repeat = Some(Box::new(Repeat {
        param: 0,
        feed: "p0".into(),
        conversion: assign(&pair_type(), &pair_type()).unwrap(),
        until: Path::parse("[1]").unwrap(),
        max,
    }));
    draft
}

fn state_of(call: &Call) -> String {
    let state = pick(&pair_type(), &call.args[0], &Path::parse("[0]").unwrap()).unwrap().unwrap();
    wire::Reader::new(&state).str().unwrap().to_owned()
}

/// Appends the second argument to the state, which is the last one at this length.
fn grow_to(len: usize) -> impl Fn(&Call) -> ScriptedCall + Send + Sync + Clone + 'static {
    move |call| {
        let grown = state_of(call) + &texts(&call.args)[1];
        returns_value(10, pair(&grown, len))
    }
}

fn iterations_of(report: &RunReport) -> Vec<String> {
    report.calls().into_iter().map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn output_of_a_call_is_the_argument_of_the_next() {
    let mut draft = growing(100);
    draft.task("after", vec![part_of(0, &pair_type(), "[0]", &Type::String)]);
    let report = Fixture::new()
        .run(&draft.bound(), |call| match call.attempt.task.as_str() {
            "grow" => grow_to(3)(call),
            _ => echo(call),
        })
        .await;
    assert_eq!(iterations_of(&report), ["grow@0", "grow@1", "grow@2", "after"]);
    assert_eq!(report.output("grow"), r#"["xxx",true]"#);
    assert_eq!(report.output("after"), r#""after(xxx)""#);
    assert_eq!(report.calls_made[1].started, 10);
}

#[tokio::test(start_paused = true)]
async fn events_tell_iterations_from_their_task() {
    let report = Fixture::new().run(&growing(9).bound(), grow_to(2)).await;
    assert_eq!(report.events("grow"), ["ready", "finished"]);
    for iteration in ["grow@0", "grow@1"] {
        assert_eq!(report.events(iteration), ["started", "finished"]);
    }
    let finished = report.event("grow", "finished");
    assert_eq!((&finished["iterations"], &finished["duration_ms"]), (&2.into(), &20.0.into()));
    let finished = report.event("grow@1", "finished");
    assert_eq!((finished.get("iterations"), &finished["attempt"]), (None, &1.into()));
}

#[tokio::test(start_paused = true)]
async fn first_iteration_may_be_the_last() {
    let report = Fixture::new().run(&growing(1).bound(), grow_to(1)).await;
    assert_eq!((report.output("grow"), report.calls_made.len()), (r#"["x",true]"#, 1));
}

#[tokio::test(start_paused = true)]
async fn task_fails_after_its_last_allowed_iteration_and_goes_on_once_more_are_allowed() {
    let mut fixture = Fixture::new();
    let report = fixture.run(&growing(3).bound(), grow_to(5)).await;
    assert_eq!((report.ended, report.calls_made.len()), (Ended::Run(RunStatus::Failed), 3));
    let failed = report.event("grow", "failed");
    assert_eq!((&failed["class"], failed.get("iteration")), (&"limit".into(), None));
    let error = failed["error"].as_str().unwrap();
    assert!(error.starts_with("`[1]` is not true after 3 iterations, and `max` allows no more"), "{error}");
    // `max` is not in the digest: the run is resumed, not refused.
    let report = fixture.run(&growing(1).bound(), grow_to(5)).await;
    let error = &report.event("grow", "failed")["error"];
    assert!(error.as_str().unwrap().starts_with("`[1]` is not true after 3 iterations, and"), "{error}");
    let report = fixture.run(&growing(9).bound(), grow_to(5)).await;
    assert_eq!(iterations_of(&report), ["grow@3", "grow@4"]);
    assert_eq!(report.output("grow"), r#"["xxxxx",true]"#);
    fixture.mode = Mode::Fresh;
    assert_eq!(fixture.run(&growing(9).bound(), grow_to(5)).await.calls_made.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn each_iteration_is_retried_on_its_own() {
    let mut draft = growing(9);
    let attempts = NonZeroU32::new(2).unwrap();
    Arc::make_mut(&mut draft.tasks[0].policy).retry =
        Retry { attempts, delay: Duration::from_millis(100), jitter: false, ..Retry::default() };
    let report = Fixture::new()
        .run(&draft.bound(), |call| match call.attempt.number {
            1 => fails(10, FailureClass::Trap),
            _ => grow_to(2)(call),
        })
        .await;
    assert_eq!(iterations_of(&report), ["grow@0", "grow@0", "grow@1", "grow@1"]);
    assert_eq!(report.events("grow@1"), ["started", "retrying", "started", "finished"]);
    assert_eq!(report.event("grow@1", "finished")["attempt"], 2);
    assert_eq!(report.events("grow"), ["ready", "finished"]);
}

#[tokio::test(start_paused = true)]
async fn failed_iteration_fails_its_task_and_is_computed_again_by_a_resumed_run() {
    let fixture = Fixture::new();
    let fails_at_2 = |call: &Call| match call.attempt.iteration {
        Some(2) => fails(10, FailureClass::Trap),
        _ => grow_to(4)(call),
    };
    let report = fixture.run(&growing(9).bound(), fails_at_2).await;
    assert_eq!(
        (report.events("grow@2"), report.events("grow")),
        (strings_of(&["started", "failed"]), strings_of(&["ready"]))
    );
    let report = fixture.run(&growing(9).bound(), grow_to(4)).await;
    assert_eq!(iterations_of(&report), ["grow@2", "grow@3"]);
    assert_eq!(report.output("grow"), r#"["xxxx",true]"#);
    // This host has not worked on the task before.
    assert_eq!(report.events("grow"), ["ready", "finished"]);
}

#[tokio::test(start_paused = true)]
async fn iteration_that_does_not_say_whether_it_is_the_last_fails_and_is_computed_again() {
    let ty = || Type::Tuple([Type::String, Type::Option(Arc::new(Type::Bool))].into());
    let mut draft = growing(9);
    (draft.tasks[0].output, draft.tasks[0].value) = (Some(ty()), Some(ty()));
    let repeat = draft.tasks[0].repeat.as_mut().unwrap();
    repeat.until = Path::parse("[1].some").unwrap();
    repeat.conversion = assign(&ty(), &ty()).unwrap();
    let bound = draft.bound();
    let answers = |at: u32, answer: Bytes| {
        move |call: &Call| match call.attempt.iteration {
            Some(iteration) if iteration == at => {
                returns_value(10, compose_tuple(&[string("x"), answer.clone()]))
            }
            _ => returns_value(10, compose_tuple(&[string("x"), Bytes::from_static(b"\xc2")])),
        }
    };
    let fixture = Fixture::new();
    let report = fixture.run(&bound, answers(2, Bytes::from_static(b"\xc0"))).await;
    assert_eq!(iterations_of(&report), ["grow@0", "grow@1", "grow@2"]);
    let failed = report.event("grow@2", "failed");
    assert_eq!(failed["class"], "input");
    assert_eq!(failed["error"], "its result has nothing at `[1].some`, where `until` looks");
    assert_eq!(report.events("grow@2"), ["started", "failed"]);
    let report = fixture.run(&bound, answers(2, Bytes::from_static(b"\xc3"))).await;
    assert_eq!(iterations_of(&report), ["grow@2"]);
    assert_eq!(report.ended, Ended::Run(RunStatus::Succeeded));
}

fn strings_of(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn iteration_that_is_short_of_a_resource_makes_its_task_not_ready_again() {
    let mut draft = growing(9);
    draft.resources.push(Resource {
        name: Name::new("gpu").unwrap(),
        capacity: Capacity::Amount(1),
        scope: ResourceScope::Host,
    });
    draft.tasks[0].resources = vec![(0, 1)];
    for name in ["x", "y", "z"] {
        draft.task(name, vec![]).resources = vec![(0, 1)];
    }
    let report = Fixture::new()
        .run(&draft.bound(), |call| match call.attempt.task.as_str() {
            "grow" => grow_to(4)(call),
            _ => echo(call),
        })
        .await;
    let events = report.events("grow");
    let count = |kind: &str| events.iter().filter(|event| *event == kind).count();
    assert_eq!((count("ready"), count("finished")), (1, 1), "{events:?}");
    assert!(count("blocked") > 0, "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn errors_as_values_are_of_the_whole_task() {
    let as_value = || {
        let mut draft = growing(9);
        draft.tasks[0].on_error = OnError::Value;
        let sides = ResultType { ok: Some(pair_type()), err: Some(Type::String) };
        draft.tasks[0].output = Some(Type::Result(Arc::new(sides)));
        draft.bound()
    };
    let report = Fixture::new().run(&as_value(), grow_to(2)).await;
    assert_eq!(report.output("grow"), r#"{"ok":["xx",true]}"#);
    let report = Fixture::new()
        .run(&as_value(), |call| match call.attempt.iteration {
            Some(1) => returns_error(10, "stuck"),
            _ => grow_to(2)(call),
        })
        .await;
    assert_eq!(report.output("grow"), r#"{"err":"stuck"}"#);
    assert_eq!(report.event("grow", "finished")["iterations"], 1);
    // A task that does not end is no `err`.
    let report = Fixture::new().run(&as_value(), grow_to(99)).await;
    assert_eq!(report.ended, Ended::Run(RunStatus::Failed));
}

fn cached(draft: Draft) -> Arc<Bound> {
    let mut draft = draft;
    draft.tasks[0].cache = CacheRule::Shared(None);
    draft.bound()
}

#[tokio::test(start_paused = true)]
async fn each_iteration_is_cached() {
    let cache: Arc<dyn Cache> = Arc::new(MemoryCache::new());
    let with = || Fixture { cache: Some(Arc::clone(&cache)), ..Fixture::new() };
    with().run(&cached(growing(9)), grow_to(2)).await;
    let again = with().run(&cached(growing(9)), grow_to(2)).await;
    assert_eq!((again.calls_made.len(), again.output("grow")), (0, r#"["xx",true]"#));
    assert_eq!(
        (again.events("grow@1"), again.events("grow")),
        (strings_of(&["cached"]), strings_of(&["ready", "finished"]))
    );
    // A longer repetition with the same first calls, as far as the cache knows, would end where this one did; other
    // arguments miss.
    let mut other = growing(9);
    other.tasks[0].args[1] = literal("y");
    assert_eq!(with().run(&cached(other), grow_to(2)).await.calls_made.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn each_iteration_is_verified() {
    let fixture = Fixture { verification: Verification::Twice, ..Fixture::new() };
    let report = fixture.run(&growing(9).bound(), grow_to(2)).await;
    assert_eq!(iterations_of(&report), ["grow@0", "grow@0", "grow@1", "grow@1"]);
    assert_eq!(report.ended, Ended::Run(RunStatus::Succeeded));
}

#[tokio::test(start_paused = true)]
async fn interrupted_run_goes_on_with_the_next_iteration() {
    let mut fixture = Fixture::new();
    let bound = growing(9).bound();
    let interrupt = async {
        tokio::time::sleep(Duration::from_millis(15)).await;
        fixture.interrupt.send_replace(Interrupt::Drain);
    };
    let (report, ()) = tokio::join!(fixture.run(&bound, grow_to(4)), interrupt);
    assert_eq!((report.ended, report.calls_made.len()), (Ended::Interrupted, 2));
    fixture.interrupt = tokio::sync::watch::Sender::new(Interrupt::None);
    let report = fixture.run(&bound, grow_to(4)).await;
    assert_eq!(iterations_of(&report), ["grow@2", "grow@3"]);
}

#[tokio::test(start_paused = true)]
async fn two_hosts_compute_each_iteration_once() {
    let fixture = Fixture::new();
    let bound = growing(50).bound();
    let (one, other) = tokio::join!(fixture.run(&bound, grow_to(20)), fixture.run(&bound, grow_to(20)));
    let mut all: Vec<String> = one.calls().into_iter().chain(other.calls()).map(str::to_owned).collect();
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!((count, all.len()), (20, 20));
    assert_eq!(one.output("grow"), other.output("grow"));
}

#[tokio::test(start_paused = true)]
async fn elements_may_repeat() {
    let mut draft = growing(9);
    draft.tasks[0].for_each = vec![list_over(&["a", "b"])];
    draft.tasks[0].args[1] = item();
    draft.tasks[0].output = Some(Type::List(Arc::new(pair_type())));
    let bound = draft.bound();
    let fixture = Fixture { policy: FailurePolicy::KeepGoing, ..Fixture::new() };
    let fails_at_1 = |call: &Call| match (call.attempt.item, call.attempt.iteration) {
        (Some(1), Some(1)) => fails(10, FailureClass::Trap),
        _ => grow_to(2)(call),
    };
    let report = fixture.run(&bound, fails_at_1).await;
    assert_eq!(report.events("grow[1]@1"), ["started", "failed"]);
    let report = fixture.run(&bound, grow_to(2)).await;
    assert_eq!(iterations_of(&report), ["grow[1]@1"]);
    assert_eq!(report.output("grow"), r#"[["aa",true],["bb",true]]"#);
}
