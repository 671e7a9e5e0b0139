//! One task or output of the manifest with its names resolved, before it is known which others are sound.
//! Cycles, and what a faulty task takes along with it, are found out from the references that are noted here.

use crate::graph::Expr;
use crate::graph::names::Names;
use crate::graph::value::Reader;
use crate::graph::value::Site;
use crate::manifest;
use crate::model::Fault;
use crate::model::Name;
use crate::model::Span;
use crate::model::Spanned;
use crate::model::TaskIdx;

/// What could be read of a task or an output, and which tasks it refers to.
pub(crate) struct Draft<T> {
    /// What it says; none where a name in it means nothing.
    pub(crate) sound: Option<T>,
    /// Tasks that are read, with the places that say so.
    pub(crate) reads: Vec<Spanned<TaskIdx>>,
    /// Tasks of `after`, likewise.
    pub(crate) after: Vec<Spanned<TaskIdx>>,
}

/// What a task says, resolved.
pub(crate) struct Body {
    pub(crate) component: usize,
    pub(crate) args: Vec<(Spanned<String>, Spanned<Expr>)>,
    pub(crate) when: Option<Spanned<Expr>>,
    pub(crate) for_each: Vec<(String, Spanned<Expr>)>,
    pub(crate) resources: Vec<(usize, u32)>,
}

/// An output: its name and its value.
pub(crate) type Output = (String, Spanned<Expr>);

/// Resolves every task, in the manifest's order.
pub(crate) fn tasks(names: &mut Names<'_>) -> Vec<Draft<Body>> {
    let tasks = &names.manifest.tasks;
    (0..).map(TaskIdx::new).zip(tasks).map(|(at, (name, task))| draft(names, (at, name), task)).collect()
}

/// Resolves every output that the manifest names.
pub(crate) fn outputs(names: &mut Names<'_>) -> Vec<Draft<Output>> {
    let outputs = names.manifest.outputs.iter().flatten();
    outputs.map(|(name, expr)| output(names, name, expr)).collect()
}

fn output(names: &mut Names<'_>, name: &Name, expr: &Spanned<manifest::Expr>) -> Draft<Output> {
    let mut reader = Reader { names, owner: None, reads: Vec::new() };
    let sound = reader.value(expr, Site::Output).map(|expr| (name.to_string(), expr));
    Draft { sound, reads: reader.reads, after: Vec::new() }
}

fn draft(names: &mut Names<'_>, owner: (TaskIdx, &Name), task: &manifest::Task) -> Draft<Body> {
    let component = names.component(&task.call);
    let resources = task.policy.resources.iter().filter_map(|(name, amount)| names.resource(name, amount));
    let resources = resources.collect();
    let after = task.after.iter().filter_map(|name| after(names, owner.0, name)).collect();
    let mut reader = Reader { names, owner: Some(owner), reads: Vec::new() };
    let for_each: Vec<_> = task
        .for_each
        .iter()
        .map(|(item, list)| Some((item.to_string(), reader.value(list, Site::List)?)))
        .collect();
    let when = task.when.as_ref().map(|when| reader.value(&when.subject, Site::When));
    let args: Vec<_> = task
        .args
        .iter()
        .map(|(key, (span, arg))| Some((spanned(key, span), reader.value(arg, Site::Args(task))?)))
        .collect();
    let reads = reader.reads;
    let body = || {
        Some(Body {
            component: component?,
            args: args.into_iter().collect::<Option<_>>()?,
            when: when.map_or(Some(None), |subject| subject.map(Some))?,
            for_each: for_each.into_iter().collect::<Option<_>>()?,
            resources,
        })
    };
    Draft { sound: body(), reads, after }
}

fn spanned(key: &str, span: &Span) -> Spanned<String> {
    Spanned::new(key.to_owned(), span.clone())
}

fn after(names: &mut Names<'_>, owner: TaskIdx, name: &Spanned<String>) -> Option<Spanned<TaskIdx>> {
    let task = names.task(name)?;
    if task == owner {
        let message = format!("task `{}` cannot run after itself", name.value);
        names.fault(Fault::at(name.span.clone(), message));
        return None;
    }
    Some(Spanned::new(task, name.span.clone()))
}
