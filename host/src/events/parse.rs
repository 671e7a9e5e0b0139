//! Parser of JSON lines that other hosts wrote, so that this host can follow a run.
//! Writing is in `line`. Later versions may write new facts, so unknown lines are skipped without an error.

use crate::events::{Event, Fact, Subject};
use crate::model::{TaskName, Timestamp};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An event and the host that wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedEvent {
    /// Name of the host.
    pub host: String,
    /// The event.
    pub event: Event,
}

/// Parses a line; returns none for a fact that this version does not know.
#[must_use]
pub fn from_json_line(line: &[u8]) -> Option<ReceivedEvent> {
    let line = Line(serde_json::from_slice(line).ok()?);
    let subject = match line.get::<String>("task") {
        None => None,
        Some(task) => Some(Subject {
            task: TaskName::of_node(&task)?,
            item: line.get("item"),
            iteration: line.get("iteration"),
            attempt: line.get("attempt"),
        }),
    };
    let at = Timestamp::parse(&line.get::<String>("ts")?)?;
    Some(ReceivedEvent {
        host: line.get("host")?,
        event: Event { at, subject, fact: Fact::deserialize(&line.0).ok()? },
    })
}

/// A line as it was written.
struct Line(Value);

impl Line {
    fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        T::deserialize(self.0.get(key)?).ok()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::events::{FailureFact, HolderFact, ShortageFact, to_json_line};
    use crate::model::{FailureClass, RunId, RunStatus, SkipReason};

    fn shortage() -> ShortageFact {
        let holder = HolderFact { run: "r7".into(), task: "render[3]".into(), host: "h0".into() };
        ShortageFact { capacity: "2".into(), held: Some(2), ahead: 1, holder: Some(holder) }
    }

    /// Returns facts of every kind.
    pub(crate) fn facts() -> Vec<Fact> {
        let failure = || FailureFact { class: FailureClass::Trap, error: "boom".into() };
        vec![
            Fact::RunStarted { name: "n".into(), tasks: 3 },
            Fact::RunResumed { name: "n".into(), tasks: 3, kept: 1 },
            Fact::RunEnding { status: RunStatus::Failed },
            Fact::RunFinished { status: RunStatus::Cancelled, duration_ms: 1.5 },
            Fact::TaskReady,
            Fact::TaskStarted,
            Fact::TaskFinished {
                duration_ms: 0.5,
                output_bytes: 1,
                memory_bytes: 2,
                fuel: Some(3),
                iterations: None,
            },
            Fact::TaskFinished {
                duration_ms: 0.5,
                output_bytes: 1,
                memory_bytes: 2,
                fuel: None,
                iterations: Some(4),
            },
            Fact::TaskCached { key: "k".into() },
            Fact::TaskStored,
            Fact::TaskSkipped { reason: SkipReason::Pruned, cause: None, failure: None },
            Fact::TaskSkipped { reason: SkipReason::UpstreamFailed, cause: Some("a".into()), failure: None },
            Fact::TaskSkipped {
                reason: SkipReason::ElementFailed,
                cause: None,
                failure: Some(FailureFact { class: FailureClass::Trap, error: "boom".into() }),
            },
            Fact::TaskFailed(failure()),
            Fact::OutputFailed { output: "o".into(), failure: failure() },
            Fact::TaskRetrying { delay_ms: 7, memory_bytes: None, timeout_ms: Some(8), failure: failure() },
            Fact::TaskRetrying { delay_ms: 7, memory_bytes: Some(9), timeout_ms: None, failure: failure() },
            Fact::TaskBlocked { resource: "gpu".into(), shortage: None },
            Fact::TaskBlocked { resource: "gpu".into(), shortage: Some(shortage()) },
            Fact::TaskBlocked {
                resource: "api".into(),
                shortage: Some(ShortageFact { held: None, holder: None, ..shortage() }),
            },
            Fact::TaskTakenOver { from: "h0".into(), takeovers: 2 },
            Fact::TaskLeaseLost,
            Fact::TaskProgress { fraction: 0.5, message: "m".into() },
            Fact::TaskLog { stream: "stderr".into(), text: "t".into() },
            Fact::StateReconnected,
            Fact::Warning { code: "journal".into(), message: "m".into() },
        ]
    }

    #[test]
    fn every_fact_survives_a_round_trip() {
        for fact in facts() {
            for (name, item) in [("t", Some(4)), ("t[3]/u", None), ("t[3]/u", Some(4))] {
                let task = TaskName::of_node(name).unwrap();
                let subject = Subject { task, item, iteration: Some(9), attempt: Some(2) };
                let event =
                    Event { at: Timestamp::from_millis(5), subject: Some(subject), fact: fact.clone() };
                let line = to_json_line(&RunId::new("r1").unwrap(), "h1", &event);
                assert_eq!(from_json_line(&line), Some(ReceivedEvent { host: "h1".into(), event }));
            }
        }
    }

    #[test]
    fn unknown_lines_are_skipped() {
        for line in [
            "",
            "{}",
            "[]",
            r#"{"v":1,"ts":"2026-11-24T02:15:00.123Z","host":"h","event":"task.sung"}"#,
            r#"{"v":1,"ts":"2026-11-24T02:15:00.123Z","host":"h","event":"task.ready","task":"a[x]"}"#,
        ] {
            assert_eq!(from_json_line(line.as_bytes()), None, "{line}");
        }
    }
}
