//! Executes one run: opens it at its backend, has the engine work on it, reads the outputs.
//! The caller supplies the recorder of events and the interrupt.

use crate::app::epoch_note::{changes, epoch_note};
use crate::app::finally;
use crate::app::invokers::invoker;
use crate::app::journal::JournalWriter;
use crate::app::left_out::left_out_before;
use crate::app::notification::{Delivery, Notification};
use crate::app::rerun::rerun;
use crate::app::reserved::reserved;
use crate::app::secret_outputs;
use crate::app::{Error, HealthChange, HealthMonitor, Others, Refusal, Session, until_idle};
use crate::cache::Cache;
use crate::config::is_gone;
use crate::engine;
use crate::engine::{
    Ended, Engine, Finished, Interrupt, OutputValue, Outputs, ReservedResources, Unwell, Verification,
    WhenInterrupted,
};
use crate::events::{Fact, FailureFact, Recorder};
use crate::model::{FailurePolicy, RunStatus};
use crate::plan::PlanRecord;
use crate::sandbox::Sandbox;
use crate::state;
use crate::state::{Backend, ErrorKind, HostId, Mode, NodeId, Notice, OpenKind, OpenRequest, Opened, Want};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Default time to keep a run after its last write.
const TTL: Duration = Duration::from_hours(24);

/// Maximum number of differences listed if a run id has another plan.
const MAX_DIFFERENCES: usize = 10;

/// The settings of a run on this host.
pub(crate) struct RunRequest {
    /// The state backend.
    pub backend: Arc<dyn Backend>,
    /// The cache for results shared between runs; `None` if off.
    pub cache: Option<Arc<dyn Cache>>,
    /// The treatment of results stored under the run's id.
    pub mode: Mode,
    /// Names of tasks, pipelines and elements that run again.
    pub rerun: Vec<String>,
    /// The reaction to a failed task.
    pub policy: FailurePolicy,
    /// Number of slots: guests that run at the same time.
    pub slots: u32,
    /// The id of this host.
    pub host: HostId,
    /// Receives the run's events.
    pub recorder: Recorder,
    /// The interrupt channel.
    pub interrupt: watch::Receiver<Interrupt>,
    /// Lease of a claim without renewal.
    pub lease: Duration,
    /// Seed of the retry jitter.
    pub seed: u64,
    /// Whether to verify purity by executing shareable calls once more.
    pub verification: Verification,
    /// What to do about other hosts that work on the run.
    pub others: Others,
    /// The state of the run if this host is interrupted.
    pub when_interrupted: WhenInterrupted,
}

/// The end of a run on this host.
#[derive(Debug)]
pub(crate) struct Report {
    /// End of the run.
    pub ended: Ended,
    /// The outputs, by name.
    pub outputs: Outputs,
    /// The tasks of `[finally]` that have not ended well.
    pub unwell: Unwell,
    /// Whether this host has worked on the run. Otherwise its state is unknown: it may not even exist.
    pub has_started: bool,
    /// The notification of the end, if this host has to send it: after the outputs, which do not wait for a receiver.
    pub delivery: Option<Delivery>,
}

/// Works on a run until it ends or this host is interrupted. The session must be prepared.
pub(crate) async fn run(
    session: &Session,
    sandbox: Arc<Sandbox>,
    request: RunRequest,
) -> Result<Report, Error> {
    sandbox.set_buckets(request.backend.buckets());
    let mut interrupt = request.interrupt.clone();
    let opening = async {
        let notices = request.backend.preflight().await?;
        let rerun = rerun(session, request.backend.as_ref(), &request.rerun).await?;
        let place = (&request.host, request.lease);
        let reserved = reserved(session, request.backend.as_ref(), place).await?;
        let changes = changes(session, request.backend.as_ref(), request.mode).await?;
        let opened = open_for(session, &request, &rerun).await?;
        let left_out = left_out_before(session, request.backend.as_ref(), &opened).await?;
        Ok::<_, Error>((notices, (opened, reserved), (left_out, changes)))
    };
    let mut monitor = state_monitor(&request, &request.recorder);
    let (notices, (opened, reserved), (left_out, changes)) = tokio::select! {
        opened = monitor.beside(opening) => opened?,
        // A run that is open by then looks as if this host had died; other hosts handle that.
        Ok(_) = interrupt.wait_for(|interrupt| *interrupt != Interrupt::None) => {
            return Ok(Report {
                ended: Ended::Interrupted,
                outputs: Vec::new(),
                unwell: Unwell::default(),
                has_started: false,
                delivery: None,
            });
        }
    };
    monitor.catch_up();
    drop(monitor);
    let RunRequest { recorder, backend, host, .. } = &request;
    // A journal in this process would be lost with it, so only lasting backends get one.
    let (journal, recorder) = if backend.outlives_process() {
        let epoch = (opened.epoch, epoch_note(&opened, changes, &request.rerun));
        let (journal, recorder) = JournalWriter::start(backend, (&session.run, host), epoch, recorder);
        (Some(journal), recorder)
    } else {
        (None, recorder.clone())
    };
    record_start(session, &opened, &recorder);
    for Notice { code, message } in notices {
        recorder.run(Fact::Warning { code: code.into(), message });
    }
    left_out.into_iter().chain(secret_outputs::warning(session)).for_each(|warning| recorder.run(warning));
    let request = RunRequest { recorder, ..request };
    let mut report = work(session, sandbox, (&opened, reserved), request).await;
    match report.as_mut().ok().and_then(|report| report.delivery.as_mut()) {
        Some(delivery) => delivery.journal = journal,
        None => {
            if let Some(journal) = journal {
                journal.close().await;
            }
        }
    }
    report
}

async fn work(
    session: &Session,
    sandbox: Arc<Sandbox>,
    (opened, reserved): (&Opened, Option<ReservedResources>),
    request: RunRequest,
) -> Result<Report, Error> {
    let start = Instant::now();
    let recorder = request.recorder.clone();
    let mut state_monitor = state_monitor(&request, &recorder);
    let mut cache_monitor = cache_monitor(&request, &recorder);
    // Only lasting backends have notes, as `JournalWriter` writes them.
    let notes = request.backend.outlives_process().then(|| Arc::clone(&request.backend));
    let RunRequest { cache, slots, interrupt, seed, verification, when_interrupted, .. } = request;
    let (interrupted, client) = (interrupt.clone(), sandbox.client());
    let invoker = invoker(session.bound.plan(), sandbox);
    let engine = Engine { invoker, cache, recorder: recorder.clone(), interrupt };
    let settings = engine::Settings {
        run: session.run.clone(),
        bound: Arc::clone(&session.bound),
        ledger: Arc::clone(&opened.ledger),
        shape: Arc::clone(&session.shape),
        epoch: opened.epoch,
        stored: opened.stored.clone(),
        rerun: opened.rerun.clone(),
        slots,
        seed,
        verification,
        reserved,
        notes,
        when_interrupted,
        shown: session.targets.shown.clone(),
    };
    let lost = |source: state::Error| Error::Lost { run: session.run.clone(), source };
    let running = cache_monitor.beside(state_monitor.beside(engine::run(engine, settings)));
    let Finished { ended, outputs: closing_outputs } = running.await.map_err(lost)?;
    let ended = end_for_good(opened, (ended, when_interrupted)).await.map_err(lost)?;
    let status = match ended {
        Ended::Run(status) => status,
        Ended::Interrupted => RunStatus::Cancelled,
    };
    let shown = &session.targets.shown;
    let outputs = match closing_outputs {
        Some(outputs) => outputs,
        None => state_monitor
            .beside(engine::outputs(&session.bound, opened.ledger.as_ref(), shown))
            .await
            .map_err(lost)?,
    };
    let unwell = state_monitor.beside(unwell(session, opened, ended)).await.map_err(lost)?;
    let outputs = without_secrets(outputs, &recorder);
    let duration_ms = (start.elapsed().as_secs_f64() * 1e6).round() / 1e3;
    // An interrupted host leaves a run that has not ended.
    let notification = match ended {
        Ended::Run(status) => {
            let (ledger, end) = (opened.ledger.as_ref(), (status, &request.host, duration_ms));
            let backend = request.backend.as_ref();
            state_monitor.beside(Notification::prepare((session, ledger, backend), end, &recorder)).await
        }
        Ended::Interrupted => Ok(None),
    };
    opened.ledger.leave().await;
    state_monitor.catch_up();
    let notification = match (notification, &session.hook) {
        (Err(error), Some(hook)) => {
            recorder.run(Notification::not_delivered(hook, &error.to_string()));
            None
        }
        (notification, _) => notification.unwrap_or_default(),
    };
    finally::warning(ended, &unwell).into_iter().for_each(|warning| recorder.run(warning));
    recorder.run(Fact::RunFinished { status, duration_ms });
    let delivery = notification.map(|notification| {
        let (client, interrupt) = (client, interrupted);
        Delivery { notification, client, interrupt, recorder: recorder.clone(), journal: None }
    });
    if status == RunStatus::Succeeded
        && let Err(error) = check_outputs(session, &outputs)
    {
        if let Some(delivery) = delivery {
            delivery.deliver().await;
        }
        return Err(error);
    }
    Ok(Report { ended, outputs, unwell, has_started: true, delivery })
}

/// Ends an interrupted run that nobody resumes, without the finally tasks that are left. Returns how the run has ended.
async fn end_for_good(
    opened: &Opened,
    (ended, when_interrupted): (Ended, WhenInterrupted),
) -> Result<Ended, state::Error> {
    if ended != Ended::Interrupted || when_interrupted == WhenInterrupted::Kept {
        return Ok(ended);
    }
    opened.ledger.cancel().await?;
    // The first one may only have begun its ending.
    opened.ledger.cancel().await?;
    let reply = opened.ledger.commit(Vec::new(), Want::default()).await?;
    Ok(Ended::Run(reply.progress.status))
}

/// Returns the tasks of `[finally]` that have not ended well. An interrupted run has had no ending.
async fn unwell(session: &Session, opened: &Opened, ended: Ended) -> Result<Unwell, state::Error> {
    match ended {
        Ended::Run(_) => engine::finally_unwell(&session.bound, &session.shape, opened.ledger.as_ref()).await,
        Ended::Interrupted => Ok(Unwell::default()),
    }
}

/// Masks secrets in the errors of outputs.
fn without_secrets(outputs: Outputs, recorder: &Recorder) -> Outputs {
    let outputs = outputs.into_iter().map(|(name, value)| match value {
        OutputValue::Faulty(failure) => {
            let error = recorder.hide(&failure.error);
            (name, OutputValue::Faulty(FailureFact { error, ..failure }))
        }
        value => (name, value), // no other value has a text written by the host
    });
    outputs.collect()
}

/// Fails if an output of a successful run cannot be computed: another host has closed the run by the outputs of its own
/// manifest, or the backend has lost or changed a result since.
fn check_outputs(session: &Session, outputs: &[(String, OutputValue)]) -> Result<(), Error> {
    let missing = outputs.iter().find_map(|(name, value)| match value {
        OutputValue::Value(..) | OutputValue::Skipped(_) => None,
        OutputValue::Faulty(failure) => Some((name, failure.error.as_str())),
        OutputValue::Missing(why) => Some((name, why.as_str())),
    });
    match missing {
        None => Ok(()),
        Some((name, why)) => {
            let message =
                format!("run `{}` succeeded, but its output `{name}` cannot be computed", session.run);
            let error = state::Error::new(ErrorKind::Refused, message).caused_by(why);
            Err(error
                .hint("Start the run again under the same id. Finished tasks keep their results.")
                .into())
        }
    }
}

/// Opens the run. If others work on it, joins them, waits for their end, or fails.
async fn open_for(session: &Session, request: &RunRequest, rerun: &[NodeId]) -> Result<Opened, Error> {
    loop {
        let opened = open(session, request, rerun).await?;
        if opened.kind != OpenKind::Joined || request.others == Others::Join {
            return Ok(opened);
        }
        // They began after the command had looked for them.
        opened.ledger.leave().await;
        drop(opened);
        match request.others {
            Others::Await => until_idle(request.backend.as_ref(), &session.run).await?,
            Others::Avoid | Others::Join => return Err(Error::Occupied { run: session.run.clone() }),
        }
    }
}

async fn open(session: &Session, request: &RunRequest, rerun: &[NodeId]) -> Result<Opened, Error> {
    let open = OpenRequest {
        run: session.run.clone(),
        digest: *session.bound.digest(),
        record: session.bound.record().clone(),
        shape: Arc::clone(&session.shape),
        mode: request.mode,
        rerun: rerun.to_vec(),
        policy: request.policy,
        ttl: session.manifests.root().state.ttl.unwrap_or(TTL),
        host: request.host.clone(),
        lease: request.lease,
        is_gone: |host| is_gone(&host.0),
    };
    request.backend.open(open).await.map_err(|error| match &error.kind {
        ErrorKind::OtherDigest(stored) => other_plan(session, stored).into(),
        _ => Error::Backend(error), // all others are failures of the backend
    })
}

/// Builds the refusal for a run id with another plan, listing the differences.
fn other_plan(session: &Session, stored: &[u8]) -> Refusal {
    let refusal = Refusal::new(format!("run `{}` exists with another plan", session.run));
    let refusal = match PlanRecord::decode(stored) {
        None => {
            refusal.note("the stored plan is damaged or of another version, so the differences are unknown")
        }
        Some(stored) => {
            let differences = session.bound.differences(&stored);
            let more = differences.len().saturating_sub(MAX_DIFFERENCES);
            let shown = differences.iter().take(MAX_DIFFERENCES);
            let refusal = shown.fold(refusal, |refusal, difference| refusal.note(difference.to_string()));
            if more > 0 { refusal.note(format!("and {more} more")) } else { refusal }
        }
    };
    refusal.help(
        "`--update` accepts the changed plan and keeps the results of unchanged calls, `--fresh` starts over, another \
         `--run-id` leaves the stored run unchanged",
    )
}

/// Records that the run has started or was resumed.
fn record_start(session: &Session, opened: &Opened, recorder: &Recorder) {
    let name = session.manifests.root().name.clone();
    let included = session.targets.is_included.iter().filter(|is_included| **is_included).count();
    let tasks = u32::try_from(included).unwrap_or(u32::MAX);
    recorder.run(match opened.kind {
        OpenKind::Created | OpenKind::Joined => Fact::RunStarted { name, tasks },
        OpenKind::Resumed { kept } => Fact::RunResumed { name, tasks, kept },
    });
}

/// Creates the health monitor of a run's state backend.
fn state_monitor<'a>(request: &RunRequest, recorder: &'a Recorder) -> HealthMonitor<'a> {
    HealthMonitor::new("the state backend", request.backend.health(), |change| {
        recorder.run(match change {
            HealthChange::Unavailable(message) => Fact::Warning { code: "state-away".into(), message },
            HealthChange::Available => Fact::StateReconnected,
        });
    })
}

/// Creates the health monitor of a run's cache.
fn cache_monitor<'a>(request: &RunRequest, recorder: &'a Recorder) -> HealthMonitor<'a> {
    let health = request.cache.as_ref().and_then(|cache| cache.health());
    HealthMonitor::new("the cache", health, |change| {
        recorder.run(match change {
            HealthChange::Unavailable(message) => Fact::Warning { code: "cache-away".into(), message },
            HealthChange::Available => Fact::Warning {
                code: "cache-back".into(),
                message: "the cache is available again".to_owned(),
            },
        });
    })
}
