//! The library's front door: [`Pipeline`] and what a Rust program needs around it.
//! `app` wires the parts together; nothing here prints, handles signals, or reads the environment unless asked.

mod host;
mod pipeline;
mod run;
mod storage;
mod handle;
mod events;
mod report;
mod error;
pub mod port;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod own_backend_tests;
#[cfg(test)]
mod source_tests;

pub use error::{Error, ErrorKind};
pub use events::Events;
pub use handle::RunHandle;
pub use host::{Host, HostBuilder};
pub use pipeline::{Param, Pipeline};
pub use report::Report;
pub use run::Run;
pub use storage::{ResultCache, State};
