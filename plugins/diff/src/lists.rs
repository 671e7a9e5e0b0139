//! Responsible for lists: what one has that another lacks.
//! Leaves texts to `texts`.

use crate::ListChanges;
use std::collections::BTreeSet;

/// Compares two lists as sets, in order.
pub fn changes(old: Vec<String>, new: Vec<String>) -> ListChanges {
    let [old, new] = [old, new].map(unique);
    let [before, after] = [&old, &new].map(|list| list.iter().cloned().collect::<BTreeSet<String>>());
    let (kept, added) = new.into_iter().partition(|item| before.contains(item));
    let removed = old.into_iter().filter(|item| !after.contains(item)).collect();
    ListChanges { added, removed, kept }
}

fn unique(list: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    list.into_iter().filter(|item| seen.insert(item.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_gain_and_lose() {
        let list = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let found = changes(list("c a b a"), list("d b c d"));
        assert_eq!((found.added.as_slice(), found.removed.as_slice()), (&list("d")[..], &list("a")[..]));
        assert_eq!(found.kept, ["b", "c"]);
    }
}
