//! One task or output of the manifest with its names resolved, and its references to tasks.
//! `cycle` finds cycles in these references.

use crate::graph::names::Names;
use crate::graph::value::{Reader, Site};
use crate::graph::{Condition, Expr, Place};
use crate::manifest;
use crate::model::{Fault, Name, Spanned, TaskIdx};
use std::sync::Arc;

/// A task with the tasks that it refers to.
pub(crate) struct Draft {
    pub(crate) body: Body,
    /// Tasks that are read, with the spans of the references.
    pub(crate) reads: Vec<Spanned<TaskIdx>>,
    /// Tasks of `after`, each with the span of the reference.
    pub(crate) after: Vec<Spanned<TaskIdx>>,
}

/// Resolved content of a task.
#[derive(Default)]
pub(crate) struct Body {
    /// `None` if the task names no existing component, or is built in.
    pub(crate) component: Option<usize>,
    pub(crate) args: Vec<(Spanned<String>, Spanned<Expr>)>,
    /// Conditions: of a draft in one manifest its own `when`, or none.
    pub(crate) conditions: Vec<Arc<Condition>>,
    /// The pipelines around the task that run once per element, outermost first.
    pub(crate) around: Vec<usize>,
    pub(crate) for_each: Vec<(String, Spanned<Expr>)>,
    pub(crate) product: bool,
    pub(crate) resources: Vec<(usize, u32)>,
}

impl Body {
    /// The values from which the task reads: arguments, lists, and the subject of `when`.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Expr> {
        let args = self.args.iter().map(|(_, arg)| arg);
        let lists = self.for_each.iter().map(|(_, list)| list);
        let conditions = self.conditions.iter().map(|condition| &condition.subject);
        args.chain(lists).chain(conditions).map(|spanned| &spanned.value)
    }

    /// Returns the values of [`Self::values`] mutably, but conditions that tasks share.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let args = self.args.iter_mut().map(|(_, arg)| arg);
        let lists = self.for_each.iter_mut().map(|(_, list)| list);
        let conditions = self.conditions.iter_mut().filter_map(Arc::get_mut);
        let conditions = conditions.map(|condition| &mut condition.subject);
        args.chain(lists).chain(conditions).map(|spanned| &mut spanned.value)
    }
}

/// An output: its name and its value.
pub(crate) type Output = (String, Spanned<Expr>);

/// Resolves every task of one manifest, in its order.
pub(crate) fn tasks(names: &mut Names<'_>, manifest: usize) -> Vec<Draft> {
    let tasks = &names.manifest.tasks;
    (0..)
        .map(TaskIdx::new)
        .zip(tasks)
        .map(|(index, (name, task))| draft(names, manifest, (index, name), task))
        .collect()
}

/// Resolves every output that the manifest names.
pub(crate) fn outputs(names: &mut Names<'_>) -> Vec<Output> {
    let outputs = names.manifest.outputs.iter().flatten();
    outputs.map(|(name, expr)| output(names, name, expr)).collect()
}

fn output(names: &mut Names<'_>, name: &Name, expr: &Spanned<manifest::Expr>) -> Output {
    let mut reader = Reader { names, owner: None, reads: Vec::new() };
    (name.to_string(), reader.value(expr, Site::Output))
}

fn draft(names: &mut Names<'_>, manifest: usize, owner: (TaskIdx, &Name), task: &manifest::Task) -> Draft {
    let component = task.action.as_ref().and_then(|action| names.component(action));
    let resources = task.policy.resources.iter().filter_map(|(name, amount)| names.resource(name, amount));
    let resources = resources.collect();
    let after = task.after.iter().filter_map(|name| after(names, owner.0, name)).collect();
    let mut reader = Reader { names, owner: Some(owner), reads: Vec::new() };
    let for_each =
        task.for_each.iter().map(|(item, list)| (item.to_string(), reader.value(list, Site::List)));
    let for_each = for_each.collect();
    let place = Place { manifest, position: owner.0.index() };
    let conditions = task.when.iter().map(|when| {
        Arc::new(Condition { place, level: 0, subject: reader.value(&when.subject, Site::When) })
    });
    let conditions = conditions.collect();
    let args = task.args.iter().map(|(key, (span, arg))| {
        (Spanned::new(key.clone(), span.clone()), reader.value(arg, Site::Args(task)))
    });
    let args = args.collect();
    let reads = reader.reads;
    let product = task.product;
    let around = Vec::new();
    Draft { body: Body { component, args, conditions, around, for_each, product, resources }, reads, after }
}

fn after(names: &mut Names<'_>, owner: TaskIdx, name: &Spanned<String>) -> Option<Spanned<TaskIdx>> {
    let task = names.task(name)?;
    if task == owner {
        let message = format!("task `{}` cannot run after itself", name.value);
        names.fault(Fault::spanned(name.span.clone(), message).help("remove it from `after`"));
        return None;
    }
    let fault = match (names.is_finally(owner), names.is_finally(task)) {
        (false, true) => {
            let message = format!("`{}` is a task of `[finally]`, which runs after all others", name.value);
            Fault::spanned(name.span.clone(), message).help("only tasks of `[finally]` can run after it")
        }
        (true, false) => {
            let message =
                format!("a task of `[finally]` runs after `{}` anyway, and after all others", name.value);
            let help = "remove it; to run only after a success write `when = { run = \"status\", equals = \"succeeded\" }`";
            Fault::spanned(name.span.clone(), message).help(help)
        }
        (true, true) | (false, false) => return Some(Spanned::new(task, name.span.clone())),
    };
    names.fault(fault);
    None
}
