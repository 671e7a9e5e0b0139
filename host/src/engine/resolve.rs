//! Resolution of bindings to values from the known entries of other tasks, or to the tasks still needed.
//! Pure: fetching entries and waiting is left to `job`.

use crate::model::{Limits, Path, Size, SkipReason, TaskIdx, to_usize};
use crate::plan::{Binding, Bound};
use crate::state::{Entry, NodeId};
use crate::value::{
    Conversion, Type, Unconverted, ValueFault, case_name, compose_case, compose_list, compose_map,
    compose_record, compose_some, compose_tuple, pick, split,
};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;

/// Size that a converted value may always have, in bytes. Above it, the limit is twice the reading task's memory limit: a
/// guest mostly holds a value in less than its encoding takes here.
const MIN_CONVERTED_LIMIT: usize = 16 << 20;

/// Entries of other nodes that a job has fetched so far.
pub(crate) type Known = HashMap<NodeId, Entry>;

/// Reason why a binding has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// These nodes must be fetched, or waited for if they were fetched and are open.
    Needs(Vec<NodeId>),
    /// A needed task was skipped or has failed. A default replaces a skipped value, never a failed one. A result
    /// computed with it would be kept on resume, and differ from that of a run without the failure.
    Skip(SkipReason),
    /// The value cannot be computed from the inputs.
    Input(String),
    /// The value exceeds a limit of this host.
    Limit(String),
}

impl Unresolved {
    /// Combines the reasons of two parts of one value. Unknown tasks come first, so that the reason does not depend
    /// on the order in which tasks end. A failure outweighs a skip.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Needs(mut first), Self::Needs(second)) => {
                first.extend(second);
                Self::Needs(first)
            }
            (needs @ Self::Needs(_), _) | (_, needs @ Self::Needs(_)) => needs,
            (failed @ Self::Skip(SkipReason::UpstreamFailed), _)
            | (_, failed @ Self::Skip(SkipReason::UpstreamFailed)) => failed,
            (skip @ Self::Skip(_), _) | (_, skip @ Self::Skip(_)) => skip,
            (own @ (Self::Input(_) | Self::Limit(_)), Self::Input(_) | Self::Limit(_)) => own,
        }
    }
}

/// Everything that a binding may refer to.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) bound: &'a Bound,
    pub(crate) known: &'a Known,
    /// Current elements, one per item of the `for-each`; empty outside of one.
    pub(crate) items: &'a [Bytes],
    /// Limits of the task that reads the value.
    pub(crate) limits: Limits,
}

impl Scope<'_> {
    /// Returns the value of a binding.
    pub(crate) fn resolve(&self, binding: &Binding) -> Result<Bytes, Unresolved> {
        match binding {
            Binding::Constant(bytes) => Ok(bytes.clone()),
            Binding::Task { task, path, ty, conversion, default } => match (self.output(*task), default) {
                (Ok(output), _) => match (self.part(&output, ty, path, conversion)?, default) {
                    (Some(part), _) => Ok(part),
                    (None, Some(default)) => Ok(default.clone()),
                    (None, None) => Err(self.path_misses(path, *task)),
                },
                (Err(Unresolved::Skip(reason)), Some(default)) if reason != SkipReason::UpstreamFailed => {
                    Ok(default.clone())
                }
                (Err(unresolved), _) => Err(unresolved),
            },
            Binding::Input { input, path, conversion } => {
                let inputs = self.bound.plan().inputs();
                let (Some(bytes), Some(input)) = (self.bound.inputs().get(*input), inputs.get(*input)) else {
                    return Err(Unresolved::Input("an input has no value".to_owned()));
                };
                self.part(bytes, &input.ty, path, conversion)?
                    .ok_or_else(|| nothing_at_path(path, "the param"))
            }
            Binding::Item { item, path, ty, conversion } => {
                let Some(bytes) = self.items.get(*item) else {
                    return Err(Unresolved::Input("an item has no value".to_owned()));
                };
                self.part(bytes, ty, path, conversion)?.ok_or_else(|| nothing_at_path(path, "the item"))
            }
            Binding::Range { .. } => Err(Unresolved::Input("a range is no value".to_owned())), // `for-each` counts it
            Binding::List(element, parts) => {
                let parts = self.resolve_all(parts.iter())?;
                compose_list(element, &parts).map_err(|fault| malformed(&fault))
            }
            Binding::Tuple(parts) => Ok(compose_tuple(&self.resolve_all(parts.iter())?)),
            Binding::Map(pairs) => {
                let pairs = self.resolve_all(pairs.iter())?;
                compose_map(&pairs).map_err(|fault| malformed(&fault))
            }
            Binding::Record(fields) => {
                let parts = self.resolve_all(fields.iter().map(|(_, part)| part))?;
                let names = fields.iter().map(|(name, _)| Arc::clone(name));
                Ok(compose_record(&names.zip(parts).collect::<Vec<_>>()))
            }
            Binding::Case(name, part) => Ok(compose_case(name, &self.resolve(part)?)),
            Binding::Wrapped(part) => Ok(compose_some(&self.resolve(part)?)),
            Binding::Part { value, ty, path, conversion, default } => match (self.resolve(value), default) {
                (Ok(whole), _) => match (self.part(&whole, ty, path, conversion)?, default) {
                    (Some(part), _) => Ok(part),
                    (None, Some(default)) => Ok(default.clone()),
                    (None, None) => Err(nothing_at_path(path, "the value that a pipeline is given or gives")),
                },
                (Err(Unresolved::Skip(reason)), Some(default)) if reason != SkipReason::UpstreamFailed => {
                    Ok(default.clone())
                }
                (Err(unresolved), _) => Err(unresolved),
            },
            Binding::Select { selector, ty, cases, default } => match self.choose(selector, ty)? {
                Some(name) => match (cases.iter().find(|(case, _)| *case == name), default) {
                    (Some((_, case)), _) => self.resolve(case),
                    (None, Some(default)) => Ok(default.clone()),
                    (None, None) => Err(Unresolved::Input(self.no_case(selector, &name))),
                },
                None => match default {
                    Some(default) => Ok(default.clone()),
                    None => self.resolve(selector),
                },
            },
        }
    }

    /// Returns the values of several bindings, or the combined reason why some have none.
    pub(crate) fn resolve_all<'b>(
        &self,
        bindings: impl Iterator<Item = &'b Binding>,
    ) -> Result<Vec<Bytes>, Unresolved> {
        all(bindings.map(|binding| self.resolve(binding)))
    }

    /// Returns the name that a selector yields; none if its task was skipped.
    pub(crate) fn choose(&self, selector: &Binding, ty: &Type) -> Result<Option<String>, Unresolved> {
        match self.resolve(selector) {
            Ok(bytes) => case_name(ty, &bytes)
                .map(|name| Some(name.to_owned()))
                .ok_or_else(|| Unresolved::Input("the selector is neither a string nor a case".to_owned())),
            Err(Unresolved::Skip(reason)) if reason != SkipReason::UpstreamFailed => Ok(None),
            Err(unresolved) => Err(unresolved),
        }
    }

    /// Explains that no case matches. Shows the selector only if it cannot be a secret: guests and errors may see
    /// this text.
    fn no_case(&self, selector: &Binding, name: &str) -> String {
        let has_secrets = self.bound.plan().inputs().iter().any(|input| input.is_secret);
        match selector {
            Binding::Input { .. } | Binding::Item { .. } | Binding::Part { .. } if has_secrets => {
                "the selector names no case, and there is no `default`".to_owned()
            }
            _ => format!("the selector is `{name}`, which names no case"), // hidden later if secret
        }
    }

    /// Returns the output of another task.
    pub(crate) fn output(&self, task: TaskIdx) -> Result<Bytes, Unresolved> {
        let node = NodeId::of_task(task);
        self.known
            .get(&node)
            .map_or_else(|| Err(Unresolved::Needs(vec![node])), |entry| value_of(node, entry))
    }

    /// Returns the value of an element of another task. One that is not stored although its task is done is taken from
    /// the list.
    pub(crate) fn element(&self, task: TaskIdx, item: u32) -> Result<Bytes, Unresolved> {
        let node = NodeId::element(task, item);
        match self.known.get(&node) {
            None => Err(Unresolved::Needs(vec![node])),
            Some(Entry::Open) => match self.output(task) {
                Ok(list) => self.element_of_list(task, &list, item),
                Err(Unresolved::Needs(whole)) if whole.iter().all(|node| self.known.contains_key(node)) => {
                    Err(Unresolved::Needs(vec![node]))
                }
                Err(unresolved) => Err(unresolved),
            },
            Some(entry) => value_of(node, entry),
        }
    }

    fn element_of_list(&self, task: TaskIdx, list: &Bytes, item: u32) -> Result<Bytes, Unresolved> {
        let ty = self.bound.plan().task(task).and_then(|task| task.output.as_ref());
        let items = ty.map(|ty| split(ty, list)).transpose().map_err(|fault| malformed(&fault))?;
        items
            .and_then(|items| items.get(to_usize(item)))
            .ok_or_else(|| Unresolved::Input(format!("a stored list has no element {item}")))
    }

    /// Returns a part of a value, converted to the type of its target; none if the value has no such part.
    fn part(
        &self,
        value: &Bytes,
        ty: &Type,
        path: &Path,
        conversion: &Conversion,
    ) -> Result<Option<Bytes>, Unresolved> {
        let picked = if path.steps().is_empty() {
            Some(value.clone())
        } else {
            pick(ty, value, path).map_err(|fault| malformed(&fault))?
        };
        picked.map(|part| converted(&part, conversion, self.limits)).transpose()
    }

    fn path_misses(&self, path: &Path, task: TaskIdx) -> Unresolved {
        let name = self.bound.plan().task(task).map_or("?", |task| task.name.as_str());
        nothing_at_path(path, &format!("the output of task `{name}`"))
    }
}

/// Converts a value to the type of its target, within the bound that the limits of the reading task set.
pub(crate) fn converted(value: &Bytes, conversion: &Conversion, limits: Limits) -> Result<Bytes, Unresolved> {
    let max = limits.memory.as_usize().saturating_mul(2).max(MIN_CONVERTED_LIMIT);
    conversion.apply(value, max).map_err(|unconverted| match unconverted {
        Unconverted::Fault(fault) => malformed(&fault),
        Unconverted::TooLarge => Unresolved::Limit(format!(
            "a value exceeds {} when converted to the type of its target; the limit is twice `limits.memory` = {}, but at \
             least 16MiB; raise `limits.memory`",
            Size::bytes(max.try_into().unwrap_or(u64::MAX)),
            limits.memory
        )),
    })
}

/// Returns all values, or the combined reason why some have none.
pub(crate) fn all(values: impl Iterator<Item = Result<Bytes, Unresolved>>) -> Result<Vec<Bytes>, Unresolved> {
    let mut found = Vec::new();
    let mut unresolved: Option<Unresolved> = None;
    for value in values {
        match value {
            Ok(value) => found.push(value),
            Err(other) => unresolved = Some(unresolved.map_or(other.clone(), |first| first.and(other))),
        }
    }
    unresolved.map_or(Ok(found), Err)
}

/// Returns the value of a node that was fetched.
fn value_of(node: NodeId, entry: &Entry) -> Result<Bytes, Unresolved> {
    match entry {
        Entry::Open => Err(Unresolved::Needs(vec![node])),
        Entry::Done(bytes) => Ok(bytes.clone()),
        Entry::Failed(_) | Entry::Skipped(SkipReason::UpstreamFailed) => {
            Err(Unresolved::Skip(SkipReason::UpstreamFailed))
        }
        Entry::Skipped(_) => Err(Unresolved::Skip(SkipReason::UpstreamSkipped)),
    }
}

fn nothing_at_path(path: &Path, value: &str) -> Unresolved {
    Unresolved::Input(format!("{value} has nothing at `{path}`"))
}

fn malformed(fault: &ValueFault) -> Unresolved {
    Unresolved::Input(format!("a stored value is malformed: {fault}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, size};

    #[test]
    fn manual_names_the_limits_of_this_file() {
        let row = Page::of("limits").section("Limits of a call").line("a value that an edge converts");
        row.cell(1).says(&size(MIN_CONVERTED_LIMIT));
    }
}
