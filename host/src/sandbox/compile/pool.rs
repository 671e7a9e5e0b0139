//! Settings of the pool of compiler processes: their number and their bounds.
//! `worker_process` runs one of them.

use crate::sandbox::compile::bounds::Bounds;
use std::path::PathBuf;

/// Pool of processes that compile untrusted components.
#[derive(Debug, Clone)]
pub struct CompilePool {
    /// Program whose `main` passes its arguments to [`crate::sandbox::CompileRequest`]: this host's own binary.
    pub program: PathBuf,
    /// Bounds on one component.
    pub bounds: Bounds,
    /// Maximum number of components compiled at the same time.
    pub max_processes: usize,
    /// Number of cores of the machine. Each compiler uses all of them.
    pub cores: u32,
}
