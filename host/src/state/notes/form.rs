//! The stored form of notes: short, because a run may have a million.
//! `history.rs` decides which notes are kept, and backends where they are stored.
//!
//! # The form
//!
//! A MessagePack array: phase (its position in [`PHASES`]), attempts, ready, started, ended, usage, call, rest.
//!
//! | field | content |
//! |---|---|
//! | ready | milliseconds since 1970; nil if not known |
//! | started, ended | milliseconds since ready, or since 1970 without it; nil if not known |
//! | usage | `[microseconds, bytes, fuel]`, or nil |
//! | call | binary: the callee and each argument, eight bytes each, big-endian; or nil |
//! | rest | `[failure, delay, blocked, memory limit, timeout, cause, cached from]`; nil if all are |
//!
//! Host, epoch and version are stored beside it, because many notes share them.

use crate::model::{FailureClass, Timestamp};
use crate::state::{EpochNote, EpochStart, HostId, Note, NotedCall, Phase, Usage};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Version of the stored form of an [`EpochNote`]. Those of a later version are ignored.
const EPOCH_VERSION: u32 = 1;

/// The phases in the order of their numbers.
const PHASES: [Phase; 7] = [
    Phase::Ready,
    Phase::Running,
    Phase::Retrying,
    Phase::Done,
    Phase::Cached,
    Phase::Failed,
    Phase::Skipped,
];

#[derive(Serialize, Deserialize)]
struct Form(
    u8,
    u32,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<(u64, u64, Option<u64>)>,
    Option<ByteBuf>,
    Option<Box<Rest>>,
);

/// What few notes have.
#[derive(Serialize, Deserialize, PartialEq, Eq, Default)]
struct Rest(
    Option<(FailureClass, String)>,
    Option<u64>,
    Option<(String, i64)>,
    Option<u64>,
    Option<u64>,
    Option<String>,
    Option<String>,
);

impl Note {
    /// Encodes the stored form, without host and epoch.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let origin = self.ready.map_or(0, Timestamp::as_millis);
        let since = |time: Option<Timestamp>| time.map(|time| time.as_millis().saturating_sub(origin));
        let phase = PHASES.iter().position(|phase| *phase == self.phase).unwrap_or_default();
        let rest = Rest(
            self.failure.clone(),
            self.delay_ms,
            self.blocked.as_ref().map(|(resource, since)| (resource.clone(), since.as_millis())),
            self.memory_limit,
            self.timeout_ms,
            self.cause.clone(),
            self.cached_from.clone(),
        );
        let form = Form(
            u8::try_from(phase).unwrap_or_default(),
            self.attempts,
            self.ready.map(Timestamp::as_millis),
            since(self.started),
            since(self.ended),
            self.usage.map(|usage| (micros(usage.duration_ms), usage.memory_bytes, usage.fuel)),
            self.call.as_ref().map(call_bytes),
            (rest != Rest::default()).then(|| Box::new(rest)),
        );
        rmp_serde::to_vec(&form).unwrap_or_default()
    }

    /// Decodes the stored form; none if it is damaged.
    #[must_use]
    pub fn decode(bytes: &[u8], host: HostId, epoch: u64) -> Option<Self> {
        let Form(phase, attempts, ready, started, ended, usage, call, rest) =
            rmp_serde::from_slice(bytes).ok()?;
        let origin = ready.unwrap_or(0);
        let time =
            |since: Option<i64>| since.map(|since| Timestamp::from_millis(origin.saturating_add(since)));
        let Rest(failure, delay_ms, blocked, memory_limit, timeout_ms, cause, cached_from) =
            rest.map(|rest| *rest).unwrap_or_default();
        Some(Self {
            host,
            epoch,
            phase: *PHASES.get(usize::from(phase))?,
            attempts,
            ready: ready.map(Timestamp::from_millis),
            started: time(started),
            ended: time(ended),
            usage: usage.map(|(micros, memory_bytes, fuel)| Usage {
                duration_ms: millis(micros),
                memory_bytes,
                fuel,
            }),
            failure,
            delay_ms,
            blocked: blocked.map(|(resource, since)| (resource, Timestamp::from_millis(since))),
            call: call.and_then(|bytes| noted_call(&bytes)),
            memory_limit,
            timeout_ms,
            cause,
            cached_from,
        })
    }
}

/// The stored form of an [`EpochNote`]: version, epoch, time, start, changes, nodes that run again.
#[derive(Serialize, Deserialize)]
struct EpochForm(u32, u64, i64, EpochStart, Vec<(String, String)>, Vec<String>);

impl EpochNote {
    /// Encodes the stored form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { epoch, at, start, changes, rerun } = self;
        let form = EpochForm(EPOCH_VERSION, *epoch, at.as_millis(), *start, changes.clone(), rerun.clone());
        rmp_serde::to_vec(&form).unwrap_or_default()
    }

    /// Decodes the stored form; none if it is damaged or of a later version.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let EpochForm(version, epoch, at, start, changes, rerun) = rmp_serde::from_slice(bytes).ok()?;
        let at = Timestamp::from_millis(at);
        (version <= EPOCH_VERSION).then_some(Self { epoch, at, start, changes, rerun })
    }
}

fn call_bytes(call: &NotedCall) -> ByteBuf {
    let numbers = [call.callee].into_iter().chain(call.args.iter().copied());
    ByteBuf::from(numbers.flat_map(u64::to_be_bytes).collect::<Vec<u8>>())
}

fn noted_call(bytes: &[u8]) -> Option<NotedCall> {
    let (numbers, _) = bytes.as_chunks::<8>();
    let mut numbers = numbers.iter().map(|number| u64::from_be_bytes(*number));
    Some(NotedCall { callee: numbers.next()?, args: numbers.collect() })
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float has no other conversion; it saturates, which is right for durations"
)]
fn micros(millis: f64) -> u64 {
    (millis * 1e3).round() as u64
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "exact below 285 years in microseconds"
)]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_form_round_trips() {
        let host = HostId("h1".into());
        let empty = Note { epoch: 3, ..Note::new(host.clone(), Phase::Ready) };
        let started = Note { started: Some(Timestamp::from_millis(1_795_486_500_123)), ..empty.clone() };
        let full = Note {
            phase: Phase::Failed,
            attempts: 3,
            ready: Some(Timestamp::from_millis(1_795_486_500_123)),
            started: Some(Timestamp::from_millis(1_795_486_500_124)),
            ended: Some(Timestamp::from_millis(-2)),
            usage: Some(Usage { duration_ms: 0.512, memory_bytes: 1 << 20, fuel: Some(9) }),
            failure: Some((FailureClass::Trap, "unreachable".into())),
            delay_ms: Some(100),
            blocked: Some(("gpu".into(), Timestamp::from_millis(7))),
            call: Some(NotedCall { callee: u64::MAX, args: vec![1, 0] }),
            memory_limit: Some(1 << 30),
            timeout_ms: Some(60_000),
            cause: Some("clean[3]/count".into()),
            cached_from: Some("r0".into()),
            ..empty.clone()
        };
        for note in [empty, started, full] {
            assert_eq!(Note::decode(&note.encode(), host.clone(), 3), Some(note));
        }
        for damaged in [&b"nonsense"[..], &[0x98, 99, 0, 0xc0, 0xc0, 0xc0, 0xc0, 0xc0, 0xc0], b""] {
            assert_eq!(Note::decode(damaged, host.clone(), 3), None);
        }
    }

    #[test]
    fn note_of_an_epoch_round_trips_and_later_versions_are_ignored() {
        let note = EpochNote {
            epoch: 2,
            at: Timestamp::from_millis(7),
            start: EpochStart::Updated,
            changes: vec![("count".into(), "args.text".into())],
            rerun: vec!["merge".into()],
        };
        assert_eq!(EpochNote::decode(&note.encode()), Some(note));
        let later = EpochForm(EPOCH_VERSION + 1, 2, 7, EpochStart::Created, Vec::new(), Vec::new());
        assert_eq!(EpochNote::decode(&rmp_serde::to_vec(&later).unwrap()), None);
    }

    #[test]
    fn note_of_a_finished_element_takes_fifty_bytes() {
        let at = Timestamp::from_millis(1_795_486_500_123);
        let note = Note {
            attempts: 1,
            ready: Some(at),
            started: Some(at),
            ended: Some(Timestamp::from_millis(at.as_millis() + 12)),
            usage: Some(Usage { duration_ms: 11.75, memory_bytes: 1 << 20, fuel: None }),
            call: Some(NotedCall { callee: u64::MAX, args: vec![u64::MAX] }),
            ..Note::new(HostId("h1".into()), Phase::Done)
        };
        assert!(note.encode().len() <= 50, "{}", note.encode().len());
    }
}
