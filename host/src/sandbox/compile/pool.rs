//! Where components are compiled: how many processes at a time, and within which bounds.
//! Running one is for `worker_process`.

use crate::sandbox::compile::bounds::Bounds;
use std::path::PathBuf;

/// Where components are compiled that nobody vouches for: in processes of their own.
#[derive(Debug, Clone)]
pub struct CompilePool {
    /// The program whose `main` hands its arguments to [`crate::sandbox::CompileRequest`]: this host's own binary.
    pub program: PathBuf,
    /// What one component may cost.
    pub bounds: Bounds,
    /// How many are compiled at the same time.
    pub at_once: usize,
    /// How many cores the machine has: compilers use all of them.
    pub cores: u32,
}
