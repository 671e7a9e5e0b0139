//! A clock for tests that moves only when set.
//! The system clock is in `clock`.

use crate::model::{Clock, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};

/// A clock that moves only when set.
#[derive(Debug, Default)]
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    /// Sets the moment, in milliseconds since the epoch.
    pub(crate) fn set(&self, millis: i64) {
        self.0.store(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}
