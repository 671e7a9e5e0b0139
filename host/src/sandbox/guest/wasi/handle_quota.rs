//! Quota for one kind of handle, where each costs the host more than an entry in the guest's table.
//! The table bounds the total number of handles.

use std::marker::PhantomData;
use wasmtime::component::{Resource, ResourceTable};

/// Handles of one kind. Dropped ones are discovered by a sweep when the count reaches the quota.
pub(crate) struct HandleQuota<T> {
    handles: Vec<u32>,
    kind: PhantomData<fn() -> T>,
}

impl<T> Default for HandleQuota<T> {
    fn default() -> Self {
        Self { handles: Vec::new(), kind: PhantomData }
    }
}

impl<T: 'static> HandleQuota<T> {
    /// Returns whether the guest holds fewer than `max` handles of this kind.
    pub(crate) fn has_capacity(&mut self, max: usize, table: &ResourceTable) -> bool {
        if self.count() >= max {
            self.sweep(table);
        }
        self.count() < max
    }

    /// Returns the count, including handles that were dropped since the last sweep.
    pub(crate) const fn count(&self) -> usize {
        self.handles.len()
    }

    /// Forgets the handles that were dropped.
    pub(crate) fn sweep(&mut self, table: &ResourceTable) {
        self.handles.retain(|index| table.get(&Resource::<T>::new_borrow(*index)).is_ok());
        // The table reuses indexes, so one index may have been counted twice.
        self.handles.sort_unstable();
        self.handles.dedup();
    }

    /// Counts a new handle of the guest.
    pub(crate) fn add(&mut self, handle: &Resource<T>) {
        self.handles.push(handle.rep());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_handles_free_the_quota() {
        let (mut table, mut quota) = (ResourceTable::new(), HandleQuota::<u8>::default());
        let mut held = Vec::new();
        for _ in 0..3 {
            assert!(quota.has_capacity(3, &table));
            let handle = table.push(7_u8).unwrap();
            quota.add(&handle);
            held.push(handle);
        }
        assert!(!quota.has_capacity(3, &table));
        table.delete(held.pop().unwrap()).unwrap();
        // A freed index may be reused by a handle of another kind.
        table.push("other").unwrap();
        assert!(quota.has_capacity(3, &table));
    }
}
