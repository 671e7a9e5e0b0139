//! The rows of `plan` for grants that a task lacks.
//! `plan_table` has the rest.

use serde::Serialize;

/// A grant that a task's imports need and that the task lacks.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct MissingRow {
    /// The grant's key.
    pub(crate) grant: &'static str,
    /// Behaviour of the import without the grant.
    pub(crate) without: &'static str,
    /// The likelihood that the grant is needed.
    pub(crate) weight: Weight,
    /// The imported functions that need the grant.
    pub(crate) imports: Vec<String>,
    /// The lines of the manifest that add it.
    pub(crate) toml: Vec<String>,
}

/// The likelihood that an import's grant is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Weight {
    /// Language runtimes import it whether it is used or not; the program copes without the grant.
    Optional,
    /// Only code that uses the interface imports it.
    Needed,
}

impl MissingRow {
    pub(crate) fn text(&self) -> String {
        let Self { grant, without, imports, .. } = self;
        format!("missing grant: {grant}, for {}; without it {without}", imports.join(", "))
    }
}
