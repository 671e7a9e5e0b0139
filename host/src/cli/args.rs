//! The command line as types: every command and flag with its help text.
//! Commands run in `commands`; `config` decides which setting wins.

use crate::app::{Params, RunReference};
use crate::cli::authoring::{BindingsArguments, NewArguments, WrapArguments};
use crate::cli::backend_arguments::{BackendArguments, CacheArguments, FormatArguments};
use crate::cli::candidates;
use crate::cli::graph_format::GraphFormat;
use crate::cli::log::Progress;
use crate::cli::scope::Scope;
use crate::cli::shell_arguments::{CompletionsArguments, ManArguments};
use crate::cli::source_arguments::{LockArguments, SourceArguments};
use crate::cli::stored_arguments::{
    CancelArguments, LogsArguments, OutputArguments, ReportArguments, ResourcesArguments, RmArguments,
    RunsArguments, ShowArguments, TraceArguments, WatchArguments, WhyArguments,
};
use crate::model::RunId;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// Runs typed graphs of WebAssembly components, each task in a fresh sandbox.
#[derive(Debug, Parser)]
#[command(name = "cascade-host", version, about, max_term_width = 100, disable_help_subcommand = true)]
#[command(
    after_help = "`cascade-host help` lists the pages of the manual, `cascade-host help TOPIC` prints one."
)]
pub(crate) struct Arguments {
    /// Settings file of this host; by default `cascade-host/config.toml` in the configuration folder
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) log: LogArguments,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The log on stderr.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogArguments {
    /// Log level: error, warn, info, debug or trace [default: info]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,

    /// Log format: human or json [default: human]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a manifest, or resume a run of it, and print its outputs as one JSON object
    #[command(override_usage = "cascade-host run [OPTIONS] <MANIFEST>")]
    Run(Box<RunArguments>),
    /// Check a manifest and its components without running anything
    Check(CheckArguments),
    /// Show what a run would do with each task, and why
    #[command(override_usage = "cascade-host plan [OPTIONS] <MANIFEST>")]
    Plan(Box<PlanArguments>),
    /// Draw the graph of a manifest, with the states of a stored run if one is named
    Graph(GraphArguments),
    /// Run the tests of a manifest
    Test(TestArguments),
    /// Show the exports and imports of a component
    Inspect(InspectArguments),
    /// Create a pipeline with a task of your own, or one for a component that exists
    #[command(
        override_usage = "cascade-host new <NAME> --lang <LANG> [--wit <PATH>]\n       cascade-host new <NAME> --from <COMPONENT>"
    )]
    New(NewArguments),
    /// Write the digests of components from elsewhere into a manifest
    Lock(LockArguments),
    /// Write the bindings of an interface, for C, C++, Zig, Nim or Go
    Bindings(BindingsArguments),
    /// Make a component of a core module
    Wrap(WrapArguments),
    /// Run the build commands of a manifest's components
    Build(BuildArguments),
    /// Print stored results of a run
    Output(OutputArguments),
    /// List stored runs, the latest first
    Runs(RunsArguments),
    /// List what is taken of the resources that all runs share, and by whom
    Resources(ResourcesArguments),
    /// Show a stored run: every task with its state, attempts, host, time and memory
    Show(ShowArguments),
    /// Print the output of a task's guest
    Logs(LogsArguments),
    /// Explain why a task ran, was cached, was skipped or failed, and what has changed since the run before
    Why(WhyArguments),
    /// Write a page about a run: summary, graph, timeline, tasks, failures with logs
    Report(ReportArguments),
    /// Write a trace of a run, for Perfetto and Chrome
    Trace(TraceArguments),
    /// Follow a run of any host to its end, and exit with its code
    Watch(WatchArguments),
    /// Cancel a run on all its hosts; it can be resumed
    Cancel(CancelArguments),
    /// Remove stored runs with their results
    Rm(RmArguments),
    /// Test every limit on this machine with hostile guests, and the state backend
    Doctor(DoctorArguments),
    /// Print the JSON Schema of manifests, for editors
    Schema,
    /// Print the lines that make a shell complete commands, flags, tasks and runs
    Completions(CompletionsArguments),
    /// Print a man page, or write all of them
    Man(ManArguments),
    /// Print a page of the manual, or the flags of a command
    Help(HelpArguments),
}

/// The values of the run's params.
#[derive(Debug, Clone, Args)]
pub(crate) struct ParamArguments {
    /// Value of a param: plain text for string, char and enum, JSON otherwise; `@FILE` reads a file, `@@` is a `@`
    #[arg(short = 'p', long = "param", value_name = "NAME=VALUE", add = candidates::params())]
    pub(crate) params: Vec<OsString>,

    /// File with values of params: a TOML table, or a JSON object if its name ends in .json
    #[arg(long, value_name = "FILE")]
    pub(crate) params_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) scope: Scope,

    #[command(flatten)]
    pub(crate) sources: SourceArguments,

    #[command(flatten)]
    pub(crate) params: ParamArguments,

    #[command(flatten)]
    pub(crate) backend: BackendArguments,

    #[command(flatten)]
    pub(crate) cache: CacheArguments,

    /// Id of the run; the same id again resumes it [default: generated]
    #[arg(long, value_name = "ID", value_parser = RunId::new, add = candidates::runs())]
    pub(crate) run_id: Option<RunId>,

    /// Start over: remove the stored results of this run
    #[arg(long, conflicts_with_all = ["update", "rerun"], requires = "run_id")]
    pub(crate) fresh: bool,

    /// Accept a changed plan: keep every stored result whose own call is unchanged
    #[arg(long, requires = "run_id")]
    pub(crate) update: bool,

    /// If hosts work on this run already: wait for their end, skip the run, or fail [default: join them]
    #[arg(long, value_name = "HOW", value_enum, requires = "run_id")]
    pub(crate) if_running: Option<IfRunning>,

    /// Show what the run would do, as `plan` does, and run nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// With --dry-run: print the plan as JSON
    #[arg(long, requires = "dry_run")]
    pub(crate) json: bool,

    /// Maximum number of concurrent tasks [default: one per core]
    #[arg(short = 'j', long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) jobs: Option<String>,

    /// Memory budget: the sum of the limits of running tasks [default: three quarters of the machine's memory]
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true)]
    pub(crate) memory: Option<String>,

    /// If a task fails, finish every branch that does not need it
    #[arg(long, conflicts_with = "fail_fast")]
    pub(crate) keep_going: bool,

    /// If a task fails, stop running tasks too
    #[arg(long)]
    pub(crate) fail_fast: bool,

    /// Run pure tasks twice, and those with a cached result once; fail tasks whose results differ
    #[arg(long)]
    pub(crate) verify: bool,

    /// Run the components' build commands first
    #[arg(long)]
    pub(crate) build: bool,

    /// Run again whenever a file that the run is made of changes, and keep what is unchanged
    #[arg(long, conflicts_with_all = ["fresh", "update", "if_running"])]
    pub(crate) watch: bool,

    /// Write events as JSON lines to this file, replacing it; `-` writes them to stderr instead of the log
    #[arg(long, value_name = "FILE|-")]
    pub(crate) events: Option<PathBuf>,

    /// Progress display on stderr: auto, bar, plain or none
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub(crate) progress: Progress,

    #[command(flatten)]
    pub(crate) format: FormatArguments,

    /// Print only this output
    #[arg(long, value_name = "NAME", add = candidates::outputs())]
    pub(crate) output: Option<String>,

    /// Write each output to a file in this folder too, once the run succeeds
    #[arg(long, value_name = "DIR")]
    pub(crate) output_dir: Option<PathBuf>,
}

/// What to do with a run that hosts work on already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum IfRunning {
    /// Wait until nobody works on it, and then run or resume it.
    Wait,
    /// Leave it to them, and exit with 0.
    Skip,
    /// Leave it to them, and exit with 2.
    Fail,
}

impl RunArguments {
    /// Returns the arguments of `plan` that show what this run would do.
    pub(crate) fn planned(&self) -> PlanArguments {
        PlanArguments {
            scope: self.scope.clone(),
            sources: self.sources,
            params: self.params.clone(),
            backend: self.backend.clone(),
            cache: self.cache.clone(),
            // A run that starts over has no results to keep.
            run_id: self.run_id.clone().filter(|_| !self.fresh),
            json: self.json,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The manifest
    pub(crate) manifest: PathBuf,

    #[command(flatten)]
    pub(crate) sources: SourceArguments,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub(crate) scope: Scope,

    #[command(flatten)]
    pub(crate) sources: SourceArguments,

    #[command(flatten)]
    pub(crate) params: ParamArguments,

    #[command(flatten)]
    pub(crate) backend: BackendArguments,

    #[command(flatten)]
    pub(crate) cache: CacheArguments,

    /// Run whose stored results to use [default: a new run]
    #[arg(long, value_name = "ID", value_parser = RunId::new, add = candidates::runs())]
    pub(crate) run_id: Option<RunId>,

    /// Print the plan as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GraphArguments {
    /// The manifest
    pub(crate) manifest: PathBuf,

    /// Format: mermaid, dot, svg or json [default: by the name of the file, else mermaid]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) format: Option<GraphFormat>,

    /// File for the drawing [default: stdout]
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Stored run whose states to show: its id, the beginning of it, or `latest`
    #[arg(long, value_name = "RUN", value_parser = RunReference::new, add = candidates::runs())]
    pub(crate) run: Option<RunReference>,

    /// Draw every task of a pipeline, instead of one box for all
    #[arg(long)]
    pub(crate) expand: bool,

    #[command(flatten)]
    pub(crate) backend: BackendArguments,
}

#[derive(Debug, Args)]
pub(crate) struct TestArguments {
    /// The manifest
    pub(crate) manifest: PathBuf,

    /// Names of the tests to run [default: all]
    #[arg(value_name = "TEST", add = candidates::tests())]
    pub(crate) tests: Vec<String>,

    #[command(flatten)]
    pub(crate) sources: SourceArguments,

    /// Maximum number of concurrent tasks [default: one per core]
    #[arg(short = 'j', long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) jobs: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// The component, or a core module: a file, `oci://REFERENCE` or a URL; `std` for the built-in tasks
    pub(crate) component: PathBuf,

    /// WIT that a core module without an interface was built by: a folder or a file
    #[arg(long, value_name = "PATH")]
    pub(crate) wit: Option<PathBuf>,

    /// World in that WIT; default: the only one
    #[arg(long, value_name = "WORLD", requires = "wit")]
    pub(crate) world: Option<String>,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BuildArguments {
    /// The manifest
    pub(crate) manifest: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    pub(crate) backend: BackendArguments,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct HelpArguments {
    /// A page of the manual, or a command [default: the list of pages]
    pub(crate) topic: Option<String>,
}

impl ParamArguments {
    /// Returns the params as typed, for `app` to parse.
    pub(crate) fn texts(&self) -> Params {
        Params { pairs: self.params.clone(), file: self.params_file.clone(), values: Vec::new() }
    }
}
