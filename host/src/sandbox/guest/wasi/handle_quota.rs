//! Quota for one kind of handle, where each costs the host more than an entry in the guest's table.
//! The table bounds the total number of handles.

use std::marker::PhantomData;
use wasmtime::component::{Resource, ResourceTable};

/// Handles of one kind. Dropped ones are discovered by a sweep when the count reaches the quota.
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
    /// Returns whether the guest holds fewer than `most` handles of this kind.
    pub(crate) fn are_below(&mut self, most: usize, table: &ResourceTable) -> bool {
        if self.count() >= most {
            self.sweep(table);
        }
        self.count() < most
    }

    /// Returns the count, including handles that were dropped since the last sweep.
    pub(crate) const fn count(&self) -> usize {
        self.taken.len()
    }

    /// Forgets the handles that were dropped.
    pub(crate) fn sweep(&mut self, table: &ResourceTable) {
        self.taken.retain(|place| table.get(&Resource::<T>::new_borrow(*place)).is_ok());
        // The table reuses indexes, so one index may have been counted twice.
        self.taken.sort_unstable();
        self.taken.dedup();
    }

    /// Counts a new handle of the guest.
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
        // A freed index may be reused by a handle of another kind.
        table.push("other").unwrap();
        assert!(places.are_below(3, &table));
    }
}
