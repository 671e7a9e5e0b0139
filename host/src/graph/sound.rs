//! The sound part of a manifest: without tasks that name what does not exist, stand on a cycle, or need such a task.
//! Positions change when tasks are left out, so every reference is rewritten here, once.

use crate::graph::Expr;
use crate::graph::draft::Body;
use crate::graph::draft::Draft;
use crate::graph::draft::Output;
use crate::manifest::Manifest;
use crate::model::TaskIdx;
use std::sync::Arc;

/// A task that is sound, with what it waits for by `after` in ascending order and without repetition.
pub(crate) struct Sound {
    pub(crate) body: Body,
    pub(crate) after: Vec<TaskIdx>,
}

/// Drops what is not sound from the manifest and from what was read of it.
///
/// `is_excluded` says of each task whether it is faulty for reasons that its draft does not tell. A task that is only
/// `after` one that is dropped stays, so that its own faults are found as well.
pub(crate) fn keep(
    manifest: &mut Manifest,
    tasks: Vec<Draft<Body>>,
    outputs: Vec<Draft<Output>>,
    is_excluded: &[bool],
) -> (Vec<Sound>, Vec<Output>) {
    let positions = Positions::new(&kept(&tasks, is_excluded));
    let mut is_kept = positions.new_of.iter().map(Option::is_some);
    manifest.tasks.retain(|_, _| is_kept.next().unwrap_or(false));
    let tasks = tasks.into_iter().zip(&positions.new_of).filter(|(_, new)| new.is_some());
    let tasks = tasks.filter_map(|(draft, _)| positions.task(draft)).collect();
    let outputs: Vec<Option<Output>> = outputs.into_iter().map(|draft| positions.output(draft)).collect();
    if let Some(written) = &mut manifest.outputs {
        let mut is_kept = outputs.iter().map(Option::is_some);
        written.retain(|_, _| is_kept.next().unwrap_or(false));
    }
    (tasks, outputs.into_iter().flatten().collect())
}

/// Whether each task stays: it is sound, and so is all that it reads, however far away.
fn kept(tasks: &[Draft<Body>], is_excluded: &[bool]) -> Vec<bool> {
    let mut readers = vec![Vec::new(); tasks.len()];
    for (at, task) in tasks.iter().enumerate() {
        for read in &task.reads {
            if let Some(readers) = readers.get_mut(read.value.index()) {
                readers.push(at);
            }
        }
    }
    let mut kept: Vec<bool> =
        tasks.iter().zip(is_excluded).map(|(task, excluded)| task.sound.is_some() && !excluded).collect();
    let mut dropped: Vec<usize> =
        kept.iter().enumerate().filter(|(_, kept)| !**kept).map(|(at, _)| at).collect();
    while let Some(task) = dropped.pop() {
        for reader in readers.get(task).into_iter().flatten() {
            if let Some(kept) = kept.get_mut(*reader).filter(|kept| **kept) {
                *kept = false;
                dropped.push(*reader);
            }
        }
    }
    kept
}

/// Where tasks stand once some are left out.
struct Positions {
    new_of: Vec<Option<TaskIdx>>,
    is_unchanged: bool,
}

impl Positions {
    fn new(kept: &[bool]) -> Self {
        let mut next = (0..).map(TaskIdx::new);
        let new_of = kept.iter().map(|kept| if *kept { next.next() } else { None }).collect();
        Self { new_of, is_unchanged: kept.iter().all(|kept| *kept) }
    }

    fn of(&self, old: TaskIdx) -> Option<TaskIdx> {
        self.new_of.get(old.index()).copied().flatten()
    }

    fn task(&self, draft: Draft<Body>) -> Option<Sound> {
        let mut body = draft.sound?;
        let args = body.args.iter_mut().map(|(_, arg)| &mut arg.value);
        let lists = body.for_each.iter_mut().map(|(_, list)| &mut list.value);
        let when = body.when.iter_mut().map(|when| &mut when.value);
        args.chain(lists).chain(when).try_for_each(|expr| self.rewrite(expr))?;
        let mut after: Vec<TaskIdx> = draft.after.iter().filter_map(|after| self.of(after.value)).collect();
        after.sort_unstable();
        after.dedup();
        Some(Sound { body, after })
    }

    fn output(&self, draft: Draft<Output>) -> Option<Output> {
        let (name, mut expr) = draft.sound?;
        self.rewrite(&mut expr.value)?;
        Some((name, expr))
    }

    /// Gives every reference its new position; none if one leads to a task that was left out.
    fn rewrite(&self, expr: &mut Expr) -> Option<()> {
        if self.is_unchanged {
            return Some(());
        }
        match expr {
            Expr::Literal(_)
            | Expr::Param { .. }
            | Expr::Item { .. }
            | Expr::Env { .. }
            | Expr::File { .. } => {}
            Expr::Task { task, .. } => *task = self.of(*task)?,
            Expr::Array(parts) => parts.iter_mut().try_for_each(|part| self.rewrite(&mut part.value))?,
            Expr::Table(entries) => {
                entries.iter_mut().try_for_each(|(_, part)| self.rewrite(&mut part.value))?;
            }
            Expr::Select { selector, cases, .. } => {
                self.rewrite(&mut Arc::make_mut(selector).value)?;
                cases.iter_mut().try_for_each(|(_, case)| self.rewrite(&mut case.value))?;
            }
        }
        Some(())
    }
}
