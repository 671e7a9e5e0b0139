//! Wake-ups of one run: the newest version, the next due timer, and the tasks that wait for either.
//! Listening for versions is left to `heartbeat.rs`.

use crate::state::Version;
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// The newest version and its waiters.
pub(crate) struct Wakeups {
    version: watch::Sender<u64>,
    // One permit: wakes the next waiter once, whatever the version.
    nudged: Notify,
    // A mutex, because commits and the heartbeat set it; each section is a comparison.
    due: Mutex<Option<Instant>>,
    sooner: Notify,
}

impl Wakeups {
    /// Creates the wake-ups of a life at `version`.
    pub(crate) fn new(version: Version) -> Self {
        Self {
            version: watch::Sender::new(version.0),
            nudged: Notify::new(),
            due: Mutex::new(None),
            sooner: Notify::new(),
        }
    }

    /// Returns the newest version.
    pub(crate) fn version(&self) -> Version {
        Version(*self.version.borrow())
    }

    /// Records that the run was seen at a version.
    pub(crate) fn advance(&self, version: Version) {
        self.version.send_if_modified(|seen| {
            let is_newer = *seen < version.0;
            *seen = (*seen).max(version.0);
            is_newer
        });
    }

    /// Restarts at the version of a new life, which may be lower.
    pub(crate) fn restart_at(&self, version: Version) {
        self.version.send_replace(version.0);
        self.nudge();
    }

    /// Wakes the current or next waiter once: something may have happened that no version shows.
    pub(crate) fn nudge(&self) {
        self.nudged.notify_one();
    }

    /// Waits for a version after `seen`, or a nudge. Cancel safe.
    pub(crate) async fn after(&self, seen: Version) {
        let mut versions = self.version.subscribe();
        let newer = async {
            // The sender is in `self`, so waiting cannot fail.
            drop(versions.wait_for(|version| *version > seen.0).await);
        };
        tokio::select! {
            () = newer => {}
            () = self.nudged.notified() => {}
        }
    }

    /// Sets a timer.
    pub(crate) fn due(&self, deadline: Option<Instant>) {
        let Some(deadline) = deadline else {
            return;
        };
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if due.is_none_or(|due| deadline < due) {
            *due = Some(deadline);
            self.sooner.notify_one();
        }
    }

    /// Returns when the next timer is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Clears the timer, because it is handled now.
    pub(crate) fn clear_due(&self) {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Waits until a timer was set that is due earlier. Cancel safe.
    pub(crate) async fn due_changed(&self) {
        self.sooner.notified().await;
    }
}
