//! Graphs of calls of one component, run by the engine as the host runs them: ledger, events, sandbox.
//! The benchmarks define what they measure.

use bytes::Bytes;
use cascade_host::internals::engine::{self, Ended, Engine, Interrupt, Shown, WhenInterrupted};
use cascade_host::internals::events::{JsonLines, Recorder};
use cascade_host::internals::graph;
use cascade_host::internals::invoke::Invoker;
use cascade_host::internals::manifest;
use cascade_host::internals::model::{Digest, FailurePolicy, RunId, RunStatus, Size, Source, SystemClock};
use cascade_host::internals::plan::{self, BindRequest, Bound, Interface};
use cascade_host::internals::state::{Backend, HostId, Mode, OpenRequest, Opened, RunShape};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Lease of a claim.
const LEASE: Duration = Duration::from_secs(10);

/// A plan that can be run repeatedly.
pub(crate) struct Graph {
    bound: Arc<Bound>,
    shape: Arc<RunShape>,
    run: RunId,
}

/// A run that is opened and not started.
pub(crate) struct OpenedRun<'a> {
    graph: &'a Graph,
    opened: Opened,
}

/// The included manifest, in place of a file.
struct Included(String);

impl manifest::Files for Included {
    fn identify(&mut self, path: &Path) -> Result<PathBuf, manifest::Unreadable> {
        Ok(path.to_owned())
    }

    fn read(&mut self, _: &Path) -> Result<String, manifest::Unreadable> {
        Ok(self.0.clone())
    }
}

impl Graph {
    /// Builds the plan of a manifest whose only component is `guest`, with this interface.
    pub(crate) fn new(tasks: &str, interface: Interface) -> Self {
        Self::including(tasks, "", interface)
    }

    /// Builds the plan of a manifest that may include another one under any name, each with the component `guest`.
    pub(crate) fn including(tasks: &str, included: &str, interface: Interface) -> Self {
        let [text, included] = [tasks, included].map(|tasks| {
            format!("cascade = 1\nname = \"bench\"\n[components.guest]\npath = \"guest.wasm\"\n{tasks}")
        });
        let source = Source { name: "bench.toml".into(), text: text.as_str().into() };
        let loaded = manifest::load(source.clone(), Path::new("."), None, &mut Included(included));
        let resolved = graph::resolve(loaded);
        let components = resolved.graph.manifests().components().count();
        let plan = plan::compile(&resolved.graph, &vec![Some(interface); components], resolved.faults);
        let plan = Arc::new(plan.expect("the manifest is sound"));
        let run = RunId::new("bench").expect("a run id");
        let grants = plan.functions().iter().map(|_| Digest::of_bytes(b"none")).collect();
        let bound = plan::bind(&plan, BindRequest::without_inputs(grants, &run), &source.into());
        let bound = Arc::new(bound.expect("the plan has no inputs"));
        let is_included = vec![true; plan.tasks().len()];
        let shape = engine::shape(&bound, &is_included, &Shown::default(), Size::bytes(16 << 30));
        Self::from_parts(bound, shape, run)
    }

    /// Wraps a plan built by the caller.
    pub(crate) fn from_parts(bound: Arc<Bound>, shape: RunShape, run: RunId) -> Self {
        Self { bound, shape: Arc::new(shape), run }
    }

    /// Builds a plan of `count` independent tasks.
    pub(crate) fn independent(count: u32, interface: Interface) -> Self {
        let mut tasks = String::new();
        for task in 0..count {
            tasks.push_str(&format!("[tasks.t{task}]\ncall = \"guest.noop\"\n"));
        }
        Self::new(&tasks, interface)
    }

    /// Opens the run as a fresh one on a backend.
    pub(crate) async fn open(&self, backend: &dyn Backend) -> OpenedRun<'_> {
        let opened = backend.open(OpenRequest {
            run: self.run.clone(),
            digest: *self.bound.digest(),
            record: Bytes::new(),
            shape: Arc::clone(&self.shape),
            mode: Mode::Fresh,
            rerun: Vec::new(),
            policy: FailurePolicy::Finish,
            ttl: Duration::from_hours(1),
            host: HostId("bench-1".into()),
            lease: LEASE,
            is_gone: |_| false,
        });
        OpenedRun { graph: self, opened: opened.await.expect("the backend is there") }
    }
}

impl OpenedRun<'_> {
    /// Executes the run with `slots` concurrent guests. Returns the time from the first claim to the last
    /// acknowledgement. Events are written to a file, as `--events` does.
    pub(crate) async fn run(self, invoker: Arc<dyn Invoker>, slots: u32) -> Duration {
        let events = tempfile::tempfile().expect("a file can be made");
        let sink = JsonLines::new(&self.graph.run, "bench-1", events, drop);
        let recorder = Recorder::new(Arc::new(SystemClock), vec![Arc::new(sink)]);
        let (_stop, interrupt) = watch::channel(Interrupt::None);
        let engine = Engine { invoker, cache: None, recorder, interrupt };
        let settings = engine::Settings {
            run: self.graph.run.clone(),
            bound: Arc::clone(&self.graph.bound),
            ledger: Arc::clone(&self.opened.ledger),
            shape: Arc::clone(&self.graph.shape),
            epoch: self.opened.epoch,
            stored: self.opened.stored.clone(),
            rerun: self.opened.rerun.clone(),
            slots,
            seed: 1,
            verification: engine::Verification::None,
            reserved: None,
            notes: None,
            when_interrupted: WhenInterrupted::Kept,
            shown: Shown::default(),
        };
        let since = Instant::now();
        let ended = engine::run(engine, settings).await.expect("the backend is there");
        let elapsed = since.elapsed();
        assert_eq!(ended.ended, Ended::Run(RunStatus::Succeeded));
        elapsed
    }
}
