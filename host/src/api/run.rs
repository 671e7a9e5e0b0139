//! The description of one run: params, id, storage, policy, and its start on the host's runtime.
//! `app/run` executes it; `handle` is the running one.

use crate::api::events::{EventSink, event_stream};
use crate::api::report::FailureLog;
use crate::api::storage::Choice;
use crate::api::{Error, Events, Pipeline, Report, ResultCache, RunHandle, State};
use crate::app;
use crate::app::{Others, Params, Refusal, RunRequest, Session, SessionRequest, StateBackend};
use crate::cache::{Cache, with_ttl};
use crate::config::host_id;
use crate::engine::{Interrupt, Verification, WhenInterrupted};
use crate::events::{Fact, Recorder, Sink};
use crate::model::{Clock as _, FailurePolicy, Random, RunId, SystemClock};
use crate::plan::Supplied;
use crate::state::{HostId, LEASES, Mode, StateUri};
use serde::Serialize;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A run to be started. Every setting has the default of the command line.
///
/// Start it with [`Run::wait`] (blocks), `.await`, or [`Run::start`], which returns while it runs.
///
/// ```no_run
/// # use cascade_host::{FailurePolicy, Pipeline};
/// let pipeline = Pipeline::from_path("report.toml")?;
/// let report = pipeline
///     .run()
///     .param("region", "eu")
///     .param("limits", [10_u32, 20])
///     .run_id("report-2026-11-29")
///     .state("redis://127.0.0.1:6379/0")
///     .cache("redis://127.0.0.1:6379/1")
///     .policy(FailurePolicy::KeepGoing)
///     .wait()?;
/// # Ok::<(), cascade_host::Error>(())
/// ```
pub struct Run {
    pipeline: Pipeline,
    params: Params,
    refused: Option<Refusal>,
    id: Option<String>,
    state: Option<State>,
    cache: Option<ResultCache>,
    mode: Mode,
    policy: FailurePolicy,
    rerun: Vec<String>,
    targets: Vec<String>,
    verification: Verification,
    lease: Option<Duration>,
    sinks: Vec<Arc<dyn Sink>>,
}

impl Pipeline {
    /// Describes a run; nothing starts before [`Run::start`], [`Run::wait`] or `.await`.
    #[must_use]
    pub fn run(&self) -> Run {
        Run::new(self.clone())
    }
}

impl Run {
    pub(crate) fn new(pipeline: Pipeline) -> Self {
        Self {
            pipeline,
            params: Params::default(),
            refused: None,
            id: None,
            state: None,
            cache: None,
            mode: Mode::default(),
            policy: FailurePolicy::default(),
            rerun: Vec::new(),
            targets: Vec::new(),
            verification: Verification::default(),
            lease: None,
            sinks: Vec::new(),
        }
    }

    /// Sets a param to a Rust value. Structs become records, unit variants become enum cases, other variants become variant
    /// cases with a payload, and a `serde_json::Value` becomes the value that it contains. Names must be those of WIT, so
    /// rename fields to kebab-case.
    ///
    /// The value is checked against the param's type when the run starts. A later value replaces an earlier one.
    ///
    /// ```
    /// # #[derive(serde::Serialize)]
    /// #[serde(rename_all = "kebab-case")]
    /// struct Window { first_day: u32, days: u32 } // record { first-day: u32, days: u32 }
    /// # fn window(run: cascade_host::Run) -> cascade_host::Run {
    /// run.param("window", Window { first_day: 3, days: 7 })
    /// # }
    /// ```
    #[must_use]
    pub fn param(mut self, name: &str, value: impl Serialize) -> Self {
        match app::to_datum(value) {
            Ok(datum) => self.params.values.push((name.to_owned(), Supplied::Datum(datum))),
            Err(error) => {
                let refusal = Refusal::new(format!("the value of param `{name}` cannot be serialized"));
                self.refused.get_or_insert(refusal.caused_by(error));
            }
        }
        self
    }

    /// Sets a param of type `string` or `list<u8>` to these bytes, without a detour through serde.
    #[must_use]
    pub fn param_bytes(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.params.values.push((name.to_owned(), Supplied::Content(bytes.into())));
        self
    }

    /// Sets the run id. The same id again, in the same state, resumes the run. Default: a generated one.
    #[must_use]
    pub fn run_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the state backend. Default: the manifest's, else `memory:` of this [`crate::Host`].
    #[must_use]
    pub fn state(mut self, state: impl Into<State>) -> Self {
        self.state = Some(state.into());
        self
    }

    /// Sets the cache. Default: the manifest's, else off.
    #[must_use]
    pub fn cache(mut self, cache: impl Into<ResultCache>) -> Self {
        self.cache = Some(cache.into());
        self
    }

    /// Discards what is stored under the run id, and starts over.
    #[must_use]
    pub fn fresh(mut self) -> Self {
        self.mode = Mode::Fresh;
        self
    }

    /// Accepts a changed plan under the run id, and keeps every result whose own call is unchanged.
    #[must_use]
    pub fn update(mut self) -> Self {
        self.mode = Mode::Update;
        self
    }

    /// Runs a task, a pipeline or an element (`count[3]`) of a stored run again, and all that depends on it, without the cache.
    /// All other results are kept. May be called several times. [`Self::fresh`] runs everything anyway.
    #[must_use]
    pub fn rerun(mut self, name: impl Into<String>) -> Self {
        self.rerun.push(name.into());
        self
    }

    /// Sets the reaction to a failed task. Default: [`FailurePolicy::Finish`].
    #[must_use]
    pub fn policy(mut self, policy: FailurePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Restricts the run to a task and what it needs. May be called several times.
    #[must_use]
    pub fn target(mut self, task: impl Into<String>) -> Self {
        self.targets.push(task.into());
        self
    }

    /// Sets the lease: how long a host without heartbeat keeps its claims, from one second to one hour. Default: `?lease=` of
    /// the state's URI, else 10 seconds.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Executes pure tasks twice, and fails those whose results differ.
    #[must_use]
    pub fn verify(mut self) -> Self {
        self.verification = Verification::Twice;
        self
    }

    /// Returns a stream of the run's events. Call it before the start, so that none is missed.
    pub fn events(&mut self) -> Events {
        let (sink, events): (EventSink, Events) = event_stream();
        self.sinks.push(Arc::new(sink));
        events
    }

    /// Starts the run on the host's threads, and returns a handle to it.
    ///
    /// Fails before anything runs if a param, a target, the id or a URI is wrong. May block for a moment, to compile
    /// code for tasks with `limits.fuel`.
    pub fn start(self) -> Result<RunHandle, Error> {
        let Self { pipeline, params, refused, id, mode, rerun, policy, targets, verification, .. } = self;
        if let Some(refusal) = refused {
            return Err(app::Error::from(refusal).into());
        }
        let host = &pipeline.host;
        let mut random = Random::from_system();
        let run = match id {
            Some(id) => RunId::new(&id).map_err(|fault| Error::refused(fault.to_string()))?,
            None => RunId::generate(SystemClock.now(), &mut random),
        };
        let request = SessionRequest {
            params: &params,
            targets: &targets,
            run,
            environment: host.variables(),
            memory: host.settings().memory,
        };
        let session = Session::new((*pipeline.checked).clone(), &request)?.notifying(host.variables())?;
        let state = state(&pipeline, self.state)?;
        session.check_limits(&state.uri)?;
        let lease = self.lease.unwrap_or_else(|| state.uri.lease());
        if !LEASES.contains(&lease) {
            return Err(Error::refused(format!("a lease of {lease:?}: a lease is from 1s to 1h long")));
        }
        let cache = cache(&pipeline, self.cache)?;
        let sandbox = host.sandbox().for_another_run();
        session.prepare(&sandbox)?;
        let failures = Arc::<FailureLog>::default();
        let failure_sink: Arc<dyn Sink> = Arc::<FailureLog>::clone(&failures);
        let sinks = self.sinks.into_iter().chain([failure_sink]).collect();
        let (interrupt, interrupted) = watch::channel(Interrupt::None);
        let recorder = Recorder::new(Arc::new(SystemClock), sinks).hiding(session.secrets());
        for message in host.sandbox().take_warnings() {
            recorder.run(Fact::Warning { code: "code-cache".into(), message });
        }
        let request = RunRequest {
            lease,
            backend: state.backend,
            cache,
            mode,
            rerun,
            policy,
            slots: host.settings().jobs,
            host: HostId(host_id(random.next_u64()).into()),
            recorder,
            interrupt: interrupted,
            seed: random.next_u64(),
            verification,
            others: Others::Join,
            when_interrupted: WhenInterrupted::Kept,
        };
        let run = session.run.clone();
        let id = run.clone();
        let work = async move {
            let mut ended = app::run(&session, Arc::new(sandbox), request).await?;
            if let Some(delivery) = ended.delivery.take() {
                delivery.deliver().await;
            }
            Ok(Report::new(id, ended, &failures))
        };
        RunHandle::spawn(host, run, interrupt, work)
    }

    /// Runs to the end, and blocks until then. On an async runtime, use `.await` instead.
    pub fn wait(self) -> Result<Report, Error> {
        self.start()?.wait()
    }
}

impl IntoFuture for Run {
    type Output = Result<Report, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Starts the run when it is awaited. Dropping the future stops the run.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.start()?.await })
    }
}

fn state(pipeline: &Pipeline, chosen: Option<State>) -> Result<StateBackend, Error> {
    let Pipeline { host, checked } = pipeline;
    Ok(match chosen.map(|State(choice)| choice) {
        None => host.backends().state(host.settings(), &checked.manifests.root().state, host.variables())?,
        Some(Choice::Uri(uri)) => host.backends().state_at(&uri, host.variables())?,
        // An object has no URI; `memory:` has the default lease, and no limits of its own.
        Some(Choice::Object(backend)) => StateBackend { backend, uri: StateUri::Memory },
    })
}

fn cache(pipeline: &Pipeline, chosen: Option<ResultCache>) -> Result<Option<Arc<dyn Cache>>, Error> {
    let Pipeline { host, checked } = pipeline;
    let section = &checked.manifests.root().cache;
    Ok(match chosen.map(|ResultCache(choice)| choice) {
        None => host.backends().cache(host.settings(), section, host.variables())?,
        Some(Choice::Uri(uri)) => host.backends().cache_at(&uri, section, host.variables())?,
        Some(Choice::Object(cache)) => Some(with_ttl(cache, section.ttl)),
    })
}
