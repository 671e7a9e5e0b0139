//! The only writer to stderr during a run: log lines above, progress below, on its own thread.
//! The logs format the lines; `progress` draws the bar.

use crate::cli::log::progress::{Meter, Shown};
use crate::cli::voice::Voice;
use crate::events::{BatchQueue, Event, Fact, Sink, Taken};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Instant;

/// Maximum bytes of guest output queued for a slow terminal. Bounds memory if a guest writes without end
/// (backpressure: the rest is dropped and counted).
const MAX_WAITING: usize = 16 << 20;

/// Maximum number of messages per write.
const BATCH: usize = 1024;

/// Queues lines and facts from many threads without ever blocking them.
pub(crate) struct Screen {
    tray: Arc<BatchQueue<Message>>,
    waiting: Arc<Waiting>,
    writer: Option<JoinHandle<()>>,
}

/// The kind of a line, which decides whether it may be dropped when the terminal is too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// A fact of the run. The plan bounds their number, so they are never dropped.
    Fact,
    /// Guest output, which is unbounded and may be dropped.
    Guest,
}

impl Weight {
    /// Returns the weight of an event's line.
    pub(crate) const fn of(event: &Event) -> Self {
        match event.fact {
            Fact::TaskLog { .. } | Fact::TaskProgress { .. } => Self::Guest,
            _ => Self::Fact, // guests cannot produce other facts at will
        }
    }
}

/// Counters of the queue.
#[derive(Default)]
struct Waiting {
    bytes: AtomicUsize,
    left_out: AtomicUsize,
}

enum Message {
    Text(Vec<u8>),
    Follow(Box<Event>),
}

impl Screen {
    /// Writes to `out` until dropped; dropping waits for the last line.
    pub(crate) fn new(shown: Shown, voice: Voice, out: impl Write + Send + 'static) -> Self {
        let tray = Arc::<BatchQueue<Message>>::default();
        let messages = Arc::clone(&tray);
        let waiting = Arc::new(Waiting::default());
        let page = Page { meter: Meter::new(shown), waiting: Arc::clone(&waiting), voice, out };
        let writer = std::thread::spawn(move || page.write_all(&messages));
        Self { tray, waiting, writer: Some(writer) }
    }

    /// Queues whole lines.
    pub(crate) fn print(&self, text: Vec<u8>, weight: Weight) {
        let before = self.waiting.bytes.fetch_add(text.len(), Ordering::Relaxed);
        if weight == Weight::Guest && before > MAX_WAITING {
            self.waiting.bytes.fetch_sub(text.len(), Ordering::Relaxed);
            self.waiting.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.tray.push(Message::Text(text));
    }

    /// Passes an event to the progress display.
    pub(crate) fn follow(&self, event: &Event) {
        if Weight::of(event) == Weight::Fact {
            self.tray.push(Message::Follow(Box::new(event.clone())));
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.tray.close();
        if let Some(writer) = self.writer.take() {
            drop(writer.join());
        }
    }
}

/// The writer thread's state.
struct Page<W> {
    meter: Meter,
    waiting: Arc<Waiting>,
    voice: Voice,
    out: W,
}

impl<W: Write> Page<W> {
    fn write_all(mut self, tray: &BatchQueue<Message>) {
        let mut messages = Vec::new();
        loop {
            match tray.take(&mut messages, self.meter.pace()) {
                Taken::Things => {
                    let mut messages = messages.drain(..);
                    while !messages.as_slice().is_empty() {
                        let mut text = Vec::new();
                        // One write per batch, so that a burst of lines costs few system calls.
                        messages.by_ref().take(BATCH).for_each(|message| self.take(message, &mut text));
                        self.write(&text);
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

    fn take(&mut self, message: Message, text: &mut Vec<u8>) {
        match message {
            Message::Text(line) => {
                self.waiting.bytes.fetch_sub(line.len(), Ordering::Relaxed);
                text.extend(line);
            }
            Message::Follow(event) => {
                text.extend(self.meter.note(&event, Instant::now()).unwrap_or_default().bytes());
            }
        }
    }

    /// Writes a batch. A closed stderr is ignored, and the run goes on.
    fn write(&mut self, text: &[u8]) {
        let left_out = self.waiting.left_out.swap(0, Ordering::Relaxed);
        if text.is_empty() && left_out == 0 {
            return;
        }
        let (out, voice) = (&mut self.out, &self.voice);
        self.meter.aside(|| {
            let mut done = out.write_all(text);
            if left_out > 0 {
                done = done.and_then(|()| {
                    let message =
                        format!("{left_out} lines of guests are left out: nobody read them in time");
                    out.write_all(&voice.noted("lines-left-out", &message))
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
    use std::sync::mpsc::SyncSender;
    use std::sync::mpsc::sync_channel;

    /// A stderr that records its text.
    #[derive(Clone, Default)]
    pub(crate) struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Paper {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Paper {
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
        let page = Paper::default();
        let screen = Screen::new(Shown::None, Voice::default(), page.clone());
        for _ in 0..5000 {
            screen.print(b"line\n".to_vec(), Weight::Fact);
        }
        drop(screen);
        assert_eq!(page.text().lines().count(), 5000);
    }

    #[test]
    fn lines_of_progress_stand_among_the_log() {
        let page = Paper::default();
        let follower = Follower(Arc::new(Screen::new(Shown::Lines, Voice::default(), page.clone())));
        follower.record(&run(Fact::RunStarted { name: "w".into(), tasks: 1 }));
        follower.0.print(b"stored  a\n".to_vec(), Weight::Fact);
        follower.record(&task("a", Fact::TaskStored));
        follower.record(&run(Fact::RunFinished { status: RunStatus::Succeeded, duration_ms: 1.0 }));
        drop(follower);
        assert_eq!(page.text(), "0/1 done\nstored  a\n1/1 done\n");
    }

    /// A stderr that blocks until released.
    struct Stuck(Receiver<()>, Paper);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            assert!(self.0.recv().is_err(), "released by hanging up");
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_terminal_that_is_stuck_costs_guests_their_lines_and_the_run_none() {
        let page = Paper::default();
        let (release, gate): (SyncSender<()>, _) = sync_channel(0);
        let screen = Screen::new(Shown::None, Voice::default(), Stuck(gate, page.clone()));
        let chunk = vec![b'x'; 1 << 20];
        for _ in 0..40 {
            screen.print(chunk.clone(), Weight::Guest);
        }
        screen.print(b"\nfinished\n".to_vec(), Weight::Fact);
        drop(release);
        drop(screen);
        let text = page.text();
        assert!(text.contains("\nfinished\n"));
        assert!(text.contains(" lines of guests are left out"), "{}", text.lines().last().unwrap());
    }

    #[test]
    fn the_manual_has_the_bounds_of_this_file() {
        Page::of("events").section("The log").says(&size(MAX_WAITING));
    }
}
