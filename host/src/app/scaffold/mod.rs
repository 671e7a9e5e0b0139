//! Folders of new pipelines: one with a task in a language, or one for a component that exists.
//! The files of languages lie in `host/templates`; `build/language` builds them.

mod new_file;
mod example;
mod folder;
mod from_component;
mod languages;
mod templates;
mod from_wit;

pub(crate) use folder::create;
pub(crate) use from_component::{Existing, manifest_for};
pub(crate) use from_wit::{FromWit, files_from_wit, skeleton_language};
pub(crate) use new_file::NewFile;
pub(crate) use templates::files_for;
