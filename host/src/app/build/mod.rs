//! Build commands of a manifest's components: listed, started under a supervisor, monitored, stopped.
//! The caller decides where their output goes.

mod tools;
mod language;
mod script;
mod step;
mod build_process;
mod supervisor;
mod process_tree;

pub(crate) use build_process::{BuildHandle, BuildOutput, BuildProcess, build};
pub(crate) use language::{BINDINGS, Language};
pub(crate) use step::BUILD_LEFT_NO_FILE;
pub(crate) use step::{BuildStep, build_steps, check_built};
pub(crate) use supervisor::BuildRequest;
