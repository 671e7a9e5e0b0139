//! Expansion of a `for-each` task: its lists are split once, and arguments common to all elements resolved once.
//! The ledger hands out the elements.

use crate::engine::resolve::{Scope, Unresolved, all};
use crate::model::{TaskIdx, to_usize};
use crate::plan::{Binding, ForEach, Task};
use crate::value::{Items, range, split, wire};
use bytes::Bytes;

/// Maximum number of elements of one `for-each`. Each costs its host or the backend about 70 bytes besides its
/// result. A list of bytes within `limits.output` could have a hundred million.
const MAX_ELEMENTS: u32 = 10_000_000;

/// The elements of a `for-each`.
pub(crate) struct Elements {
    items: Vec<ItemSource>,
    len: u32,
    /// For each item, how many elements have the same value of it in a row, and how long its list is. Empty for lists that
    /// are zipped.
    product: Vec<(u32, u32)>,
}

/// Where the values of one item come from.
enum ItemSource {
    /// The elements of a list.
    List(Items),
    /// The results of another task's elements.
    Task(TaskIdx),
}

impl Elements {
    /// Returns the number of elements.
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// Returns the value of each item at a position.
    pub(crate) fn element_values(&self, scope: &Scope<'_>, position: u32) -> Result<Vec<Bytes>, Unresolved> {
        let place = |item: usize| match self.product.get(item) {
            Some((repeats, len)) => position / (*repeats).max(1) % (*len).max(1),
            None => position,
        };
        let values = self.items.iter().enumerate().filter_map(|(item, source)| match source {
            ItemSource::List(list) => list.get(to_usize(place(item))).map(Ok),
            ItemSource::Task(task) => Some(scope.element(*task, place(item))),
        });
        all(values)
    }
}

/// Splits the lists that a task runs over, once all are complete. Fails if they differ in length or are too long.
pub(crate) fn whole_lists(scope: &Scope<'_>, task: &Task) -> Result<Elements, Unresolved> {
    let lists = split_lists(scope, task.for_each.iter())?;
    let lens: Vec<usize> = lists.iter().map(Items::len).collect();
    let (len, product) = if task.product { product(&lens)? } else { (common_len(task, &lens)?, Vec::new()) };
    Ok(Elements { items: lists.into_iter().map(ItemSource::List).collect(), len, product })
}

/// Finds the elements that a task runs over: those of its lists, or those that it flows from.
fn elements(scope: &Scope<'_>, task: &Task) -> Result<Elements, Unresolved> {
    let Some(flow) = &task.flow else {
        return whole_lists(scope, task);
    };
    let Some(root) = scope.bound.plan().task(flow.root) else {
        return Err(Unresolved::Input("the task at the start of the flow is missing".to_owned()));
    };
    // There are as many elements as the lists at the start of the flow have.
    let lists = whole_lists(scope, root)?;
    let own = task.for_each.iter().zip(&flow.sources).filter(|(_, source)| source.is_none());
    let mut own = split_lists(scope, own.map(|(list, _)| list))?.into_iter();
    let items = flow.sources.iter().filter_map(|source| match source {
        Some(task) => Some(ItemSource::Task(*task)),
        None => own.next().map(ItemSource::List),
    });
    Ok(Elements { items: items.collect(), len: lists.len, product: Vec::new() })
}

fn split_lists<'l>(
    scope: &Scope<'_>,
    lists: impl Iterator<Item = &'l ForEach>,
) -> Result<Vec<Items>, Unresolved> {
    let mut unresolved: Option<Unresolved> = None;
    let mut items = Vec::new();
    for list in lists {
        match split_list(scope, list) {
            Ok(list) => items.push(list),
            Err(other) => unresolved = Some(unresolved.map_or(other.clone(), |first| first.and(other))),
        }
    }
    unresolved.map_or(Ok(items), Err)
}

/// Splits a list, or returns the numbers of a range, of which no list is made.
fn split_list(scope: &Scope<'_>, list: &ForEach) -> Result<Items, Unresolved> {
    if let Binding::Range { from, to } = &list.list {
        let ends = all([from, to].into_iter().map(|end| scope.resolve(&end.0)))?;
        let [from, to] = &ends[..] else { return Ok(range(0, 0)) };
        let (from, to) = (end_of_range(from)?, end_of_range(to)?);
        if from > to {
            return Err(Unresolved::Input(format!(
                "the range of `{}` ends at {to}, before {from}",
                list.item
            )));
        }
        return Ok(range(from, to));
    }
    let value = scope.resolve(&list.list)?;
    split(&list.ty, &value).map_err(|fault| Unresolved::Input(fault.to_string()))
}

fn end_of_range(value: &Bytes) -> Result<u32, Unresolved> {
    let number = wire::Reader::new(value).int().map_err(|fault| Unresolved::Input(fault.to_string()))?;
    u32::try_from(number).map_err(|_| {
        Unresolved::Input(format!("a range runs from 0 to {} at most, not over {number}", u32::MAX))
    })
}

/// Returns the length that all lists have.
fn common_len(task: &Task, lens: &[usize]) -> Result<u32, Unresolved> {
    let first = lens.first().copied().unwrap_or(0);
    if lens.iter().any(|len| *len != first) {
        let sizes: Vec<String> =
            task.for_each.iter().zip(lens).map(|(list, len)| format!("`{}` has {len}", list.item)).collect();
        return Err(Unresolved::Input(format!(
            "the lists of `for-each` differ in length: {}",
            sizes.join(", ")
        )));
    }
    bounded(Some(first), "the list has")
}

/// Returns the number of all combinations, and for each list how often a value is repeated in a row, and its length.
fn product(lens: &[usize]) -> Result<(u32, Vec<(u32, u32)>), Unresolved> {
    let total = lens.iter().try_fold(1_usize, |product, len| product.checked_mul(*len));
    let total = bounded(total, "the lists combine to")?;
    let mut repeats = 1_u32;
    let mut places: Vec<(u32, u32)> = Vec::with_capacity(lens.len());
    // The last list is the fastest.
    for len in lens.iter().rev() {
        let len = u32::try_from(*len).unwrap_or(u32::MAX);
        places.push((repeats, len));
        repeats = repeats.saturating_mul(len.max(1));
    }
    places.reverse();
    Ok((total, places))
}

fn bounded(len: Option<usize>, subject: &str) -> Result<u32, Unresolved> {
    match len.map(u32::try_from) {
        Some(Ok(number)) if number <= MAX_ELEMENTS => Ok(number),
        Some(_) | None => {
            let count = len.map_or_else(|| "too many".to_owned(), |len| len.to_string());
            Err(Unresolved::Limit(format!(
                "{subject} {count} elements; a `for-each` takes at most {MAX_ELEMENTS}. Group the elements: a list of lists"
            )))
        }
    }
}

/// Elements of a task, with the arguments that are the same for all of them.
pub(crate) struct Expansion {
    elements: Elements,
    shared: Vec<Option<Bytes>>,
}

impl Expansion {
    /// Finds the elements and resolves the arguments common to all of them.
    pub(crate) fn new(scope: &Scope<'_>, task: &Task) -> Result<Self, Unresolved> {
        Self::with(scope, task, elements(scope, task))
    }

    /// Finds the elements in whole lists, also where they flow from other tasks.
    pub(crate) fn of_whole_lists(scope: &Scope<'_>, task: &Task) -> Result<Self, Unresolved> {
        Self::with(scope, task, whole_lists(scope, task))
    }

    fn with(
        scope: &Scope<'_>,
        task: &Task,
        elements: Result<Elements, Unresolved>,
    ) -> Result<Self, Unresolved> {
        let common = task.args.iter().filter(|arg| !arg.uses_items());
        let shared = scope.resolve_all(common);
        let (elements, shared) = match (elements, shared) {
            (Ok(elements), Ok(shared)) => (elements, shared),
            (Err(first), Err(second)) => return Err(first.and(second)),
            (Err(unresolved), Ok(_)) | (Ok(_), Err(unresolved)) => return Err(unresolved),
        };
        let mut shared = shared.into_iter();
        let shared =
            task.args.iter().map(|arg| if arg.uses_items() { None } else { shared.next() }).collect();
        Ok(Self { elements, shared })
    }

    /// Returns the number of elements.
    pub(crate) const fn len(&self) -> u32 {
        self.elements.len()
    }

    /// Returns the arguments of one element.
    pub(crate) fn args(&self, scope: &Scope<'_>, task: &Task, item: u32) -> Result<Vec<Bytes>, Unresolved> {
        let items = self.elements.element_values(scope, item)?;
        let scope = Scope { items: &items, ..*scope };
        let mut own = scope.resolve_all(task.args.iter().filter(|arg| arg.uses_items()))?.into_iter();
        Ok(self.shared.iter().filter_map(|shared| shared.clone().or_else(|| own.next())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count};

    #[test]
    fn manual_names_the_limits_of_this_file() {
        Page::of("limits")
            .section("Limits of a call")
            .line("elements of a")
            .cell(1)
            .says(&count(MAX_ELEMENTS));
        Page::of("manifest").section("for-each").says(&count(MAX_ELEMENTS));
    }
}
