//! The elements of a `for-each` as data: how many there are, and where the values of their items come from.
//! `resolve` finds them and reads the values.

use crate::engine::unresolved::Unresolved;
use crate::plan::{Binding, FanOut, ForEach, MAX_ELEMENTS};
use crate::value::{Conversion, Items};

/// The elements of a `for-each`.
pub(crate) struct Elements {
    items: Vec<ItemSource>,
    len: u32,
    /// For each item, how many elements have the same value of it in a row, and how long its list is. Empty for lists that
    /// are zipped.
    product: Vec<(u32, u32)>,
}

/// Where the values of one item come from.
pub(crate) enum ItemSource {
    /// The elements of a list.
    List(Items),
    /// The elements of something else that runs over lists, each converted to the type of the item.
    Elements(FanOut, Vec<Conversion>),
}

impl Elements {
    /// Creates the elements of lists that are complete: zipped ones of one length, or all combinations.
    pub(crate) fn of_lists(
        lists: Vec<Items>,
        (names, is_product): (&[ForEach], bool),
    ) -> Result<Self, Unresolved> {
        let lens: Vec<usize> = lists.iter().map(Items::len).collect();
        let (len, product) =
            if is_product { product(&lens)? } else { (common_len(names, &lens)?, Vec::new()) };
        Ok(Self { items: lists.into_iter().map(ItemSource::List).collect(), len, product })
    }

    /// Creates as many elements as those that they flow from.
    pub(crate) const fn flowing(items: Vec<ItemSource>, len: u32) -> Self {
        Self { items, len, product: Vec::new() }
    }

    /// Returns the bytes that the lists take.
    pub(crate) fn size(&self) -> usize {
        let list = |source: &ItemSource| match source {
            ItemSource::List(items) => items.size(),
            ItemSource::Elements(..) => 0,
        };
        self.items.iter().map(|source| list(source) + size_of::<ItemSource>()).sum()
    }

    /// Returns the number of elements.
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// Returns, for each item of an element, the source of its value and the position in it.
    pub(crate) fn sources(&self, position: u32) -> impl Iterator<Item = (&ItemSource, u32)> {
        self.items.iter().enumerate().map(move |(item, source)| {
            let place = match self.product.get(item) {
                Some((repeats, len)) => position / (*repeats).max(1) % (*len).max(1),
                None => position,
            };
            (source, place)
        })
    }
}

/// Returns the length that all lists have.
fn common_len(names: &[ForEach], lens: &[usize]) -> Result<u32, Unresolved> {
    let first = lens.first().copied().unwrap_or(0);
    if lens.iter().any(|len| *len != first) {
        let sizes: Vec<String> =
            names.iter().zip(lens).map(|(list, len)| format!("`{}` has {len}", list.item)).collect();
        return Err(Unresolved::Input(format!(
            "the lists of `for-each` differ in length: {}",
            sizes.join(", ")
        )));
    }
    let is_range = names.first().is_some_and(|list| matches!(list.list, Binding::Range { .. }));
    bounded(Some(first), if is_range { "the range has" } else { "the list has" })
}

/// Returns the number of all combinations, and for each list how often a value is repeated in a row, and its length.
fn product(lens: &[usize]) -> Result<(u32, Vec<(u32, u32)>), Unresolved> {
    let all = lens.iter().try_fold(1_usize, |product, len| product.checked_mul(*len));
    let total = if lens.contains(&0) { Some(0) } else { all };
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

/// Checks that the elements of one node, and those of other nodes of the task, are not too many together.
pub(crate) fn check_together(len: u32, others: u32, max: u32) -> Result<(), Unresolved> {
    if others.checked_add(len).is_some_and(|together| together <= max) {
        return Ok(());
    }
    Err(Unresolved::Limit(format!(
        "the list has {len} elements, and the task has {others} in other elements; a `for-each` takes at most {max} \
         together. Group the elements: a list of lists"
    )))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_elements_are_bounded_together() {
        assert!(check_together(3, 7, 10).is_ok() && check_together(0, 10, 10).is_ok());
        for (len, others) in [(4, 7), (u32::MAX, 1)] {
            let Err(Unresolved::Limit(message)) = check_together(len, others, 10) else { panic!("too many") };
            assert!(
                message.contains(&format!("{len} elements")) && message.contains("at most 10"),
                "{message}"
            );
        }
    }
}
