//! Choice of compiler and composer: a worker process that is ended at its bounds, or this process.
//! `worker` is that process, `worker_process` watches it from outside, and `code_cache` keeps the code.

use crate::sandbox::compile::adapt::component_of;
use crate::sandbox::compile::bounds::Exceeded;
use crate::sandbox::compile::composition::Composition;
use crate::sandbox::compile::pool::CompilePool;
use crate::sandbox::compile::worker_process;
use crate::sandbox::engine::Runtime;
use crate::sandbox::error::{LoadError, compile_error, write_error};
use crate::sandbox::scratch;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};

/// Process in which components are compiled.
#[derive(Clone)]
pub(crate) enum Compiler {
    /// This process: for tests and benchmarks of the library, which have no binary to start.
    InProcess,
    /// A worker process per component.
    Child(CompilePool),
}

impl Compiler {
    /// Compiles a component, or adapts a module before, and writes its code to `output`, a file that nobody else can reach.
    pub(crate) fn compile(&self, runtime: &Runtime, bytes: &[u8], output: &File) -> Result<(), LoadError> {
        match self {
            Self::Child(pool) => worker_process::compile(pool, runtime.kind.code, bytes, output),
            Self::InProcess => {
                let component = component_of(bytes).map_err(|text| LoadError::Adapt(text.into()))?;
                let code = runtime.engine.precompile_component(&component);
                let code = code.map_err(|error| compile_error(format!("{error:#}")))?;
                let mut file = output;
                file.write_all(&code).map_err(write_error)
            }
        }
    }

    /// Composes components to one.
    pub(crate) fn compose(&self, composition: Composition<'_>) -> Result<Vec<u8>, LoadError> {
        let pool = match self {
            Self::InProcess => return composition.compose().map_err(LoadError::Misfit),
            Self::Child(pool) => pool,
        };
        let encoded = rmp_serde::to_vec(&composition).map_err(|error| LoadError::Compiler(error.into()))?;
        drop(composition);
        let mut file = scratch::in_memory().map_err(|error| LoadError::Compiler(error.into()))?;
        worker_process::compose(pool, &encoded, &file)?;
        drop(encoded);
        let mut composed = Vec::new();
        let max = pool.bounds.component;
        let read = file.rewind().and_then(|()| file.take(max.as_bytes() + 1).read_to_end(&mut composed));
        read.map_err(|error| LoadError::Compiler(error.into()))?;
        if u64::try_from(composed.len()).is_ok_and(|size| size > max.as_bytes()) {
            return Err(Exceeded::Component(max).into());
        }
        Ok(composed)
    }
}
