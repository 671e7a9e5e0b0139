//! The events of a run as a stream, and the sink that fills it.
//! The engine emits events and never waits: a slow reader loses the newest ones, and can see how many.

use crate::events::{Event, Sink};
use futures_util::Stream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Maximum number of events that wait for their reader: a fan-out of 10,000 elements emits three for each.
const MAX_WAITING: usize = 65_536;

/// The events of one run, in the order in which this host emitted them. Ends with the run.
///
/// Up to 65,536 events wait for their reader. Later ones are dropped and counted by [`Events::lost`].
///
/// ```no_run
/// # use cascade_host::{Fact, Pipeline};
/// let pipeline = Pipeline::from_path("wordcount.toml")?;
/// let mut run = pipeline.run();
/// let mut events = run.events();
/// let handle = run.start()?;
/// while let Some(event) = events.next_blocking() {
///     if let (Some(subject), Fact::TaskFinished { duration_ms, .. }) = (event.subject, event.fact) {
///         println!("{} took {duration_ms} ms", subject.task);
///     }
/// }
/// handle.wait()?;
/// # Ok::<(), cascade_host::Error>(())
/// ```
#[derive(Debug)]
pub struct Events {
    waiting: Receiver<Event>,
    lost: Arc<AtomicU64>,
}

/// The sending half of [`Events`].
pub(crate) struct EventSink {
    events: Sender<Event>,
    lost: Arc<AtomicU64>,
}

/// Creates a stream and the sink that fills it.
pub(crate) fn event_stream() -> (EventSink, Events) {
    let (events, waiting) = channel(MAX_WAITING);
    let lost = Arc::<AtomicU64>::default();
    (EventSink { events, lost: Arc::clone(&lost) }, Events { waiting, lost })
}

impl Events {
    /// Waits for the next event; none after the last one. Cancel safe. Also a [`Stream`].
    pub async fn next(&mut self) -> Option<Event> {
        self.waiting.recv().await
    }

    /// Blocks until the next event; none after the last one.
    ///
    /// # Panics
    ///
    /// On a thread of an async runtime, which must not block.
    pub fn next_blocking(&mut self) -> Option<Event> {
        self.waiting.blocking_recv()
    }

    /// Returns how many events were dropped because the reader was slow.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.waiting.poll_recv(context)
    }
}

impl Sink for EventSink {
    fn record(&self, event: &Event) {
        if let Err(TrySendError::Full(_)) = self.events.try_send(event.clone()) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Fact;
    use crate::model::Timestamp;

    #[test]
    fn a_slow_reader_loses_the_newest_events_and_sees_how_many() {
        let (sink, mut events) = event_stream();
        let event = Event { at: Timestamp::from_millis(0), subject: None, fact: Fact::StateReconnected };
        (0..MAX_WAITING + 3).for_each(|_| sink.record(&event));
        drop(sink);
        assert_eq!(events.lost(), 3);
        let read = std::iter::from_fn(|| events.next_blocking()).count();
        assert_eq!(read, MAX_WAITING);
    }

    #[test]
    fn events_that_nobody_reads_are_not_kept() {
        let (sink, events) = event_stream();
        let lost = Arc::clone(&events.lost);
        drop(events);
        sink.record(&Event { at: Timestamp::from_millis(0), subject: None, fact: Fact::StateReconnected });
        assert_eq!(lost.load(Ordering::Relaxed), 0);
    }
}
