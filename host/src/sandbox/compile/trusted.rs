//! Machine code that this host compiled itself, read back from its private folder.
//! Who may write there, and whether a file is what was written, is checked before, in `code_cache`.

use std::fs::File;
use std::io;
use std::io::{Read, Seek};
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

/// Code that this host has compiled just now.
pub(crate) struct Made(Vec<u8>);

impl Made {
    /// Vouches for what is in a file: this host's own compiler wrote it there a moment ago, and it has no name that
    /// others could open it by, or one in a folder that only this user may write to.
    pub(crate) fn vouch(mut file: &File) -> io::Result<Self> {
        let mut code = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut code)?;
        Ok(Self(code))
    }
}

/// Copies the code into memory. Code of another version or configuration of the engine is an error.
#[expect(
    unsafe_code,
    reason = "wasmtime cannot know that bytes are what it once wrote; the argument stands below"
)]
pub(crate) fn deserialize_made(engine: &Engine, made: &Made) -> wasmtime::Result<Component> {
    // SAFETY: wasmtime asks that the bytes are what `Engine::precompile_component` returned. This host's own binary
    // called it, wrote them to a file that nobody else could reach, and ended with success.
    unsafe { Component::deserialize(engine, &made.0) }
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
