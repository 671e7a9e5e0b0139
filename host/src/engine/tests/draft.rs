//! Plans for the tests in a few words: tasks, bindings and literals built by hand.
//! Everything is a string unless a test says otherwise; nothing runs here.

use crate::graph::{FanOut, Flow};
use crate::manifest::Grants;
use crate::model::{Digest, Limits, Name, Path, RunId, Size, Source, TaskIdx, TaskName};
use crate::plan::{
    BindRequest, Binding, Bound, CacheRule, Code, ComponentFunction, ForEach, Function, Gate, LeavesOut,
    NeededClause, NeededIf, OnError, Output, Place, Plan, Resource, Task, bind,
};
use crate::value::{Command, Export, Signature, Type, assign, wire};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// A plan being written. Every parameter and result is a string unless set otherwise.
pub(crate) struct Draft {
    pub(crate) tasks: Vec<Task>,
    pub(crate) resources: Vec<Resource>,
    /// Shape of all functions, if they are commands.
    pub(crate) command: Option<Arc<Command>>,
    /// How long hosts may work on the run.
    pub(crate) deadline: Option<Duration>,
    /// Position of the first task of `[finally]`.
    pub(crate) first_finally: Option<usize>,
}

impl Draft {
    pub(crate) fn new() -> Self {
        Self { tasks: Vec::new(), resources: Vec::new(), command: None, deadline: None, first_finally: None }
    }

    /// Adds a task with arguments.
    pub(crate) fn task(&mut self, name: &str, args: Vec<Binding>) -> &mut Task {
        self.tasks.push(Task {
            name: TaskName::new(name).unwrap(),
            place: Place { manifest: 0, position: self.tasks.len() },
            function: self.tasks.len(),
            args,
            when: Vec::new(),
            around: Vec::new(),
            for_each: Vec::new(),
            product: false,
            repeat: None,
            flow: None,
            max_parallel: None,
            waits_for: Vec::new(),
            after: Vec::new(),
            needed_if: None,
            needed_level: 0,
            output: Some(Type::String),
            value: Some(Type::String),
            error: Some(Type::String),
            policy: Arc::default(),
            limits: Limits { memory: Size::bytes(1 << 20), ..Limits::default() },
            resources: Vec::new(),
            priority: 0,
            deadline: None,
            height: 1,
            cache: CacheRule::Off,
            on_error: OnError::Fail,
            leaves_out: LeavesOut::default(),
        });
        self.tasks.last_mut().unwrap()
    }

    /// Adds a task whose elements are those of an earlier one, with the element as its argument.
    pub(crate) fn flow(&mut self, name: &str, source: usize) -> &mut Task {
        let root = self.tasks[source].flow.as_ref().map_or(FanOut::Task(idx(source)), |flow| flow.root);
        let list = part_of(source, &strings(), "", &strings());
        let task = self.task(name, vec![item()]);
        task.for_each = vec![ForEach { item: "x".into(), span: 0..0, list, ty: strings() }];
        task.flow = Some(Box::new(Flow { root, sources: vec![Some(FanOut::Task(idx(source)))] }));
        task.output = Some(strings());
        task
    }

    /// Returns the plan with its inputs; each task is an output of the run.
    pub(crate) fn bound(mut self) -> Arc<Bound> {
        for task in &mut self.tasks {
            task.waits_for = waits_for(task);
        }
        let first = self.first_finally.unwrap_or(0);
        for task in self.tasks.iter_mut().skip(first) {
            task.waits_for.retain(|other| other.index() >= first);
        }
        for index in (0..self.tasks.len()).rev() {
            for upstream in upstream(&self.tasks[index]) {
                let height = self.tasks[index].height + 1;
                let upstream = &mut self.tasks[upstream.index()];
                upstream.height = upstream.height.max(height);
            }
        }
        let plan = Plan {
            order: (0..self.tasks.len()).map(idx).collect(),
            functions: self.tasks.iter().map(|task| function(task, self.command.clone())).collect(),
            inputs: Vec::new(),
            outputs: (0..)
                .zip(&self.tasks)
                .take(self.first_finally.unwrap_or(usize::MAX))
                .map(|(index, task)| output(idx(index), task))
                .collect(),
            resources: self.resources,
            pipelines: Vec::new(),
            deadline: self.deadline,
            first_finally: self.first_finally.unwrap_or(self.tasks.len()),
            tasks: self.tasks,
        };
        let grants = plan.functions.iter().map(|_| Digest::of_bytes(b"no grants")).collect();
        let source = Source { name: "cascade.toml".into(), text: "".into() };
        let run = run_id();
        let request = BindRequest::without_inputs(grants, &run);
        Arc::new(bind(&Arc::new(plan), request, &source.into()).unwrap())
    }
}

/// Returns the tasks that a task waits for in whole or element by element.
fn upstream(task: &Task) -> Vec<TaskIdx> {
    let sources = task.flow.as_deref().into_iter().flat_map(Flow::distinct_sources);
    let sources = sources.filter_map(|source| match source {
        FanOut::Task(task) => Some(task),
        FanOut::Pipeline(_) => None,
    });
    sources.chain(task.waits_for.iter().copied()).collect()
}

fn waits_for(task: &Task) -> Vec<TaskIdx> {
    let mut all = task.after.clone();
    let sources = task.flow.as_ref().map_or(&[][..], |flow| &flow.sources);
    let lists = task.for_each.iter().enumerate();
    let lists =
        lists.filter(|(item, _)| !matches!(sources.get(*item), Some(Some(_)))).map(|(_, list)| &list.list);
    let conditions = task.when.iter().map(|when| &when.subject);
    task.args.iter().chain(lists).chain(conditions).for_each(|binding| collect_strict(binding, &mut all));
    for gate in
        task.needed_if.iter().flat_map(|needed_if_case| &needed_if_case.any).flat_map(|clause| &clause.gates)
    {
        collect_strict(&gate.selector, &mut all);
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Collects the tasks that are read whatever a select chooses.
fn collect_strict(binding: &Binding, all: &mut Vec<TaskIdx>) {
    match binding {
        Binding::Select { selector, .. } => collect_strict(selector, all),
        other => other.each_task(&mut |task| all.push(task)),
    }
}

fn function(task: &Task, command: Option<Arc<Command>>) -> Function {
    let params = (0..).zip(&task.args).map(|(index, _): (u32, _)| (format!("p{index}").into(), Type::String));
    let signature = Signature { params: params.collect(), result: Some(Type::String) };
    let component = ComponentFunction {
        component: 0,
        component_name: Name::new("component").unwrap(),
        digest: Digest::of_bytes(b"component"),
        export: Export {
            interface: None,
            function: task.name.as_str().into(),
            signature: Ok(signature.clone()),
            passing: Box::default(),
        },
        command,
        grants: Grants::default(),
    };
    Function { code: Code::Component(Box::new(component)), signature }
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

pub(crate) fn idx(index: usize) -> TaskIdx {
    TaskIdx::new(u32::try_from(index).unwrap())
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

/// A part of a task's output, without conversion.
pub(crate) fn part_of(task: usize, whole: &Type, path: &str, part: &Type) -> Binding {
    let path = if path.is_empty() { Path::root() } else { Path::parse(path).unwrap() };
    let conversion = assign(part, part).unwrap();
    Binding::Task { task: idx(task), path, ty: whole.clone(), conversion, default: None }
}

/// The element of the first list.
pub(crate) fn item() -> Binding {
    let conversion = assign(&Type::String, &Type::String).unwrap();
    Binding::Item { level: 1, item: 0, path: Path::root(), ty: Type::String, conversion }
}

/// A choice between two tasks.
pub(crate) fn select(selector: Binding, cases: &[(&str, Binding)]) -> Binding {
    let cases = cases.iter().map(|(name, case)| ((*name).to_owned(), case.clone())).collect();
    Binding::Select { selector: Box::new(selector), ty: Type::String, cases, default: None }
}

/// A condition that holds if a selector outside of any `for-each` chooses a case.
pub(crate) fn needed_if_case(selector: Binding, case: &str) -> Arc<NeededIf> {
    let gate = Gate { within: None, selector, ty: Type::String, case: case.into() };
    Arc::new(NeededIf { any: vec![NeededClause { gates: vec![gate], consumer: None }] })
}

/// A literal list to run over.
pub(crate) fn list_over(items: &[&str]) -> ForEach {
    let parts = items.iter().map(|item| literal(item)).collect();
    ForEach { item: "x".into(), span: 0..0, list: Binding::List(Type::String, parts), ty: strings() }
}

/// `list<string>`.
pub(crate) fn strings() -> Type {
    Type::List(Arc::new(Type::String))
}

/// The stored form of a string.
pub(crate) fn string(text: &str) -> Bytes {
    let mut out = Vec::new();
    wire::put_str(&mut out, text);
    out.into()
}
