//! The elements of pipelines that run over lists, found once for all tasks and elements that need them.
//! To split a list takes time in proportion to its length, and each element of a fan-out would do it again.

use crate::engine::elements::Elements;
use crate::engine::unresolved::Unresolved;
use crate::model::IndexPath;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of the lists that are kept, at most. The latest one is kept, whatever its size.
const MAX_BYTES: usize = 64 << 20;

/// Elements of pipelines, by pipeline and by the elements of the pipelines around it. Those found first go first.
#[derive(Default)]
pub(crate) struct ListCache(Mutex<Lists>);

#[derive(Default)]
struct Lists {
    found: HashMap<Place, Arc<Elements>>,
    /// From the oldest to the latest.
    order: VecDeque<Place>,
    bytes: usize,
}

type Place = (usize, IndexPath);

impl ListCache {
    /// Returns the elements of a pipeline in these elements of the pipelines around it. `find` splits its lists, if that
    /// is to be done.
    pub(crate) fn elements(
        &self,
        pipeline: usize,
        around: IndexPath,
        find: impl FnOnce() -> Result<Elements, Unresolved>,
    ) -> Result<Arc<Elements>, Unresolved> {
        let place = (pipeline, around);
        if let Some(found) = self.lists().found.get(&place) {
            return Ok(Arc::clone(found));
        }
        // Two jobs may do this at once, which is harmless. A lock would make all others wait.
        let elements = Arc::new(find()?);
        self.lists().add(place, Arc::clone(&elements));
        Ok(elements)
    }

    /// Each critical section is one lookup, or one insertion.
    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lists {
    fn add(&mut self, place: Place, elements: Arc<Elements>) {
        self.bytes += elements.size();
        match self.found.insert(place, elements) {
            Some(same) => self.bytes -= same.size(),
            None => self.order.push_back(place),
        }
        while self.bytes > MAX_BYTES
            && self.order.len() > 1
            && let Some(oldest) = self.order.pop_front()
        {
            self.bytes -= self.found.remove(&oldest).map_or(0, |elements| elements.size());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::elements::ItemSource;
    use crate::value::{Type, split};

    fn list(bytes: usize) -> Elements {
        let mut value = Vec::new();
        crate::value::wire::put_bin(&mut value, &vec![0; bytes]);
        let items = split(&Type::List(Arc::new(Type::U8)), &value.into()).unwrap();
        Elements::flowing(vec![ItemSource::List(items)], 1)
    }

    #[test]
    fn lists_are_found_once_until_others_take_their_place() {
        let cache = ListCache::default();
        let found = |pipeline, bytes| {
            let mut is_found = false;
            let elements = cache.elements(pipeline, IndexPath::root(), || {
                is_found = true;
                Ok(list(bytes))
            });
            drop(elements.unwrap());
            is_found
        };
        assert_eq!([found(0, 8), found(0, 8), found(1, 8), found(0, 8)], [true, false, true, false]);
        // The latest is kept although it alone is too large.
        assert_eq!([found(2, MAX_BYTES), found(2, MAX_BYTES), found(0, 8)], [true, false, true]);
        let lists = cache.lists();
        assert_eq!((lists.order.len(), lists.found.len()), (1, 1));
    }

    #[test]
    fn a_list_that_is_not_complete_is_not_kept() {
        let cache = ListCache::default();
        let needs = || Err(Unresolved::Needs(Vec::new()));
        assert!(cache.elements(0, IndexPath::root(), needs).is_err());
        assert!(cache.elements(0, IndexPath::root(), || Ok(list(1))).is_ok());
    }
}
