//! Appends a run's events to its journal, in the background and in batches.
//! A run never waits for its journal: if the backend is slow, `journal_buffer` drops events and reports the gap
//! (backpressure).

use crate::app::journal_buffer::JournalBuffer;
use crate::events::{CallFact, Event, Fact, Recorder, Sink, Subject};
use crate::model::RunId;
use crate::state::{Backend, Batch, EpochNote, ErrorKind, HostId};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long to gather events before appending them.
const GATHER: Duration = Duration::from_millis(100);

/// Pause after a failed append.
const PAUSE: Duration = Duration::from_secs(1);

/// How long the end of a run waits for the last batch: a slow journal must not delay a finished run.
const FLUSH: Duration = Duration::from_secs(5);

/// Appends the events of one run until it is closed.
pub(crate) struct JournalWriter {
    shared: Arc<Shared>,
    recorder: Recorder,
    // One task, which is awaited when the writer is closed and stopped when it is dropped.
    tasks: JoinSet<()>,
}

/// The state shared by sink and writer.
struct Shared {
    // A mutex because events come from many threads; each critical section is one insertion.
    pending: Mutex<JournalBuffer>,
    has_events: Notify,
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, JournalBuffer> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sink that queues events for the writer.
struct JournalSink(Arc<Shared>);

impl Sink for JournalSink {
    fn record(&self, event: &Event) {
        if self.0.pending().note(event) {
            self.0.has_events.notify_one();
        }
    }

    fn stores_calls(&self) -> bool {
        true
    }

    fn call(&self, subject: &Subject, call: &CallFact) {
        self.0.pending().call(subject, call);
    }
}

impl JournalWriter {
    /// Starts the writer. Returns it with a recorder that also feeds the journal; errors are reported to `recorder`
    /// alone.
    pub(crate) fn start(
        backend: &Arc<dyn Backend>,
        (run, host): (&RunId, &HostId),
        epoch: (u64, Option<EpochNote>),
        recorder: &Recorder,
    ) -> (Self, Recorder) {
        let pending = Mutex::new(JournalBuffer::new(run.clone(), host.clone(), epoch));
        let shared = Arc::new(Shared { pending, has_events: Notify::new() });
        let writing = Writing {
            backend: Arc::clone(backend),
            run: run.clone(),
            shared: Arc::clone(&shared),
            recorder: recorder.clone(),
            has_warned: false,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(writing.write());
        let with_journal = recorder.with(Arc::new(JournalSink(Arc::clone(&shared))));
        (Self { shared, recorder: recorder.clone(), tasks }, with_journal)
    }

    /// Appends the remaining events, for a limited time. Later events are lost.
    pub(crate) async fn close(mut self) {
        self.shared.pending().close();
        self.shared.has_events.notify_one();
        let rest = async { while self.tasks.join_next().await.is_some() {} };
        // The set stops the writer when it is dropped; a journal that ends early is no failure.
        if tokio::time::timeout(FLUSH, rest).await.is_err() {
            let message =
                "the last events of the run are not stored: the state backend did not accept them in time";
            self.recorder.run(Fact::Warning { code: "journal".into(), message: message.to_owned() });
        }
    }
}

/// The writer's state.
struct Writing {
    backend: Arc<dyn Backend>,
    run: RunId,
    shared: Arc<Shared>,
    recorder: Recorder,
    has_warned: bool,
}

/// The outcome of an append.
enum Appended {
    Done,
    Again,
    RunIsGone,
}

impl Writing {
    async fn write(mut self) {
        loop {
            self.gather().await;
            let batch = self.shared.pending().take();
            let Some(batch) = batch else {
                if self.shared.pending().is_closed() {
                    return;
                }
                continue;
            };
            loop {
                match self.append(&batch).await {
                    Appended::Done => break,
                    // Retry the same batch. Meanwhile the buffer drops what exceeds its bounds.
                    Appended::Again => tokio::time::sleep(PAUSE).await,
                    Appended::RunIsGone => return self.shared.pending().close(),
                }
            }
        }
    }

    /// Waits for the first event, then gathers more for a short time. Returns at once when closed.
    async fn gather(&self) {
        if !self.shared.pending().is_closed() {
            self.shared.has_events.notified().await;
        }
        let until = Instant::now() + GATHER;
        while !self.shared.pending().is_closed() {
            if tokio::time::timeout_at(until, self.shared.has_events.notified()).await.is_err() {
                return;
            }
        }
    }

    async fn append(&mut self, batch: &Batch) -> Appended {
        let error = match self.backend.append(&self.run, batch).await {
            Ok(()) => return Appended::Done,
            Err(error) => error,
        };
        if error.kind == ErrorKind::NoRun {
            return Appended::RunIsGone;
        }
        if !std::mem::replace(&mut self.has_warned, true) {
            let message = format!("events of the run are not stored at the moment: {error}");
            self.recorder.run(Fact::Warning { code: "journal".into(), message });
        }
        Appended::Again
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Subject;
    use crate::model::{Clock, FailurePolicy, ManualClock, TaskName};
    use crate::state::{LogPart, MemoryBackend, Mode, OpenRequest, Opened, Phase, RunShape};

    fn run_id() -> RunId {
        RunId::new("r1").unwrap()
    }

    fn host() -> HostId {
        HostId("h1".into())
    }

    async fn opened(backend: &dyn Backend) -> Opened {
        let request = OpenRequest {
            run: run_id(),
            digest: crate::model::Digest::of_bytes(b"plan"),
            record: bytes::Bytes::new(),
            shape: Arc::new(RunShape {
                tasks: vec![],
                classes: vec![vec![]],
                resources: vec![],
                larger: Vec::new(),
                has_closing: false,
                max_elements: u32::MAX,
                deadlines: Vec::new(),
                deadline: None,
                first_finally: None,
            }),
            mode: Mode::Resume,
            rerun: Vec::new(),
            policy: FailurePolicy::Finish,
            ttl: Duration::from_mins(1),
            host: host(),
            lease: Duration::from_secs(1),
            is_gone: |_| false,
        };
        backend.open(request).await.unwrap()
    }

    fn subject() -> Subject {
        Subject { task: TaskName::new("split").unwrap(), item: Some(2), iteration: None, attempt: Some(1) }
    }

    fn recorder() -> Recorder {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
        Recorder::new(clock, vec![])
    }

    #[tokio::test(start_paused = true)]
    async fn closed_journal_holds_all_events() {
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let _opened = opened(backend.as_ref()).await;
        let (writer, recorder) = JournalWriter::start(&backend, (&run_id(), &host()), (1, None), &recorder());
        recorder.run(Fact::RunStarted { name: "words".into(), tasks: 1 });
        recorder.task(subject(), Fact::TaskStarted);
        recorder.task(subject(), Fact::TaskLog { stream: "stdout".into(), text: "hello".into() });
        tokio::time::sleep(GATHER * 2).await;
        recorder.task(subject(), Fact::TaskCached { key: "k".into() });
        writer.close().await;
        let node = backend.nodes(&run_id(), &["split[2]".to_owned()]).await.unwrap().remove(0);
        assert_eq!(node.note.map(|note| note.phase), Some(Phase::Cached));
        let log = backend.log(&run_id(), "split[2]").await.unwrap();
        assert!(matches!(&*log, [LogPart::Line(line)] if line.text == "hello"), "{log:?}");
        assert_eq!(backend.run(&run_id()).await.unwrap().name.as_deref(), Some("words"));
    }

    #[tokio::test(start_paused = true)]
    async fn removed_run_ends_its_journal() {
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let (writer, recorder) = JournalWriter::start(&backend, (&run_id(), &host()), (1, None), &recorder());
        recorder.task(subject(), Fact::TaskStarted);
        let start = Instant::now();
        writer.close().await;
        assert!(start.elapsed() < FLUSH);
    }
}
