//! How many things of one kind a guest holds, where each costs the host more than a place in the guest's table.
//! How many places there are in all is bounded by the table.

use std::marker::PhantomData;
use wasmtime::component::{Resource, ResourceTable};

/// The places of one kind of things. Those that are gone are found when there are many.
pub(crate) struct HandleQuota<T> {
    taken: Vec<u32>,
    kind: PhantomData<fn() -> T>,
}

impl<T> Default for HandleQuota<T> {
    fn default() -> Self {
        Self { taken: Vec::new(), kind: PhantomData }
    }
}

impl<T: 'static> HandleQuota<T> {
    /// Whether the guest holds fewer of them than that.
    pub(crate) fn are_below(&mut self, most: usize, table: &ResourceTable) -> bool {
        if self.count() >= most {
            self.sweep(table);
        }
        self.count() < most
    }

    /// How many of them the guest holds, those included that have gone since the last sweep.
    pub(crate) const fn count(&self) -> usize {
        self.taken.len()
    }

    /// Finds those that are gone.
    pub(crate) fn sweep(&mut self, table: &ResourceTable) {
        self.taken.retain(|place| table.get(&Resource::<T>::new_borrow(*place)).is_ok());
        // A place that was left is taken again by the next of them.
        self.taken.sort_unstable();
        self.taken.dedup();
    }

    /// The guest has got one more.
    pub(crate) fn take(&mut self, made: &Resource<T>) {
        self.taken.push(made.rep());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_gone_make_room_and_others_do_not() {
        let (mut table, mut places) = (ResourceTable::new(), HandleQuota::<u8>::default());
        let mut held = Vec::new();
        for _ in 0..3 {
            assert!(places.are_below(3, &table));
            let made = table.push(7_u8).unwrap();
            places.take(&made);
            held.push(made);
        }
        assert!(!places.are_below(3, &table));
        table.delete(held.pop().unwrap()).unwrap();
        // Something else may come to the place that was left.
        table.push("other").unwrap();
        assert!(places.are_below(3, &table));
    }
}
