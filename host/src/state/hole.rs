//! A hole: the stored form of an element that `on-error = "skip"` leaves out of its list, in place of a result.
//! Ledgers keep it as they keep results; the engine decides which elements are left out.

use crate::model::SkipReason;
use crate::state::FailureRecord;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Version of the stored form. Readers accept this version and earlier ones.
const VERSION: u32 = 1;

/// MessagePack extension type of a hole. No result has it, because results are plain MessagePack.
const EXTENSION: i8 = 2;

/// First bytes of values of an extension type, by the MessagePack specification: `fixext` and `ext`.
const MARKERS: [u8; 8] = [0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8];

/// An element that is left out of its list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// Number of indexes of the element that is left out. It is less than that of the node if a pipeline around the node
    /// is left out in one element.
    pub level: u8,
    /// Name of the element that failed: this one, or one that it flows from.
    pub cause: String,
    /// The failure of this element; none if another is the cause.
    pub failure: Option<FailureRecord>,
}

/// The stored form: a map in a value of an extension type.
#[derive(Serialize, Deserialize)]
struct Wire {
    v: u32,
    level: u8,
    cause: String,
    #[serde(with = "serde_bytes")]
    failure: Option<Vec<u8>>,
}

/// A value of an extension type, by the name that `rmp_serde` knows it by.
#[derive(Serialize, Deserialize)]
#[serde(rename = "_ExtStruct")]
struct Extension((i8, ByteBuf));

impl Hole {
    /// Returns the reason that readers of the run see.
    #[must_use]
    pub const fn reason(&self) -> SkipReason {
        match self.failure {
            Some(_) => SkipReason::ElementFailed,
            None => SkipReason::UpstreamElementFailed,
        }
    }

    /// Encodes the stored form.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let Self { level, cause, failure } = self;
        let failure = failure.as_ref().map(|failure| failure.encode().into());
        let wire = Wire { v: VERSION, level: *level, cause: cause.clone(), failure };
        let wire = ByteBuf::from(rmp_serde::to_vec_named(&wire).unwrap_or_default());
        rmp_serde::to_vec(&Extension((EXTENSION, wire))).unwrap_or_default().into()
    }

    /// Decodes the stored form; none if it is a result.
    #[must_use]
    pub fn decode(stored: &[u8]) -> Option<Self> {
        if !stored.first().is_some_and(|marker| MARKERS.contains(marker)) {
            return None;
        }
        let Extension((extension, wire)) = rmp_serde::from_slice(stored).ok()?;
        let Wire { v, level, cause, failure } = rmp_serde::from_slice(&wire).ok()?;
        let failure = failure.as_deref().and_then(FailureRecord::decode);
        (extension == EXTENSION && v <= VERSION).then_some(Self { level, cause, failure })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FailureClass;

    #[test]
    fn stored_form_round_trips() {
        let failure = FailureRecord {
            class: FailureClass::Trap,
            message: "boom".into(),
            attempt: 2,
            item: Some(7),
            error: None,
        };
        for (failure, reason) in
            [(Some(failure), SkipReason::ElementFailed), (None, SkipReason::UpstreamElementFailed)]
        {
            let hole = Hole { level: 2, cause: "clean[3]/count[7]".into(), failure };
            assert_eq!(Hole::decode(&hole.encode()), Some(hole.clone()));
            assert_eq!(hole.reason(), reason);
        }
    }

    #[test]
    fn results_are_no_holes() {
        for result in
            [&b""[..], b"\xc0", b"\x93\x01\x02\x03", b"\xc7\x01\x01\x00", b"\xc7\xff\x02", b"\xd4\x02\x00"]
        {
            assert_eq!(Hole::decode(result), None, "{result:?}");
        }
    }
}
