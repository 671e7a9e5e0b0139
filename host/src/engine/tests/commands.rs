//! Commands in a run: what tells of a program that failed, and which calls of programs share a result.
//! The sandbox runs programs; here a script returns what one left.

use crate::cache::{Cache, MemoryCache};
use crate::engine::Ended;
use crate::engine::tests::draft::*;
use crate::engine::tests::fixture::*;
use crate::model::{Datum, RunStatus};
use crate::plan::{Bound, CacheRule, OnError};
use crate::value::{Collected, Command, CommandOutput, Feed, ResultType, Type, encode};
use bytes::Bytes;
use std::sync::Arc;

fn program() -> Command {
    Command {
        program: "dot".into(),
        feeds: vec![Feed::Arg],
        output: CommandOutput::One(Collected::Text),
        ok_status: vec![0],
    }
}

/// A task that runs a program with one argument.
fn command(command: Command, change: impl FnOnce(&mut Draft)) -> Arc<Bound> {
    let mut draft = Draft { command: Some(Arc::new(command)), ..Draft::new() };
    let task = draft.task("draw", vec![literal("x")]);
    task.error = Some(Command::error_type());
    task.cache = CacheRule::Shared(None);
    change(&mut draft);
    draft.bound()
}

fn failed(status: Option<u8>) -> Bytes {
    let status = status.map_or(Datum::Null, |status| Datum::Int(status.into()));
    let stderr = ("stderr".to_owned(), Datum::Text("no such file\n".into()));
    encode(&Command::error_type(), &Datum::Table(vec![("status".to_owned(), status), stderr])).unwrap()
}

#[tokio::test(start_paused = true)]
async fn program_that_failed_is_an_error_with_its_status() {
    for (status, words) in [
        (Some(3), "the program `dot` exited with status 3"),
        (None, "the program `dot` exited with a status other than 0"),
    ] {
        let report = Fixture::new()
            .run(&command(program(), |_| {}), move |_| returns_failure(1, failed(status)))
            .await;
        assert_eq!(report.ended, Ended::Run(RunStatus::Failed));
        let event = report.event("draw", "failed");
        assert_eq!((&event["class"], &event["error"]), (&"error".into(), &words.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn program_that_failed_may_be_data() {
    let bound = command(program(), |draft| {
        let result = ResultType { ok: Some(Type::String), err: Some(Command::error_type()) };
        draft.tasks[0].on_error = OnError::Value;
        draft.tasks[0].output = Some(Type::Result(Arc::new(result)));
    });
    let report = Fixture::new().run(&bound, |_| returns_failure(1, failed(Some(3)))).await;
    assert_eq!(report.ended, Ended::Run(RunStatus::Succeeded));
    assert_eq!(report.output("draw"), "{\"err\":{\"status\":3,\"stderr\":\"no such file\\n\"}}");
}

#[tokio::test(start_paused = true)]
async fn results_are_shared_by_calls_of_one_shape_alone() {
    let cache: Arc<dyn Cache> = Arc::new(MemoryCache::new());
    let calls = async |bound: &Arc<Bound>| {
        let fixture = Fixture { cache: Some(Arc::clone(&cache)), ..Fixture::new() };
        fixture.run(bound, echo).await.calls_made.len()
    };
    assert_eq!(calls(&command(program(), |_| {})).await, 1);
    assert_eq!(calls(&command(program(), |_| {})).await, 0);
    assert_eq!(calls(&command(program(), |draft| draft.tasks[0].args = vec![literal("y")])).await, 1);
    let others = [
        Command { program: "dat".into(), ..program() },
        Command { feeds: vec![Feed::Stdin], ..program() },
        Command { feeds: vec![Feed::Env("A".into())], ..program() },
        Command { feeds: vec![Feed::Env("B".into())], ..program() },
        Command { output: CommandOutput::One(Collected::Json(Type::String)), ..program() },
        Command { ok_status: vec![0, 1], ..program() },
    ];
    for other in others {
        assert_eq!(calls(&command(other.clone(), |_| {})).await, 1, "{other:?}");
        assert_eq!(calls(&command(other.clone(), |_| {})).await, 0, "{other:?}");
    }
    // A function with the same values is another call.
    let mut function = Draft::new();
    function.task("draw", vec![literal("x")]).cache = CacheRule::Shared(None);
    assert_eq!(calls(&function.bound()).await, 1);
}
