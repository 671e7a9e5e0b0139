//! The function that each task calls and the type of its output, as needed before any edge is typed.
//! Finding one function among a component's exports is in `function`; `command` makes a program a function.

use crate::builtin::{Builtin, Messages};
use crate::graph::{Graph, Node, Place};
use crate::manifest;
use crate::manifest::{Action, Call, Grants, OnError, Unread};
use crate::model::{Digest, Digester, Fault, Faults, Span, Spanned};
use crate::plan::identity::{builtin_identity, identity};
use crate::plan::scope::OutputType;
use crate::plan::{Code, ComponentFunction, Function, command, function};
use crate::value::{Export, ResultType, Signature, Type, failure_type};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// Exports of a component, and the digest of its bytes.
#[derive(Debug, Clone)]
pub struct Interface {
    /// SHA-256 of the component's bytes.
    pub digest: Digest,
    /// Exported functions.
    pub exports: Vec<Export>,
}

/// The function of a task.
pub(crate) struct Callee<'a> {
    pub(crate) function: Callable,
    /// Parameters and result; of a command the result alone.
    pub(crate) signature: Cow<'a, Signature>,
}

/// A function or a command that a task calls.
pub(crate) enum Callable {
    /// A function of a component, by position in the plan.
    Function(usize),
    /// A built-in task, by position among those of the plan.
    Builtin(usize),
    /// A command, whose parameters are known once its values are typed.
    Command(Box<ComponentFunction>),
}

/// The functions of all tasks.
#[derive(Default)]
pub(crate) struct Callees<'a> {
    /// Callee of each task; none if the component could not be loaded or a fault was reported.
    pub(crate) of_tasks: Vec<Option<Callee<'a>>>,
    /// Called functions of components, one entry per set of grants.
    functions: Vec<Function>,
    /// Built-in tasks, one entry per signature. The plan has them behind the functions of components.
    builtins: Vec<Function>,
    /// Positions of built-in tasks by name and types.
    known_builtins: HashMap<(Digest, Option<Digest>), usize>,
    /// Positions by component, export and grants.
    known: HashMap<(usize, usize, GrantsOf), usize>,
    /// Positions of commands by component, shape and parameters, and grants.
    known_commands: HashMap<(usize, Digest, GrantsOf), usize>,
}

impl<'a> Callees<'a> {
    /// Finds the function of every task.
    pub(crate) fn find(graph: &Graph, interfaces: &'a [Option<Interface>], faults: &mut Faults) -> Self {
        let mut callees = Self::default();
        for (node, task) in graph.tasks() {
            let callee = callees.callee(graph, (task, node), interfaces);
            let callee = match callee.transpose() {
                Ok(callee) => callee,
                Err(found) => {
                    faults.list.extend(found);
                    None
                }
            };
            callees.of_tasks.push(callee);
        }
        callees
    }

    /// Returns the functions of the plan, those of components first.
    pub(crate) fn finish(self) -> Vec<Function> {
        let mut functions = self.functions;
        functions.extend(self.builtins);
        functions
    }

    /// Returns the position in the plan of the built-in task that a task calls; none for one that calls a component.
    pub(crate) fn builtin_position(&self, task: usize) -> Option<usize> {
        match self.of_tasks.get(task)?.as_ref()?.function {
            Callable::Builtin(position) => self.functions.len().checked_add(position),
            Callable::Function(_) | Callable::Command(_) => None,
        }
    }

    /// Sets the callee of a task that calls a built-in task, whose types are solved now.
    pub(crate) fn set_builtin(&mut self, task: usize, builtin: Builtin, signature: Signature) {
        let key = (builtin_identity(builtin, &signature), signature.result.as_ref().map(Type::fingerprint));
        let position = *self.known_builtins.entry(key).or_insert_with(|| {
            let code = Code::Builtin { builtin, messages: Messages::Full };
            self.builtins.push(Function { code, signature: signature.clone() });
            self.builtins.len() - 1
        });
        if let Some(callee) = self.of_tasks.get_mut(task) {
            *callee =
                Some(Callee { function: Callable::Builtin(position), signature: Cow::Owned(signature) });
        }
    }

    /// Returns the function of a task; `None` if its call or its component has a fault, and for a built-in task, whose
    /// types are not solved yet.
    fn callee(
        &mut self,
        graph: &Graph,
        (task, node): (&manifest::Task, &Node),
        interfaces: &'a [Option<Interface>],
    ) -> Option<Result<Callee<'a>, Vec<Fault>>> {
        let (action, component) = (task.action.as_ref()?, node.component?);
        let interface = interfaces.get(component)?.as_ref()?;
        let of_task = OfTask { graph, node, task, component };
        Some(match &action.value {
            Action::Call(call) => {
                self.function(&of_task, (call, &action.span), interface).map_err(|fault| vec![*fault])
            }
            Action::Builtin(_) | Action::Manifest(_) => return None, // have no component
            Action::Command(command) => {
                of_task.command(&Spanned::new(command, action.span.clone()), interface)
            }
        })
    }

    fn function(
        &mut self,
        of_task: &OfTask<'_>,
        (call, span): (&Call, &Span),
        interface: &'a Interface,
    ) -> Result<Callee<'a>, Box<Fault>> {
        let (export, signature) = function::find(call, span, &interface.exports)?;
        let (key, signature) = (
            (of_task.component, export, GrantsOf::new(of_task.node, of_task.task)),
            Cow::Borrowed(signature),
        );
        if let Some(function) = self.known.get(&key) {
            return Ok(Callee { function: Callable::Function(*function), signature });
        }
        let export = interface.exports.get(export);
        let called = export.and_then(|export| of_task.called(interface, export));
        let Some(called) = called else {
            return Err(Box::new(Fault::spanned(span.clone(), "the component is unknown")));
        };
        let function = self.functions.len();
        self.functions.push(Function {
            code: Code::Component(Box::new(called)),
            signature: signature.clone().into_owned(),
        });
        self.known.insert(key, function);
        Ok(Callee { function: Callable::Function(function), signature })
    }

    /// Returns the position of the function that a task calls; of a built-in task, that before those of components are
    /// counted. `params` are those of a command.
    pub(crate) fn position(
        &mut self,
        (index, node, task): (usize, &Node, &manifest::Task),
        params: Vec<(Arc<str>, Type)>,
    ) -> Option<usize> {
        let template = match &self.of_tasks.get(index)?.as_ref()?.function {
            Callable::Function(position) | Callable::Builtin(position) => return Some(*position),
            Callable::Command(template) => template,
        };
        let command = template.command.as_ref()?;
        let mut digester = Digester::new("cascade function 1");
        digester.digest(&identity(command));
        params.iter().for_each(|(_, ty)| {
            digester.digest(&ty.fingerprint());
        });
        let key = (template.component, digester.finish(), GrantsOf::new(node, task));
        if let Some(position) = self.known_commands.get(&key) {
            return Some(*position);
        }
        let signature = command.signature(params);
        let function = Function { code: Code::Component(template.clone()), signature };
        let position = self.functions.len();
        self.functions.push(function);
        self.known_commands.insert(key, position);
        Some(position)
    }
}

/// The grants of a task. Tasks that share a function under the same ones share the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum GrantsOf {
    /// Those of the component.
    Component,
    /// Those of a task, however often it is included.
    Task(Place),
    /// None: a pipeline around the task takes them away.
    Nothing,
}

impl GrantsOf {
    fn new(node: &Node, task: &manifest::Task) -> Self {
        match task.grants {
            _ if node.is_ungranted => Self::Nothing,
            Some(_) => Self::Task(node.place),
            None => Self::Component,
        }
    }
}

/// A task and the position of its component among those of all manifests.
struct OfTask<'a> {
    graph: &'a Graph,
    node: &'a Node,
    task: &'a manifest::Task,
    component: usize,
}

impl OfTask<'_> {
    fn called(&self, interface: &Interface, export: &Export) -> Option<ComponentFunction> {
        let (name, _) = self.graph.manifests().component(self.component)?;
        Some(ComponentFunction {
            component: self.component,
            component_name: name.clone(),
            digest: interface.digest,
            export: export.clone(),
            command: None,
            grants: grants(self.graph, self.node, self.task).cloned().unwrap_or_default(),
        })
    }

    fn command<'i>(
        &self,
        written: &Spanned<&manifest::Command>,
        interface: &'i Interface,
    ) -> Result<Callee<'i>, Vec<Fault>> {
        let Spanned { value: written, span } = written;
        let unknown = || vec![Fault::spanned(span.clone(), "the component is unknown")];
        let (program, _) = self.graph.manifests().component(self.component).ok_or_else(unknown)?;
        let shape = command::shape(program, written);
        let export = match (command::find(&written.component, span, &interface.exports), &shape) {
            (Ok(export), _) => export,
            (Err(fault), Ok(_)) => return Err(vec![*fault]),
            (Err(fault), Err(faults)) => return Err([vec![*fault], faults.clone()].concat()),
        };
        let shape = Arc::new(shape?);
        let hiding = grants(self.graph, self.node, self.task).map(command::hidden_folder);
        if let Some(fault) = hiding.flatten() {
            return Err(vec![fault]);
        }
        let signature = shape.signature(Vec::new());
        let called = self.called(interface, export).ok_or_else(unknown)?;
        let function = Callable::Command(Box::new(ComponentFunction { command: Some(shape), ..called }));
        Ok(Callee { function, signature: Cow::Owned(signature) })
    }
}

/// Returns the grants of a task: its own, or those of its component; none if a pipeline around it takes them away.
pub(crate) fn grants<'a>(graph: &'a Graph, node: &Node, task: &'a manifest::Task) -> Option<&'a Grants> {
    if node.is_ungranted {
        return None;
    }
    let component_grants = || graph.manifests().component(node.component?).map(|(_, found)| &found.grants);
    task.grants.as_deref().or_else(component_grants)
}

/// Returns the payload types of a function's result: the plain value or that of `ok`, and that of `err`.
fn sides(signature: &Signature) -> (Option<Type>, Option<Type>) {
    match &signature.result {
        Some(Type::Result(sides)) => (sides.ok.clone(), sides.err.clone()),
        other => (other.clone(), None), // every type but `result` is a plain value
    }
}

impl Callee<'_> {
    /// Returns the payload types of the result, as [`sides`] does. That of a built-in task is a plain value: a `result`
    /// there is one that it was given.
    pub(crate) fn sides(&self) -> (Option<Type>, Option<Type>) {
        match self.function {
            Callable::Builtin(_) => (self.signature.result.clone(), None),
            Callable::Function(_) | Callable::Command(_) => sides(&self.signature),
        }
    }
}

/// Returns the type of a task's output.
pub(crate) fn output_type(callee: Option<&Callee<'_>>, task: &manifest::Task) -> OutputType {
    let Some(callee) = callee else {
        return OutputType::Unknown;
    };
    if [Unread::ForEach, Unread::OnError, Unread::Output].into_iter().any(|key| task.is_unread(key)) {
        return OutputType::Unknown;
    }
    let (ok, err) = callee.sides();
    let is_builtin = matches!(callee.function, Callable::Builtin(_));
    let single = match (task.on_error, &callee.signature.result) {
        (OnError::Value, Some(Type::Result(_))) if !is_builtin => {
            Some(Type::Result(Arc::new(ResultType { ok, err })))
        }
        (OnError::Failure, _) => Some(Type::Result(Arc::new(ResultType { ok, err: Some(failure_type()) }))),
        _ => ok, // an `err` fails the task, or there is none
    };
    match single {
        None => OutputType::Nothing,
        Some(ty) if task.for_each.is_empty() => OutputType::Known(ty),
        Some(ty) => OutputType::Known(Type::List(Arc::new(ty))),
    }
}
