//! Runs typed graphs of WebAssembly components, each task in a fresh sandbox.
//!
//! A **pipeline** is a TOML manifest. Each task is an exported function of a component, in any language. All types are
//! checked before anything runs, and every result is stored in a state backend: in memory, or in Redis.
//!
//! ```no_run
//! use cascade_host::Pipeline;
//!
//! let pipeline = Pipeline::from_path("wordcount.toml")?;
//! let report = pipeline.run().param("text", "to be or not to be").wait()?;
//! let top: Vec<(String, u32)> = report.output("top")?;
//! # Ok::<(), cascade_host::Error>(())
//! ```
//!
//! | to | use |
//! |---|---|
//! | check a manifest | [`Pipeline::from_path`], [`Pipeline::from_text`] |
//! | run it, with params, state, cache and policy | [`Pipeline::run`], a [`Run`] |
//! | read outputs as Rust values or JSON | [`Report`] |
//! | follow what happens | [`Run::events`], a stream of [`Event`] |
//! | stop a run | [`RunHandle`] |
//! | share slots, memory and compiled code between pipelines | [`Host`] |
//! | keep results elsewhere | [`port`] (unstable) |
//! | embed the command line | [`command_line`] |
//!
//! Nothing here prints, handles signals, or reads the environment unless asked: by [`HostBuilder::inherit_environment`],
//! or by [`command_line`]. The manual of manifests is in `host/docs`.

#![cfg_attr(
    not(feature = "internals"),
    expect(unreachable_pub, reason = "`internals` opens them to benchmarks and fuzz targets")
)]

mod model;
mod manifest;
mod graph;
mod value;
mod invoke;
mod builtin;
mod plan;
mod state;
mod cache;
mod events;
mod fetch;
mod sandbox;
mod engine;
mod config;
mod app;
mod cli;
mod api;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;

pub use api::{
    Error, ErrorKind, Events, Host, HostBuilder, Param, Pipeline, Report, ResultCache, Run, RunHandle, State,
    port,
};
pub use cli::start as command_line;
pub use events::{Event, Fact, FailureFact, HolderFact, ShortageFact, Subject};
pub use model::{FailureClass, FailurePolicy, Name, RunStatus, SkipReason, Timestamp};
