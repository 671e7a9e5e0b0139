//! Wires the parts together: from a manifest's path to a finished run. No other module does.
//! `cli` parses arguments and prints; each part does its own work.

mod error;
mod source;
mod component_file;
mod parallel_map;
mod checked;
mod grants;
mod grant_check;
mod inputs;
mod params;
mod targets;
mod backends;
mod build;
mod session;
mod reads;
mod journal_buffer;
mod journal;
mod vigil;
mod runtime;
mod run;
mod forecast;
mod node_name;
mod stored;
mod archive;
mod control;
mod doctor;

pub use archive::{OutputsFailed, Story, TaskState, TaskStory, list_runs, read_log, remove_run, tell_run};
pub use backends::{Backends, StateBackend};
pub use build::{BuildHandle, BuildOutput, BuildProcess, BuildRequest, build, build_steps, check_built};
pub use checked::{Builds, Checked, check, check_inputs, open_sandbox, own_compiler};
pub use component_file::read_component;
pub use control::{Cancelled, Company, Watcher, cancel_run, watch_run};
pub use doctor::{Finding, Verdict, diagnose};
pub use error::{Error, Refusal};
pub use forecast::{Forecast, Planned, forecast};
pub use grant_check::{Asked, Missing, Needs, asked};
pub use params::{Params, to_datum};
pub use reads::{Reads, ReadsRequest};
pub use run::{Report, RunRequest, run};
pub use runtime::runtime_for_guests;
pub use session::{Session, SessionRequest};
pub use source::{parse, read};
pub use stored::{StoredResult, stored_results};
pub use vigil::{Sign, Vigil};
