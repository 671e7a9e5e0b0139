//! Folders of new pipelines: one with a task in a language, or one for a component that exists.
//! The files of languages lie in `host/templates`; `build/language` builds them.

mod example;
mod folder;
mod from_component;
mod templates;

pub(crate) use folder::create;
pub(crate) use from_component::{Existing, manifest_for};
pub(crate) use templates::files_for;

/// A file of a new folder: its path in it, and its content.
pub(crate) type NewFile = (&'static str, String);
