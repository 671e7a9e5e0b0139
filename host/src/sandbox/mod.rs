//! The only place that touches wasmtime: components are loaded, linked, limited and called here.
//! Which task is called when, and what becomes of a failure, is for the engine.

mod load;
mod component;
mod offer;
mod need;
mod sniff;
mod reflect;
mod bounds;
mod room;
mod scratch;
mod engine;
mod compiler;
mod child;
mod compiling;
mod code_cache;
mod prune;
mod checkup;
mod trusted;
mod call;
mod erased;
mod shape;
mod lookup;
mod lower;
mod lift;
mod spread;
mod text;
#[cfg(any(test, feature = "test-support"))]
pub mod probe;
mod failure;
mod backtrace;
mod state;
mod guard;
mod wasi;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod loading;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod hermetic;
#[cfg(test)]
mod echoes;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod promptness;
#[cfg(test)]
mod tree;

pub use bounds::{Bounds, Exceeded};
pub use code_cache::code_files;
pub use compiler::CompilePool;
pub use compiling::CompileRequest;
pub use component::{Component, LoadError};
pub use engine::engine_config;
pub use load::{Metering, Sandbox, Settings};
pub use need::{Grant, WithoutGrant};
pub use offer::{Import, Offer};
