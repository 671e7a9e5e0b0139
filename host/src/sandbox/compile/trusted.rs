//! Loading of machine code that this host compiled itself; one of the files with `unsafe` code.
//! `code_cache` checks beforehand who may write to the folder, and that a file is what was written.

use std::fs::File;
use std::io;
use std::io::{Read, Seek};
use std::path::Path;
use wasmtime::Engine;
use wasmtime::component::Component;

/// A file of code whose seal was verified.
pub(crate) struct Verified<'a>(&'a Path);

impl<'a> Verified<'a> {
    /// Vouches for a file, on three conditions: only this user may write to its folder, its seal under the folder's
    /// secret was valid, and processes replace files there but never change them.
    pub(crate) const fn vouch(path: &'a Path) -> Self {
        Self(path)
    }
}

/// Code that this host has just compiled.
pub(crate) struct CompiledCode(Vec<u8>);

impl CompiledCode {
    /// Vouches for the content of a file that this host's own compiler has just written.
    ///
    /// The file has no name, or one in a folder that only this user may write to, so nobody else could change it.
    pub(crate) fn vouch(mut file: &File) -> io::Result<Self> {
        let mut code = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut code)?;
        Ok(Self(code))
    }
}

/// Copies code into memory. Fails if it is from another version or configuration of the engine.
#[expect(unsafe_code, reason = "wasmtime cannot know that it once wrote these bytes; see the safety comment")]
pub(crate) fn deserialize_compiled(engine: &Engine, code: &CompiledCode) -> wasmtime::Result<Component> {
    // SAFETY: wasmtime requires the bytes that `Engine::precompile_component` returned. This host's own binary
    // called it, wrote them to a file that nobody else could reach, and exited successfully.
    unsafe { Component::deserialize(engine, &code.0) }
}

/// Copies the code of a loaded component to another engine. Fails if it has another configuration of code.
#[expect(unsafe_code, reason = "wasmtime cannot know where bytes come from; see the safety comment")]
pub(crate) fn copy(engine: &Engine, component: &Component) -> wasmtime::Result<Component> {
    let code = component.serialize()?;
    // SAFETY: wasmtime requires the bytes that `Component::serialize` returned, and these are.
    unsafe { Component::deserialize(engine, &code) }
}

/// Maps code into memory. Fails if it is from another version or configuration of the engine.
#[expect(unsafe_code, reason = "wasmtime cannot know that it once wrote this file; see the safety comment")]
pub(crate) fn deserialize(engine: &Engine, file: &Verified<'_>) -> wasmtime::Result<Component> {
    // SAFETY: wasmtime requires two things. First, the file must be what `Component::serialize` returned. Its seal was
    // computed over those bytes and verified by the caller, and only holders of the folder's secret can compute it.
    // Second, the file must not change while it is mapped. Files in the folder are written under other names and then
    // renamed, so an old mapping keeps its old file; the folder's permissions keep everyone else out.
    unsafe { Component::deserialize_file(engine, file.0) }
}
