//! Collects notices until the caller takes them.
//! Their texts are written where the events occur.

use crate::state::Notice;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Notices that were not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    // A mutex, because many threads use it; each section is a push or a swap.
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    pending: Vec<Notice>,
    sent_once: Vec<Notice>,
}

impl Notices {
    /// Adds a notice.
    pub(crate) fn push(&self, notice: Notice) {
        let mut inner = self.inner();
        // A notice that is still pending is not repeated.
        if !inner.pending.contains(&notice) {
            inner.pending.push(notice);
        }
    }

    /// Adds a notice, unless an equal one was ever added.
    pub(crate) fn push_once(&self, notice: Notice) {
        let mut inner = self.inner();
        if !inner.sent_once.contains(&notice) {
            inner.sent_once.push(notice.clone());
            inner.pending.push(notice);
        }
    }

    /// Takes all pending notices.
    pub(crate) fn take(&self) -> Vec<Notice> {
        std::mem::take(&mut self.inner().pending)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
