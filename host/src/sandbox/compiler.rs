//! Who turns a component into code: a process of its own, which ends at its bounds, or this process.
//! What that process does stands in `compiling`, how it is watched in `child`; where code is kept, in `code_cache`.

use crate::sandbox::bounds::Bounds;
use crate::sandbox::child;
use crate::sandbox::component::LoadError;
use crate::sandbox::engine::Runtime;
use crate::sandbox::sniff;
use std::fs::File;
use std::io;
use std::io::Write as _;
use std::path::PathBuf;

/// Where components are compiled that nobody vouches for: in processes of their own.
#[derive(Debug, Clone)]
pub struct CompilePool {
    /// The program whose `main` hands its arguments to [`crate::sandbox::CompileOrder`]: this host's own binary.
    pub program: PathBuf,
    /// What one component may cost.
    pub bounds: Bounds,
    /// How many are compiled at the same time.
    pub at_once: usize,
    /// How many cores the machine has: compilers use all of them.
    pub cores: u32,
}

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
            Self::Child(workshop) => child::compile(workshop, runtime.metering, bytes, into),
            Self::InProcess => {
                let code = runtime.engine.precompile_component(bytes);
                let code = code.map_err(|error| sniff::compile_error(format!("{error:#}")))?;
                let mut into = into;
                into.write_all(&code).map_err(no_room)
            }
        }
    }
}

/// There is nowhere to put code.
pub(crate) fn no_room(error: io::Error) -> LoadError {
    LoadError::Unwritten(error.into())
}
