//! Wires the parts together: from a manifest's path to a finished run. No other module does.
//! `cli` parses arguments and prints; each part does its own work.

mod error;
mod source;
mod component_file;
mod wit_files;
mod parallel_map;
mod pinned;
mod remote_components;
mod checked;
mod grants;
mod grant_check;
mod imports;
mod inputs;
mod matching_files;
mod params;
mod targets;
mod backends;
mod build;
mod lock;
mod bindings;
mod scaffold;
mod hook;
mod session;
mod invokers;
mod input_files;
mod output_files;
mod output_dir;
mod epoch_note;
mod journal_buffer;
mod journal;
mod left_out;
mod secret_outputs;
mod health_monitor;
mod runtime;
mod run;
mod test_run;
mod finally;
mod forecast;
mod iterations;
mod assembled;
mod name_fault;
mod node_name;
mod rerun;
mod reserved;
mod node_log;
mod run_reference;
mod stored;
mod archive;
mod figures;
mod why;
mod run_summary;
mod notification;
mod control;
mod occupied;
mod watching;
mod doctor;

#[cfg(test)]
pub(crate) use archive::Iterations;
pub(crate) use archive::{
    OutputsFailed, ReservedResource, RunDetails, TaskDetails, TaskState, list_runs, read_run, remove_run,
};
pub(crate) use backends::{Backends, StateBackend};
pub(crate) use bindings::{write_file, write_sources};
pub(crate) use build::{
    BINDINGS, BuildHandle, BuildOutput, BuildProcess, BuildRequest, Language, build, build_steps, check_built,
};
pub(crate) use checked::{Builds, Checked, check, check_inputs, open_sandbox, own_compiler};
pub(crate) use component_file::read_component;
pub(crate) use control::{Cancelled, HostPresence, Watcher, cancel_run, has_failed, watch_run};
pub(crate) use doctor::{Finding, Verdict, diagnose};
pub(crate) use error::{Error, Refusal};
pub(crate) use figures::{Figures, Histogram, Slow, Span, Step, TaskFigures, figures};
pub(crate) use forecast::{Forecast, Parts, Planned, forecast};
pub(crate) use grant_check::{Missing, NeededGrant, Needs, Toml, needed_grants};
pub(crate) use health_monitor::{HealthChange, HealthMonitor};
pub(crate) use hook::Hook;
pub(crate) use imports::Supply;
pub(crate) use imports::Table as ImportTable;
pub(crate) use imports::toml as import_toml;
pub(crate) use input_files::{InputFiles, InputFilesRequest};
pub(crate) use lock::{LockedFile, Locking, lock, missing_pins};
pub(crate) use node_log::{NodeLog, log_of_node, read_all_logs, read_log};
pub(crate) use notification::Delivery;
pub(crate) use occupied::{Others, live_hosts, until_idle};
pub(crate) use output_dir::{Change, OutputDir, is_writable, obstacle};
pub(crate) use output_files::{Place, files as output_files, places as output_places};
pub(crate) use params::{Params, file_of, to_datum};
pub(crate) use remote_components::unpinned;
pub(crate) use run::{Report, RunRequest, run};
pub(crate) use run_reference::{RunReference, find_run};
pub(crate) use runtime::runtime_for_guests;
pub(crate) use scaffold::{
    Existing, FromWit, NewFile, create, files_for, files_from_wit, manifest_for, skeleton_language,
};
pub(crate) use session::{Session, SessionRequest};
pub(crate) use source::{parse, read};
pub(crate) use stored::{Stored, StoredResult, stored_results};
pub(crate) use test_run::{TestHost, TestResult, run_test};
pub(crate) use watching::{
    BuiltFiles, FilesChanged, Pause, Snapshot, WatchList, WatchRequest, wait_for_change,
};
pub(crate) use why::{
    Before, CallChange, ChangeKind, Reason, SourceChange, SourceOutcome, Unshared, Wait, WaitedFor, Why, why,
};
pub(crate) use wit_files::read_wit;
