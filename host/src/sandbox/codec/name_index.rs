//! Index of names by binary search: a type may have 100,000 cases, and a list as many values of it.
//! `layout` builds one per type with names, and keeps the names.

/// Number of names up to which a linear search is used.
const LINEAR_SEARCH_MAX: usize = 8;

/// Positions of the names, sorted by name.
pub(crate) struct NameIndex(Box<[u32]>);

impl NameIndex {
    /// Builds the index of `len` names, which `name` returns by position.
    pub(crate) fn new<'a>(len: usize, name: impl Fn(usize) -> Option<&'a str>) -> Self {
        if len <= LINEAR_SEARCH_MAX {
            return Self(Box::default());
        }
        let mut positions: Vec<u32> = (0..len).filter_map(|position| position.try_into().ok()).collect();
        positions.sort_by_key(|position| name(to_index(*position)));
        Self(positions.into())
    }

    /// Returns the position of a name; `len` and `name` must be those that the index was built from.
    pub(crate) fn find<'a>(
        &self,
        wanted: &str,
        len: usize,
        name: impl Fn(usize) -> Option<&'a str>,
    ) -> Option<usize> {
        if self.0.is_empty() {
            return (0..len).find(|position| name(*position) == Some(wanted));
        }
        let found = self.0.binary_search_by_key(&Some(wanted), |position| name(to_index(*position))).ok()?;
        self.0.get(found).map(|position| to_index(*position))
    }
}

fn to_index(position: u32) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_names_are_found_at_their_positions() {
        for len in [0, 1, LINEAR_SEARCH_MAX, LINEAR_SEARCH_MAX + 1, 1000] {
            let names: Vec<String> = (0..len).map(|nth| format!("n{}", (nth * 7919) % 1009)).collect();
            let name = |nth: usize| names.get(nth).map(String::as_str);
            let lookup = NameIndex::new(len, name);
            for (nth, wanted) in names.iter().enumerate() {
                assert_eq!(lookup.find(wanted, len, name), Some(nth));
            }
            assert_eq!(lookup.find("m", len, name), None);
        }
    }
}
