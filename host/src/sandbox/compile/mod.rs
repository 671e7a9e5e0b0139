//! Compiling components: checks before it, the worker process that does it, and the cache of compiled code.
//! `component` reads what a component exports and imports.

pub(crate) mod precheck;
mod bounds;
mod pool;
mod compiler;
mod composition;
mod worker;
mod worker_process;
mod code_cache;
mod eviction;
mod checkup;
pub(crate) mod trusted;

pub(crate) use bounds::MAX_TYPES;
pub use bounds::{Bounds, Exceeded};
pub use code_cache::code_files;
pub(crate) use code_cache::{CachedCode, CodeCache};
pub(crate) use compiler::Compiler;
pub(crate) use composition::{Composition, Part};
pub use composition::{Link, Misfit};
pub use pool::CompilePool;
pub(crate) use precheck::ModuleCounts;
pub use worker::CompileRequest;
