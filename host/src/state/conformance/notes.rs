//! Conformance of notes: which notes of a node are kept, reading those of all nodes, and those of epochs.
//! The journal's other entries have their cases in `journal.rs`.

use crate::model::{Random, Timestamp};
use crate::state::conformance::fixture::{Fixture, Harness, must};
use crate::state::{
    Batch, EpochNote, EpochStart, HostId, LogLine, LogPart, Note, NotedCall, Phase, Piece, Usage, keep,
};
use std::collections::{BTreeMap, HashMap};

fn batch(host: &str, number: u64, notes: Vec<(String, Note)>) -> Batch {
    Batch { host: HostId(host.into()), number, name: None, events: vec![], epoch: None, notes, logs: vec![] }
}

/// Of each node, the latest note is kept, with failed attempts of its epoch and the last note of the epoch before.
pub async fn kept_notes_follow_the_rule(harness: &dyn Harness) {
    use Phase::{Cached, Done, Failed, Ready, Retrying, Running, Skipped};
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let _host = bench.open().await;
    let mut random = Random::seeded(20);
    let names =
        ["t0", "t0[0]", "t0[127]", "t0[128]", "t0[4294967295]", "p[9]/t", "p[9]/t[200]", "p[300]/t[9]"];
    let mut expected: HashMap<&str, Vec<Note>> = HashMap::new();
    let mut epoch = 1;
    // So many that a backend that compacts what it keeps does so.
    for number in 1..=800 {
        let host = HostId(if random.below(2) == 0 { "host-1" } else { "host-2" }.into());
        let mut notes = Vec::new();
        for _ in 0..=random.below(6) {
            let name = names[usize::try_from(random.below(8)).unwrap_or_default()];
            let phases = [Ready, Running, Retrying, Retrying, Retrying, Done, Cached, Failed, Skipped];
            let phase = phases[usize::try_from(random.below(9)).unwrap_or_default()];
            epoch += u64::from(random.below(40) == 0);
            // A paused host still writes notes of an epoch that has passed.
            let late = u64::from(random.below(10) == 0);
            let note = Note {
                epoch: epoch.saturating_sub(late).max(1),
                attempts: u32::try_from(number).unwrap_or_default(),
                ready: Some(Timestamp::from_millis(1_795_486_500_123)),
                ended: Some(Timestamp::from_millis(1_795_486_500_125)),
                usage: Some(Usage { duration_ms: 0.125, memory_bytes: 7, fuel: None }),
                call: Some(NotedCall { callee: number, args: vec![0, u64::MAX] }),
                ..Note::new(host.clone(), phase)
            };
            keep(expected.entry(name).or_default(), note.clone());
            notes.push((name.to_owned(), note));
        }
        must(bench.backend.append(&bench.run(), &batch(&host.0, number, notes)).await);
    }
    for name in names {
        let kept = must(bench.backend.history(&bench.run(), name).await);
        assert_eq!(kept, expected.remove(name).unwrap_or_default(), "{name}");
        let view = must(bench.backend.nodes(&bench.run(), &[name.to_owned()]).await).remove(0);
        assert_eq!(view.note, kept.last().cloned(), "{name}");
    }
    assert_eq!(must(bench.backend.history(&bench.run(), "t0[1]").await), []);
}

/// The notes of all nodes are read in pages.
pub async fn notes_of_all_nodes_are_read_in_pages(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let _host = bench.open().await;
    assert_eq!(must(bench.backend.notes(&bench.run(), None).await).nodes, []);
    let name = |number: u32| match number % 3 {
        0 => format!("t{number}"),
        1 => format!("list[{number}]"),
        _ => format!("pipe[{number}]/t"),
    };
    let note = |number: u32| Note { attempts: number, ..Note::new(HostId("host-1".into()), Phase::Done) };
    for (number, from) in (1..).zip((0..30_000).step_by(1000)) {
        let notes = (from..from + 1000).map(|number| (name(number), note(number))).collect();
        must(bench.backend.append(&bench.run(), &batch("host-1", number, notes)).await);
    }
    let mut found = BTreeMap::new();
    let (mut after, mut pages) = (None, 0);
    loop {
        let page = must(bench.backend.notes(&bench.run(), after.as_deref()).await);
        pages += 1;
        found.extend(page.nodes);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let expected: BTreeMap<String, Vec<Note>> =
        (0..30_000).map(|number| (name(number), vec![note(number)])).collect();
    assert_eq!(found.len(), expected.len());
    assert!(found == expected && pages > 1);
}

/// The output of all guests is read in pages.
pub async fn logs_of_all_nodes_are_read_in_pages(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let _host = bench.open().await;
    let at = Timestamp::from_millis(7);
    let line = |text: String| LogPart::Line(LogLine { at, attempt: 1, stream: "stdout".into(), text });
    let expected: BTreeMap<String, Vec<LogPart>> =
        (0..700).map(|number| (format!("t0[{number}]"), vec![line(number.to_string())])).collect();
    let logs = expected.iter().map(|(name, parts)| (name.clone(), Piece::new(parts))).collect();
    must(bench.backend.append(&bench.run(), &Batch { logs, ..batch("host-1", 1, vec![]) }).await);
    let (mut found, mut after, mut pages) = (BTreeMap::new(), None, 0);
    loop {
        let page = must(bench.backend.logs(&bench.run(), after.as_deref()).await);
        pages += 1;
        found.extend(page.nodes);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(found == expected && pages > 1);
}

/// How an epoch began is stored once, by the first host, and as long as the journal.
pub async fn note_of_an_epoch_is_stored_once(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let _host = bench.open().await;
    assert_eq!(must(bench.backend.epochs(&bench.run()).await), []);
    let first = EpochNote {
        epoch: 1,
        at: Timestamp::from_millis(5),
        start: EpochStart::Updated,
        changes: vec![("t0".into(), "args.x".into())],
        rerun: vec!["t0".into()],
    };
    let second = EpochNote { start: EpochStart::Resumed, ..first.clone() };
    for (number, epoch) in [(1, first.clone()), (2, second)] {
        let batch = Batch { epoch: Some(epoch), ..batch("host-1", number, vec![]) };
        must(bench.backend.append(&bench.run(), &batch).await);
    }
    assert_eq!(must(bench.backend.epochs(&bench.run()).await), [first]);
}
