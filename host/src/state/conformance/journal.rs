//! Conformance of the journal: kept as long as the run, bounded, and appended exactly once.
//! Other access to stored runs has its cases in `archive.rs`.

use crate::model::{RunId, RunStatus, Timestamp};
use crate::state::conformance::fixture::{Fixture, Harness, TIMEOUT, must, must_fail, only};
use crate::state::{
    Batch, ErrorKind, Follow, HostId, JournalPage, LogLine, LogPart, MAX_EVENTS, MAX_LOG, MAX_LOGS, Mode,
    Note, Phase, Piece, Removal,
};
use std::time::Duration;
use tokio::time::Instant;

/// Less than the interval at which a backend looks for news by itself.
const MAX_DELAY: Duration = Duration::from_secs(4);

/// Most attempts of a timing check, because a busy machine may be late.
const TRIALS: u32 = 5;

/// A batch with one event.
fn batch(number: u64) -> Batch {
    let events = vec![b"{\"event\":\"task.ready\"}"[..].into()];
    Batch {
        host: HostId("host-1".into()),
        number,
        name: None,
        events,
        epoch: None,
        notes: vec![],
        logs: vec![],
    }
}

fn note(phase: Phase) -> Note {
    Note::new(HostId("host-1".into()), phase)
}

fn line(text: &str) -> LogPart {
    let at = Timestamp::from_millis(7);
    LogPart::Line(LogLine { at, attempt: 1, stream: "stdout".into(), text: text.into() })
}

fn logs(name: &str, text: &str) -> (String, Piece) {
    (name.to_owned(), Piece::new(&[line(text)]))
}

async fn append(bench: &Fixture, batch: Batch) {
    must(bench.backend.append(&bench.run(), &batch).await);
}

async fn log(bench: &Fixture, name: &str) -> Vec<LogPart> {
    must(bench.backend.log(&bench.run(), name).await)
}

async fn noted(bench: &Fixture, name: &str) -> Option<Note> {
    only(must(bench.backend.nodes(&bench.run(), &[name.to_owned()]).await)).note
}

/// The latest note of each node is kept, and the name of the run.
pub async fn latest_note_of_a_node_is_kept(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await;
    let _host = bench.open().await;
    let notes = vec![("t0".to_owned(), note(Phase::Running)), ("t1[3]".to_owned(), note(Phase::Cached))];
    append(&bench, Batch { notes, name: Some("words".into()), ..batch(1) }).await;
    append(&bench, Batch { notes: vec![("t0".to_owned(), note(Phase::Done))], ..batch(2) }).await;
    assert_eq!(noted(&bench, "t0").await, Some(note(Phase::Done)));
    assert_eq!(noted(&bench, "t1[3]").await, Some(note(Phase::Cached)));
    assert_eq!(noted(&bench, "t1").await, None);
    assert_eq!(must(bench.backend.run(&bench.run()).await).name.as_deref(), Some("words"));
}

/// Guest output is kept by node, in order.
pub async fn logs_are_stored_by_node(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let _host = bench.open().await;
    append(&bench, Batch { logs: vec![logs("t0", "one"), logs("t0[1]", "x")], ..batch(1) }).await;
    append(&bench, Batch { logs: vec![logs("t0", "two")], ..batch(2) }).await;
    assert_eq!(log(&bench, "t0").await, [line("one"), line("two")]);
    assert_eq!(log(&bench, "t0[1]").await, [line("x")]);
    assert_eq!(log(&bench, "t0[2]").await, []);
}

/// A repeated batch is appended once, even if it arrives late.
pub async fn repeated_batch_is_appended_once(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let _host = bench.open().await;
    for number in [1, 1, 2, 1] {
        let text = number.to_string();
        append(&bench, Batch { logs: vec![logs("t0", &text)], ..batch(number) }).await;
    }
    assert_eq!(log(&bench, "t0").await, [line("1"), line("2")]);
    let other = Batch { host: HostId("host-2".into()), logs: vec![logs("t0", "3")], ..batch(1) };
    append(&bench, other).await;
    assert_eq!(log(&bench, "t0").await, [line("1"), line("2"), line("3")]);
}

/// A log keeps its newest part, and a gap at its beginning.
pub async fn full_log_keeps_its_newest_part(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let _host = bench.open().await;
    let long = "x".repeat(MAX_LOG / 2 - 99);
    for (number, begin) in (1..).zip(["a", "b", "c"]) {
        append(&bench, Batch { logs: vec![logs("t0", &format!("{begin}{long}"))], ..batch(number) }).await;
    }
    let kept = log(&bench, "t0").await;
    assert_eq!(kept, [LogPart::Gap, line(&format!("b{long}")), line(&format!("c{long}"))]);
}

/// The logs of a run are bounded: what does not fit is dropped and marked by a gap.
pub async fn logs_of_a_run_are_bounded(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let _host = bench.open().await;
    let long = "x".repeat(MAX_LOG / 2 - 99);
    let full = u64::try_from(MAX_LOGS / long.len()).unwrap_or(u64::MAX);
    for number in 1..=full + 2 {
        let name = format!("t0[{number}]");
        append(&bench, Batch { logs: vec![logs(&name, &long)], ..batch(number) }).await;
    }
    append(&bench, Batch { logs: vec![logs("t0[1]", "more"), logs("t0[2]", "more")], ..batch(full + 3) })
        .await;
    append(&bench, Batch { logs: vec![logs("t0[1]", &long)], ..batch(full + 4) }).await;
    append(&bench, Batch { logs: vec![logs("t0[1]", &long)], ..batch(full + 5) }).await;
    assert_eq!(log(&bench, &format!("t0[{}]", full + 2)).await, [LogPart::Gap]);
    assert_eq!(log(&bench, "t0[1]").await.last(), Some(&LogPart::Gap));
    assert_eq!(log(&bench, "t0[3]").await, [line(&long)]);
}

/// A journal survives resuming, and is discarded by a fresh start.
pub async fn journal_lasts_until_a_fresh_run(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let host = bench.open().await;
    let notes = vec![("t0".to_owned(), note(Phase::Running))];
    append(&bench, Batch { notes, logs: vec![logs("t0", "one")], ..batch(1) }).await;
    bench.gone(host).await;
    let host = bench.open().await;
    assert_eq!(noted(&bench, "t0").await, Some(note(Phase::Running)));
    assert_eq!(log(&bench, "t0").await, [line("one")]);
    bench.gone(host).await;
    bench.mode = Mode::Fresh;
    let _host = bench.open().await;
    assert_eq!(noted(&bench, "t0").await, None);
    assert_eq!(log(&bench, "t0").await, []);
}

/// Appending to a journal does not create a run.
pub async fn journal_creates_no_run(harness: &dyn Harness) {
    let bench = Fixture::new(harness, &[&[]]).await;
    let run = must(RunId::new("nobody"));
    assert_eq!(must_fail(bench.backend.append(&run, &batch(1)).await).kind, ErrorKind::NoRun);
    assert_eq!(must_fail(bench.backend.run(&run).await).kind, ErrorKind::NoRun);
    assert_eq!(must(bench.backend.runs(9).await), []);
}

/// A reader gets each event once, from the oldest kept, as soon as it is appended.
pub async fn events_are_followed_from_the_oldest(harness: &dyn Harness) {
    let mut took = follow(harness).await;
    for _ in 1..TRIALS {
        if took >= MAX_DELAY {
            took = follow(harness).await;
        }
    }
    assert!(took < MAX_DELAY, "the event arrived {took:?} late");
}

/// Follows a run to its end, and returns how long everything after the beginning took.
async fn follow(harness: &dyn Harness) -> Duration {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let host = bench.open().await;
    append(&bench, batch(1)).await;
    let mut follower = bench.other().follow(&bench.run());
    let page = must(follower.next().await);
    assert_eq!((page.events.len(), page.status), (1, RunStatus::Running));
    assert_eq!(page.hosts, [HostId("host-1".into())]);
    let start = Instant::now();
    let (page, ()) = tokio::join!(until(&mut *follower, |page| !page.events.is_empty()), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        append(&bench, Batch { events: vec![b"{}"[..].into(), b"[]"[..].into()], ..batch(2) }).await;
    });
    assert_eq!(page.events, [&b"{}"[..], b"[]"]);
    let (page, _) = tokio::join!(until(&mut *follower, |page| page.status != RunStatus::Running), async {
        host.done(&only(host.claim().await)).await
    });
    assert_eq!((page.status, page.events.len()), (RunStatus::Succeeded, 0));
    let took = start.elapsed();
    must(bench.backend.remove(&bench.run(), Removal::Any).await);
    let gone = async {
        loop {
            if let Err(error) = follower.next().await {
                return error;
            }
        }
    };
    assert_eq!(must(tokio::time::timeout(TIMEOUT, gone).await).kind, ErrorKind::NoRun);
    took
}

/// Reads pages until one matches.
async fn until(follower: &mut dyn Follow, is_it: fn(&JournalPage) -> bool) -> JournalPage {
    loop {
        let page = must(follower.next().await);
        if is_it(&page) {
            return page;
        }
    }
}

/// About the last `MAX_EVENTS` events are kept, in order and without a gap.
pub async fn newest_events_are_kept(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let _host = bench.open().await;
    let (batches, events) = (12, MAX_EVENTS / 10);
    for number in 1..=batches {
        let line = |at: usize| format!("{}", (number - 1) * events + at).into();
        let number = u64::try_from(number).unwrap_or(u64::MAX);
        append(&bench, Batch { events: (0..events).map(line).collect(), ..batch(number) }).await;
    }
    let mut follower = bench.other().follow(&bench.run());
    let mut kept: Vec<usize> = Vec::new();
    while kept.last().is_none_or(|last| *last + 1 < batches * events) {
        let page = must(must(tokio::time::timeout(TIMEOUT, follower.next()).await));
        kept.extend(page.events.iter().map(|line| must(String::from_utf8_lossy(line).parse::<usize>())));
    }
    assert!(kept.windows(2).all(|pair| pair[0] + 1 == pair[1]), "each once and in order");
    let about = MAX_EVENTS * 9 / 10..=MAX_EVENTS * 11 / 10;
    assert!(about.contains(&kept.len()), "{} events", kept.len());
}
