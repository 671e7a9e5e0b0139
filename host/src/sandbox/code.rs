//! Compiled code of a component, for each kind of guest: from the cache, from the compiler, or from another engine.
//! `load` reads what the code is of, `compile` compiles it and keeps it.

use crate::model::{Digest, Size};
use crate::sandbox::compile::{CachedCode, CodeCache, Patience, SlowCompilation, Stage, Turn, trusted};
use crate::sandbox::component::{Code, Shared, Source};
use crate::sandbox::engine::Runtime;
use crate::sandbox::error::{LoadError, compile_error, write_error};
use crate::sandbox::kind::{EngineKind, Features, GuestKind};
use crate::sandbox::load::Sandbox;
use crate::sandbox::scratch;
use std::fs::File;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Interval at which a host asks whether another one has compiled what it waits for.
const TURN_INTERVAL: Duration = Duration::from_millis(20);

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
            None => self.code(kind, shared.source())?,
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
        let kind = EngineKind::pooled(guest, features);
        match self.cached_first_code(kind, source.digest)? {
            Some(code) => Ok(code),
            None => self.compile_code(kind, source),
        }
    }

    /// Returns the code of this kind, or with more features, from the cache: what a component needed when it was compiled
    /// decides under which kind its code was kept.
    fn cached_first_code(&self, kind: EngineKind, digest: &Digest) -> Result<Option<Code>, LoadError> {
        let features = kind.code.features;
        for features in [features, Features { gc: true, ..features }] {
            if let Some(code) = self.cached_code(EngineKind::pooled(kind.guest(), features), digest)? {
                return Ok(Some(code));
            }
        }
        Ok(None)
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

    /// Compiles a component, or waits for the code of a host that compiles it, and reports if that takes long.
    fn compile_code(&self, kind: EngineKind, source: Source<'_>) -> Result<Code, LoadError> {
        let size = Size::bytes(u64::try_from(source.bytes.len()).unwrap_or(u64::MAX));
        let report = |stage, elapsed| {
            if let Some(follow) = &self.slow_compile {
                follow(SlowCompilation { name: source.name, size, stage, elapsed });
            }
        };
        let patience = Patience::new(&report);
        let turn = self.turn(kind, source, &patience)?;
        // Another host may have had the turn before, and stored the code.
        if turn.is_some()
            && let Some(code) = self.cached_first_code(kind, source.digest)?
        {
            patience.end(Stage::Received);
            return Ok(code);
        }
        let compiled = self.compile_and_load(kind, source, &patience);
        patience.end(if compiled.is_ok() { Stage::Compiled } else { Stage::Failed });
        compiled
    }

    /// Waits for the turn to compile a component for the cache, at most for the time that compiling may take.
    ///
    /// None if there is no cache, no lock, or the other host is stopped: then both compile.
    fn turn(
        &self,
        kind: EngineKind,
        source: Source<'_>,
        patience: &Patience<'_>,
    ) -> Result<Option<Turn>, LoadError> {
        let Some(cache) = self.code_cache.as_ref().filter(|_| self.is_caching.load(Ordering::Relaxed)) else {
            return Ok(None);
        };
        let code_id = self.engines.code_id(kind.code)?;
        loop {
            match cache.turn(&code_id, source.digest) {
                Ok(None) if patience.elapsed() < self.compiler.max_time() => {
                    patience.report_if_due(Stage::Waiting);
                    // A lock that blocks could neither report nor end.
                    std::thread::sleep(TURN_INTERVAL);
                }
                taken => return Ok(taken.ok().flatten()),
            }
        }
    }

    fn compile_and_load(
        &self,
        kind: EngineKind,
        source: Source<'_>,
        patience: &Patience<'_>,
    ) -> Result<Code, LoadError> {
        if let Some(cache) = self.code_cache.as_ref().filter(|_| self.is_caching.load(Ordering::Relaxed)) {
            match self.compile_into_cache(cache, kind, source, patience) {
                Err(LoadError::Unwritten(error)) => self.stop_caching(cache, &error),
                compiled => return compiled,
            }
        }
        match self.compile_uncached(scratch::in_folder(&self.scratch), kind, source, patience) {
            Err(LoadError::Unwritten(error)) => {
                self.warn(format!(
                    "compiled code cannot be written to `{}` and stays in memory: {}; set `TMPDIR` to a writable folder \
                     with free space",
                    self.scratch.display(),
                    scratch::os_error_text(&error)
                ));
                self.compile_uncached(scratch::in_memory(), kind, source, patience)
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
        patience: &Patience<'_>,
    ) -> Result<Code, LoadError> {
        let draft = cache.draft().map_err(write_error)?;
        let file = draft.as_file().try_clone().map_err(write_error)?;
        let kind = self.compile(kind, (source.bytes, &file), patience)?;
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
        patience: &Patience<'_>,
    ) -> Result<Code, LoadError> {
        let file = file.map_err(write_error)?;
        let kind = self.compile(kind, (source.bytes, &file), patience)?;
        self.copy_code(kind, &file)
    }

    /// Compiles a component. Returns the kind of engine for its code.
    fn compile(
        &self,
        kind: EngineKind,
        (bytes, file): (&[u8], &File),
        patience: &Patience<'_>,
    ) -> Result<EngineKind, LoadError> {
        let code = self.compiler.compile(&self.engines, kind, (bytes, file), patience)?;
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
