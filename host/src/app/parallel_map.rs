//! Maps a list on a few threads, and keeps the list's order.
//! The caller chooses the number of threads.

use std::iter::from_fn;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::thread::Builder;

/// Calls `work` on each item, on up to `threads` threads including this one. Panics propagate.
pub(crate) fn parallel_map<T: Sync, R: Send>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take = || {
        let index = next.fetch_add(1, Ordering::Relaxed);
        items.get(index).map(|item| (index, work(item)))
    };
    let mut done = thread::scope(|scope| {
        let more = 1..threads.min(items.len());
        let helpers: Vec<_> =
            // If the system provides fewer threads, the work takes longer but still completes.
            more.filter_map(|_| Builder::new().spawn_scoped(scope, || from_fn(take).collect::<Vec<_>>()).ok())
                .collect();
        let mut done: Vec<_> = from_fn(take).collect();
        for helper in helpers {
            done.extend(helper.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let items: Vec<u32> = (0..100).collect();
        let doubled: Vec<u32> = items.iter().map(|item| item * 2).collect();
        for threads in [0, 1, 2, 7, 1000] {
            assert_eq!(parallel_map(threads, &items, |item| item * 2), doubled);
        }
        assert!(parallel_map::<u32, u32>(3, &[], |item| *item).is_empty());
    }
}
