//! Parser of JSON lines that other hosts wrote, so that this host can follow a run.
//! Writing is in `line`. Later versions may write new facts, so unknown lines are skipped without an error.

use crate::events::{Event, Fact, FailureFact, Subject};
use crate::model::{Name, Timestamp};
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

/// Parses a line; returns none for a fact that this version does not know. The code of a warning is dropped.
#[must_use]
pub fn from_json_line(line: &[u8]) -> Option<ReceivedEvent> {
    let line = Line(serde_json::from_slice(line).ok()?);
    let subject = match line.get::<String>("task") {
        None => None,
        Some(task) => Some(Subject {
            task: Name::new(&task).ok()?,
            item: line.get("item"),
            attempt: line.get("attempt"),
        }),
    };
    let at = Timestamp::parse(&line.get::<String>("ts")?)?;
    Some(ReceivedEvent { host: line.get("host")?, event: Event { at, subject, fact: line.fact()? } })
}

/// A line as it was written.
struct Line(Value);

impl Line {
    fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        T::deserialize(self.0.get(key)?).ok()
    }

    fn fact(&self) -> Option<Fact> {
        Some(match self.get::<String>("event")?.as_str() {
            "run.started" => Fact::RunStarted { name: self.get("name")?, tasks: self.get("tasks")? },
            "run.resumed" => Fact::RunResumed {
                name: self.get("name")?,
                tasks: self.get("tasks")?,
                kept: self.get("kept")?,
            },
            "run.finished" => {
                Fact::RunFinished { status: self.get("status")?, duration_ms: self.get("duration_ms")? }
            }
            "task.ready" => Fact::TaskReady,
            "task.started" => Fact::TaskStarted,
            "task.finished" => Fact::TaskFinished {
                duration_ms: self.get("duration_ms")?,
                output_bytes: self.get("output_bytes")?,
                memory_bytes: self.get("memory_bytes")?,
                fuel: self.get("fuel"),
            },
            "task.cached" => Fact::TaskCached { key: self.get("key")? },
            "task.stored" => Fact::TaskStored,
            "task.skipped" => Fact::TaskSkipped { reason: self.get("reason")?, cause: self.get("cause") },
            "task.failed" => Fact::TaskFailed(self.failure()?),
            "output.failed" => Fact::OutputFailed { output: self.get("output")?, failure: self.failure()? },
            "task.retrying" => {
                Fact::TaskRetrying { delay_ms: self.get("delay_ms")?, failure: self.failure()? }
            }
            "task.blocked" => Fact::TaskBlocked { resource: self.get("resource")? },
            "task.taken_over" => {
                Fact::TaskTakenOver { from: self.get("from")?, takeovers: self.get("takeovers")? }
            }
            "task.lease_lost" => Fact::TaskLeaseLost,
            "task.progress" => {
                Fact::TaskProgress { fraction: self.get("fraction")?, message: self.get("message")? }
            }
            "task.log" => Fact::TaskLog { stream: self.stream()?, text: self.get("text")? },
            "state.reconnected" => Fact::StateReconnected,
            "warning" => Fact::Warning { code: "heard", message: self.get("message")? },
            _ => return None, // written by a later version
        })
    }

    fn failure(&self) -> Option<FailureFact> {
        Some(FailureFact { class: self.get("class")?, error: self.get("error")? })
    }

    fn stream(&self) -> Option<&'static str> {
        let stream: String = self.get("stream")?;
        ["stdout", "stderr", "log"].into_iter().find(|known| *known == stream)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::events::to_json_line;
    use crate::model::{FailureClass, RunId, RunStatus, SkipReason};

    /// Returns facts of every kind.
    pub(crate) fn facts() -> Vec<Fact> {
        let failure = || FailureFact { class: FailureClass::Trap, error: "boom".into() };
        vec![
            Fact::RunStarted { name: "n".into(), tasks: 3 },
            Fact::RunResumed { name: "n".into(), tasks: 3, kept: 1 },
            Fact::RunFinished { status: RunStatus::Cancelled, duration_ms: 1.5 },
            Fact::TaskReady,
            Fact::TaskStarted,
            Fact::TaskFinished { duration_ms: 0.5, output_bytes: 1, memory_bytes: 2, fuel: Some(3) },
            Fact::TaskFinished { duration_ms: 0.5, output_bytes: 1, memory_bytes: 2, fuel: None },
            Fact::TaskCached { key: "k".into() },
            Fact::TaskStored,
            Fact::TaskSkipped { reason: SkipReason::Pruned, cause: None },
            Fact::TaskSkipped { reason: SkipReason::UpstreamFailed, cause: Some("a".into()) },
            Fact::TaskFailed(failure()),
            Fact::OutputFailed { output: "o".into(), failure: failure() },
            Fact::TaskRetrying { delay_ms: 7, failure: failure() },
            Fact::TaskBlocked { resource: "gpu".into() },
            Fact::TaskTakenOver { from: "h0".into(), takeovers: 2 },
            Fact::TaskLeaseLost,
            Fact::TaskProgress { fraction: 0.5, message: "m".into() },
            Fact::TaskLog { stream: "stderr", text: "t".into() },
            Fact::StateReconnected,
            Fact::Warning { code: "heard", message: "m".into() },
        ]
    }

    #[test]
    fn every_fact_survives_a_round_trip() {
        for fact in facts() {
            let subject = Subject { task: Name::new("t").unwrap(), item: Some(4), attempt: Some(2) };
            let event = Event { at: Timestamp::from_millis(5), subject: Some(subject), fact };
            let line = to_json_line(&RunId::new("r1").unwrap(), "h1", &event);
            assert_eq!(from_json_line(&line), Some(ReceivedEvent { host: "h1".into(), event }));
        }
    }

    #[test]
    fn unknown_lines_are_skipped() {
        for line in
            ["", "{}", "[]", r#"{"v":1,"ts":"2026-11-24T02:15:00.123Z","host":"h","event":"task.sung"}"#]
        {
            assert_eq!(from_json_line(line.as_bytes()), None, "{line}");
        }
    }
}
