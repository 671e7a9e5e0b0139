//! Resolves expressions of the manifest: names become positions.
//! Records every reference to a task, for `cycle` and `pruning`.

use crate::graph::Expr;
use crate::graph::names::Names;
use crate::manifest;
use crate::manifest::{Reference, Task, Unread};
use crate::model::{Fault, Name, Path, Spanned, TaskIdx, shortlist};
use std::sync::Arc;

/// The context of an expression, which decides what `{ item = … }` means there.
#[derive(Clone, Copy)]
pub(crate) enum Site<'a> {
    /// In `args` of a task.
    Args(&'a Task),
    /// In a list of `for-each`.
    List,
    /// In `when`.
    When,
    /// In `[outputs]`.
    Output,
}

/// Reader of the expressions of one task or output.
pub(crate) struct Reader<'r, 'a> {
    pub(crate) names: &'r mut Names<'a>,
    /// Task that the expressions belong to, with its name; none for an output.
    pub(crate) owner: Option<(TaskIdx, &'r Name)>,
    /// Tasks that are read, each with the span of the reference.
    pub(crate) reads: Vec<Spanned<TaskIdx>>,
}

impl Reader<'_, '_> {
    /// Resolves one expression; an unknown name in it is reported and marked.
    pub(crate) fn value(&mut self, expr: &Spanned<manifest::Expr>, site: Site<'_>) -> Spanned<Expr> {
        let value = match &expr.value {
            manifest::Expr::Literal(datum) => Expr::Literal(datum.clone()),
            manifest::Expr::Array(parts) => {
                Expr::Array(parts.iter().map(|part| self.value(part, site)).collect())
            }
            manifest::Expr::Table(entries) => Expr::Table(self.entries(entries, site)),
            manifest::Expr::Reference(reference) => self.reference(reference, site).unwrap_or(Expr::Faulty),
            manifest::Expr::Faulty(parts) => {
                // Only resolve the names: the value was reported already.
                parts.iter().for_each(|part| drop(self.value(part, site)));
                Expr::Faulty
            }
        };
        Spanned::new(value, expr.span.clone())
    }

    fn entries(
        &mut self,
        entries: &[(Spanned<String>, Spanned<manifest::Expr>)],
        site: Site<'_>,
    ) -> Vec<(Spanned<String>, Spanned<Expr>)> {
        entries.iter().map(|(key, part)| (key.clone(), self.value(part, site))).collect()
    }

    fn reference(&mut self, reference: &Reference, site: Site<'_>) -> Option<Expr> {
        match reference {
            Reference::Task { task, path, default } => {
                let task = self.task(task)?;
                Some(Expr::Task { task, path: path.clone(), default: default.clone() })
            }
            Reference::Param { param, path } => {
                let param = self.names.param(param)?;
                Some(Expr::Param { param, path: path.clone() })
            }
            Reference::Item { item, path } => self.item(item, path, site),
            Reference::Env { name, default, is_secret } => {
                let (name, default, is_secret) = (name.value.clone(), default.clone(), *is_secret);
                Some(Expr::Env { name, default, is_secret })
            }
            Reference::File { path } => Some(Expr::File { path: path.value.clone() }),
            Reference::Files { folder, pattern } => {
                Some(Expr::Files { folder: folder.clone(), pattern: pattern.clone() })
            }
            Reference::Run(value) => Some(Expr::Run(*value)),
            Reference::Range { from, to } => Some(Expr::Range {
                from: Box::new(self.value(from, site)),
                to: Box::new(self.value(to, site)),
            }),
            Reference::Select { selector, cases, default } => {
                let selector = Arc::new(self.value(selector, site));
                Some(Expr::Select { selector, cases: self.entries(cases, site), default: default.clone() })
            }
        }
    }

    fn task(&mut self, name: &Spanned<String>) -> Option<TaskIdx> {
        let task = self.names.task(name)?;
        // A pipeline may read one of its outputs for another: `inline` finds out whether that is a cycle.
        if self.owner.is_some_and(|(owner, _)| owner == task) && !self.names.is_pipeline(task) {
            let message = format!("task `{}` needs its own output", name.value);
            let fault = Fault::spanned(name.span.clone(), message).label("this is the task itself");
            self.names.fault(fault.help("to feed a call the result of the one before, use `repeat`"));
            return None;
        }
        if self.names.is_finally(task) && !self.owner.is_some_and(|(owner, _)| self.names.is_finally(owner)) {
            let message = format!("`{}` is a task of `[finally]`, which runs after all others", name.value);
            let fault = Fault::spanned(name.span.clone(), message);
            self.names.fault(fault.help("only tasks of `[finally]` can read it"));
            return None;
        }
        self.reads.push(Spanned::new(task, name.span.clone()));
        Some(task)
    }

    fn item(&mut self, item: &Spanned<String>, path: &Path, site: Site<'_>) -> Option<Expr> {
        let fault_at = |message: &str| Fault::spanned(item.span.clone(), message);
        let fault = match site {
            Site::Args(task) => match task.for_each.get_index_of(item.value.as_str()) {
                Some(item) => return Some(Expr::Item { of: None, item, path: path.clone() }),
                None if task.is_unread(Unread::ForEach) => return None,
                None => self.unknown_item(item, task),
            },
            Site::List => fault_at("a list of `for-each` cannot refer to an item")
                .help("lists are evaluated before items exist; use `item` in `args`"),
            Site::When => fault_at("`when` cannot refer to an item")
                .note("the condition is evaluated once per task")
                .help("to choose for each element, use `select` in `args`; in an included manifest, `when` may read a param"),
            Site::Output => fault_at("an output cannot refer to an item")
                .help("refer to the whole list with `{ task = … }`"),
        };
        self.names.fault(fault);
        None
    }

    fn unknown_item(&self, item: &Spanned<String>, task: &Task) -> Fault {
        let owner = self.owner.map_or("", |(_, name)| name.as_str());
        let written = &item.value;
        if task.for_each.is_empty() {
            return Fault::spanned(item.span.clone(), format!("task `{owner}` has no `for-each`"))
                .help(format!("add `for-each.{written} = …`, a list that the task runs over"));
        }
        let items = || task.for_each.keys().map(Name::as_str);
        Fault::spanned(item.span.clone(), format!("`for-each` of task `{owner}` has no item `{written}`"))
            .suggest(written, items())
            .note(format!("its items are {}", shortlist(written, items())))
    }
}
