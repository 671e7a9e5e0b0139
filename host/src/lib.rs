//! Runs typed graphs of WebAssembly components, each task in a fresh sandbox.
//! The binary is a thin shell around [`cli`](self). `ARCHITECTURE.md` lists the modules, and what each may import.

pub mod model;
pub mod manifest;
pub mod graph;
pub mod value;
pub mod plan;
pub mod invoke;
pub mod state;
pub mod cache;
pub mod events;
pub mod sandbox;
pub mod engine;
pub mod config;
pub mod app;
pub mod cli;
