//! Imports of components that the manifest satisfies: by traps, or by other components.
//! `sandbox` composes and links; `graph` has found names that do not exist, and cycles.

mod importer;
mod wiring;
mod faults;
mod identity;
mod linked;

pub(crate) use faults::with_causes;
pub(crate) use importer::{Table, toml};
pub(crate) use linked::{Supply, link};
