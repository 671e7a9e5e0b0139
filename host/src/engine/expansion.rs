//! Expansion of a `for-each` task: its lists are split once, and arguments common to all elements resolved once.
//! The ledger hands out the elements.

use crate::engine::resolve::{Scope, Unresolved};
use crate::model::to_usize;
use crate::plan::Task;
use crate::value::{Items, split};
use bytes::Bytes;

/// Maximum number of elements of one `for-each`. Each costs its host or the backend about 70 bytes besides its
/// result. A list of bytes within `limits.output` could have a hundred million.
const MAX_ELEMENTS: u32 = 10_000_000;

/// Lists of equal length, split into elements.
pub(crate) struct Elements {
    lists: Vec<Items>,
    len: u32,
}

impl Elements {
    /// Returns the number of elements.
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// Returns the element of each list at a position.
    pub(crate) fn element_values(&self, position: u32) -> Vec<Bytes> {
        self.lists.iter().filter_map(|list| list.get(to_usize(position))).collect()
    }
}

/// Splits the lists that a task runs over. Fails if they differ in length or are too long.
pub(crate) fn elements(scope: &Scope<'_>, task: &Task) -> Result<Elements, Unresolved> {
    let values = scope.resolve_all(task.for_each.iter().map(|list| &list.list))?;
    let mut lists = Vec::with_capacity(values.len());
    for (value, list) in values.iter().zip(&task.for_each) {
        let items = split(&list.ty, value).map_err(|fault| Unresolved::Input(fault.to_string()))?;
        lists.push(items);
    }
    let lens: Vec<usize> = lists.iter().map(Items::len).collect();
    let first = lens.first().copied().unwrap_or(0);
    if lens.iter().any(|len| *len != first) {
        let sizes: Vec<String> =
            task.for_each.iter().zip(&lens).map(|(list, len)| format!("`{}` has {len}", list.item)).collect();
        return Err(Unresolved::Input(format!(
            "the lists of `for-each` differ in length: {}",
            sizes.join(", ")
        )));
    }
    match u32::try_from(first) {
        Ok(len) if len <= MAX_ELEMENTS => Ok(Elements { lists, len }),
        Ok(_) | Err(_) => Err(Unresolved::Limit(format!(
            "the list has {first} elements; a `for-each` takes at most {MAX_ELEMENTS}. Group the elements: a list of lists"
        ))),
    }
}

/// Elements of a task, with the arguments that are the same for all of them.
pub(crate) struct Expansion {
    elements: Elements,
    shared: Vec<Option<Bytes>>,
}

impl Expansion {
    /// Splits the lists and resolves the arguments common to all elements.
    pub(crate) fn new(scope: &Scope<'_>, task: &Task) -> Result<Self, Unresolved> {
        let elements = elements(scope, task);
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
        let items = self.elements.element_values(item);
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
