//! Wires the parts together: from a manifest's path to a finished run. No other module does.
//! `cli` parses arguments and prints; each part does its own work.

mod error;
mod source;
mod component_file;
mod wit_files;
mod parallel_map;
mod checked;
mod grants;
mod grant_check;
mod imports;
mod inputs;
mod params;
mod targets;
mod backends;
mod build;
mod session;
mod input_files;
mod journal_buffer;
mod journal;
mod health_monitor;
mod runtime;
mod run;
mod forecast;
mod node_name;
mod stored;
mod archive;
mod control;
mod doctor;

pub use archive::{
    OutputsFailed, RunDetails, TaskDetails, TaskState, list_runs, read_log, read_run, remove_run,
};
pub use backends::{Backends, StateBackend};
pub use build::{BuildHandle, BuildOutput, BuildProcess, BuildRequest, build, build_steps, check_built};
pub use checked::{Builds, Checked, check, check_inputs, open_sandbox, own_compiler};
pub use component_file::read_component;
pub use control::{Cancelled, HostPresence, Watcher, cancel_run, watch_run};
pub use doctor::{Finding, Verdict, diagnose};
pub use error::{Error, Refusal};
pub use forecast::{Forecast, Planned, forecast};
pub use grant_check::{Missing, NeededGrant, Needs, Toml, needed_grants};
pub use health_monitor::{HealthChange, HealthMonitor};
pub(crate) use imports::Supply;
pub(crate) use imports::Table as ImportTable;
pub(crate) use imports::toml as import_toml;
pub use input_files::{InputFiles, InputFilesRequest};
pub use params::{Params, to_datum};
pub use run::{Report, RunRequest, run};
pub use runtime::runtime_for_guests;
pub use session::{Session, SessionRequest};
pub use source::{parse, read};
pub use stored::{StoredResult, stored_results};
pub use wit_files::read_wit;
