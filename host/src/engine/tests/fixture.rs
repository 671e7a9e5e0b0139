//! Fixture of the tests: an invoker that follows a script, and the report of a run.
//! The tests themselves judge the report.

use crate::cache::Cache;
use crate::engine::tests::draft::{run_id, string};
use crate::engine::{
    Ended, Engine, Finished, Interrupt, OutputValue, Settings, Shown, Verification, outputs, run, shape,
};
use crate::events::{Event, Recorder, Sink, to_json_line};
use crate::invoke::{Call, Failure, Invoker, Outcome, Returned, Usage};
use crate::model::{FailureClass, FailurePolicy, ManualClock, Size};
use crate::plan::Bound;
use crate::state::{Backend, Error, HostId, Ledger, MemoryBackend, Mode, OpenRequest, Opened, RunShape};
use crate::value::{to_json_text, wire};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Behaviour of a call.
pub(crate) struct Act {
    takes: Duration,
    result: Result<Outcome, FailureClass>,
}

/// Returns a string.
pub(crate) fn returns(millis: u64, text: &str) -> Act {
    gives(millis, string(text))
}

/// Returns a value.
pub(crate) fn gives(millis: u64, value: Bytes) -> Act {
    Act { takes: Duration::from_millis(millis), result: Ok(Outcome::Value(value)) }
}

/// Returns an `err`.
pub(crate) fn errs(millis: u64, text: &str) -> Act {
    Act { takes: Duration::from_millis(millis), result: Ok(Outcome::Error(string(text))) }
}

/// Ends without a result.
pub(crate) fn fails(millis: u64, class: FailureClass) -> Act {
    Act { takes: Duration::from_millis(millis), result: Err(class) }
}

/// Returns `name(arg,arg)` after ten milliseconds.
pub(crate) fn echo(call: &Call) -> Act {
    returns(10, &format!("{}({})", call.attempt.task, texts(&call.args).join(",")))
}

/// The strings passed to a call.
pub(crate) fn texts(args: &[Bytes]) -> Vec<String> {
    args.iter().map(|arg| wire::Reader::new(arg).str().unwrap_or("?").to_owned()).collect()
}

/// A call that happened: `task` or `task[i]`, with its start and end in milliseconds of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) node: String,
    pub(crate) attempt: u32,
    pub(crate) args: Vec<String>,
    pub(crate) began: u64,
    pub(crate) ended: Option<u64>,
}

type Script = Box<dyn Fn(&Call) -> Act + Send + Sync>;

/// Invoker that follows a script.
struct Scripted {
    script: Script,
    began: Instant,
    made: Mutex<Vec<Made>>,
}

impl Scripted {
    fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap()
    }
}

#[async_trait]
impl Invoker for Scripted {
    async fn invoke(&self, call: Arc<Call>) -> Result<Returned, Failure> {
        let node = node(call.attempt.task.as_str(), call.attempt.item);
        let args = texts(&call.args);
        let made = Made { node, attempt: call.attempt.number, args, began: self.millis(), ended: None };
        let at = {
            let mut all = self.made.lock().unwrap();
            all.push(made);
            all.len() - 1
        };
        let act = (self.script)(&call);
        tokio::time::sleep(act.takes).await;
        self.made.lock().unwrap()[at].ended = Some(self.millis());
        let usage = Usage { duration: act.takes, memory: 1, fuel: None };
        match act.result {
            Ok(outcome) => Ok(Returned { outcome, stderr: String::new(), usage }),
            Err(class) => {
                let (message, stderr) = ("scripted".into(), String::new());
                Err(Failure { class, message, stderr, backtrace: None, usage })
            }
        }
    }
}

fn node(task: &str, item: Option<u32>) -> String {
    item.map_or_else(|| task.to_owned(), |item| format!("{task}[{item}]"))
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
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) cache: Option<Arc<dyn Cache>>,
    pub(crate) policy: FailurePolicy,
    pub(crate) mode: Mode,
    pub(crate) slots: u32,
    pub(crate) memory: Size,
    pub(crate) targets: Option<Vec<usize>>,
    pub(crate) interrupt: watch::Sender<Interrupt>,
    /// Wrapper between the engine and its ledger.
    pub(crate) between: fn(Arc<dyn Ledger>) -> Arc<dyn Ledger>,
    pub(crate) hosts: Mutex<u32>,
    pub(crate) verification: Verification,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self {
            backend: Arc::new(MemoryBackend::new()),
            cache: None,
            policy: FailurePolicy::Finish,
            mode: Mode::Resume,
            slots: 8,
            memory: Size::bytes(1 << 30),
            targets: None,
            interrupt: watch::Sender::new(Interrupt::None),
            between: |ledger| ledger,
            hosts: Mutex::new(0),
            verification: Verification::None,
        }
    }

    /// Opens the run as another host.
    pub(crate) async fn open(&self, bound: &Arc<Bound>) -> (Opened, Arc<RunShape>) {
        let count = bound.plan().tasks().len();
        let is_wanted: Vec<bool> = match &self.targets {
            None => vec![true; count],
            Some(targets) => (0..count).map(|at| targets.contains(&at)).collect(),
        };
        let shape = Arc::new(shape(bound, &is_wanted, &self.shown(bound), self.memory));
        let number = {
            let mut hosts = self.hosts.lock().unwrap();
            *hosts += 1;
            *hosts
        };
        let opened = self.backend.open(OpenRequest {
            run: run_id(),
            digest: *bound.digest(),
            record: Bytes::new(),
            shape: Arc::clone(&shape),
            mode: self.mode,
            policy: self.policy,
            ttl: Duration::from_hours(1),
            host: HostId(format!("host-{number}").into()),
            lease: LEASE,
            is_gone: |_| false,
        });
        (opened.await.unwrap(), shape)
    }

    /// The outputs that close the run: all, unless only some tasks are wanted.
    fn shown(&self, bound: &Bound) -> Shown {
        if self.targets.is_some() { Shown::default() } else { Shown::all(bound.plan()) }
    }

    /// Runs a plan as another host.
    pub(crate) async fn run(
        &self,
        bound: &Arc<Bound>,
        script: impl Fn(&Call) -> Act + Send + Sync + 'static,
    ) -> RunReport {
        self.try_run(bound, script).await.unwrap()
    }

    /// Runs a plan as another host whose backend may fail.
    pub(crate) async fn try_run(
        &self,
        bound: &Arc<Bound>,
        script: impl Fn(&Call) -> Act + Send + Sync + 'static,
    ) -> Result<RunReport, Error> {
        let (opened, shape) = self.open(bound).await;
        let script: Script = Box::new(script);
        let invoker = Arc::new(Scripted { script, began: Instant::now(), made: Mutex::default() });
        let lines = Arc::new(Lines::default());
        let recorder = Recorder::new(Arc::new(ManualClock::default()), vec![Arc::<Lines>::clone(&lines)]);
        let engine = Engine {
            invoker: Arc::<Scripted>::clone(&invoker),
            cache: self.cache.clone(),
            recorder,
            interrupt: self.interrupt.subscribe(),
        };
        let settings = Settings {
            run: run_id(),
            bound: Arc::clone(bound),
            ledger: (self.between)(Arc::clone(&opened.ledger)),
            shape,
            epoch: opened.epoch,
            stored: opened.stored.clone(),
            slots: self.slots,
            seed: 1,
            verification: self.verification,
            shown: self.shown(bound),
        };
        let ended = tokio::time::timeout(Duration::from_hours(1), run(engine, settings)).await;
        let Finished { ended, outputs: closed } = ended.expect("the run hangs")?;
        let outputs = outputs(bound, &*opened.ledger, &Shown::all(bound.plan())).await.unwrap();
        assert!(closed.is_none_or(|closed| closed == outputs));
        let outputs = outputs.into_iter().map(|(name, value)| (name, show(value))).collect();
        let made = invoker.made.lock().unwrap().clone();
        let lines = lines.0.lock().unwrap().clone();
        Ok(RunReport { ended, made, lines, outputs })
    }
}

/// Lease longer than every call of the scripts.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

fn show(value: OutputValue) -> String {
    match value {
        OutputValue::Value(ty, bytes) => to_json_text(&ty, &bytes).unwrap(),
        OutputValue::Skipped(reason) => reason.to_string(),
        OutputValue::Missing(why) => format!("missing: {why}"),
        OutputValue::Faulty(failure) => format!("missing: {}", failure.error),
    }
}

/// Report of a run.
#[derive(Debug)]
pub(crate) struct RunReport {
    pub(crate) ended: Ended,
    pub(crate) made: Vec<Made>,
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
    pub(crate) fn events(&self, of: &str) -> Vec<String> {
        let lines = self.lines.iter().filter(|line| line_node(line).as_deref() == Some(of));
        lines.map(|line| line["event"].as_str().unwrap().trim_start_matches("task.").to_owned()).collect()
    }

    /// The first event of a node with this name.
    pub(crate) fn event(&self, of: &str, event: &str) -> &serde_json::Value {
        let name = format!("task.{event}");
        let found =
            self.lines.iter().find(|line| line_node(line).as_deref() == Some(of) && line["event"] == name);
        found.unwrap_or_else(|| panic!("no {event} of {of}: {:#?}", self.lines))
    }

    /// The first call of a node.
    pub(crate) fn call(&self, of: &str) -> &Made {
        self.made
            .iter()
            .find(|made| made.node == of)
            .unwrap_or_else(|| panic!("{of} was not called: {:?}", self.made))
    }

    /// The calls, in order.
    pub(crate) fn calls(&self) -> Vec<&str> {
        self.made.iter().map(|made| made.node.as_str()).collect()
    }
}

fn line_node(line: &serde_json::Value) -> Option<String> {
    let item = line["item"].as_u64().and_then(|item| u32::try_from(item).ok());
    Some(node(line["task"].as_str()?, item))
}
