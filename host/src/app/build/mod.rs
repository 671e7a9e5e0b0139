//! Build commands of a manifest's components: which there are, started under a supervisor, watched, ended.
//! What a command prints goes where the caller says.

mod step;
mod building;
mod supervisor;
mod family;

pub use building::{BuildHandle, BuildOutput, Building, build};
pub(crate) use step::UNMADE;
pub use step::{BuildStep, build_steps, check_built};
pub use supervisor::BuildOrder;
