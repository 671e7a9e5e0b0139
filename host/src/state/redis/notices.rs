//! Notices until somebody picks them up.
//! What they say is decided where it happens.

use crate::state::Notice;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Notices that nobody has picked up yet.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    // A mutex because many threads ask; each section is a push or a swap.
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: Vec<Notice>,
    told_once: Vec<Notice>,
}

impl Notices {
    /// Leaves a notice.
    pub(crate) fn tell(&self, notice: Notice) {
        let mut inner = self.inner();
        // Nobody needs to know twice what nobody has picked up once.
        if !inner.waiting.contains(&notice) {
            inner.waiting.push(notice);
        }
    }

    /// Leaves a notice, unless the same one was left before.
    pub(crate) fn tell_once(&self, notice: Notice) {
        let mut inner = self.inner();
        if !inner.told_once.contains(&notice) {
            inner.told_once.push(notice.clone());
            inner.waiting.push(notice);
        }
    }

    /// Picks up all notices.
    pub(crate) fn take(&self) -> Vec<Notice> {
        std::mem::take(&mut self.inner().waiting)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
