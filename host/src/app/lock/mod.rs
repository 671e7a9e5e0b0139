//! Writes the missing pins of components from elsewhere into their manifests.
//! `fetch` asks the sources what they have; `cli` prints what has changed.

mod missing_pins;
mod pinned_text;
mod replaced_file;
mod locking;

pub(crate) use locking::{LockedFile, lock, missing_pins};
pub(crate) use missing_pins::Locking;
