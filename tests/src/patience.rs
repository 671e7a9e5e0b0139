//! How long tests wait for what must come: longer than it takes on any machine, so that only what never comes fails.
//! Bounds that the host promises are asserted by the tests themselves.

use std::time::{Duration, Instant};

/// No test waits longer than this for one thing.
pub const PATIENCE: Duration = Duration::from_mins(10);

/// Waits until something is so; `what` says what is wrong if it never is.
#[track_caller]
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    wait_for(what, || is_so().then_some(()));
}

/// Waits until there is something; `what` says what is wrong if it never comes.
#[track_caller]
pub fn wait_for<T>(what: &str, find: impl Fn() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
