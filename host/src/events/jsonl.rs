//! Events as JSON lines in a file: whole lines, written as soon as they are there.
//! Where the file is, and that it is replaced, is for the application.

use crate::events::Event;
use crate::events::Sink;
use crate::events::line::Lines;
use crate::model::RunId;
use std::io;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long the writer lets events gather before it writes them: waking it costs whoever records one more than all else.
const GATHER: Duration = Duration::from_millis(2);

/// Writes events to a file from a thread of its own, so that nobody waits for a disk.
pub struct JsonLines {
    desk: Arc<Desk>,
    writer: Option<JoinHandle<()>>,
}

/// Where events lie until they are written.
#[derive(Default)]
struct Desk {
    // A mutex because events come from many threads; each section is a push or an exchange of vectors.
    pile: Mutex<Pile>,
    has_news: Condvar,
}

#[derive(Default)]
struct Pile {
    events: Vec<Event>,
    is_closed: bool,
}

impl JsonLines {
    /// Writes to `out` until dropped; dropping waits for the last line. `failed` hears of it if `out` cannot be
    /// written, once; nothing more is written then.
    pub fn new(
        run: &RunId,
        host: &str,
        out: impl Write + Send + 'static,
        failed: impl FnOnce(io::Error) + Send + 'static,
    ) -> Self {
        let desk = Arc::<Desk>::default();
        let (read, form) = (Arc::clone(&desk), Lines::new(run, host));
        let writer = std::thread::spawn(move || {
            if let Err(error) = read.write_all(form, out) {
                read.close();
                failed(error);
            }
        });
        Self { desk, writer: Some(writer) }
    }
}

impl Desk {
    fn pile(&self) -> MutexGuard<'_, Pile> {
        self.pile.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.pile().is_closed = true;
        self.has_news.notify_one();
    }

    /// Writes what comes until the desk is closed and empty.
    fn write_all(&self, mut form: Lines, mut out: impl Write) -> io::Result<()> {
        let (mut events, mut lines) = (Vec::new(), Vec::new());
        loop {
            let waiting =
                self.has_news.wait_while(self.pile(), |pile| pile.events.is_empty() && !pile.is_closed);
            drop(waiting.unwrap_or_else(PoisonError::into_inner));
            let gathering = self.has_news.wait_timeout_while(self.pile(), GATHER, |pile| !pile.is_closed);
            let (mut pile, _) = gathering.unwrap_or_else(PoisonError::into_inner);
            if pile.events.is_empty() {
                return Ok(());
            }
            std::mem::swap(&mut pile.events, &mut events);
            drop(pile);
            for event in events.drain(..) {
                form.put(&mut lines, &event);
            }
            out.write_all(&lines)?;
            out.flush()?;
            lines.clear();
        }
    }
}

impl Sink for JsonLines {
    fn record(&self, event: &Event) {
        let mut pile = self.desk.pile();
        if pile.is_closed {
            return; // the file is broken, which was told
        }
        pile.events.push(event.clone());
        if pile.events.len() == 1 {
            drop(pile);
            self.desk.has_news.notify_one();
        }
    }
}

impl Drop for JsonLines {
    fn drop(&mut self) {
        self.desk.close();
        if let Some(writer) = self.writer.take() {
            drop(writer.join());
        }
    }
}

/// One event as a line of JSON, with its end.
#[must_use]
pub fn to_json_line(run: &RunId, host: &str, event: &Event) -> Vec<u8> {
    let mut line = Vec::new();
    Lines::new(run, host).put(&mut line, event);
    line
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
    fn a_file_that_cannot_be_written_is_told_once() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let (told, hear) = std::sync::mpsc::channel();
        let failed = move |error: io::Error| told.send(error.kind()).unwrap();
        let sink = JsonLines::new(&RunId::new("r1").unwrap(), "h1", full, failed);
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
