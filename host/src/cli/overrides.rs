//! The settings of the host that the flags of a command override.
//! `config` decides which setting wins.

use crate::cli::args::{Arguments, Command, DoctorArguments, LogArguments};
use crate::cli::source_arguments::SourceArguments;
use crate::cli::stored_arguments::{
    CancelArguments, LogsArguments, OutputArguments, ReportArguments, ResourcesArguments, RmArguments,
    RunsArguments, ShowArguments, TraceArguments, WatchArguments, WhyArguments,
};
use crate::config::Overrides;

impl Arguments {
    /// Returns the host settings that the flags override.
    pub(crate) fn overrides(&self) -> Overrides {
        let LogArguments { log_level, log_format } = self.log.clone();
        let (offline, locked) = self.command.sources().texts();
        let log = Overrides { offline, locked, log_format, log_level, ..Overrides::default() };
        match &self.command {
            Command::Run(run) => Overrides {
                state: run.backend.state.clone(),
                cache: run.cache.cache.clone(),
                memory: run.memory.clone(),
                jobs: run.jobs.clone(),
                ..log
            },
            Command::Plan(plan) => {
                Overrides { state: plan.backend.state.clone(), cache: plan.cache.cache.clone(), ..log }
            }
            Command::Output(OutputArguments { backend, .. })
            | Command::Runs(RunsArguments { backend, .. })
            | Command::Resources(ResourcesArguments { backend, .. })
            | Command::Show(ShowArguments { backend, .. })
            | Command::Logs(LogsArguments { backend, .. })
            | Command::Why(WhyArguments { backend, .. })
            | Command::Report(ReportArguments { backend, .. })
            | Command::Trace(TraceArguments { backend, .. })
            | Command::Watch(WatchArguments { backend, .. })
            | Command::Cancel(CancelArguments { backend, .. })
            | Command::Rm(RmArguments { backend, .. })
            | Command::Doctor(DoctorArguments { backend, .. }) => {
                Overrides { state: backend.state.clone(), ..log }
            }
            Command::Graph(graph) => Overrides { state: graph.backend.state.clone(), ..log },
            Command::Test(test) => Overrides { jobs: test.jobs.clone(), ..log },
            Command::Check(_)
            | Command::Inspect(_)
            | Command::New(_)
            | Command::Lock(_)
            | Command::Bindings(_)
            | Command::Wrap(_)
            | Command::Build(_)
            | Command::Schema
            | Command::Completions(_)
            | Command::Man(_)
            | Command::Help(_) => log,
        }
    }
}

impl Command {
    /// Returns the rules for components from elsewhere; none for commands without these flags.
    fn sources(&self) -> SourceArguments {
        match self {
            Self::Run(run) => run.sources,
            Self::Plan(plan) => plan.sources,
            Self::Check(check) => check.sources,
            Self::Test(test) => test.sources,
            _ => SourceArguments::default(), // those that load no component of a manifest
        }
    }
}
