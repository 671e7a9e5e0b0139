//! The arguments of commands about stored runs, and about what runs share.
//! `args` lists all commands.

use crate::app::RunReference;
use crate::cli::backend_arguments::{BackendArguments, FormatArguments};
use crate::cli::candidates;
use crate::cli::filters::{RunFilters, TaskFilters};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct OutputArguments {
    /// The run: its id, the beginning of it, or `latest`
    #[arg(value_parser = RunReference::new, add = candidates::runs())]
    pub(crate) run: RunReference,

    /// The task, or `task[i]` for an element of a for-each; without one, every stored result
    #[arg(add = candidates::tasks_of_run())]
    pub(crate) task: Option<String>,

    #[command(flatten)]
    pub(crate) backend: BackendArguments,

    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

/// Default limit of `runs`.
const DEFAULT_RUNS: usize = 100;

#[derive(Debug, Args)]
pub(crate) struct RunsArguments {
    #[command(flatten)]
    pub(crate) backend: BackendArguments,

    /// Maximum number of runs to list
    #[arg(short = 'n', long = "most", value_name = "N", default_value_t = DEFAULT_RUNS)]
    pub(crate) max: usize,

    #[command(flatten)]
    pub(crate) filters: RunFilters,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ResourcesArguments {
    #[command(flatten)]
    pub(crate) backend: BackendArguments,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// The run: its id, the beginning of it, or `latest`
    #[arg(value_parser = RunReference::new, add = candidates::runs())]
    pub(crate) run: RunReference,

    /// Show times, memory, waits and cache hits by task instead, and the critical path
    #[arg(long)]
    pub(crate) stats: bool,

    #[command(flatten)]
    pub(crate) filters: TaskFilters,

    #[command(flatten)]
    pub(crate) backend: BackendArguments,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// The run: its id, the beginning of it, or `latest`
    #[arg(value_parser = RunReference::new, add = candidates::runs())]
    pub(crate) run: RunReference,

    /// The task, or `task[i]` for an element of a for-each; default: all tasks, by time
    #[arg(add = candidates::tasks_of_run())]
    pub(crate) task: Option<String>,

    #[command(flatten)]
    pub(crate) backend: BackendArguments,

    /// Print JSON lines with time, attempt and stream
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArguments {
    /// The run: its id, the beginning of it, or `latest`
    #[arg(value_parser = RunReference::new, add = candidates::runs())]
    pub(crate) run: RunReference,

    #[command(flatten)]
    pub(crate) backend: BackendArguments,

    /// Print the events as JSON lines, as `run --events` does
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArguments {
    /// The run: its id, the beginning of it, or `latest`
    #[arg(value_parser = RunReference::new, add = candidates::runs())]
    pub(crate) run: RunReference,

    #[command(flatten)]
    pub(crate) backend: BackendArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RmArguments {
    /// The runs: ids, the beginnings of them, or `latest`
    #[arg(value_name = "RUN", value_parser = RunReference::new, required = true, add = candidates::runs())]
    pub(crate) runs: Vec<RunReference>,

    #[command(flatten)]
    pub(crate) backend: BackendArguments,

    /// Remove a run even if a host is working on it
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WhyArguments {
    /// The run: its id, the beginning of it, or `latest`
    #[arg(value_parser = RunReference::new, add = candidates::runs())]
    pub(crate) run: RunReference,

    /// The task, or an element of it: `count`, `count[3]`, `clean[3]/count`
    #[arg(add = candidates::tasks_of_run())]
    pub(crate) task: String,

    #[command(flatten)]
    pub(crate) backend: BackendArguments,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// The run: its id, the beginning of it, or `latest`
    #[arg(value_parser = RunReference::new, add = candidates::runs())]
    pub(crate) run: RunReference,

    /// File to write, or `-` for stdout
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) out: PathBuf,

    /// Manifest whose text the page shows
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) backend: BackendArguments,
}

#[derive(Debug, Args)]
pub(crate) struct TraceArguments {
    /// The run: its id, the beginning of it, or `latest`
    #[arg(value_parser = RunReference::new, add = candidates::runs())]
    pub(crate) run: RunReference,

    /// File to write; default: stdout
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) backend: BackendArguments,
}
