//! What a host knows of the run's newest version, and when something is due next; those who wait are woken here.
//! Hearing of versions is for `heartbeat`.

use crate::state::Version;
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// The newest version, and whoever waits for a newer one.
pub(crate) struct Wakeups {
    version: watch::Sender<u64>,
    // One permit: whoever waits next is woken whatever the version, once.
    nudged: Notify,
    // A mutex because commits and the attendant set it; each section is a comparison.
    due: Mutex<Option<Instant>>,
    sooner: Notify,
}

impl Wakeups {
    /// News of a life that is at `version`.
    pub(crate) fn new(version: Version) -> Self {
        Self {
            version: watch::Sender::new(version.0),
            nudged: Notify::new(),
            due: Mutex::new(None),
            sooner: Notify::new(),
        }
    }

    /// The newest version.
    pub(crate) fn version(&self) -> Version {
        Version(*self.version.borrow())
    }

    /// The run was seen at a version.
    pub(crate) fn advance(&self, version: Version) {
        self.version.send_if_modified(|seen| {
            let is_newer = *seen < version.0;
            *seen = (*seen).max(version.0);
            is_newer
        });
    }

    /// Another life of the run has begun, at whichever version.
    pub(crate) fn restart_at(&self, version: Version) {
        self.version.send_replace(version.0);
        self.nudge();
    }

    /// Wakes who waits now or next, once: something may have happened that no version tells.
    pub(crate) fn nudge(&self) {
        self.nudged.notify_one();
    }

    /// Waits for a version after `seen`, or a nudge. Cancel safe.
    pub(crate) async fn after(&self, seen: Version) {
        let mut versions = self.version.subscribe();
        let newer = async {
            // The sender is ours, so that waiting cannot fail.
            drop(versions.wait_for(|version| *version > seen.0).await);
        };
        tokio::select! {
            () = newer => {}
            () = self.nudged.notified() => {}
        }
    }

    /// Something is due then.
    pub(crate) fn due(&self, at: Option<Instant>) {
        let Some(at) = at else {
            return;
        };
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if due.is_none_or(|due| at < due) {
            *due = Some(at);
            self.sooner.notify_one();
        }
    }

    /// When something is due next, once; whoever takes it attends to it.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what is due: it is attended to now.
    pub(crate) fn clear_due(&self) {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Waits until something is due sooner than it was. Cancel safe.
    pub(crate) async fn due_changed(&self) {
        self.sooner.notified().await;
    }
}
