//! Compiled code of a component, for each kind of guest: from the cache, from the compiler, or from another engine.
//! `load` reads what the code is of, `compile` compiles it and keeps it.

use crate::model::{Digest, Size};
use crate::sandbox::compile::{CachedCode, CodeCache, trusted};
use crate::sandbox::component::{Code, Shared};
use crate::sandbox::engine::Runtime;
use crate::sandbox::error::{LoadError, compile_error, write_error};
use crate::sandbox::kind::{EngineKind, Features, GuestKind};
use crate::sandbox::load::Sandbox;
use crate::sandbox::scratch;
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::sync::atomic::Ordering;

/// A component, or a module with its WIT, that may have to be compiled.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    /// Name for messages.
    pub(crate) name: &'a str,
    /// Identity of the component.
    pub(crate) digest: &'a Digest,
    pub(crate) bytes: &'a Bytes,
}

impl Sandbox {
    /// Returns the component's code for a kind of guest, and compiles it if need be. Engines that differ only in the
    /// stack run the same code.
    pub(crate) fn code_for(&self, shared: &Shared, guest: GuestKind) -> Result<Code, LoadError> {
        if let Some(code) = shared.codes.find(|kind| kind.guest() == guest) {
            return Ok(code);
        }
        let kind = EngineKind::pooled(guest, shared.codes.first.runtime.kind.code.features);
        let code = match shared.codes.find(|known| known.code == kind.code) {
            Some(known) => self.move_code(kind, &shared.digest, &known)?,
            None => {
                self.code(kind, Source { name: &shared.name, digest: &shared.digest, bytes: &shared.bytes })?
            }
        };
        shared.codes.add(code.clone());
        Ok(code)
    }

    /// Loads code of another engine into the engine of `kind`: from the cache, where they share the pages, or as a copy.
    fn move_code(&self, kind: EngineKind, digest: &Digest, known: &Code) -> Result<Code, LoadError> {
        if let Some(code) = self.cached_code(kind, digest)? {
            return Ok(code);
        }
        self.load_code(kind, |runtime| trusted::copy(&runtime.engine, &known.component))
    }

    /// Returns the first code of a component that needs `features`, or more: compiling it tells.
    pub(crate) fn first_code(
        &self,
        guest: GuestKind,
        features: Features,
        source: Source<'_>,
    ) -> Result<Code, LoadError> {
        // What a component needed when it was compiled decides under which kind its code was kept.
        for features in [features, Features { gc: true, ..features }] {
            if let Some(code) = self.cached_code(EngineKind::pooled(guest, features), source.digest)? {
                return Ok(code);
            }
        }
        self.compile_code(EngineKind::pooled(guest, features), source)
    }

    /// Returns code from the cache, or compiles it and adds it to the cache.
    fn code(&self, kind: EngineKind, source: Source<'_>) -> Result<Code, LoadError> {
        match self.cached_code(kind, source.digest)? {
            Some(code) => Ok(code),
            None => self.compile_code(kind, source),
        }
    }

    fn cached_code(&self, kind: EngineKind, digest: &Digest) -> Result<Option<Code>, LoadError> {
        let Some(cache) = &self.code_cache else { return Ok(None) };
        let cached = cache.get(&self.engines.code_id(kind.code)?, digest);
        Ok(cached.and_then(|cached| self.map_code(kind, &cached)))
    }

    fn compile_code(&self, kind: EngineKind, source: Source<'_>) -> Result<Code, LoadError> {
        if let Some(cache) = self.code_cache.as_ref().filter(|_| self.is_caching.load(Ordering::Relaxed)) {
            match self.compile_into_cache(cache, kind, source) {
                Err(LoadError::Unwritten(error)) => self.stop_caching(cache, &error),
                compiled => return compiled,
            }
        }
        match self.compile_uncached(scratch::in_folder(&self.scratch), kind, source) {
            Err(LoadError::Unwritten(error)) => {
                self.warn(format!(
                    "compiled code cannot be written to `{}` and stays in memory: {}; set `TMPDIR` to a writable folder \
                     with free space",
                    self.scratch.display(),
                    scratch::os_error_text(&error)
                ));
                self.compile_uncached(scratch::in_memory(), kind, source)
            }
            compiled => compiled,
        }
    }

    /// Compiles a component into the code cache, and loads it from there.
    fn compile_into_cache(
        &self,
        cache: &CodeCache,
        kind: EngineKind,
        source: Source<'_>,
    ) -> Result<Code, LoadError> {
        let draft = cache.draft().map_err(write_error)?;
        let file = draft.as_file().try_clone().map_err(write_error)?;
        let kind = self.compile(kind, source, &file)?;
        let cached = cache.store(&self.engines.code_id(kind.code)?, source.digest, draft);
        let cached = cached.map_err(|error| self.stop_caching(cache, &error)).ok();
        match cached.and_then(|cached| self.map_code(kind, &cached)) {
            Some(code) => Ok(code),
            // Caching or mapping failed: some systems map no code from some folders.
            None => self.copy_code(kind, &file),
        }
    }

    /// Stops adding code to the cache, and warns once, also if components are loaded concurrently.
    fn stop_caching(&self, cache: &CodeCache, error: &dyn std::fmt::Display) {
        if self.is_caching.swap(false, Ordering::Relaxed) {
            self.warn(cache.write_failed(error));
        }
    }

    /// Compiles a component into a temporary file.
    fn compile_uncached(
        &self,
        file: io::Result<File>,
        kind: EngineKind,
        source: Source<'_>,
    ) -> Result<Code, LoadError> {
        let file = file.map_err(write_error)?;
        let kind = self.compile(kind, source, &file)?;
        self.copy_code(kind, &file)
    }

    /// Compiles a component. Returns the kind of engine for its code.
    fn compile(&self, kind: EngineKind, source: Source<'_>, file: &File) -> Result<EngineKind, LoadError> {
        let slow = || {
            if let Some(notice) = &self.slow_compile {
                notice(source.name, Size::bytes(u64::try_from(source.bytes.len()).unwrap_or(u64::MAX)));
            }
        };
        let code = self.compiler.compile(&self.engines, kind, (source.bytes, file), &slow)?;
        Ok(EngineKind { code, ..kind })
    }

    fn map_code(&self, kind: EngineKind, cached: &CachedCode) -> Option<Code> {
        self.load_code(kind, |runtime| trusted::deserialize(&runtime.engine, &cached.verified())).ok()
    }

    fn copy_code(&self, kind: EngineKind, file: &File) -> Result<Code, LoadError> {
        let code = trusted::CompiledCode::vouch(file).map_err(write_error)?;
        self.load_code(kind, |runtime| trusted::deserialize_compiled(&runtime.engine, &code))
    }

    /// Loads code into the pool, or without it if the component needs more than one guest's share.
    fn load_code(
        &self,
        kind: EngineKind,
        deserialize: impl Fn(&Runtime) -> wasmtime::Result<wasmtime::component::Component>,
    ) -> Result<Code, LoadError> {
        let runtime = self.engines.runtime(kind)?;
        if let Ok(component) = deserialize(&runtime) {
            return Ok(Code { runtime, component });
        }
        let runtime = self.engines.runtime(kind.on_demand())?;
        let component = deserialize(&runtime).map_err(|error| compile_error(format!("{error:#}")))?;
        Ok(Code { runtime, component })
    }
}
