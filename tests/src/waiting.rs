//! Waits for conditions, for longer than any machine takes, so that only what never happens fails.
//! Time limits that the host promises are asserted in the tests.

use std::time::{Duration, Instant};

/// Maximum time that a test waits for one condition.
pub const CONDITION_TIMEOUT: Duration = Duration::from_mins(10);

/// Waits until a condition holds; `what` describes the failure.
#[track_caller]
pub fn wait_until(what: &str, is_true: impl Fn() -> bool) {
    wait_for(what, || is_true().then_some(()));
}

/// Waits until `find` returns a value; `what` describes the failure.
#[track_caller]
pub fn wait_for<T>(what: &str, find: impl Fn() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(since.elapsed() < CONDITION_TIMEOUT, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
