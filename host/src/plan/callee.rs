//! The function that each task calls and the type of its output, as needed before any edge is typed.
//! Finding one function among a component's exports is in `function`.

use crate::graph::{Graph, Node};
use crate::manifest;
use crate::manifest::{Call, Grants, OnError, Unread};
use crate::model::{Digest, Fault, Faults, Spanned};
use crate::plan::scope::OutputType;
use crate::plan::{Function, function};
use crate::value::{Export, ResultType, Signature, Type};
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
    /// Position in the plan.
    pub(crate) function: usize,
    pub(crate) signature: &'a Signature,
}

/// The functions of all tasks.
#[derive(Default)]
pub(crate) struct Callees<'a> {
    /// Callee of each task; none if the component could not be loaded or a fault was reported.
    pub(crate) of_tasks: Vec<Option<Callee<'a>>>,
    /// Called functions, one entry per set of grants.
    pub(crate) functions: Vec<Function>,
    /// Positions by component and export, and by task if the task has grants of its own.
    known: HashMap<(usize, usize, Option<usize>), usize>,
}

impl<'a> Callees<'a> {
    /// Finds the function of every task.
    pub(crate) fn find(graph: &Graph, interfaces: &'a [Option<Interface>], faults: &mut Faults) -> Self {
        let mut callees = Self::default();
        for (index, (task, node)) in graph.manifest().tasks.values().zip(graph.nodes()).enumerate() {
            let callee = callees.callee(graph, index, (task, node), interfaces);
            let callee = match callee.transpose() {
                Ok(callee) => callee,
                Err(fault) => {
                    faults.push(*fault);
                    None
                }
            };
            callees.of_tasks.push(callee);
        }
        callees
    }

    /// Returns the function of a task; `None` if its call or its component has a fault.
    fn callee(
        &mut self,
        graph: &Graph,
        index: usize,
        (task, node): (&manifest::Task, &Node),
        interfaces: &'a [Option<Interface>],
    ) -> Option<Result<Callee<'a>, Box<Fault>>> {
        let (call, component) = (task.call.as_ref()?, node.component?);
        let interface = interfaces.get(component)?.as_ref()?;
        Some(self.function(graph, (index, task), (call, component), interface))
    }

    fn function(
        &mut self,
        graph: &Graph,
        (index, task): (usize, &manifest::Task),
        (call, position): (&Spanned<Call>, usize),
        interface: &'a Interface,
    ) -> Result<Callee<'a>, Box<Fault>> {
        let span = &call.span;
        let (export, signature) = function::find(&call.value, span, &interface.exports)?;
        let key = (position, export, task.grants.as_ref().map(|_| index));
        if let Some(function) = self.known.get(&key) {
            return Ok(Callee { function: *function, signature });
        }
        let component = graph.manifest().components.get_index(position);
        let (Some((name, _)), Some(export)) = (component, interface.exports.get(export)) else {
            return Err(Box::new(Fault::spanned(span.clone(), "the component is unknown")));
        };
        let function = self.functions.len();
        self.functions.push(Function {
            component: position,
            component_name: name.clone(),
            digest: interface.digest,
            export: export.clone(),
            grants: grants(graph, Some(position), task).cloned().unwrap_or_default(),
        });
        self.known.insert(key, function);
        Ok(Callee { function, signature })
    }
}

/// Returns the grants of a task: its own, or those of its component.
pub(crate) fn grants<'a>(
    graph: &'a Graph,
    component: Option<usize>,
    task: &'a manifest::Task,
) -> Option<&'a Grants> {
    let component_grants =
        || graph.manifest().components.get_index(component?).map(|(_, found)| &found.grants);
    task.grants.as_ref().or_else(component_grants)
}

/// Returns the payload types of a function's result: the plain value or that of `ok`, and that of `err`.
pub(crate) fn sides(signature: &Signature) -> (Option<Type>, Option<Type>) {
    match &signature.result {
        Some(Type::Result(sides)) => (sides.ok.clone(), sides.err.clone()),
        other => (other.clone(), None), // every type but `result` is a plain value
    }
}

/// Returns the type of a task's output.
pub(crate) fn output_type(callee: Option<&Callee<'_>>, task: &manifest::Task) -> OutputType {
    let Some(Callee { signature, .. }) = callee else {
        return OutputType::Unknown;
    };
    if task.is_unread(Unread::ForEach) || task.is_unread(Unread::OnError) {
        return OutputType::Unknown;
    }
    let (ok, err) = sides(signature);
    let single = match (task.on_error, &signature.result) {
        (OnError::Value, Some(Type::Result(_))) => Some(Type::Result(Arc::new(ResultType { ok, err }))),
        _ => ok, // an `err` fails the task, or there is none
    };
    match single {
        None => OutputType::Nothing,
        Some(ty) if task.for_each.is_empty() => OutputType::Known(ty),
        Some(ty) => OutputType::Known(Type::List(Arc::new(ty))),
    }
}
