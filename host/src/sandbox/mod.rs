//! The only place that touches wasmtime: components are loaded, linked, limited and called here.
//! Which task is called when, and what becomes of a failure, is for the engine.

mod call;
mod code_cache;
mod component;
mod engine;
mod failure;
mod guard;
mod lift;
mod load;
mod lower;
mod reflect;
mod state;
mod trusted;
mod wasi;

pub use component::{Component, LoadError};
pub use load::{Metering, Sandbox, Settings};
