//! Runs the process from its arguments to its exit code.
//! Each command is in `commands`.

use crate::app::{BuildRequest, Error};
use crate::cli::args::{Arguments, Command};
use crate::cli::commands;
use crate::cli::console::{Console, report};
use crate::cli::context::Context;
use crate::cli::process::{Exit, Signals, interrupt_message};
use crate::cli::usage::{report_usage, wants_json};
use crate::config::{Environment, Settings, SettingsFile, arguments};
use crate::sandbox::CompileRequest;
use clap::Parser as _;
use std::io;
use std::process::ExitCode;

/// Runs the command that this process was started with.
#[must_use]
pub fn start() -> ExitCode {
    // The host starts itself as a compiler of one component, and as the supervisor of a build command.
    // Users never see these two modes.
    if let Some(request) = CompileRequest::from_arguments(arguments()) {
        return ExitCode::from(request.execute(io::stdin(), io::stdout(), io::stderr()));
    }
    if let Some(request) = BuildRequest::from_arguments(arguments()) {
        request.run(io::stdin(), io::stdout(), io::stderr().into());
        return ExitCode::SUCCESS;
    }
    let environment = Environment::of_process();
    if let Some(exit) = commands::completions::answer(&environment) {
        return exit.into();
    }
    let console = Console::default();
    console.report_panics();
    choose_format(&console, &environment, &SettingsFile::default());
    let exit = match Arguments::try_parse() {
        Ok(arguments) => run_command(&arguments, environment, &console),
        Err(error) => {
            // The arguments are invalid, but the settings file still decides the format of the error.
            let file = SettingsFile::read(None, &environment).unwrap_or_default();
            choose_format(&console, &environment, &file);
            report_usage(&error, &console)
        }
    };
    exit.unwrap_or_else(|error| report(&error, &console)).into()
}

fn choose_format(console: &Console, environment: &Environment, file: &SettingsFile) {
    if wants_json(arguments(), environment, file) {
        console.use_json();
    }
}

fn run_command(arguments: &Arguments, environment: Environment, console: &Console) -> Result<Exit, Error> {
    let signals = Signals::listen(interrupt_message(&arguments.command), console.clone())?;
    let context = || {
        let file = SettingsFile::read(arguments.config.as_deref(), &environment)?;
        choose_format(console, &environment, &file);
        let settings = Settings::new(&arguments.overrides(), &environment, &file)?;
        Ok::<_, Error>(Context { environment, settings, signals, console: console.clone() })
    };
    match &arguments.command {
        Command::Run(run) if run.watch => commands::run_watch::run_watching(&context()?, run),
        Command::Run(run) if run.dry_run => commands::plan::plan(&context()?, &run.planned()),
        Command::Run(run) => commands::run::run(&context()?, run),
        Command::Check(check) => commands::check::check(&context()?, check),
        Command::Plan(plan) => commands::plan::plan(&context()?, plan),
        Command::Graph(graph) => commands::graph::graph(&context()?, graph),
        Command::Test(test) => commands::test::test(&context()?, test),
        Command::Inspect(inspect) => commands::inspect::inspect(&context()?, inspect),
        Command::New(new) => commands::new::new(&context()?, new),
        Command::Lock(lock) => commands::lock::lock(&context()?, lock),
        Command::Bindings(bindings) => commands::bindings::bindings(&context()?, bindings),
        Command::Wrap(wrap) => commands::wrap::wrap(&context()?, wrap),
        Command::Build(build) => commands::build::build(&context()?, build),
        Command::Output(output) => commands::output::output(&context()?, output),
        Command::Runs(runs) => commands::runs::runs(&context()?, runs),
        Command::Resources(resources) => commands::resources::resources(&context()?, resources),
        Command::Show(show) => commands::show::show(&context()?, show),
        Command::Logs(logs) => commands::logs::logs(&context()?, logs),
        Command::Why(why) => commands::why::why(&context()?, why),
        Command::Report(report) => commands::report::report(&context()?, report),
        Command::Trace(trace) => commands::trace::trace(&context()?, trace),
        Command::Watch(watch) => commands::watch::watch(&context()?, watch),
        Command::Cancel(cancel) => commands::cancel::cancel(&context()?, cancel),
        Command::Rm(rm) => commands::rm::rm(&context()?, rm),
        Command::Doctor(doctor) => commands::doctor::doctor(&context()?, doctor),
        // The manual explains how to correct settings, so it is printed even if they are invalid.
        Command::Completions(shell) => commands::completions::completions(shell),
        Command::Man(man) => commands::man::man(&context()?, man),
        Command::Schema => commands::schema::schema(),
        Command::Help(help) => commands::help::help(help),
    }
}
