//! Compares what components import with what a manifest grants: unused grants, and missing ones.
//! `sandbox` knows which import needs which grant; `cli` formats the result.

use crate::graph::{Graph, Manifests, Place};
use crate::manifest;
use crate::manifest::{Grants, Unread};
use crate::model::{Fault, Faults, Grant, Name, WithoutGrant};
use crate::sandbox::Component;
use crate::value::Export;

/// The differences between a task's grants and its component's imports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Grants that serve none of the component's imports.
    pub unused: Vec<Grant>,
    /// Grants that the component's imports need and the task lacks.
    pub missing: Vec<Missing>,
}

/// A grant that a component's imports need and a task lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    /// The grant.
    pub grant: Grant,
    /// The functions that need it, grouped by interface: `cascade:task/context@0.1.0 (current)`.
    pub imports: Vec<String>,
    /// Whether the import says nothing about the need: the language's runtime makes it, used or not.
    pub is_optional: bool,
    /// The manifest line that adds it.
    pub toml: Toml,
}

/// A line of a manifest, and its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Toml {
    /// `components.fetch.grants`.
    pub table: String,
    /// `dns = true`.
    pub line: String,
    /// Whether the manifest has the table already.
    pub has_table: bool,
}

impl Toml {
    /// Returns the lines to paste: with the header, unless the table exists.
    #[must_use]
    pub(crate) fn lines(&self) -> Vec<String> {
        if self.has_table {
            vec![format!("{}  # in `{}`", self.line, self.table)]
        } else {
            vec![format!("[{}]", self.table), self.line.clone()]
        }
    }
}

/// A grant that a component's imports need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NeededGrant {
    /// The grant.
    pub grant: Grant,
    /// The functions that need it, grouped by interface: `cascade:task/context@0.1.0 (current)`.
    pub imports: Vec<String>,
    /// Whether the import says nothing about the need: the language's runtime makes it, used or not.
    pub is_optional: bool,
}

/// Returns the grants that a component's imports need, each with the functions that need it.
#[must_use]
pub(crate) fn needed_grants(component: &Component) -> Vec<NeededGrant> {
    let imports_of = |grant: Grant| {
        let imports = component.imports().iter().filter_map(|import| {
            let functions = import.served_by(grant);
            (!functions.is_empty()).then(|| format!("{} ({})", import.name, functions.join(", ")))
        });
        let imports: Vec<String> = imports.collect();
        let is_optional = match grant.row().without {
            WithoutGrant::Substitute(_) => true,
            WithoutGrant::Refusal | WithoutGrant::Trap => {
                component.toolchain().is_some_and(|toolchain| toolchain.always_imports(grant))
            }
        };
        (!imports.is_empty()).then_some(NeededGrant { grant, imports, is_optional })
    };
    Grant::ALL.into_iter().filter_map(imports_of).collect()
}

/// A task and its component, as the manifest writes them.
#[derive(Clone, Copy)]
struct TaskGrants<'a> {
    name: &'a Name,
    task: &'a manifest::Task,
    component_name: &'a Name,
    /// Its grants: its own, those of its component, or none.
    grants: &'a Grants,
    component: &'a Component,
}

/// Compares a task's grants with the component at `index` among those of all manifests.
pub(crate) fn needs(
    manifests: &Manifests,
    (place, grants): (Place, &Grants),
    index: usize,
    component: &Component,
) -> Option<Needs> {
    let ((name, task), (component_name, _)) = (manifests.task(place)?, manifests.component(index)?);
    Some(TaskGrants { name, task, component_name, grants, component }.needs())
}

/// Adds a fault for each set of grants without which no run can succeed.
///
/// Only one case is certain: an import whose call traps, in a component with a single function. Such an import exists
/// only because the component's own code calls it, and only that function can make the call. In all other cases the
/// run may succeed, so `plan` shows them instead:
///
/// - With several functions, the task may use one that never calls the import.
/// - A refused call may be what the guest expects.
/// - Imports that every language library makes prove nothing.
pub(crate) fn check(graph: &Graph, components: &[Option<Component>], faults: &mut Faults) {
    let manifests = graph.manifests();
    let none = Grants::default();
    let mut is_reported = vec![false; components.len()];
    for node in graph.nodes() {
        let (Some(index), Some((name, task))) = (node.component, manifests.task(node.place)) else {
            continue;
        };
        let (Some(Some(component)), Some((component_name, written))) =
            (components.get(index), manifests.component(index))
        else {
            continue;
        };
        let written = if node.is_ungranted { &none } else { &written.grants };
        let grants = task.grants.as_deref().filter(|_| !node.is_ungranted).unwrap_or(written);
        // An unreadable grant may be the missing one.
        if grants.is_partial || task.is_unread(Unread::Grants) {
            continue;
        }
        // A missing grant of a component is reported once, not for each of its tasks.
        let is_shared = task.grants.is_none() && !node.is_ungranted;
        let is_reported = is_reported.get_mut(index).filter(|_| is_shared);
        if own_exports(component) > 1 || is_reported.is_some_and(|reported| std::mem::replace(reported, true))
        {
            continue;
        }
        let task_grants = TaskGrants { name, task, component_name, grants, component };
        let fatal = task_grants
            .needs()
            .missing
            .into_iter()
            .filter(|missing| missing.grant.row().without == WithoutGrant::Trap);
        fatal.for_each(|missing| faults.push(task_grants.fault(&missing)));
    }
}

/// Returns the number of functions that the component's author wrote.
fn own_exports(component: &Component) -> usize {
    let is_own = |export: &&Export| component.toolchain().is_none_or(|toolchain| !toolchain.owns(export));
    component.exports().iter().filter(is_own).count()
}

impl TaskGrants<'_> {
    fn needs(&self) -> Needs {
        let (granted, needed) = (self.grants.granted(), needed_grants(self.component));
        let is_needed = |grant: &Grant| needed.iter().any(|needed| needed.grant == *grant);
        let unused = granted.iter().copied().filter(|grant| !is_needed(grant)).collect();
        let missing = needed
            .into_iter()
            .filter(|needed| !needed.grant.row().alternatives.iter().any(|other| granted.contains(other)));
        let missing = missing.map(|NeededGrant { grant, imports, is_optional }| Missing {
            grant,
            imports,
            is_optional,
            toml: self.toml(grant),
        });
        Needs { unused, missing: missing.collect() }
    }

    fn toml(&self, grant: Grant) -> Toml {
        let table = match self.task.grants {
            Some(_) => format!("tasks.{}.grants", self.name),
            None => format!("components.{}.grants", self.component_name),
        };
        Toml { table, line: grant.row().example.to_owned(), has_table: !self.grants.span.is_empty() }
    }

    fn fault(&self, missing: &Missing) -> Fault {
        let message = format!("task `{}` cannot run without the grant `{}`", self.name, missing.grant.key());
        let span = self.task.action.as_ref().map_or(&self.task.span, |action| &action.span);
        let fault = Fault::spanned(span.clone(), message);
        let written = &self.grants.span;
        let fault = if written.is_empty() { fault } else { fault.related(written.clone(), "its grants") };
        let imports = missing.imports.join(", ");
        let note = format!("`{}` has a single function, and imports {imports}", self.component_name);
        fault.note(note).help(format!("grant it:\n{}", missing.toml.lines().join("\n")))
    }
}
