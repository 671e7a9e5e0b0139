//! Machine code that this host compiled itself, read back from its private folder.
//! Who may write there, and whether a file is what was written, is checked before, in `code_cache`.

use std::path::Path;
use wasmtime::Engine;
use wasmtime::component::Component;

/// A file of code whose seal was verified.
pub(crate) struct Verified<'a>(&'a Path);

impl<'a> Verified<'a> {
    /// Vouches for a file: it is in a folder that only this user may write to, its seal under the folder's secret was
    /// right, and no process ever changes a file there, but puts a new one in its place.
    pub(crate) const fn vouch(path: &'a Path) -> Self {
        Self(path)
    }
}

/// Maps the code into memory. Code of another version or configuration of the engine is an error.
#[expect(
    unsafe_code,
    reason = "wasmtime cannot know that a file is what it once wrote; the argument stands below"
)]
pub(crate) fn deserialize(engine: &Engine, file: &Verified<'_>) -> wasmtime::Result<Component> {
    // SAFETY: wasmtime asks for two things. The file must be what `Component::serialize` returned: its seal, which
    // only holders of the folder's secret can make, was computed over those bytes and verified by the caller. And it
    // must not change while it is mapped: files in the folder are created under other names and renamed, so that an
    // old mapping keeps its old file, and the folder's rights keep everyone else out.
    unsafe { Component::deserialize_file(engine, file.0) }
}
