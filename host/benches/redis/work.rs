//! Plans of tasks that do nothing, and one host that works on one of them through Redis.
//! What is measured is for the benchmark.

use crate::shared::component;
use async_trait::async_trait;
use bytes::Bytes;
use cascade_host::engine::{self, Ended, Engine, Interrupt};
use cascade_host::events::Recorder;
use cascade_host::graph;
use cascade_host::invoke::{Call, Failure, Grants, Invoker, Outcome, Returned, Usage};
use cascade_host::manifest;
use cascade_host::model::{Digest, FailurePolicy, RunId, RunStatus, Size, Source, SystemClock};
use cascade_host::plan::{self, Bound, Given, Interface};
use cascade_host::sandbox::{Metering, Sandbox, Settings};
use cascade_host::state::{Factory, HostId, Mode, OpenRequest, Shape, StateUri};
use cascade_host::value::{Export, Signature, Type};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// How long a claim is held, as in the application.
const LEASE: Duration = Duration::from_secs(10);

/// The run, the only one of its server.
const RUN: &str = "bench";

/// A run to be worked on.
pub(crate) struct Work {
    bound: Arc<Bound>,
    shape: Arc<Shape>,
    /// How many guests run at the same time.
    slots: u32,
    runtime: Runtime,
}

/// Returns at once: its argument, or nothing.
struct Immediate;

#[async_trait]
impl Invoker for Immediate {
    async fn invoke(&self, call: Call) -> Result<Returned, Failure> {
        let value = call.args.into_iter().next().unwrap_or(Bytes::from_static(&[0xc0]));
        Ok(Returned { outcome: Outcome::Value(value), usage: Usage::default() })
    }
}

impl Work {
    /// Tasks that wait for nothing.
    pub(crate) fn independent(tasks: usize, slots: u32) -> Self {
        Self::new((0..tasks).map(|at| format!("[tasks.t{at}]\ncall = \"echo.noop\"\n")), slots)
    }

    /// Tasks of which each takes what the one before it gives.
    pub(crate) fn chain(tasks: usize) -> Self {
        let task = |at: usize| {
            let from =
                at.checked_sub(1).map_or("0".to_owned(), |before| format!("{{ task = \"t{before}\" }}"));
            format!("[tasks.t{at}]\ncall = \"echo.next\"\nargs = {{ n = {from} }}\n")
        };
        Self::new((0..tasks).map(task), 1)
    }

    fn new(tasks: impl Iterator<Item = String>, slots: u32) -> Self {
        let head = "cascade = 1\nname = \"bench\"\n[components.echo]\npath = \"echo.wasm\"\n".to_owned();
        let text: Arc<str> = tasks.fold(head, |text, task| text + &task).into();
        let source = Source { name: "cascade.toml".into(), text };
        let resolved = graph::resolve(manifest::parse(source.clone(), Path::new(".")));
        let plan = plan::compile(&resolved.graph, &[Some(interface())], resolved.faults);
        let plan = Arc::new(plan.expect("the manifest is sound"));
        let grants = plan.functions().iter().map(|_| Digest::of(b"none")).collect();
        let given = Given { inputs: Vec::new(), grants, run: &run_id() };
        let bound = Arc::new(plan::bind(&plan, given, &source).expect("there are no inputs"));
        let is_wanted = vec![true; plan.tasks().len()];
        let shape = Arc::new(engine::shape(&bound, &is_wanted, Size::bytes(1 << 40)));
        // With as many threads as there are processors.
        let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime can be made");
        Self { bound, shape, slots, runtime }
    }

    /// How many tasks there are.
    pub(crate) fn tasks(&self) -> usize {
        self.bound.plan().tasks().len()
    }

    /// Who calls nothing.
    pub(crate) fn immediate() -> Arc<dyn Invoker> {
        Arc::new(Immediate)
    }

    /// A sandbox in which the tasks are calls of a guest that does nothing.
    pub(crate) fn sandbox(&self) -> Arc<dyn Invoker> {
        let sandbox =
            Sandbox::new(Settings { calls: self.slots, code_cache: None }).expect("the settings are sound");
        let component = sandbox.load(component()).expect("the guest is a component");
        for function in self.bound.plan().functions() {
            let of_plan = &function.export.function;
            let export = component.exports().iter().find(|export| export.function == *of_plan);
            let export = export.expect("the guest has that function");
            let prepared = sandbox.prepare(&component, export, Grants::default(), Metering::Time);
            prepared.expect("the function can be a task");
        }
        Arc::new(sandbox)
    }

    /// Works on the run until it has ended; gives the time from the first claim to the last acknowledgement.
    pub(crate) fn run(&self, uri: &str, invoker: &Arc<dyn Invoker>) -> Duration {
        let uri = StateUri::parse(uri).expect("a sound URI");
        self.runtime.block_on(async {
            let backend = Factory::new().backend(&uri).expect("the backend is built in");
            let opened = backend.open(self.request()).await.expect("the run can be opened");
            let clock = Arc::new(SystemClock);
            let (_interrupt, interrupted) = watch::channel(Interrupt::None);
            let engine = Engine {
                invoker: Arc::clone(invoker),
                cache: None,
                recorder: Recorder::new(clock, Vec::new()),
                interrupt: interrupted,
            };
            let settings = engine::Settings {
                run: run_id(),
                bound: Arc::clone(&self.bound),
                ledger: Arc::clone(&opened.ledger),
                shape: Arc::clone(&self.shape),
                epoch: opened.epoch,
                stored: opened.stored,
                slots: self.slots,
                lease: LEASE,
                seed: 1,
            };
            let since = Instant::now();
            let ended = engine::run(engine, settings).await.expect("the backend works");
            let taken = since.elapsed();
            assert_eq!(ended, Ended::Run(RunStatus::Succeeded));
            opened.ledger.leave().await;
            taken
        })
    }

    fn request(&self) -> OpenRequest {
        OpenRequest {
            run: run_id(),
            digest: *self.bound.digest(),
            record: self.bound.record().encode().into(),
            shape: Arc::clone(&self.shape),
            mode: Mode::Resume,
            policy: FailurePolicy::Finish,
            ttl: Duration::from_hours(24),
            host: HostId("bench".into()),
            lease: LEASE,
            is_gone: |_| false,
        }
    }
}

fn run_id() -> RunId {
    RunId::new(RUN).expect("a valid id")
}

/// What the guest of the benchmarks has that tasks of a chain and tasks alone call.
fn interface() -> Interface {
    let export = |name: &str, params: &[&str], result| {
        let params = params.iter().map(|name| ((*name).into(), Type::U32)).collect();
        Export { interface: None, function: name.into(), signature: Ok(Signature { params, result }) }
    };
    let exports = vec![export("noop", &[], None), export("next", &["n"], Some(Type::U32))];
    Interface { digest: Digest::of(b"echo"), exports }
}
