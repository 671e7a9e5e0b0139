//! Compiling components: checks before it, modules that become components, the worker process, the cache of code.
//! `component` reads what a component exports and imports.

pub(crate) mod precheck;
mod async_use;
pub(crate) mod module;
mod bundle;
mod bounds;
mod pool;
mod features;
mod compiler;
mod exit;
mod stubs;
mod adapt;
pub(crate) mod debug_info;
mod panics;
mod misfit;
mod composition;
mod bindings;
mod skeleton;
mod worker;
mod worker_process;
mod code_cache;
mod kept_components;
mod eviction;
mod checkup;
pub(crate) mod trusted;

pub use bindings::{BindingsRequest, Generator, SourceFile};
pub(crate) use bounds::MAX_TYPES;
pub use bounds::{Bounds, Exceeded};
pub use bundle::{TextEncoding, Wit, WitFile};
pub use code_cache::code_files;
pub(crate) use code_cache::{CachedCode, CodeCache};
pub(crate) use compiler::Compiler;
pub(crate) use composition::{Composition, Part};
pub use features::Proposal;
pub use kept_components::KeptComponents;
pub use misfit::{Link, Misfit};
pub use module::Form;
pub use pool::CompilePool;
pub(crate) use precheck::ModuleCounts;
pub use skeleton::{Skeleton, SkeletonLanguage, SkeletonRequest};
pub(crate) use stubs::stubbed;
pub use worker::CompileRequest;
