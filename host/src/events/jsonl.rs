//! Sink that writes events as JSON lines to a file, always whole lines and without delay.
//! The form of a line is in `line`. Choosing and replacing the file is left to the application.

use crate::events::batch_queue::{BatchQueue, Taken};
use crate::events::line::Lines;
use crate::events::{Event, Sink};
use crate::model::RunId;
use std::io;
use std::io::Write;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest sleep of an idle writer; a new event wakes it.
const IDLE_TIMEOUT: Duration = Duration::from_hours(1);

/// Maximum number of events per write, so that a write holds only whole lines and little memory.
const BATCH: usize = 1024;

/// Sink that writes events to a file from its own thread, so that the engine never waits for the disk.
pub struct JsonLines {
    queue: Arc<BatchQueue<Event>>,
    writer: Option<JoinHandle<()>>,
}

impl JsonLines {
    /// Writes to `out` until dropped; dropping waits for the last line.
    ///
    /// If a write fails, `failed` is called once and nothing more is written.
    pub fn new(
        run: &RunId,
        host: &str,
        out: impl Write + Send + 'static,
        failed: impl FnOnce(io::Error) + Send + 'static,
    ) -> Self {
        let queue = Arc::<BatchQueue<Event>>::default();
        let (events, form) = (Arc::clone(&queue), Lines::new(run, host));
        let writer = std::thread::spawn(move || {
            if let Err(error) = write_all(&events, form, out) {
                events.close();
                failed(error);
            }
        });
        Self { queue, writer: Some(writer) }
    }
}

impl Sink for JsonLines {
    fn record(&self, event: &Event) {
        self.queue.push(event.clone());
    }
}

impl Drop for JsonLines {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            drop(writer.join());
        }
    }
}

/// Writes events until the queue is closed and empty.
fn write_all(queue: &BatchQueue<Event>, mut form: Lines, mut out: impl Write) -> io::Result<()> {
    let (mut events, mut lines) = (Vec::new(), Vec::new());
    loop {
        match queue.take(&mut events, IDLE_TIMEOUT) {
            Taken::Items => {}
            Taken::Nothing => continue,
            Taken::Closed => return Ok(()),
        }
        for batch in events.chunks(BATCH) {
            batch.iter().for_each(|event| form.write_event(&mut lines, event));
            out.write_all(&lines)?;
            lines.clear();
        }
        events.clear();
        out.flush()?;
    }
}

/// Returns one event as a line of JSON, with its line end.
#[must_use]
pub fn to_json_line(run: &RunId, host: &str, event: &Event) -> Vec<u8> {
    let mut line = Vec::new();
    Lines::new(run, host).write_event(&mut line, event);
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Fact, FailureFact, Subject};
    use crate::model::{FailureClass, TaskName, Timestamp};

    #[test]
    fn line_has_the_common_keys_and_those_of_its_fact() {
        let event = Event {
            at: Timestamp::from_millis(0),
            subject: Some(Subject {
                task: TaskName::new("count").unwrap(),
                item: Some(3),
                iteration: None,
                attempt: Some(2),
            }),
            fact: Fact::TaskRetrying {
                delay_ms: 100,
                memory_bytes: None,
                timeout_ms: None,
                failure: FailureFact { class: FailureClass::Trap, error: "unreachable".into() },
            },
        };
        let line = to_json_line(&RunId::new("r1").unwrap(), "h1", &event);
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "{\"v\":1,\"ts\":\"1970-01-01T00:00:00.000Z\",\"run\":\"r1\",\"host\":\"h1\",\"event\":\"task.retrying\",\
             \"delay_ms\":100,\"class\":\"trap\",\"error\":\"unreachable\",\"task\":\"count\",\"item\":3,\"attempt\":2}\n"
        );
    }

    #[test]
    fn dropping_waits_for_the_last_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let sink = JsonLines::new(&RunId::new("r1").unwrap(), "h1", file.reopen().unwrap(), |error| {
            panic!("{error}")
        });
        for _ in 0..1000 {
            sink.record(&Event {
                at: Timestamp::from_millis(0),
                subject: None,
                fact: Fact::StateReconnected,
            });
        }
        drop(sink);
        assert_eq!(std::fs::read_to_string(file.path()).unwrap().lines().count(), 1000);
    }

    #[test]
    fn write_error_is_reported_once() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let (sender, errors) = std::sync::mpsc::channel();
        let failed = move |error: io::Error| sender.send(error.kind()).unwrap();
        let sink = JsonLines::new(&RunId::new("r1").unwrap(), "h1", full, failed);
        for _ in 0..3 {
            sink.record(&Event {
                at: Timestamp::from_millis(0),
                subject: None,
                fact: Fact::StateReconnected,
            });
        }
        drop(sink);
        assert_eq!(errors.iter().collect::<Vec<_>>(), [io::ErrorKind::StorageFull]);
    }
}
