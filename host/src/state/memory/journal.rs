//! The journal of a run in memory: bounded, and kept over the lives of the run until `--fresh`.
//! Access by run id is left to `archive.rs`.

use crate::model::Timestamp;
use crate::state::{Batch, EpochNote, HostId, MAX_EVENTS, MAX_LOG, MAX_LOGS, Note, NotesPage, Piece, keep};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use tokio::sync::watch;

/// Number of nodes in a page of notes.
const PAGE: usize = 1000;

/// The journal of a run.
#[derive(Debug)]
pub(crate) struct RunJournal {
    /// Time of creation of the run.
    pub(crate) created: Timestamp,
    /// The manifest's name.
    pub(crate) name: Option<String>,
    /// The kept notes of each node, oldest first.
    pub(crate) notes: BTreeMap<String, Vec<Note>>,
    /// How the epochs began.
    pub(crate) epochs: BTreeMap<u64, EpochNote>,
    /// The log of each node, in its stored form.
    pub(crate) logs: HashMap<String, Vec<u8>>,
    events: VecDeque<Bytes>,
    /// Number of events appended so far.
    pub(crate) appended: watch::Sender<u64>,
    log_bytes: usize,
    last: HashMap<HostId, u64>,
}

impl RunJournal {
    /// Creates the empty journal of a new run.
    pub(crate) fn new(created: Timestamp) -> Self {
        Self {
            created,
            name: None,
            notes: BTreeMap::new(),
            epochs: BTreeMap::new(),
            logs: HashMap::new(),
            events: VecDeque::new(),
            appended: watch::Sender::new(0),
            log_bytes: 0,
            last: HashMap::new(),
        }
    }

    /// Returns the events after the first `seen` that are still kept, and the number of events appended so far.
    pub(crate) fn after(&self, seen: u64) -> (Vec<Bytes>, u64) {
        let appended = *self.appended.borrow();
        let new = usize::try_from(appended.saturating_sub(seen)).unwrap_or(usize::MAX);
        let old = self.events.len().saturating_sub(new);
        (self.events.iter().skip(old).cloned().collect(), appended)
    }

    /// Returns the nodes after a name with their notes, and the last name of the page if there are more.
    pub(crate) fn page(&self, after: Option<&str>) -> NotesPage {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.notes.range::<str, _>((from, Bound::Unbounded));
        let nodes: Vec<_> =
            rest.by_ref().take(PAGE).map(|(name, notes)| (name.clone(), notes.clone())).collect();
        let next = rest.next().and(nodes.last()).map(|(name, _)| name.clone());
        NotesPage { nodes, next }
    }

    /// Appends a batch, unless it was appended before.
    pub(crate) fn append(&mut self, batch: &Batch) {
        let last = self.last.entry(batch.host.clone()).or_default();
        if *last >= batch.number {
            return;
        }
        *last = batch.number;
        if let Some(name) = &batch.name {
            self.name = Some(name.clone());
        }
        self.events.extend(batch.events.iter().cloned());
        let surplus = self.events.len().saturating_sub(MAX_EVENTS);
        self.events.drain(..surplus);
        let count = u64::try_from(batch.events.len()).unwrap_or(0);
        self.appended.send_if_modified(|appended| {
            *appended += count;
            count > 0
        });
        for (name, note) in &batch.notes {
            let host = batch.host.clone();
            keep(self.notes.entry(name.clone()).or_default(), Note { host, ..note.clone() });
        }
        if let Some(epoch) = &batch.epoch {
            self.epochs.entry(epoch.epoch).or_insert_with(|| epoch.clone());
        }
        for (name, piece) in &batch.logs {
            let log = self.logs.entry(name.clone()).or_default();
            let before = log.len();
            *log = if self.log_bytes + piece.as_bytes().len() > MAX_LOGS {
                Piece::end(log)
            } else {
                piece.append_to(log, MAX_LOG)
            };
            self.log_bytes = self.log_bytes + log.len() - before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_events_are_kept() {
        let mut journal = RunJournal::new(Timestamp::from_millis(0));
        for number in 1..=3 {
            let events = (0..MAX_EVENTS / 2).map(|_| Bytes::from(number.to_string())).collect();
            let host = HostId("h".into());
            journal.append(&Batch {
                host,
                number,
                name: None,
                events,
                epoch: None,
                notes: vec![],
                logs: vec![],
            });
        }
        assert_eq!(journal.events.len(), MAX_EVENTS);
        assert_eq!(journal.events[0], "2");
    }
}
