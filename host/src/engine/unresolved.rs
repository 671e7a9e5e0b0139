//! Reasons why a value cannot be resolved, and how those of several parts combine.
//! `resolve` finds them; `job` fetches, waits, skips or fails.

use crate::model::SkipReason;
use crate::state::NodeId;

/// Reason why a binding has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// These nodes must be fetched, or waited for if they were fetched and are open.
    Needs(Vec<NodeId>),
    /// A needed task was skipped or has failed. A default replaces a skipped value, never a failed one. A result
    /// computed with it would be kept on resume, and differ from that of a run without the failure.
    Skip(SkipReason),
    /// A needed element was left out of its list, and so is this one.
    LeftOut {
        /// Number of indexes of the element that is left out.
        level: u8,
        /// Name of the element that failed.
        cause: String,
    },
    /// The value cannot be computed from the inputs.
    Input(String),
    /// The value exceeds a limit of this host.
    Limit(String),
}

impl Unresolved {
    /// Combines the reasons of two parts of one value. Unknown tasks come first, so that the reason does not depend
    /// on the order in which tasks end. A failure outweighs a skip.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Needs(mut first), Self::Needs(second)) => {
                first.extend(second);
                Self::Needs(first)
            }
            (needs @ Self::Needs(_), _) | (_, needs @ Self::Needs(_)) => needs,
            (failed @ Self::Skip(SkipReason::UpstreamFailed), _)
            | (_, failed @ Self::Skip(SkipReason::UpstreamFailed)) => failed,
            (skip @ Self::Skip(_), _) | (_, skip @ Self::Skip(_)) => skip,
            // What leaves more out outweighs; of equals, the first in the order of names.
            (Self::LeftOut { level, cause }, Self::LeftOut { level: other, cause: other_cause }) => {
                let (level, cause) = (level, cause).min((other, other_cause));
                Self::LeftOut { level, cause }
            }
            (left_out @ Self::LeftOut { .. }, _) | (_, left_out @ Self::LeftOut { .. }) => left_out,
            (own @ (Self::Input(_) | Self::Limit(_)), Self::Input(_) | Self::Limit(_)) => own,
        }
    }
}

/// Returns all values, or the combined reason why some have none.
pub(crate) fn all<T>(values: impl Iterator<Item = Result<T, Unresolved>>) -> Result<Vec<T>, Unresolved> {
    let mut found = Vec::new();
    let mut unresolved: Option<Unresolved> = None;
    for value in values {
        match value {
            Ok(value) => found.push(value),
            Err(other) => unresolved = Some(unresolved.map_or(other.clone(), |first| first.and(other))),
        }
    }
    unresolved.map_or(Ok(found), Err)
}
