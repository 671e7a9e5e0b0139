//! Where a name stands among many, without looking at all of them: a type may have a hundred thousand cases, and a
//! list as many values of it.

/// As many names are looked through one by one.
const FEW: usize = 8;

/// The places of names, in the order of the names.
pub(crate) struct NameIndex(Box<[u32]>);

impl NameIndex {
    /// Of `len` names, each of which `name` gives.
    pub(crate) fn of<'a>(len: usize, name: impl Fn(usize) -> Option<&'a str>) -> Self {
        if len <= FEW {
            return Self(Box::default());
        }
        let mut places: Vec<u32> = (0..len).filter_map(|place| place.try_into().ok()).collect();
        places.sort_by_key(|place| name(at(*place)));
        Self(places.into())
    }

    /// The place of a name among the same names; none if it is not there.
    pub(crate) fn find<'a>(
        &self,
        wanted: &str,
        len: usize,
        name: impl Fn(usize) -> Option<&'a str>,
    ) -> Option<usize> {
        if self.0.is_empty() {
            return (0..len).find(|place| name(*place) == Some(wanted));
        }
        let found = self.0.binary_search_by_key(&Some(wanted), |place| name(at(*place))).ok()?;
        self.0.get(found).map(|place| at(*place))
    }
}

fn at(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_names_are_found_where_they_stand() {
        for len in [0, 1, FEW, FEW + 1, 1000] {
            let names: Vec<String> = (0..len).map(|nth| format!("n{}", (nth * 7919) % 1009)).collect();
            let name = |nth: usize| names.get(nth).map(String::as_str);
            let lookup = NameIndex::of(len, name);
            for (nth, wanted) in names.iter().enumerate() {
                assert_eq!(lookup.find(wanted, len, name), Some(nth));
            }
            assert_eq!(lookup.find("m", len, name), None);
        }
    }
}
