//! Fixture of the tests: an invoker that follows a script, and the report of a run.
//! The tests themselves judge the report.

use crate::cache::Cache;
use crate::engine::tests::draft::{run_id, string};
use crate::engine::{
    Ended, Engine, Finished, Interrupt, OutputValue, ReservedResources, Settings, Shown, Verification,
    WhenInterrupted, outputs, run, shape,
};
use crate::events::{Event, Recorder, Sink, to_json_line};
use crate::invoke::{Call, Failure, Invoker, LastOutput, Outcome, Returned, Usage};
use crate::model::{FailureClass, FailurePolicy, ManualClock, RunId, Size};
use crate::plan::{Bound, Resource};
use crate::state::{
    Backend, Error, HostId, Ledger, MemoryBackend, Mode, NodeId, OpenRequest, Opened, RunShape,
    SessionRequest,
};
use crate::value::{to_json_text, wire};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Scripted behaviour of a call.
pub(crate) struct ScriptedCall {
    duration: Duration,
    result: Result<Outcome, FailureClass>,
    /// Whether it outlasts the time limit of the call.
    is_stuck: bool,
}

/// Ignores the time limit of the call.
pub(crate) fn stuck(call: ScriptedCall) -> ScriptedCall {
    ScriptedCall { is_stuck: true, ..call }
}

/// Returns a string.
pub(crate) fn returns(millis: u64, text: &str) -> ScriptedCall {
    returns_value(millis, string(text))
}

/// Returns a value.
pub(crate) fn returns_value(millis: u64, value: Bytes) -> ScriptedCall {
    ScriptedCall {
        duration: Duration::from_millis(millis),
        result: Ok(Outcome::Value(value)),
        is_stuck: false,
    }
}

/// Returns an `err` of a string.
pub(crate) fn returns_error(millis: u64, text: &str) -> ScriptedCall {
    returns_failure(millis, string(text))
}

/// Returns an `err` of any payload.
pub(crate) fn returns_failure(millis: u64, payload: Bytes) -> ScriptedCall {
    ScriptedCall {
        duration: Duration::from_millis(millis),
        result: Ok(Outcome::Error(payload)),
        is_stuck: false,
    }
}

/// Ends without a result.
pub(crate) fn fails(millis: u64, class: FailureClass) -> ScriptedCall {
    ScriptedCall { duration: Duration::from_millis(millis), result: Err(class), is_stuck: false }
}

/// Returns `name(arg,arg)` after ten milliseconds.
pub(crate) fn echo(call: &Call) -> ScriptedCall {
    returns(10, &format!("{}({})", call.attempt.task, texts(&call.args).join(",")))
}

/// The strings passed to a call.
pub(crate) fn texts(args: &[Bytes]) -> Vec<String> {
    args.iter().map(|arg| wire::Reader::new(arg).str().unwrap_or("?").to_owned()).collect()
}

/// Record of a call: `task`, `task[i]` or `task@i`, with its start and end in milliseconds of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallRecord {
    pub(crate) node: String,
    pub(crate) attempt: u32,
    pub(crate) args: Vec<String>,
    pub(crate) started: u64,
    pub(crate) ended: Option<u64>,
}

type Script = Box<dyn Fn(&Call) -> ScriptedCall + Send + Sync>;

/// Invoker that follows a script.
struct Scripted {
    script: Script,
    started: Instant,
    calls_made: Mutex<Vec<CallRecord>>,
}

impl Scripted {
    fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap()
    }
}

#[async_trait]
impl Invoker for Scripted {
    async fn invoke(&self, call: Arc<Call>) -> Result<Returned, Failure> {
        let node = node_name(call.attempt.task.as_str(), call.attempt.item, call.attempt.iteration);
        let args = texts(&call.args);
        let record =
            CallRecord { node, attempt: call.attempt.number, args, started: self.millis(), ended: None };
        let index = {
            let mut all = self.calls_made.lock().unwrap();
            all.push(record);
            all.len() - 1
        };
        let scripted = (self.script)(&call);
        let has_ended = scripted.is_stuck || scripted.duration <= call.timeout;
        let limit = if scripted.is_stuck { Duration::MAX } else { call.timeout };
        tokio::time::sleep(scripted.duration.min(limit)).await;
        self.calls_made.lock().unwrap()[index].ended = Some(self.millis());
        let usage = Usage { duration: scripted.duration, memory: 1, fuel: None };
        match scripted
            .result
            .and_then(|outcome| if has_ended { Ok(outcome) } else { Err(FailureClass::Timeout) })
        {
            Ok(outcome) => Ok(Returned { outcome, last: LastOutput::default(), exit: None, usage }),
            Err(class) => {
                let (message, last) = ("scripted".into(), LastOutput::default());
                let hit_memory = class == FailureClass::Limit;
                Err(Failure { class, hit_memory, message, last, backtrace: None, usage })
            }
        }
    }
}

fn node_name(task: &str, item: Option<u32>, iteration: Option<u32>) -> String {
    let item = item.map_or_else(String::new, |item| format!("[{item}]"));
    let iteration = iteration.map_or_else(String::new, |iteration| format!("@{iteration}"));
    format!("{task}{item}{iteration}")
}

/// Sink that keeps events as lines.
#[derive(Default)]
struct Lines(Mutex<Vec<serde_json::Value>>);

impl Sink for Lines {
    fn record(&self, event: &Event) {
        let line = to_json_line(&run_id(), "host", event);
        self.0.lock().unwrap().push(serde_json::from_slice(&line).unwrap());
    }
}

/// Everything around one run.
pub(crate) struct Fixture {
    pub(crate) run: RunId,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) cache: Option<Arc<dyn Cache>>,
    pub(crate) policy: FailurePolicy,
    pub(crate) mode: Mode,
    pub(crate) rerun: Vec<NodeId>,
    pub(crate) slots: u32,
    pub(crate) memory: Size,
    pub(crate) targets: Option<Vec<usize>>,
    pub(crate) interrupt: watch::Sender<Interrupt>,
    pub(crate) when_interrupted: WhenInterrupted,
    /// Wraps the ledger before the engine gets it.
    pub(crate) wrap_ledger: fn(Arc<dyn Ledger>) -> Arc<dyn Ledger>,
    pub(crate) hosts: Mutex<u32>,
    pub(crate) verification: Verification,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self {
            run: run_id(),
            backend: Arc::new(MemoryBackend::new()),
            cache: None,
            policy: FailurePolicy::Finish,
            mode: Mode::Resume,
            rerun: Vec::new(),
            slots: 8,
            memory: Size::bytes(1 << 30),
            targets: None,
            interrupt: watch::Sender::new(Interrupt::None),
            when_interrupted: WhenInterrupted::Kept,
            wrap_ledger: |ledger| ledger,
            hosts: Mutex::new(0),
            verification: Verification::None,
        }
    }

    /// Opens the run as another host.
    pub(crate) async fn open(&self, bound: &Arc<Bound>) -> (Opened, Arc<RunShape>) {
        let count = bound.plan().tasks().len();
        let is_included: Vec<bool> = match &self.targets {
            None => vec![true; count],
            Some(targets) => (0..count).map(|index| targets.contains(&index)).collect(),
        };
        let shape = Arc::new(shape(bound, &is_included, &self.shown(bound), self.memory));
        let number = {
            let mut hosts = self.hosts.lock().unwrap();
            *hosts += 1;
            *hosts
        };
        let opened = self.backend.open(OpenRequest {
            run: self.run.clone(),
            digest: *bound.digest(),
            record: Bytes::new(),
            shape: Arc::clone(&shape),
            mode: self.mode,
            rerun: self.rerun.clone(),
            policy: self.policy,
            ttl: Duration::from_hours(1),
            host: HostId(format!("host-{number}").into()),
            lease: LEASE,
            is_gone: |_| false,
        });
        (opened.await.unwrap(), shape)
    }

    /// Returns the outputs that close the run: all, unless the run has targets.
    fn shown(&self, bound: &Bound) -> Shown {
        if self.targets.is_some() { Shown::default() } else { Shown::all(bound.plan()) }
    }

    /// Opens a session of resources, as another host.
    async fn reserved(&self, bound: &Arc<Bound>) -> Option<ReservedResources> {
        if !bound.plan().resources().iter().any(Resource::is_reserved) {
            return None;
        }
        let host = HostId(format!("host-{}", self.hosts.lock().unwrap()).into());
        let run = self.run.clone();
        let request = SessionRequest { run, host: host.clone(), lease: LEASE, is_gone: |_| false };
        let session = self.backend.reservations().unwrap().open(request).await.unwrap();
        Some(ReservedResources { session, host })
    }

    /// Runs a plan as another host.
    pub(crate) async fn run(
        &self,
        bound: &Arc<Bound>,
        script: impl Fn(&Call) -> ScriptedCall + Send + Sync + 'static,
    ) -> RunReport {
        self.try_run(bound, script).await.unwrap()
    }

    /// Runs a plan as another host whose backend may fail.
    pub(crate) async fn try_run(
        &self,
        bound: &Arc<Bound>,
        script: impl Fn(&Call) -> ScriptedCall + Send + Sync + 'static,
    ) -> Result<RunReport, Error> {
        let (opened, shape) = self.open(bound).await;
        let script: Script = Box::new(script);
        let invoker = Arc::new(Scripted { script, started: Instant::now(), calls_made: Mutex::default() });
        let lines = Arc::new(Lines::default());
        let recorder = Recorder::new(Arc::new(ManualClock::default()), vec![Arc::<Lines>::clone(&lines)]);
        let engine = Engine {
            invoker: Arc::<Scripted>::clone(&invoker),
            cache: self.cache.clone(),
            recorder,
            interrupt: self.interrupt.subscribe(),
        };
        let reserved = self.reserved(bound).await;
        let settings = Settings {
            run: self.run.clone(),
            bound: Arc::clone(bound),
            ledger: (self.wrap_ledger)(Arc::clone(&opened.ledger)),
            shape,
            epoch: opened.epoch,
            stored: opened.stored.clone(),
            rerun: opened.rerun.clone(),
            slots: self.slots,
            seed: 1,
            verification: self.verification,
            reserved,
            notes: Some(Arc::clone(&self.backend)),
            when_interrupted: self.when_interrupted,
            shown: self.shown(bound),
        };
        let ended = tokio::time::timeout(Duration::from_hours(1), run(engine, settings)).await;
        let Finished { ended, outputs: closed } = ended.expect("the run hangs")?;
        let outputs = outputs(bound, &*opened.ledger, &Shown::all(bound.plan())).await.unwrap();
        assert!(closed.is_none_or(|closed| closed == outputs));
        let outputs = outputs.into_iter().map(|(name, value)| (name, output_text(value))).collect();
        let calls_made = invoker.calls_made.lock().unwrap().clone();
        let lines = lines.0.lock().unwrap().clone();
        Ok(RunReport { ended, calls_made, lines, outputs })
    }
}

/// Lease longer than every call of the scripts.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

fn output_text(value: OutputValue) -> String {
    match value {
        OutputValue::Value(ty, bytes) => to_json_text(&ty, &bytes).unwrap(),
        OutputValue::Skipped(reason) => reason.to_string(),
        OutputValue::Missing(reason) => format!("missing: {reason}"),
        OutputValue::Faulty(failure) => format!("missing: {}", failure.error),
    }
}

/// Report of a run.
#[derive(Debug)]
pub(crate) struct RunReport {
    pub(crate) ended: Ended,
    pub(crate) calls_made: Vec<CallRecord>,
    pub(crate) lines: Vec<serde_json::Value>,
    outputs: Vec<(String, String)>,
}

impl RunReport {
    /// The output of a task, as text.
    pub(crate) fn output(&self, task: &str) -> &str {
        self.outputs.iter().find(|(name, _)| name == task).map_or("?", |(_, value)| value)
    }

    /// All outputs, as text.
    pub(crate) fn outputs(&self) -> &[(String, String)] {
        &self.outputs
    }

    /// The events of a node, in order, without `task.`.
    pub(crate) fn events(&self, node: &str) -> Vec<String> {
        let lines = self.lines.iter().filter(|line| line_node(line).as_deref() == Some(node));
        lines.map(|line| line["event"].as_str().unwrap().trim_start_matches("task.").to_owned()).collect()
    }

    /// The first event of a node with this name.
    pub(crate) fn event(&self, node: &str, event: &str) -> &serde_json::Value {
        let name = format!("task.{event}");
        let found =
            self.lines.iter().find(|line| line_node(line).as_deref() == Some(node) && line["event"] == name);
        found.unwrap_or_else(|| panic!("no {event} of {node}: {:#?}", self.lines))
    }

    /// The first call of a node.
    pub(crate) fn call(&self, node: &str) -> &CallRecord {
        self.calls_made
            .iter()
            .find(|record| record.node == node)
            .unwrap_or_else(|| panic!("{node} was not called: {:?}", self.calls_made))
    }

    /// The calls, in order.
    pub(crate) fn calls(&self) -> Vec<&str> {
        self.calls_made.iter().map(|record| record.node.as_str()).collect()
    }
}

fn line_node(line: &serde_json::Value) -> Option<String> {
    let number = |key: &str| line[key].as_u64().and_then(|number| u32::try_from(number).ok());
    Some(node_name(line["task"].as_str()?, number("item"), number("iteration")))
}
