//! Events as JSON lines in a file: whole lines, written as soon as they are there.
//! Where the file is, and that it is replaced, is for the application.

use crate::events::Event;
use crate::events::Sink;
use crate::events::event::Line;
use crate::model::RunId;
use std::io;
use std::io::Write;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// Writes events to a file from a thread of its own, so that nobody waits for a disk.
pub struct JsonLines {
    run: RunId,
    host: String,
    // A mutex because senders are not shared between threads by reference; the section is one send.
    sender: Mutex<Option<Sender<Vec<u8>>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl JsonLines {
    /// Writes to `out` until dropped; dropping waits for the last line. `failed` hears of it if `out` cannot be
    /// written, once; nothing more is written then.
    pub fn new(
        run: RunId,
        host: &str,
        out: impl Write + Send + 'static,
        failed: impl FnOnce(io::Error) + Send + 'static,
    ) -> Self {
        let (sender, receiver) = channel();
        let writer = std::thread::spawn(move || {
            if let Err(error) = write_all(&receiver, out) {
                failed(error);
            }
        });
        Self {
            run,
            host: host.to_owned(),
            sender: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(writer)),
        }
    }
}

impl Sink for JsonLines {
    fn record(&self, event: &Event) {
        let line = to_json_line(&self.run, &self.host, event);
        if let Ok(sender) = self.sender.lock()
            && let Some(sender) = &*sender
        {
            // The writer only goes away with a broken file, of which it has told.
            drop(sender.send(line));
        }
    }
}

impl Drop for JsonLines {
    fn drop(&mut self) {
        if let Ok(mut sender) = self.sender.lock() {
            drop(sender.take());
        }
        let writer = self.writer.lock().ok().and_then(|mut writer| writer.take());
        if let Some(writer) = writer {
            drop(writer.join());
        }
    }
}

/// One event as a line of JSON, with its end.
#[must_use]
pub fn to_json_line(run: &RunId, host: &str, event: &Event) -> Vec<u8> {
    let mut line = serde_json::to_vec(&Line::new(run, host, event)).unwrap_or_default();
    line.push(b'\n');
    line
}

fn write_all(lines: &Receiver<Vec<u8>>, mut out: impl Write) -> io::Result<()> {
    while let Ok(first) = lines.recv() {
        let mut batch = first;
        lines.try_iter().take(1024).for_each(|line| batch.extend(line));
        out.write_all(&batch)?;
        out.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Fact;
    use crate::events::FailureFact;
    use crate::events::Subject;
    use crate::model::FailureClass;
    use crate::model::Name;
    use crate::model::Timestamp;

    #[test]
    fn a_line_has_the_common_keys_and_those_of_its_fact() {
        let event = Event {
            at: Timestamp::from_millis(0),
            subject: Some(Subject { task: Name::new("count").unwrap(), item: Some(3), attempt: Some(2) }),
            fact: Fact::TaskRetrying {
                delay_ms: 100,
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
        let sink = JsonLines::new(RunId::new("r1").unwrap(), "h1", file.reopen().unwrap(), |error| {
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
    fn a_file_that_cannot_be_written_is_told_once() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let (told, hear) = std::sync::mpsc::channel();
        let failed = move |error: io::Error| told.send(error.kind()).unwrap();
        let sink = JsonLines::new(RunId::new("r1").unwrap(), "h1", full, failed);
        for _ in 0..3 {
            sink.record(&Event {
                at: Timestamp::from_millis(0),
                subject: None,
                fact: Fact::StateReconnected,
            });
        }
        drop(sink);
        assert_eq!(hear.iter().collect::<Vec<_>>(), [io::ErrorKind::StorageFull]);
    }
}
