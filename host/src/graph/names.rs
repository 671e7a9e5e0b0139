//! Lookup of names in the manifest; each unknown name is reported once.
//! `draft` and `value` pass in the names that occur.

use crate::manifest::{Action, LeftOut, Manifest};
use crate::model::{Capacity, Fault, Name, Path, Span, Spanned, TaskIdx};
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::collections::HashSet;

/// Maximum number of names compared for suggestions, over all faults. A generated manifest may have 100,000 names and
/// as many faults, too many to read suggestions for.
const MAX_COMPARED: usize = 300_000;

/// Names of one manifest, and the faults found while looking them up.
pub(crate) struct Names<'a> {
    pub(crate) manifest: &'a Manifest,
    left_out: &'a LeftOut,
    faults: Vec<Fault>,
    /// Spans in `resources` that were reported: `[defaults]` gives one span to many tasks.
    reported: HashSet<Span>,
    /// Names compared for suggestions so far.
    compared: usize,
}

impl<'a> Names<'a> {
    /// Creates the lookup for the names of `manifest`.
    pub(crate) fn new(manifest: &'a Manifest, left_out: &'a LeftOut) -> Self {
        Self { manifest, left_out, faults: Vec::new(), reported: HashSet::new(), compared: 0 }
    }

    /// Returns the faults found.
    pub(crate) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    /// Reports a fault.
    pub(crate) fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Returns the position of a task.
    pub(crate) fn task(&mut self, name: &Spanned<String>) -> Option<TaskIdx> {
        let (manifest, left_out) = (self.manifest, self.left_out);
        let known =
            Known { noun: "task", section: "tasks", names: &manifest.tasks, left_out: &left_out.tasks };
        if let Some(help) = self.inside(&name.value) {
            let message = format!("there is no task `{}`", name.value);
            self.fault(Fault::spanned(name.span.clone(), message).help(help));
            return None;
        }
        self.look_up(&known, &name.value, &name.span).and_then(task_index)
    }

    /// Returns how to refer to what lies inside of a task, if a name of the command line is written: `t[0]`, or `t/inner`.
    fn inside(&self, written: &str) -> Option<String> {
        let (task, inside) = written.split_at_checked(written.find(['[', '/'])?)?;
        let (position, ..) = self.manifest.tasks.get_full(task)?;
        if inside.starts_with('[') {
            let path = Path::parse(inside.split('/').next()?).ok()?;
            return Some(format!("for an element write `{{ task = \"{task}\", path = \"{path}\" }}`"));
        }
        self.is_pipeline(task_index(position)?).then(|| {
            format!("`{task}` stands for all its tasks; read one of its outputs with `path` beside `task = \"{task}\"`")
        })
    }

    /// Returns whether a task is one of `[finally]`.
    pub(crate) fn is_finally(&self, task: TaskIdx) -> bool {
        self.manifest.tasks.get_index(task.index()).is_some_and(|(_, task)| task.is_finally)
    }

    /// Returns whether a task includes a manifest.
    pub(crate) fn is_pipeline(&self, task: TaskIdx) -> bool {
        let task = self.manifest.tasks.get_index(task.index());
        task.and_then(|(_, task)| task.action.as_ref())
            .is_some_and(|action| action.value.included().is_some())
    }

    /// Returns the position of a param.
    pub(crate) fn param(&mut self, name: &Spanned<String>) -> Option<usize> {
        let (manifest, left_out) = (self.manifest, self.left_out);
        let known =
            Known { noun: "param", section: "params", names: &manifest.params, left_out: &left_out.params };
        self.look_up(&known, &name.value, &name.span)
    }

    /// Returns the position of the component that a task runs; none for a built-in task, and for one that includes a
    /// manifest.
    pub(crate) fn component(&mut self, action: &Spanned<Action>) -> Option<usize> {
        self.component_named(action.value.component()?, &action.span)
    }

    /// Returns the position of a component.
    pub(crate) fn component_named(&mut self, name: &str, span: &Span) -> Option<usize> {
        let (manifest, left_out) = (self.manifest, self.left_out);
        let known = Known {
            noun: "component",
            section: "components",
            names: &manifest.components,
            left_out: &left_out.components,
        };
        self.look_up(&known, name, span)
    }

    /// Returns the position of a resource and the amount; none if the amount is zero, faulty or too large.
    pub(crate) fn resource(&mut self, name: &Name, amount: &Spanned<u32>) -> Option<(usize, u32)> {
        if amount.value == 0 || self.reported.contains(&amount.span) {
            return None;
        }
        let (manifest, left_out) = (self.manifest, self.left_out);
        let known = Known {
            noun: "resource",
            section: "resources",
            names: &manifest.resources,
            left_out: &left_out.resources,
        };
        let Some(position) = self.look_up(&known, name.as_str(), &amount.span) else {
            self.reported.insert(amount.span.clone());
            return None;
        };
        let (_, resource) = manifest.resources.get_index(position)?;
        let max = resource.capacity.max();
        if amount.value <= max {
            return Some((position, amount.value));
        }
        self.reported.insert(amount.span.clone());
        self.fault(
            Fault::spanned(
                amount.span.clone(),
                format!("the task requests more of resource `{name}` than the manifest has"),
            )
            .label(format!("requests {}", amount.value))
            .related(resource.span.clone(), format!("has {}", resource.capacity))
            .help(match resource.capacity {
                Capacity::Amount(_) => format!("request at most {max}, or the task can never start"),
                Capacity::Rate(_) => {
                    format!("request at most {max}, or write `burst = {}` beside the rate", amount.value)
                }
            }),
        );
        None
    }

    fn look_up<T>(&mut self, known: &Known<'_, T>, written: &str, span: &Span) -> Option<usize> {
        let position = known.names.get_index_of(written);
        if position.is_none() && !self.left_out.is_unread(known.section) && !known.left_out.contains(written)
        {
            let fault = Fault::spanned(span.clone(), format!("there is no {} `{written}`", known.noun));
            let fault = if known.names.is_empty() && known.left_out.is_empty() {
                fault.note(format!("the manifest has no {}s", known.noun))
            } else {
                self.suggest(fault, known, written)
            };
            self.fault(fault);
        }
        position
    }

    fn suggest<T>(&mut self, fault: Fault, known: &Known<'_, T>, written: &str) -> Fault {
        self.compared = self.compared.saturating_add(known.names.len());
        if self.compared > MAX_COMPARED {
            return fault;
        }
        let left_out: BTreeSet<&str> = known.left_out.iter().map(String::as_str).collect();
        fault.suggest(written, left_out.into_iter().chain(known.names.keys().map(Name::as_str)))
    }
}

/// A kind of names.
struct Known<'a, T> {
    noun: &'static str,
    section: &'static str,
    names: &'a IndexMap<Name, T>,
    left_out: &'a HashSet<String>,
}

/// Returns the task at a position; none past 2^32 tasks, more than any text addressable by a `Span` has.
fn task_index(position: usize) -> Option<TaskIdx> {
    u32::try_from(position).ok().map(TaskIdx::new)
}
