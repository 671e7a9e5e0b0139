//! Who turns a component into code: a process of its own, which ends at its bounds, or this process.
//! What that process does stands in `worker`, how it is watched in `worker_process`; where code is kept, in `code_cache`.

use crate::sandbox::compile::pool::CompilePool;
use crate::sandbox::compile::worker_process;
use crate::sandbox::engine::Runtime;
use crate::sandbox::error::{LoadError, compile_error, no_room};
use std::fs::File;
use std::io::Write as _;

/// Who compiles.
pub(crate) enum Compiler {
    /// This process. For tests and benchmarks of the library, which have no binary to start.
    InProcess,
    /// A process for each component.
    Child(CompilePool),
}

impl Compiler {
    /// Compiles a component and writes its code to a file that nobody else can reach.
    pub(crate) fn compile(&self, runtime: &Runtime, bytes: &[u8], into: &File) -> Result<(), LoadError> {
        match self {
            Self::Child(workshop) => worker_process::compile(workshop, runtime.metering, bytes, into),
            Self::InProcess => {
                let code = runtime.engine.precompile_component(bytes);
                let code = code.map_err(|error| compile_error(format!("{error:#}")))?;
                let mut into = into;
                into.write_all(&code).map_err(no_room)
            }
        }
    }
}
