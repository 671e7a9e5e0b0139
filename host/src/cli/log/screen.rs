//! The only writer to stderr during a run: log lines above, progress below, on its own thread.
//! The logs format the lines; `progress` draws the bar.

use crate::cli::console::Console;
use crate::cli::log::progress::{Meter, Shown};
use crate::events::{BatchQueue, Event, Fact, Sink, Taken};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

/// Maximum bytes of guest output queued for a slow terminal. Bounds memory if a guest writes without end
/// (backpressure: the rest is dropped and counted).
const MAX_BACKLOG: usize = 16 << 20;

/// Maximum number of messages per write.
const BATCH: usize = 1024;

/// Queues lines and facts from many threads without ever blocking them.
pub(crate) struct Screen {
    queue: Arc<BatchQueue<Message>>,
    backlog: Arc<Backlog>,
    writer: Option<JoinHandle<()>>,
}

/// The kind of a line, which decides whether a slow terminal may drop it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineKind {
    /// A fact of the run. The plan bounds their number, so they are never dropped.
    Fact,
    /// Guest output, which is unbounded and may be dropped.
    Guest,
}

impl LineKind {
    /// Returns the kind of an event's line.
    pub(crate) const fn of(event: &Event) -> Self {
        match event.fact {
            Fact::TaskLog { .. } | Fact::TaskProgress { .. } => Self::Guest,
            _ => Self::Fact, // guests cannot produce other facts at will
        }
    }
}

/// Counters of the queue.
#[derive(Default)]
struct Backlog {
    bytes: AtomicUsize,
    dropped: AtomicUsize,
}

enum Message {
    Text(Vec<u8>),
    Follow(Box<Event>),
    /// Dropped once all that was queued before it is written.
    Flush(SyncSender<()>),
}

impl Screen {
    /// Writes to `out` until dropped; dropping waits for the last line.
    pub(crate) fn new(shown: Shown, console: Console, out: impl Write + Send + 'static) -> Self {
        let queue = Arc::<BatchQueue<Message>>::default();
        let messages = Arc::clone(&queue);
        let backlog = Arc::new(Backlog::default());
        let (meter, waiting) = (Meter::new(shown), Vec::new());
        let writer = Writer { meter, backlog: Arc::clone(&backlog), console, waiting, out };
        let thread = std::thread::spawn(move || writer.write_all(&messages));
        Self { queue, backlog, writer: Some(thread) }
    }

    /// Queues whole lines.
    pub(crate) fn print(&self, text: Vec<u8>, kind: LineKind) {
        let before = self.backlog.bytes.fetch_add(text.len(), Ordering::Relaxed);
        if kind == LineKind::Guest && before > MAX_BACKLOG {
            self.backlog.bytes.fetch_sub(text.len(), Ordering::Relaxed);
            self.backlog.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.queue.push(Message::Text(text));
    }

    /// Waits until all that was queued before is written.
    pub(crate) fn flush(&self) {
        let (written, flushed) = sync_channel(0);
        self.queue.push(Message::Flush(written));
        // An error says that the other end was dropped; nothing is ever sent.
        let _is_written = flushed.recv().is_err();
    }

    /// Passes an event to the progress display.
    pub(crate) fn follow(&self, event: &Event) {
        if LineKind::of(event) == LineKind::Fact {
            self.queue.push(Message::Follow(Box::new(event.clone())));
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            drop(writer.join());
        }
    }
}

/// The writer thread's state.
struct Writer<W> {
    meter: Meter,
    backlog: Arc<Backlog>,
    console: Console,
    /// The callers that wait until the next write is done.
    waiting: Vec<SyncSender<()>>,
    out: W,
}

impl<W: Write> Writer<W> {
    fn write_all(mut self, queue: &BatchQueue<Message>) {
        let mut messages = Vec::new();
        loop {
            match queue.take(&mut messages, self.meter.interval()) {
                Taken::Items => {
                    let mut messages = messages.drain(..);
                    while !messages.as_slice().is_empty() {
                        let mut text = Vec::new();
                        // One write per batch, so that a burst of lines costs few system calls.
                        messages.by_ref().take(BATCH).for_each(|message| self.append(message, &mut text));
                        self.write(&text);
                        self.waiting.clear();
                    }
                }
                // A pause in the events: redraw the bar, or write a line that is due.
                Taken::Nothing => {
                    let text = self.meter.idle().unwrap_or_default();
                    self.write(text.as_bytes());
                }
                Taken::Closed => return,
            }
        }
    }

    fn append(&mut self, message: Message, text: &mut Vec<u8>) {
        match message {
            Message::Text(line) => {
                self.backlog.bytes.fetch_sub(line.len(), Ordering::Relaxed);
                text.extend(line);
            }
            Message::Follow(event) => {
                text.extend(self.meter.record(&event, Instant::now()).unwrap_or_default().bytes());
            }
            Message::Flush(written) => self.waiting.push(written),
        }
    }

    /// Writes a batch. A closed stderr is ignored, and the run goes on.
    fn write(&mut self, text: &[u8]) {
        let dropped = self.backlog.dropped.swap(0, Ordering::Relaxed);
        if text.is_empty() && dropped == 0 {
            return;
        }
        let (out, console) = (&mut self.out, &self.console);
        self.meter.suspend(|| {
            let mut done = out.write_all(text);
            if dropped > 0 {
                done = done.and_then(|()| {
                    let message =
                        format!("dropped {dropped} lines of guest output: stderr was read too slowly");
                    out.write_all(&console.format_note("lines-left-out", &message))
                });
            }
            drop(done.and_then(|()| out.flush()));
        });
    }
}

/// The sink that passes a run's events to the screen.
pub(crate) struct Follower(pub(crate) Arc<Screen>);

impl Sink for Follower {
    fn record(&self, event: &Event) {
        self.0.follow(event);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cli::manual::{Page, size};
    use crate::cli::print::{run, task};
    use crate::model::RunStatus;
    use std::io;
    use std::sync::Mutex;
    use std::sync::mpsc::Receiver;

    /// A stderr that records its text.
    #[derive(Clone, Default)]
    pub(crate) struct CapturedStderr(Arc<Mutex<Vec<u8>>>);

    impl CapturedStderr {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for CapturedStderr {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn dropping_waits_for_the_last_line() {
        let stderr = CapturedStderr::default();
        let screen = Screen::new(Shown::None, Console::default(), stderr.clone());
        for _ in 0..5000 {
            screen.print(b"line\n".to_vec(), LineKind::Fact);
        }
        drop(screen);
        assert_eq!(stderr.text().lines().count(), 5000);
    }

    #[test]
    fn flushing_waits_for_what_was_printed_before() {
        let stderr = CapturedStderr::default();
        let screen = Screen::new(Shown::None, Console::default(), stderr.clone());
        for printed in 1..=100 {
            (0..50).for_each(|_| screen.print(b"line\n".to_vec(), LineKind::Fact));
            screen.flush();
            assert_eq!(stderr.text().lines().count(), 50 * printed);
        }
    }

    #[test]
    fn progress_lines_are_written_between_log_lines() {
        let stderr = CapturedStderr::default();
        let follower = Follower(Arc::new(Screen::new(Shown::Lines, Console::default(), stderr.clone())));
        follower.record(&run(Fact::RunStarted { name: "w".into(), tasks: 1 }));
        follower.0.print(b"stored  a\n".to_vec(), LineKind::Fact);
        follower.record(&task("a", Fact::TaskStored));
        follower.record(&run(Fact::RunFinished { status: RunStatus::Succeeded, duration_ms: 1.0 }));
        drop(follower);
        assert_eq!(stderr.text(), "0/1 done\nstored  a\n1/1 done\n");
    }

    /// A stderr that blocks until released.
    struct BlockedStderr(Receiver<()>, CapturedStderr);

    impl Write for BlockedStderr {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            assert!(self.0.recv().is_err(), "released by hanging up");
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn blocked_terminal_drops_guest_output_but_no_facts() {
        let stderr = CapturedStderr::default();
        let (release, gate): (SyncSender<()>, _) = sync_channel(0);
        let screen = Screen::new(Shown::None, Console::default(), BlockedStderr(gate, stderr.clone()));
        let chunk = vec![b'x'; 1 << 20];
        for _ in 0..40 {
            screen.print(chunk.clone(), LineKind::Guest);
        }
        screen.print(b"\nfinished\n".to_vec(), LineKind::Fact);
        drop(release);
        drop(screen);
        let text = stderr.text();
        assert!(text.contains("\nfinished\n"));
        assert!(text.contains(" lines of guest output"), "{}", text.lines().last().unwrap());
    }

    #[test]
    fn the_manual_has_the_bounds_of_this_file() {
        Page::of("events").section("The log").says(&size(MAX_BACKLOG));
    }
}
