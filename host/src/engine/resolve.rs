//! Resolution of bindings to values from the known entries of other tasks, or to the tasks still needed.
//! Pure: fetching entries and waiting is left to `job`.

use crate::engine::elements::{Elements, ItemSource};
use crate::engine::list_cache::ListCache;
use crate::engine::run_facts::RunFacts;
use crate::engine::unresolved::{Unresolved, all};
use crate::model::{IndexPath, Limits, Path, Size, SkipReason, TaskIdx, to_usize};
use crate::plan::{Binding, Bound, FanOut, ForEach, ListsRef};
use crate::state::{Entry, NodeId};
use crate::value::{
    Conversion, Items, Type, Unconverted, ValueFault, case_name, compose_case, compose_list, compose_map,
    compose_record, compose_some, compose_tuple, pick, range, split, wire,
};
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Size that a converted value may always have, in bytes. Above it, the limit is twice the reading task's memory limit: a
/// guest mostly holds a value in less than its encoding takes here.
const MIN_CONVERTED_LIMIT: usize = 16 << 20;

/// Entries of other nodes that a job has fetched so far.
pub(crate) type Known = FxHashMap<NodeId, Entry>;

/// Everything that a binding may refer to.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) bound: &'a Bound,
    pub(crate) known: &'a Known,
    pub(crate) lists: &'a ListCache,
    /// The indexes of the node for which values are resolved.
    pub(crate) at: IndexPath,
    /// The pipelines around it that run once per element, outermost first.
    pub(crate) around: &'a [usize],
    /// Per level of elements, the value of each item.
    pub(crate) items: &'a [Vec<Bytes>],
    /// Limits of the task that reads the value.
    pub(crate) limits: Limits,
    /// The values of the run, for finally tasks; none for anything else.
    pub(crate) run: Option<&'a RunFacts>,
}

impl<'a> Scope<'a> {
    /// Creates the scope of whole tasks and of outputs.
    pub(crate) const fn outermost(
        bound: &'a Bound,
        (known, lists): (&'a Known, &'a ListCache),
        limits: Limits,
    ) -> Self {
        Self { bound, known, lists, at: IndexPath::root(), around: &[], items: &[], limits, run: None }
    }

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
                (Err(Unresolved::Skip(reason)), Some(default)) if self.is_stood_in_for(reason) => {
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
            Binding::Run { value, conversion } => match self.run {
                Some(run) => converted(run.value(*value), conversion, self.limits),
                None => Err(Unresolved::Input("the run has no ending yet".to_owned())),
            },
            Binding::Item { level, item, path, ty, conversion } => {
                let items = level.checked_sub(1).and_then(|level| self.items.get(level));
                let Some(bytes) = items.and_then(|items| items.get(*item)) else {
                    return Err(Unresolved::Input("an item has no value".to_owned()));
                };
                self.part(bytes, ty, path, conversion)?.ok_or_else(|| nothing_at_path(path, "the item"))
            }
            Binding::Range { .. } => Err(Unresolved::Input("a range is no value".to_owned())), // `for-each` counts it
            Binding::Each { pipeline, element, value, lists: _ } => self.each(*pipeline, element, value),
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
                (Err(Unresolved::Skip(reason)), Some(default)) if self.is_stood_in_for(reason) => {
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
            Err(Unresolved::Skip(reason)) if self.is_stood_in_for(reason) => Ok(None),
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

    /// Returns the node of another task that lies in the same elements.
    pub(crate) fn node(&self, task: TaskIdx) -> NodeId {
        let level = self.bound.plan().common_level(task, self.around);
        NodeId { task, at: self.at.prefix(level) }
    }

    /// Returns the output of another task.
    pub(crate) fn output(&self, task: TaskIdx) -> Result<Bytes, Unresolved> {
        let node = self.node(task);
        match self.known.get(&node) {
            None => Err(Unresolved::Needs(vec![node])),
            Some(Entry::Open) => match self.without_elements(node) {
                // A finally task waits for no other: what is open at the ending stays so.
                Unresolved::Needs(nodes) if nodes == [node] && self.never_ends(task) => {
                    Err(Unresolved::Skip(SkipReason::UpstreamSkipped))
                }
                unresolved => Err(unresolved),
            },
            Some(entry) => value_of(node, entry),
        }
    }

    fn never_ends(&self, task: TaskIdx) -> bool {
        self.run.is_some() && !self.bound.plan().is_finally(task)
    }

    /// Returns whether a `default` stands in for a value that a skip leaves out. For a finally task, it does for a failure too.
    fn is_stood_in_for(&self, reason: SkipReason) -> bool {
        reason != SkipReason::UpstreamFailed || self.run.is_some()
    }

    /// Returns why an open node has no value: a task that was skipped or has failed as a whole, or in an element of a pipeline
    /// around it, has no elements there that could end.
    fn without_elements(&self, node: NodeId) -> Unresolved {
        for level in (0..node.at.level()).rev() {
            let around = NodeId { task: node.task, at: node.at.prefix(level) };
            match self.known.get(&around) {
                None => return Unresolved::Needs(vec![around]),
                Some(Entry::Open | Entry::Done(_)) => {}
                Some(entry @ (Entry::Failed(_) | Entry::Skipped(_) | Entry::LeftOut(_))) => {
                    return value_of(around, entry).err().unwrap_or(Unresolved::Needs(vec![node]));
                }
            }
        }
        Unresolved::Needs(vec![node])
    }

    /// Returns the values of all elements of a pipeline as a list.
    fn each(&self, pipeline: usize, element: &Type, value: &Binding) -> Result<Bytes, Unresolved> {
        let around = self.around_of(FanOut::Pipeline(pipeline));
        let elements = around.elements(FanOut::Pipeline(pipeline))?;
        let values = (0..elements.len())
            .map(|item| around.in_element(pipeline, &elements, item, |scope| scope.resolve(value)));
        // The list is shorter by the elements that are left out of it.
        let is_left_out = |value: &Result<Bytes, Unresolved>| match value {
            Err(Unresolved::LeftOut { level, .. }) => usize::from(*level) > around.at.level(),
            Ok(_) | Err(_) => false,
        };
        let values = values.filter(|value| !is_left_out(value));
        compose_list(element, &all(values)?).map_err(|fault| malformed(&fault))
    }

    /// Returns the scope of the node around the elements of something.
    fn around_of(&self, of: FanOut) -> Self {
        let around = self.bound.plan().lists(of).map_or(&[][..], |lists| lists.around);
        let level = around.len();
        // Both begin with the same pipelines: the value would not be read otherwise.
        let items = self.items.get(..level).unwrap_or(self.items);
        Self {
            around: self.around.get(..level).unwrap_or(self.around),
            at: self.at.prefix(level),
            items,
            ..*self
        }
    }

    /// Resolves something for one element of a pipeline.
    fn in_element<T>(
        &self,
        pipeline: usize,
        elements: &Elements,
        item: u32,
        resolve: impl FnOnce(&Scope<'_>) -> Result<T, Unresolved>,
    ) -> Result<T, Unresolved> {
        let values = self.element_values(elements, item)?;
        let items: Vec<Vec<Bytes>> = self.items.iter().cloned().chain([values]).collect();
        let around: Vec<usize> = self.around.iter().copied().chain([pipeline]).collect();
        let scope = Scope { at: self.at.child(item), around: &around, items: &items, ..*self };
        resolve(&scope)
    }

    /// Returns the elements of a task or a pipeline: those of its lists, or those that it flows from.
    pub(crate) fn elements(&self, of: FanOut) -> Result<Arc<Elements>, Unresolved> {
        match of {
            FanOut::Task(_) => self.find_elements(of).map(Arc::new), // the expansion of the task keeps them
            FanOut::Pipeline(pipeline) => {
                let around = self.bound.plan().lists(of).map_or(0, |lists| lists.around.len());
                self.lists.elements(pipeline, self.at.prefix(around), || self.find_elements(of))
            }
        }
    }

    fn find_elements(&self, of: FanOut) -> Result<Elements, Unresolved> {
        let lists = self.bound.plan().lists(of);
        let Some(ListsRef { lists, flow: Some(flow), .. }) = lists else {
            return self.whole_lists(of);
        };
        // There are as many elements as the lists at the start of the flow have.
        let len = self.whole_lists(flow.root)?.len();
        let items = flow.sources.iter().zip(lists).map(|(source, list)| match source {
            Some(source) => Ok(ItemSource::Elements(*source, element_conversions(list)?)),
            None => self.split_list(list).map(ItemSource::List),
        });
        Ok(Elements::flowing(all(items)?, len))
    }

    /// Returns the elements of lists, once all are complete. Fails if they differ in length or are too long.
    pub(crate) fn whole_lists(&self, of: FanOut) -> Result<Elements, Unresolved> {
        let Some(ListsRef { lists, product, .. }) = self.bound.plan().lists(of) else {
            return Err(Unresolved::Input("the lists of a `for-each` are missing".to_owned()));
        };
        Elements::of_lists(all(lists.iter().map(|list| self.split_list(list)))?, (lists, product))
    }

    /// Splits a list, or returns the numbers of a range, of which no list is made.
    fn split_list(&self, list: &ForEach) -> Result<Items, Unresolved> {
        if let Binding::Range { from, to } = &list.list {
            let ends = all([from, to].into_iter().map(|end| self.resolve(&end.0)))?;
            let [from, to] = &ends[..] else { return Ok(range(0, 0)) };
            let (from, to) = (end_of_range(from)?, end_of_range(to)?);
            if from > to {
                let message = format!("the range of `{}` ends at {to}, before {from}", list.item);
                return Err(Unresolved::Input(message));
            }
            return Ok(range(from, to));
        }
        let value = self.resolve(&list.list)?;
        split(&list.ty, &value).map_err(|fault| Unresolved::Input(fault.to_string()))
    }

    /// Returns the value of each item of an element. The scope is that of the node around the elements.
    pub(crate) fn element_values(
        &self,
        elements: &Elements,
        position: u32,
    ) -> Result<Vec<Bytes>, Unresolved> {
        all(elements.sources(position).map(|(source, place)| match source {
            ItemSource::List(list) => list
                .get(to_usize(place))
                .ok_or_else(|| Unresolved::Input(format!("a list has no element {place}"))),
            ItemSource::Elements(of, conversions) => {
                let value = self.element_of(*of, (place, elements.len()))?;
                conversions
                    .iter()
                    .try_fold(value, |value, conversion| converted(&value, conversion, self.limits))
            }
        }))
    }

    /// Returns the value of an element of a task or a pipeline that has this many.
    fn element_of(&self, of: FanOut, (place, len): (u32, u32)) -> Result<Bytes, Unresolved> {
        let pipeline = match of {
            FanOut::Task(task) => return self.element(task, (place, len)),
            FanOut::Pipeline(pipeline) => pipeline,
        };
        let record = self.bound.plan().pipelines().get(pipeline).and_then(|found| found.record.as_ref());
        let Some((record, _)) = record else {
            return Err(Unresolved::Input("a pipeline has no outputs".to_owned()));
        };
        let elements = self.elements(of)?;
        self.in_element(pipeline, &elements, place, |scope| scope.resolve(record))
    }

    /// Returns the value of an element of another task, which has this many. One that is not stored although its task is
    /// done is taken from the list, unless elements are left out of that.
    fn element(&self, task: TaskIdx, (item, len): (u32, u32)) -> Result<Bytes, Unresolved> {
        let around = self.node(task);
        let node = around.child(item);
        match self.known.get(&node) {
            None => Err(Unresolved::Needs(vec![node])),
            Some(Entry::Open) => match self.output(task) {
                Ok(list) => self.element_of_list(task, &list, (item, len)),
                Err(Unresolved::Needs(whole)) if whole.iter().all(|node| self.known.contains_key(node)) => {
                    Err(Unresolved::Needs(vec![node]))
                }
                Err(unresolved) => Err(unresolved),
            },
            Some(entry) => value_of(node, entry),
        }
    }

    fn element_of_list(
        &self,
        task: TaskIdx,
        list: &Bytes,
        (item, len): (u32, u32),
    ) -> Result<Bytes, Unresolved> {
        let ty = self.bound.plan().task(task).and_then(|task| task.output.as_ref());
        let items = ty.map(|ty| split(ty, list)).transpose().map_err(|fault| malformed(&fault))?;
        items
            .filter(|items| items.len() == to_usize(len))
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

/// Returns the value of a node that was fetched.
fn value_of(node: NodeId, entry: &Entry) -> Result<Bytes, Unresolved> {
    match entry {
        Entry::Open => Err(Unresolved::Needs(vec![node])),
        Entry::Done(bytes) => Ok(bytes.clone()),
        Entry::LeftOut(hole) => Err(Unresolved::LeftOut { level: hole.level, cause: hole.cause.clone() }),
        Entry::Failed(_) | Entry::Skipped(SkipReason::UpstreamFailed) => {
            Err(Unresolved::Skip(SkipReason::UpstreamFailed))
        }
        Entry::Skipped(_) => Err(Unresolved::Skip(SkipReason::UpstreamSkipped)),
    }
}

/// Returns the conversions of each element of a list that flows.
fn element_conversions(list: &ForEach) -> Result<Vec<Conversion>, Unresolved> {
    let of_list = list.list.conversions().into_iter().filter(|conversion| !conversion.is_identity());
    let of_elements: Option<Vec<Conversion>> = of_list.map(Conversion::of_elements).collect();
    of_elements.ok_or_else(|| Unresolved::Input(format!("`{}` does not run over a list", list.item)))
}

fn end_of_range(value: &Bytes) -> Result<u32, Unresolved> {
    let number = wire::Reader::new(value).int().map_err(|fault| Unresolved::Input(fault.to_string()))?;
    u32::try_from(number).map_err(|_| {
        Unresolved::Input(format!("a range runs from 0 to {} at most, not over {number}", u32::MAX))
    })
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
