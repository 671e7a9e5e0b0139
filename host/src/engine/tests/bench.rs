//! What the tests are written with: plans in few words, an invoker that follows a script, and a report of a run.
//! Nothing is judged here.

use crate::cache::Cache;
use crate::engine::Ended;
use crate::engine::Engine;
use crate::engine::Interrupt;
use crate::engine::OutputValue;
use crate::engine::Settings;
use crate::engine::outputs;
use crate::engine::run;
use crate::engine::shape;
use crate::events::Event;
use crate::events::Recorder;
use crate::events::Sink;
use crate::events::to_json_line;
use crate::invoke::Call;
use crate::invoke::Failure;
use crate::invoke::Invoker;
use crate::invoke::Outcome;
use crate::invoke::Returned;
use crate::invoke::Usage;
use crate::manifest::Grants;
use crate::model::Digest;
use crate::model::FailureClass;
use crate::model::FailurePolicy;
use crate::model::Limits;
use crate::model::ManualClock;
use crate::model::Name;
use crate::model::Path;
use crate::model::RunId;
use crate::model::Size;
use crate::model::Source;
use crate::model::TaskIdx;
use crate::plan::Binding;
use crate::plan::Bound;
use crate::plan::CacheRule;
use crate::plan::Demand;
use crate::plan::DemandClause;
use crate::plan::ForEach;
use crate::plan::Function;
use crate::plan::Gate;
use crate::plan::Given;
use crate::plan::OnError;
use crate::plan::Output;
use crate::plan::Plan;
use crate::plan::Retry;
use crate::plan::Task;
use crate::plan::bind;
use crate::state::Backend;
use crate::state::HostId;
use crate::state::MemoryBackend;
use crate::state::Mode;
use crate::state::OpenRequest;
use crate::state::Opened;
use crate::value::Export;
use crate::value::Signature;
use crate::value::Type;
use crate::value::assign;
use crate::value::to_json_text;
use crate::value::wire;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// A plan that is being written. Every parameter and result is a string unless said otherwise.
pub(crate) struct Draft {
    pub(crate) tasks: Vec<Task>,
    pub(crate) resources: Vec<crate::plan::Resource>,
}

impl Draft {
    pub(crate) fn new() -> Self {
        Self { tasks: Vec::new(), resources: Vec::new() }
    }

    /// Adds a task with arguments.
    pub(crate) fn task(&mut self, name: &str, args: Vec<Binding>) -> &mut Task {
        self.tasks.push(Task {
            name: Name::new(name).unwrap(),
            function: self.tasks.len(),
            args,
            when: None,
            for_each: Vec::new(),
            max_parallel: None,
            waits_for: Vec::new(),
            after: Vec::new(),
            demand: None,
            output: Some(Type::String),
            value: Some(Type::String),
            error: Some(Type::String),
            retry: Retry::default(),
            timeout: Duration::from_mins(5),
            limits: Limits { memory: Size::bytes(1 << 20), ..Limits::default() },
            resources: Vec::new(),
            priority: 0,
            height: 1,
            cache: CacheRule::Off,
            on_error: OnError::Fail,
            is_consumed: false,
        });
        self.tasks.last_mut().unwrap()
    }

    /// The plan with its inputs; each task is an output of the run.
    pub(crate) fn bound(mut self) -> Arc<Bound> {
        for task in &mut self.tasks {
            task.waits_for = waits_for(task);
        }
        for at in (0..self.tasks.len()).rev() {
            for upstream in self.tasks[at].waits_for.clone() {
                let height = self.tasks[at].height + 1;
                let upstream = &mut self.tasks[upstream.index()];
                upstream.height = upstream.height.max(height);
            }
        }
        let plan = Plan {
            name: Name::new("test").unwrap(),
            order: (0..self.tasks.len()).map(idx).collect(),
            functions: self.tasks.iter().map(function).collect(),
            inputs: Vec::new(),
            outputs: (0..).zip(&self.tasks).map(|(at, task)| output(idx(at), task)).collect(),
            resources: self.resources,
            tasks: self.tasks,
        };
        let grants = plan.functions.iter().map(|_| Digest::of(b"no grants")).collect();
        let source = Source { name: "cascade.toml".into(), text: "".into() };
        let given = Given { inputs: Vec::new(), grants, run: &run_id() };
        Arc::new(bind(&Arc::new(plan), given, &source).unwrap())
    }
}

fn waits_for(task: &Task) -> Vec<TaskIdx> {
    let mut all = task.after.clone();
    let lists = task.for_each.iter().map(|list| &list.list);
    let conditions = task.when.iter().map(|when| &when.subject);
    task.args.iter().chain(lists).chain(conditions).for_each(|binding| strict(binding, &mut all));
    for gate in task.demand.iter().flat_map(|demand| &demand.any).flat_map(|clause| &clause.gates) {
        strict(&gate.selector, &mut all);
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Tasks that are read whatever a select chooses.
fn strict(binding: &Binding, all: &mut Vec<TaskIdx>) {
    match binding {
        Binding::Select { selector, .. } => strict(selector, all),
        other => other.each_task(&mut |task| all.push(task)),
    }
}

fn function(task: &Task) -> Function {
    let params = (0..).zip(&task.args).map(|(at, _): (u32, _)| (format!("p{at}").into(), Type::String));
    Function {
        component: 0,
        component_name: Name::new("component").unwrap(),
        digest: Digest::of(b"component"),
        export: Export {
            interface: None,
            function: task.name.as_str().into(),
            signature: Ok(Signature { params: params.collect(), result: Some(Type::String) }),
        },
        grants: Grants::default(),
    }
}

fn output(task: TaskIdx, shape: &Task) -> Output {
    let ty = shape.output.clone().unwrap_or(Type::Bool);
    let binding = Binding::Task {
        task,
        path: Path::root(),
        conversion: assign(&ty, &ty).unwrap(),
        ty: ty.clone(),
        default: None,
    };
    Output { name: shape.name.to_string(), binding, ty }
}

pub(crate) fn idx(at: usize) -> TaskIdx {
    TaskIdx::new(u32::try_from(at).unwrap())
}

pub(crate) fn run_id() -> RunId {
    RunId::new("run-1").unwrap()
}

/// A literal.
pub(crate) fn literal(text: &str) -> Binding {
    Binding::Constant(string(text))
}

/// The whole output of a task.
pub(crate) fn from(task: usize) -> Binding {
    part_of(task, &Type::String, "", &Type::String)
}

/// The whole output of a task, or a literal if it was skipped.
pub(crate) fn from_or(task: usize, default: &str) -> Binding {
    match from(task) {
        Binding::Task { task, path, ty, conversion, .. } => {
            Binding::Task { task, path, ty, conversion, default: Some(string(default)) }
        }
        other => other,
    }
}

/// A part of a task's output, as it is.
pub(crate) fn part_of(task: usize, whole: &Type, path: &str, part: &Type) -> Binding {
    let path = if path.is_empty() { Path::root() } else { Path::parse(path).unwrap() };
    let conversion = assign(part, part).unwrap();
    Binding::Task { task: idx(task), path, ty: whole.clone(), conversion, default: None }
}

/// The element of the first list.
pub(crate) fn item() -> Binding {
    let conversion = assign(&Type::String, &Type::String).unwrap();
    Binding::Item { item: 0, path: Path::root(), ty: Type::String, conversion }
}

/// A choice between two tasks.
pub(crate) fn select(selector: Binding, cases: &[(&str, Binding)]) -> Binding {
    let cases = cases.iter().map(|(name, case)| ((*name).to_owned(), case.clone())).collect();
    Binding::Select { selector: Box::new(selector), ty: Type::String, cases, default: None }
}

/// Needed if a selector outside of any `for-each` chooses a case.
pub(crate) fn demand(selector: Binding, case: &str) -> Option<Arc<Demand>> {
    let gate = Gate { within: None, selector, ty: Type::String, case: case.into() };
    Some(Arc::new(Demand { any: vec![DemandClause { gates: vec![gate], consumer: None }] }))
}

/// A literal list to run over.
pub(crate) fn over(items: &[&str]) -> ForEach {
    let parts = items.iter().map(|item| literal(item)).collect();
    ForEach { item: "x".into(), list: Binding::List(Type::String, parts), ty: strings() }
}

/// `list<string>`
pub(crate) fn strings() -> Type {
    Type::List(Arc::new(Type::String))
}

/// The stored form of a string.
pub(crate) fn string(text: &str) -> Bytes {
    let mut out = Vec::new();
    wire::put_str(&mut out, text);
    out.into()
}

/// What a call does.
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

/// The strings that a call was given.
pub(crate) fn texts(args: &[Bytes]) -> Vec<String> {
    args.iter().map(|arg| wire::Reader::new(arg).str().unwrap_or("?").to_owned()).collect()
}

/// A call that was made: `task` or `task[i]`, and when it began and ended, in milliseconds of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) node: String,
    pub(crate) attempt: u32,
    pub(crate) args: Vec<String>,
    pub(crate) began: u64,
    pub(crate) ended: Option<u64>,
}

type Script = Box<dyn Fn(&Call) -> Act + Send + Sync>;

/// Does what a script says.
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
    async fn invoke(&self, call: Call) -> Result<Returned, Failure> {
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
            Ok(outcome) => Ok(Returned { outcome, usage }),
            Err(class) => Err(Failure { class, message: "scripted".into(), backtrace: None, usage }),
        }
    }
}

fn node(task: &str, item: Option<u32>) -> String {
    item.map_or_else(|| task.to_owned(), |item| format!("{task}[{item}]"))
}

/// Keeps events as lines.
#[derive(Default)]
struct Lines(Mutex<Vec<serde_json::Value>>);

impl Sink for Lines {
    fn record(&self, event: &Event) {
        let line = to_json_line(&run_id(), "host", event);
        self.0.lock().unwrap().push(serde_json::from_slice(&line).unwrap());
    }
}

/// Everything around one run.
pub(crate) struct Bench {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) cache: Option<Arc<dyn Cache>>,
    pub(crate) policy: FailurePolicy,
    pub(crate) mode: Mode,
    pub(crate) slots: u32,
    pub(crate) memory: Size,
    pub(crate) targets: Option<Vec<usize>>,
    /// The lease that the engine believes in; a longer one than the ledger's stands for a host that is paused.
    pub(crate) lease: Duration,
    pub(crate) interrupt: watch::Sender<Interrupt>,
    pub(crate) hosts: Mutex<u32>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            backend: Arc::new(MemoryBackend::new()),
            cache: None,
            policy: FailurePolicy::Finish,
            mode: Mode::Resume,
            slots: 8,
            memory: Size::bytes(1 << 30),
            targets: None,
            lease: LEASE,
            interrupt: watch::Sender::new(Interrupt::None),
            hosts: Mutex::new(0),
        }
    }

    /// Opens the run as another host.
    pub(crate) async fn open(&self, bound: &Arc<Bound>) -> (Opened, Arc<crate::state::Shape>) {
        let count = bound.plan().tasks().len();
        let is_wanted: Vec<bool> = match &self.targets {
            None => vec![true; count],
            Some(targets) => (0..count).map(|at| targets.contains(&at)).collect(),
        };
        let shape = Arc::new(shape(bound, &is_wanted, self.memory));
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
        });
        (opened.await.unwrap(), shape)
    }

    /// Runs a plan as another host.
    pub(crate) async fn run(
        &self,
        bound: &Arc<Bound>,
        script: impl Fn(&Call) -> Act + Send + Sync + 'static,
    ) -> Report {
        let (opened, shape) = self.open(bound).await;
        let script: Script = Box::new(script);
        let invoker = Arc::new(Scripted { script, began: Instant::now(), made: Mutex::default() });
        let lines = Arc::new(Lines::default());
        let recorder = Recorder::new(Arc::new(ManualClock::default()), vec![Arc::clone(&lines) as Arc<dyn Sink>]);
        let engine = Engine {
            invoker: Arc::clone(&invoker) as Arc<dyn Invoker>,
            cache: self.cache.clone(),
            recorder,
            interrupt: self.interrupt.subscribe(),
        };
        let settings = Settings {
            run: run_id(),
            bound: Arc::clone(bound),
            ledger: Arc::clone(&opened.ledger),
            shape,
            epoch: opened.epoch,
            stored: opened.stored.clone(),
            slots: self.slots,
            lease: self.lease,
            seed: 1,
        };
        let ended = tokio::time::timeout(Duration::from_hours(1), run(engine, settings)).await;
        let ended = ended.expect("the run hangs").unwrap();
        let outputs = outputs(bound, &*opened.ledger).await.unwrap();
        let outputs = outputs.into_iter().map(|(name, value)| (name, show(value))).collect();
        let made = invoker.made.lock().unwrap().clone();
        let lines = lines.0.lock().unwrap().clone();
        Report { ended, made, lines, outputs }
    }
}

/// Long enough for every call of the scripts.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

fn show(value: OutputValue) -> String {
    match value {
        OutputValue::Value(ty, bytes) => to_json_text(&ty, &bytes).unwrap(),
        OutputValue::Skipped(reason) => reason.to_string(),
        OutputValue::Missing(why) => format!("missing: {why}"),
    }
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) ended: Ended,
    pub(crate) made: Vec<Made>,
    pub(crate) lines: Vec<serde_json::Value>,
    outputs: Vec<(String, String)>,
}

impl Report {
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
        let found = self.lines.iter().find(|line| line_node(line).as_deref() == Some(of) && line["event"] == name);
        found.unwrap_or_else(|| panic!("no {event} of {of}: {:#?}", self.lines))
    }

    /// The first call of a node.
    pub(crate) fn call(&self, of: &str) -> &Made {
        self.made.iter().find(|made| made.node == of).unwrap_or_else(|| panic!("{of} was not called: {:?}", self.made))
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
