//! Buffers a run's events for the journal: events go in, a batch comes out.
//! Bounded regardless of guests: a full buffer drops the least important events first, and marks the gap. `journal`
//! appends the batches.

use crate::events::{CallFact, Event, Fact, FailureFact, Subject, to_json_line};
use crate::model::{FailureClass, RunId, Timestamp, excerpt, own_words};
use crate::state::{Batch, EpochNote, HostId, LogLine, LogPart, Note, NotedCall, Phase, Piece, Usage, keep};
use std::collections::{HashMap, VecDeque};

/// Maximum number of queued events. Only short elements produce more in a tenth of a second, and few of those matter.
const MAX_EVENTS: usize = 1024;

/// Maximum bytes of queued guest output, over all nodes: guests may write faster than a backend stores.
const MAX_LINES: usize = 4 << 20;

/// Elements from this index on get a note only if they fail: a list of a million must not fill the backend. Of elements of
/// elements, those get one whose positions, counted from 1, have at most this product: about ten times as many.
const MAX_NOTED: u32 = 1_000_000;

/// Maximum number of nodes with queued notes. A backend that accepts none for long must not fill the memory.
const MAX_QUEUED: usize = 100_000;

/// Maximum length of a failure in a note, in characters; the whole message is in the failure's record.
const MAX_MESSAGE: usize = 500;

/// Bookkeeping cost of a line besides its text, in bytes.
const LINE_COST: usize = 32;

/// Events on their way to a journal.
pub(crate) struct JournalBuffer {
    run: RunId,
    host: HostId,
    number: u64,
    name: Option<String>,
    epoch: u64,
    /// How the epoch began, until the first batch takes it.
    epoch_note: Option<EpochNote>,
    events: VecDeque<Event>,
    left_out: u64,
    /// New notes of each node, oldest first.
    notes: HashMap<String, Vec<Note>>,
    /// Calls that have not begun, by node.
    calls: HashMap<String, CallFact>,
    /// The last notes of nodes in progress on this host.
    live: HashMap<String, Note>,
    lines: HashMap<String, Vec<LogPart>>,
    line_bytes: usize,
    is_closed: bool,
}

impl JournalBuffer {
    /// Creates an empty buffer for one host's events.
    pub(crate) fn new(run: RunId, host: HostId, (epoch, epoch_note): (u64, Option<EpochNote>)) -> Self {
        Self {
            run,
            host,
            number: 0,
            name: None,
            epoch,
            epoch_note,
            events: VecDeque::new(),
            left_out: 0,
            notes: HashMap::new(),
            calls: HashMap::new(),
            live: HashMap::new(),
            lines: HashMap::new(),
            line_bytes: 0,
            is_closed: false,
        }
    }

    /// Stops accepting events.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
    }

    /// Returns whether the buffer is closed.
    pub(crate) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Adds an event. Returns whether it is the first since the last batch.
    pub(crate) fn note(&mut self, event: &Event) -> bool {
        if self.is_closed {
            return false;
        }
        let was_empty = self.is_empty();
        if let Fact::RunStarted { name, .. } | Fact::RunResumed { name, .. } = &event.fact {
            self.name = Some(name.clone());
        }
        match (&event.fact, &event.subject) {
            // Log lines are kept per node: in the stream of events they would crowd out everything else.
            (Fact::TaskLog { stream, text }, Some(subject)) => self.line(event.at, subject, stream, text),
            (Fact::TaskProgress { .. }, _) => {}
            (_, Some(subject)) => {
                self.update(event, subject);
                self.event(event);
            }
            (_, None) => self.event(event),
        }
        was_empty && !self.is_empty()
    }

    /// Adds what the next attempt or the cached result of a node depends on.
    pub(crate) fn call(&mut self, subject: &Subject, call: &CallFact) {
        if !self.is_closed {
            self.calls.insert(subject.node_name(), call.clone());
        }
    }

    /// Takes everything queued as a batch; `None` if the buffer is empty.
    pub(crate) fn take(&mut self) -> Option<Batch> {
        if self.is_empty() {
            return None;
        }
        self.number += 1;
        self.line_bytes = 0;
        let logs = std::mem::take(&mut self.lines).into_iter();
        let notes = std::mem::take(&mut self.notes).into_iter();
        Some(Batch {
            host: self.host.clone(),
            number: self.number,
            name: self.name.take(),
            events: self.take_events(),
            epoch: self.epoch_note.take(),
            notes: notes
                .flat_map(|(name, notes)| notes.into_iter().map(move |note| (name.clone(), note)))
                .collect(),
            logs: logs.map(|(name, parts)| (name, Piece::new(&parts))).collect(),
        })
    }

    fn take_events(&mut self) -> Vec<bytes::Bytes> {
        let left_out = std::mem::take(&mut self.left_out);
        let oldest = self.events.front().map(|event| event.at);
        let mark = oldest.filter(|_| left_out > 0).map(|at| {
            let message = format!("{left_out} events of elements were dropped here");
            Event { at, subject: None, fact: Fact::Warning { code: "events-left-out".into(), message } }
        });
        let events = mark.into_iter().chain(std::mem::take(&mut self.events));
        events
            .map(|event| {
                let mut line = to_json_line(&self.run, &self.host.0, &event);
                line.pop(); // the newline
                line.into()
            })
            .collect()
    }

    fn is_empty(&self) -> bool {
        // How the epoch began goes along with the first event.
        self.events.is_empty() && self.notes.is_empty() && self.lines.is_empty()
    }

    fn event(&mut self, event: &Event) {
        let is_element = event.subject.as_ref().is_some_and(Subject::is_part);
        let is_step = matches!(event.fact, Fact::TaskReady | Fact::TaskStarted | Fact::TaskFinished { .. });
        // A full buffer first drops the routine steps of elements and iterations, the most numerous and least important events.
        if self.events.len() >= MAX_EVENTS && is_element && is_step {
            self.left_out += 1;
            return;
        }
        // At twice the bound, the oldest event goes, whatever it is.
        if self.events.len() >= 2 * MAX_EVENTS {
            self.left_out += 1;
            self.events.pop_front();
        }
        self.events.push_back(event.clone());
    }

    fn line(&mut self, at: Timestamp, subject: &Subject, stream: &str, text: &str) {
        let parts = self.lines.entry(subject.node_name()).or_default();
        let cost = text.len() + LINE_COST;
        if self.line_bytes + cost > MAX_LINES {
            // A single gap marks any number of dropped lines.
            if parts.last() != Some(&LogPart::Gap) {
                parts.push(LogPart::Gap);
            }
            return;
        }
        self.line_bytes += cost;
        parts.push(LogPart::Line(LogLine {
            at,
            attempt: subject.attempt.unwrap_or(1),
            stream: stream.to_owned(),
            text: text.to_owned(),
        }));
    }

    fn update(&mut self, event: &Event, subject: &Subject) {
        let name = subject.node_name();
        let live = self.live.remove(&name);
        let Some(note) = self.next_note(event, subject, live) else {
            return;
        };
        // Another host may make the next attempt, so what waits for one is bounded.
        let is_live = match note.phase {
            Phase::Ready | Phase::Running => true,
            Phase::Retrying => self.live.len() < MAX_QUEUED,
            Phase::Done | Phase::Cached | Phase::Failed | Phase::Skipped => false,
        };
        if is_live {
            self.live.insert(name.clone(), note.clone());
        }
        let is_kept = note.phase == Phase::Failed
            || is_noted(subject) && (self.notes.len() < MAX_QUEUED || self.notes.contains_key(&name));
        if is_kept {
            keep(self.notes.entry(name).or_default(), note);
        }
    }

    /// Returns the new note of a node after an event; `None` if the event changes none.
    fn next_note(&mut self, event: &Event, subject: &Subject, live: Option<Note>) -> Option<Note> {
        let name = subject.node_name();
        let before = live.as_ref();
        let fresh = |phase| Note {
            epoch: self.epoch,
            attempts: subject.attempt.unwrap_or(0),
            ready: before.and_then(|note| note.ready),
            started: before.and_then(|note| note.started),
            blocked: before.and_then(|note| note.blocked.clone()),
            call: before.and_then(|note| note.call.clone()),
            ..Note::new(self.host.clone(), phase)
        };
        let ended = |phase| Note { ended: Some(event.at), ..fresh(phase) };
        // The next attempt of this host goes on with the limits that have grown.
        let grown = |note: Note, (memory, timeout): (Option<u64>, Option<u64>)| Note {
            memory_limit: memory.or(before.and_then(|note| note.memory_limit)),
            timeout_ms: timeout.or(before.and_then(|note| note.timeout_ms)),
            ..note
        };
        let called = |note: Note, call: Option<CallFact>| match call {
            Some(CallFact { callee, args, cached_from }) => {
                Note { call: Some(NotedCall { callee, args }), cached_from, ..note }
            }
            None => note,
        };
        match &event.fact {
            Fact::TaskReady => {
                Some(Note { ready: Some(event.at), started: Some(event.at), ..fresh(Phase::Ready) })
            }
            // A task that repeats has begun with the first iteration on this host.
            Fact::TaskStarted => {
                let begun = before.and_then(|note| note.started);
                let begun = begun.filter(|_| subject.iteration.is_some_and(|iteration| iteration > 0));
                let started =
                    Note { started: begun.or(Some(event.at)), ..grown(fresh(Phase::Running), (None, None)) };
                Some(called(started, self.calls.remove(&name)))
            }
            Fact::TaskFinished { duration_ms, memory_bytes, fuel, .. } => {
                let usage = Usage { duration_ms: *duration_ms, memory_bytes: *memory_bytes, fuel: *fuel };
                // After an iteration, the node waits for the next one.
                let phase = if subject.iteration.is_some() { Phase::Ready } else { Phase::Done };
                Some(Note { usage: Some(usage), ..ended(phase) })
            }
            Fact::TaskCached { .. } => {
                let phase = if subject.iteration.is_some() { Phase::Ready } else { Phase::Cached };
                Some(called(ended(phase), self.calls.remove(&name)))
            }
            Fact::TaskRetrying { delay_ms, failure, memory_bytes, timeout_ms } => {
                let retrying = grown(ended(Phase::Retrying), (*memory_bytes, *timeout_ms));
                Some(Note { failure: Some(summary(failure)), delay_ms: Some(*delay_ms), ..retrying })
            }
            Fact::TaskFailed(failure) | Fact::TaskSkipped { failure: Some(failure), .. } => {
                self.calls.remove(&name);
                Some(Note { failure: Some(summary(failure)), ..ended(Phase::Failed) })
            }
            Fact::TaskBlocked { resource, .. } => {
                let mut note = live?;
                note.blocked.get_or_insert_with(|| (resource.clone(), event.at));
                Some(note)
            }
            // The new claim holder writes the note now; this host must not overwrite it.
            Fact::TaskLeaseLost => {
                self.notes.remove(&name);
                self.calls.remove(&name);
                None
            }
            // The ledger stores the reason. Of elements there may be millions.
            Fact::TaskSkipped { failure: None, cause, .. } if !subject.is_element() => {
                Some(Note { cause: cause.clone(), ..ended(Phase::Skipped) })
            }
            Fact::TaskSkipped { failure: None, .. } => None,
            Fact::RunStarted { .. }
            | Fact::RunResumed { .. }
            | Fact::RunFinished { .. }
            | Fact::RunEnding { .. }
            | Fact::TaskStored
            | Fact::TaskTakenOver { .. }
            | Fact::TaskProgress { .. }
            | Fact::TaskLog { .. }
            | Fact::OutputFailed { .. }
            | Fact::StateReconnected
            | Fact::Warning { .. } => {
                self.live.extend(live.map(|live| (name, live)));
                None
            }
        }
    }
}

/// Returns whether a node gets a note before it fails: elements of elements count as if they were numbered in one row.
fn is_noted(subject: &Subject) -> bool {
    let own = subject.item.into_iter();
    let mut positions = subject.task.indexes().chain(own).map(|index| u64::from(index) + 1);
    let product = positions.try_fold(1_u64, u64::checked_mul);
    product.is_some_and(|product| product <= u64::from(MAX_NOTED))
}

fn summary(failure: &FailureFact) -> (FailureClass, String) {
    (failure.class, excerpt(own_words(&failure.error), MAX_MESSAGE).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TaskName;
    use crate::state::EpochStart;

    fn pending() -> JournalBuffer {
        JournalBuffer::new(RunId::new("r1").unwrap(), HostId("h1".into()), (1, None))
    }

    fn event(millis: i64, item: Option<u32>, attempt: u32, fact: Fact) -> Event {
        let subject =
            Subject { task: TaskName::new("count").unwrap(), item, iteration: None, attempt: Some(attempt) };
        Event { at: Timestamp::from_millis(millis), subject: Some(subject), fact }
    }

    fn failure(error: &str) -> FailureFact {
        FailureFact { class: FailureClass::Trap, error: error.into() }
    }

    fn finished() -> Fact {
        Fact::TaskFinished {
            duration_ms: 2.0,
            output_bytes: 3,
            memory_bytes: 4,
            fuel: None,
            iterations: None,
        }
    }

    #[test]
    fn note_follows_the_events_of_its_node() {
        let mut pending = pending();
        let retrying = Fact::TaskRetrying {
            delay_ms: 1,
            memory_bytes: None,
            timeout_ms: None,
            failure: failure("boom\n  at f"),
        };
        assert!(pending.note(&event(10, None, 1, Fact::TaskStarted)));
        assert!(!pending.note(&event(20, None, 1, retrying)));
        let batch = pending.take().unwrap();
        let (name, note) = &batch.notes[0];
        assert_eq!((name.as_str(), note.phase, note.attempts), ("count", Phase::Retrying, 1));
        assert_eq!(note.started.map(Timestamp::as_millis), Some(10));
        assert_eq!(note.failure, Some((FailureClass::Trap, "boom".to_owned())));
        pending.note(&event(30, None, 2, Fact::TaskStarted));
        pending.note(&event(40, None, 2, finished()));
        let batch = pending.take().unwrap();
        let (_, note) = &batch.notes[0];
        assert_eq!((batch.number, note.phase, note.attempts), (2, Phase::Done, 2));
        assert_eq!(note.started.map(Timestamp::as_millis), Some(30));
        assert_eq!(note.usage, Some(Usage { duration_ms: 2.0, memory_bytes: 4, fuel: None }));
        assert_eq!(pending.take(), None);
    }

    #[test]
    fn iterations_share_the_note_and_the_log_of_their_task() {
        let mut pending = pending();
        let of_iteration = |millis, iteration, fact| {
            let mut event = event(millis, None, 1, fact);
            event.subject.as_mut().unwrap().iteration = Some(iteration);
            event
        };
        let line = |text: &str| Fact::TaskLog { stream: "stdout".into(), text: text.into() };
        pending.note(&of_iteration(10, 0, Fact::TaskStarted));
        pending.note(&of_iteration(11, 0, line("first")));
        pending.note(&of_iteration(20, 0, finished()));
        pending.note(&of_iteration(30, 1, Fact::TaskStarted));
        pending.note(&of_iteration(31, 1, line("second")));
        pending.note(&of_iteration(40, 1, finished()));
        let batch = pending.take().unwrap();
        let [(name, note)] = &batch.notes[..] else { panic!("{:?}", batch.notes) };
        assert_eq!((name.as_str(), note.phase), ("count", Phase::Ready));
        let times = [note.started, note.ended].map(|at| at.map(Timestamp::as_millis));
        assert_eq!(times, [Some(10), Some(40)]);
        let [(_, log)] = &batch.logs[..] else { panic!("{:?}", batch.logs) };
        let texts: Vec<String> = LogPart::read(log.as_bytes()).into_iter().filter_map(text_of).collect();
        assert_eq!(texts, ["first", "second"]);
        pending.note(&event(50, None, 1, finished()));
        assert_eq!(pending.take().unwrap().notes[0].1.phase, Phase::Done);
    }

    fn text_of(part: LogPart) -> Option<String> {
        match part {
            LogPart::Line(line) => Some(line.text),
            LogPart::Gap => None,
        }
    }

    #[test]
    fn lost_node_gets_no_note() {
        let mut pending = pending();
        pending.note(&event(10, None, 1, Fact::TaskStarted));
        pending.note(&event(20, None, 1, Fact::TaskLeaseLost));
        let batch = pending.take().unwrap();
        assert_eq!((batch.notes.len(), batch.events.len()), (0, 2));
        assert!(pending.live.is_empty());
    }

    #[test]
    fn full_buffer_drops_events_of_elements_first() {
        let mut pending = pending();
        for item in 0..5_000 {
            pending.note(&event(0, Some(item), 1, finished()));
        }
        pending.note(&event(0, Some(9_999), 1, Fact::TaskFailed(failure("no"))));
        let batch = pending.take().unwrap();
        let first = std::str::from_utf8(&batch.events[0]).unwrap();
        assert!(first.contains("\"events-left-out\"") && first.contains("3976 events"), "{first}");
        assert!(batch.events.last().unwrap().windows(11).any(|part| part == b"task.failed"));
        assert_eq!(batch.events.len(), MAX_EVENTS + 2);
        assert!(batch.events.iter().all(|line| !line.contains(&b'\n')));
    }

    #[test]
    fn high_elements_get_a_note_only_if_they_fail() {
        let mut pending = pending();
        pending.note(&event(0, Some(MAX_NOTED), 1, finished()));
        pending.note(&event(0, Some(MAX_NOTED + 1), 1, Fact::TaskFailed(failure("no"))));
        let batch = pending.take().unwrap();
        assert_eq!(batch.notes.len(), 1);
        assert_eq!(batch.notes[0].0, format!("count[{}]", MAX_NOTED + 1));
    }

    #[test]
    fn notes_are_bounded_over_elements_of_elements() {
        let mut pending = pending();
        let mut note = |name: &str, item| {
            let mut event = event(0, item, 1, finished());
            event.subject.as_mut().unwrap().task = TaskName::of_node(name).unwrap();
            pending.note(&event);
        };
        note("clean[3]/count", None);
        note("clean[999]/count", Some(999));
        note("clean[1000]/count", Some(999));
        note("clean[1000000]/count", None);
        note("clean[4294967295]/inner[4294967295]/count", Some(u32::MAX));
        let batch = pending.take().unwrap();
        let mut names: Vec<&str> = batch.notes.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["clean[3]/count", "clean[999]/count[999]"]);
    }

    #[test]
    fn log_lines_are_bounded_and_gaps_are_marked() {
        let mut pending = pending();
        let text = "x".repeat(1 << 20);
        for _ in 0..6 {
            pending.note(&event(0, None, 1, Fact::TaskLog { stream: "stdout".into(), text: text.clone() }));
        }
        let batch = pending.take().unwrap();
        let kept = LogPart::read(batch.logs[0].1.as_bytes());
        assert_eq!(kept.len(), 4);
        assert_eq!(kept.last(), Some(&LogPart::Gap));
        assert!(batch.events.is_empty());
    }

    #[test]
    fn how_the_epoch_began_goes_with_the_first_event() {
        let note = EpochNote {
            epoch: 3,
            at: Timestamp::from_millis(0),
            start: EpochStart::Created,
            changes: Vec::new(),
            rerun: Vec::new(),
        };
        let host = HostId("h1".into());
        let mut pending = JournalBuffer::new(RunId::new("r1").unwrap(), host, (3, Some(note.clone())));
        assert_eq!(pending.take(), None);
        assert!(pending.note(&event(10, None, 1, Fact::TaskStarted)), "the writer is woken");
        let batch = pending.take().unwrap();
        assert_eq!((batch.epoch, batch.notes[0].1.epoch), (Some(note), 3));
        pending.note(&event(20, None, 1, finished()));
        assert_eq!(pending.take().unwrap().epoch, None);
    }

    #[test]
    fn closed_buffer_accepts_no_events() {
        let mut pending = pending();
        pending.close();
        assert!(!pending.note(&event(0, None, 1, Fact::TaskReady)));
        assert_eq!(pending.take(), None);
    }
}
