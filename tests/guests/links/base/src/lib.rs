//! The guest that others import: it counts, in one sandbox with them.
//! `middle` and `top` import it.

wit_bindgen::generate!({ path: "../wit", world: "base" });

use exports::test::links::counting::{Guest, GuestCounter};
use std::sync::atomic::{AtomicU32, Ordering};

static CALLS: AtomicU32 = AtomicU32::new(0);

struct Base;

struct Counter(AtomicU32);

impl GuestCounter for Counter {
    fn new(start: u32) -> Self {
        Self(AtomicU32::new(start))
    }

    fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

impl Guest for Base {
    type Counter = Counter;

    fn calls() -> u32 {
        CALLS.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn variable(name: String) -> Option<String> {
        std::env::var(name).ok()
    }

    fn fill(mebibytes: u32) -> u32 {
        let filled = vec![1_u8; usize::try_from(mebibytes).unwrap_or(usize::MAX) << 20];
        filled.iter().step_by(1 << 20).map(|byte| u32::from(*byte)).sum()
    }
}

export!(Base);
