//! Choice of where components are compiled and made: a worker process that is ended at its bounds, or this process.
//! `worker` is that process, `worker_process` watches it from outside, and `code_cache` keeps the code.

use crate::sandbox::compile::adapt::component_of;
use crate::sandbox::compile::bindings::{BindingsRequest, SourceFile};
use crate::sandbox::compile::bounds::{Bounds, Exceeded};
use crate::sandbox::compile::composition::Composition;
use crate::sandbox::compile::features::{Refused, precompile};
use crate::sandbox::compile::patience::Patience;
use crate::sandbox::compile::pool::CompilePool;
use crate::sandbox::compile::skeleton::{Skeleton, SkeletonRequest};
use crate::sandbox::compile::worker::Job;
use crate::sandbox::compile::worker_process;
use crate::sandbox::engine::Engines;
use crate::sandbox::error::{LoadError, compile_error, write_error};
use crate::sandbox::kind::{CodeKind, EngineKind};
use crate::sandbox::scratch;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::time::Duration;

/// Process in which components are compiled.
#[derive(Clone)]
pub(crate) enum Compiler {
    /// This process: for tests and benchmarks of the library, which have no binary to start.
    InProcess,
    /// A worker process per component.
    Child(CompilePool),
}

impl Compiler {
    /// Returns the maximum time of one compilation.
    pub(crate) fn max_time(&self) -> Duration {
        match self {
            Self::InProcess => Bounds::default().time,
            Self::Child(pool) => pool.bounds.time,
        }
    }

    /// Compiles a component, or adapts a module before, and writes its code to `output`, a file that nobody else can reach.
    /// Returns the kind of the code: it has the features that the component needs.
    pub(crate) fn compile(
        &self,
        engines: &Engines,
        kind: EngineKind,
        (bytes, output): (&[u8], &File),
        patience: &Patience<'_>,
    ) -> Result<CodeKind, LoadError> {
        if let Self::Child(pool) = self {
            return worker_process::compile(pool, kind.code, (bytes, output), patience);
        }
        let component = component_of(bytes).map_err(|text| LoadError::Adapt(text.into()))?;
        let engine = |code| Ok(engines.runtime(EngineKind { code, ..kind })?.engine.clone());
        let (code_kind, code) =
            precompile(kind.code, &component, engine).map_err(|refused| match refused {
                Refused::Proposal(proposal) => LoadError::Proposal(proposal),
                Refused::Engine(error) => compile_error(format!("{error:#}")),
            })?;
        let mut file = output;
        file.write_all(&code).map_err(write_error)?;
        Ok(code_kind)
    }

    /// Composes components to one.
    pub(crate) fn compose(&self, composition: Composition<'_>) -> Result<Vec<u8>, LoadError> {
        match self {
            Self::InProcess => composition.compose().map_err(LoadError::Misfit),
            Self::Child(pool) => {
                let input = encoded(&composition)?;
                drop(composition);
                made(pool, Job::Compose, input, worker_process::misfit)
            }
        }
    }

    /// Makes a component of the payload of a module.
    pub(crate) fn wrap(&self, payload: &[u8]) -> Result<Vec<u8>, LoadError> {
        let refused = |text: String| LoadError::Adapt(text.into());
        match self {
            Self::InProcess => component_of(payload).map(Cow::into_owned).map_err(refused),
            Self::Child(pool) => made(pool, Job::Wrap, payload, refused),
        }
    }

    /// Writes the bindings of a world.
    pub(crate) fn bindings(&self, request: BindingsRequest) -> Result<Vec<SourceFile>, LoadError> {
        match self {
            Self::InProcess => request.generate().map_err(unwritable),
            Self::Child(pool) => decoded(&made(pool, Job::Bindings, encoded(&request)?, unwritable)?),
        }
    }

    /// Writes the beginning of a task for a world.
    pub(crate) fn skeleton(&self, request: SkeletonRequest) -> Result<Skeleton, LoadError> {
        match self {
            Self::InProcess => request.write().map_err(unwritable),
            Self::Child(pool) => decoded(&made(pool, Job::Skeleton, encoded(&request)?, unwritable)?),
        }
    }
}

fn unwritable(text: String) -> LoadError {
    LoadError::Sources(text.into())
}

fn encoded(request: &impl Serialize) -> Result<Vec<u8>, LoadError> {
    rmp_serde::to_vec(request).map_err(|error| LoadError::Compiler(error.into()))
}

fn decoded<T: DeserializeOwned>(made: &[u8]) -> Result<T, LoadError> {
    rmp_serde::from_slice(made).map_err(|error| LoadError::Compiler(error.into()))
}

/// Returns what a worker process makes of the input, at most the size of a component.
fn made(
    pool: &CompilePool,
    job: Job,
    input: impl AsRef<[u8]>,
    refused: impl FnOnce(String) -> LoadError,
) -> Result<Vec<u8>, LoadError> {
    let mut file = scratch::in_memory().map_err(|error| LoadError::Compiler(error.into()))?;
    worker_process::make(pool, job, (input.as_ref(), &file), refused)?;
    drop(input);
    let mut made = Vec::new();
    let max = pool.bounds.component;
    let read = file.rewind().and_then(|()| file.take(max.as_bytes() + 1).read_to_end(&mut made));
    read.map_err(|error| LoadError::Compiler(error.into()))?;
    if u64::try_from(made.len()).is_ok_and(|size| size > max.as_bytes()) {
        return Err(Exceeded::Component(max).into());
    }
    Ok(made)
}
