//! Where the component of a task comes from, if it is no file, in a plan.
//! The layout of the plan is in `plan_table`.

use crate::manifest::{Component, ComponentSource};
use serde::Serialize;

/// A source with its pin.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SourceRow {
    /// The reference, or the URL without its query.
    pub(crate) from: String,
    /// The pinned digest of the component.
    pub(crate) sha256: Option<String>,
}

impl SourceRow {
    /// Creates the row of a component; none for a file.
    pub(crate) fn of(component: &Component) -> Option<Self> {
        let ComponentSource::Remote(from) = &component.source.as_ref()?.value else { return None };
        Some(Self {
            from: from.to_string(),
            sha256: component.sha256.as_ref().map(|pin| pin.value.to_string()),
        })
    }

    pub(crate) fn text(&self) -> String {
        match &self.sha256 {
            Some(sha256) => format!("component from {}, sha256 {sha256}", self.from),
            None => format!("component from {}", self.from),
        }
    }
}
