//! The values of the run that finally tasks read, as data.
//! `at_end` computes it once the run has an ending.

use crate::model::RunStatus;
use crate::plan::RunValue;
use bytes::Bytes;
use std::sync::{Arc, Mutex};
use tokio::sync::OnceCell;

/// The ending, once the ledger has reported it, and what is known of it.
#[derive(Default)]
pub(crate) struct AtEnd {
    // A mutex, because replies come on many threads; each section is one look-up.
    pub(crate) ending: Mutex<Ending>,
}

/// An ending. Another one may follow if the backend has lost data.
#[derive(Clone, Default)]
pub(crate) struct Ending {
    pub(crate) status: Option<RunStatus>,
    /// Computed when a finally task needs it.
    pub(crate) facts: Arc<OnceCell<Arc<RunFacts>>>,
}

/// The values of the run that finally tasks read, encoded.
#[derive(Debug, Default)]
pub(crate) struct RunFacts {
    pub(crate) status: Bytes,
    pub(crate) failures: Bytes,
    pub(crate) id: Bytes,
}

impl RunFacts {
    /// Returns a value.
    pub(crate) fn value(&self, value: RunValue) -> &Bytes {
        match value {
            RunValue::Status => &self.status,
            RunValue::Failures => &self.failures,
            RunValue::Id => &self.id,
        }
    }
}
