//! The note that a host stores about a node: who ran it, when, how often, and with how much memory.
//! Whether the node has ended is decided by the ledger; a note only adds details.

use crate::model::{FailureClass, Timestamp};
use crate::state::HostId;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Version of the stored form. Readers accept this version and earlier ones.
const VERSION: u32 = 1;

/// A host's note about a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// The host that wrote the note.
    pub host: HostId,
    /// The node's phase.
    pub phase: Phase,
    /// Attempts so far; zero for a task with elements and for a cached result.
    pub attempts: u32,
    /// Start of the last attempt, or of a task with elements.
    pub started: Option<Timestamp>,
    /// End of the last attempt.
    pub ended: Option<Timestamp>,
    /// Resource usage of the last attempt, if it had a result.
    pub usage: Option<Usage>,
    /// Class and first message line of the last attempt's failure, if it failed.
    pub failure: Option<(FailureClass, String)>,
    /// The memory limit of the next attempt or of the one under way, in bytes, if it is larger than that of the first.
    pub memory_limit: Option<u64>,
    /// The time limit of the next attempt or of the one under way, in milliseconds, if it is longer than that of the first.
    pub timeout_ms: Option<u64>,
    /// The node with which the skip began, if the node was skipped for another one.
    pub cause: Option<String>,
}

/// The phase of a node when its note was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Everything that the node waits for had ended.
    Ready,
    /// An attempt had begun.
    Running,
    /// An attempt had failed, and another was to follow.
    Retrying,
    /// The result was committed.
    Done,
    /// The result was taken from the cache and committed.
    Cached,
    /// The node had failed, or its guest was stopped.
    Failed,
    /// The node was skipped.
    Skipped,
}

/// Resource usage of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Wall time in milliseconds.
    pub duration_ms: f64,
    /// Peak memory of the guest, in bytes.
    pub memory_bytes: u64,
    /// Fuel used, if it was metered.
    pub fuel: Option<u64>,
}

/// The stored form: a map, so that other programs can read it.
#[derive(Serialize, Deserialize)]
struct Wire {
    v: u32,
    host: String,
    phase: Phase,
    attempts: u32,
    started: Option<i64>,
    ended: Option<i64>,
    usage: Option<Usage>,
    failure: Option<(FailureClass, String)>,
    #[serde(default)]
    memory_limit: Option<u64>,
    #[serde(default)]
    timeout_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

impl Note {
    /// Creates a note of `phase` without details.
    #[must_use]
    pub const fn new(host: HostId, phase: Phase) -> Self {
        Self {
            host,
            phase,
            attempts: 0,
            started: None,
            ended: None,
            usage: None,
            failure: None,
            memory_limit: None,
            timeout_ms: None,
            cause: None,
        }
    }

    /// Encodes the stored form.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        rmp_serde::to_vec_named(&Wire::from(self)).unwrap_or_default().into()
    }

    /// Decodes the stored form; none if it is damaged or of a later version.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let wire: Wire = rmp_serde::from_slice(bytes).ok()?;
        (wire.v <= VERSION).then(|| Self {
            host: HostId(wire.host.into()),
            phase: wire.phase,
            attempts: wire.attempts,
            started: wire.started.map(Timestamp::from_millis),
            ended: wire.ended.map(Timestamp::from_millis),
            usage: wire.usage,
            failure: wire.failure,
            memory_limit: wire.memory_limit,
            timeout_ms: wire.timeout_ms,
            cause: wire.cause,
        })
    }
}

impl From<&Note> for Wire {
    fn from(note: &Note) -> Self {
        Self {
            v: VERSION,
            host: note.host.0.to_string(),
            phase: note.phase,
            attempts: note.attempts,
            started: note.started.map(Timestamp::as_millis),
            ended: note.ended.map(Timestamp::as_millis),
            usage: note.usage,
            failure: note.failure.clone(),
            memory_limit: note.memory_limit,
            timeout_ms: note.timeout_ms,
            cause: note.cause.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_form_round_trips_and_later_versions_are_rejected() {
        let empty = Note::new(HostId("h1".into()), Phase::Ready);
        let full = Note {
            phase: Phase::Failed,
            attempts: 3,
            started: Some(Timestamp::from_millis(1)),
            ended: Some(Timestamp::from_millis(-2)),
            usage: Some(Usage { duration_ms: 0.5, memory_bytes: 1 << 20, fuel: Some(9) }),
            failure: Some((FailureClass::Trap, "unreachable".into())),
            memory_limit: Some(1 << 30),
            timeout_ms: Some(60_000),
            cause: Some("clean[3]/count".into()),
            ..empty.clone()
        };
        for note in [empty, full] {
            assert_eq!(Note::decode(&note.encode()), Some(note));
        }
        let later = Wire { v: VERSION + 1, ..Wire::from(&Note::new(HostId("h1".into()), Phase::Ready)) };
        assert_eq!(Note::decode(&rmp_serde::to_vec_named(&later).unwrap()), None);
        assert_eq!(Note::decode(b"nonsense"), None);
    }
}
