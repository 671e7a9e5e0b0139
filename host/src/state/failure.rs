//! The stored record of a task's final failure: versioned MessagePack, kept under `failed`.
//! The ledger and the engine decide what a failure means for the run.

use crate::model::FailureClass;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Version of the stored form. Readers accept this version and earlier ones.
const VERSION: u32 = 1;

/// The final failure of a task or element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureRecord {
    /// The failure's class.
    pub class: FailureClass,
    /// The message, with the guest's backtrace if there is one.
    pub message: String,
    /// The number of the last attempt.
    pub attempt: u32,
    /// The element's index, for an element of a `for-each`.
    pub item: Option<u32>,
    /// The payload of the function's `err`, as MessagePack of its type.
    pub error: Option<Vec<u8>>,
}

/// The stored form: a map, so that other programs can read it.
#[derive(Serialize, Deserialize)]
struct Wire {
    v: u32,
    class: FailureClass,
    message: String,
    attempt: u32,
    item: Option<u32>,
    #[serde(with = "serde_bytes")]
    error: Option<Vec<u8>>,
}

impl FailureRecord {
    /// Encodes the stored form.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let Self { class, message, attempt, item, error } = self.clone();
        let wire = Wire { v: VERSION, class, message, attempt, item, error };
        rmp_serde::to_vec_named(&wire).unwrap_or_default().into()
    }

    /// Decodes the stored form; none if it is damaged or of a later version.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let Wire { v, class, message, attempt, item, error } = rmp_serde::from_slice(bytes).ok()?;
        (v <= VERSION).then_some(Self { class, message, attempt, item, error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(error: Option<Vec<u8>>) -> FailureRecord {
        FailureRecord { class: FailureClass::Error, message: "no".into(), attempt: 3, item: Some(7), error }
    }

    #[test]
    fn stored_form_round_trips() {
        for error in [None, Some(vec![0xa1, b'x'])] {
            let record = record(error);
            assert_eq!(FailureRecord::decode(&record.encode()), Some(record));
        }
        assert_eq!(FailureRecord::decode(b"nonsense"), None);
    }
}
