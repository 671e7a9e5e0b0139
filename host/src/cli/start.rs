//! The process from its arguments to its exit code.
//! What each command does stands in `commands`.

use crate::app;
use crate::app::BuildOrder;
use crate::app::Error;
use crate::cli::args::Arguments;
use crate::cli::args::Command;
use crate::cli::commands;
use crate::cli::commands::output::print;
use crate::cli::exit::Exit;
use crate::cli::exit::report;
use crate::cli::farewell::farewell;
use crate::cli::signals::Signals;
use crate::cli::style::Style;
use crate::cli::style::harmless;
use crate::cli::terminal::say;
use crate::cli::terminal::stderr_style;
use crate::cli::terminal::stdout_style;
use crate::config::Environment;
use crate::config::Settings;
use crate::config::SettingsFile;
use crate::config::arguments;
use crate::sandbox::CompileOrder;
use crate::sandbox::Sandbox;
use clap::Parser as _;
use std::io;
use std::process::ExitCode;

/// What every command may ask for.
pub(crate) struct Host {
    /// The variables of this process.
    pub(crate) environment: Environment,
    /// The settings, as far as no manifest has a say.
    pub(crate) settings: Settings,
    /// What signals do meanwhile.
    pub(crate) signals: Signals,
}

impl Host {
    /// The sandbox of commands that have no log of their own; what an operator should know of it is said at once.
    pub(crate) fn open_sandbox(&self) -> Result<Sandbox, Error> {
        let sandbox = app::open_sandbox(&self.settings)?;
        sandbox.warnings().iter().for_each(|warning| say(&format!("warning: {}\n", harmless(warning))));
        Ok(sandbox)
    }
}

/// Runs the command that this process was started with.
#[must_use]
pub fn start() -> ExitCode {
    // A host starts itself again for each component that it compiles, and each command that builds one; users never see it.
    if let Some(order) = CompileOrder::of_arguments(arguments()) {
        return ExitCode::from(order.fill(io::stdin(), io::stdout(), io::stderr()));
    }
    if let Some(order) = BuildOrder::of_arguments(arguments()) {
        order.fill(io::stdin(), io::stdout(), io::stderr().into());
        return ExitCode::SUCCESS;
    }
    let exit = match Arguments::try_parse() {
        Ok(arguments) => command(&arguments),
        Err(said) => usage(&said),
    };
    exit.unwrap_or_else(|error| report(&error)).into()
}

/// What clap has to say: help, which is a result, or what is wrong with the arguments.
fn usage(said: &clap::Error) -> Result<Exit, Error> {
    let style = if said.use_stderr() { stderr_style() } else { stdout_style() };
    let text = match style {
        Style::Coloured => said.render().ansi().to_string(),
        Style::Plain => said.render().to_string(),
    };
    if said.use_stderr() {
        say(&text);
        return Ok(Exit::Usage);
    }
    print(text.as_bytes())
}

fn command(arguments: &Arguments) -> Result<Exit, Error> {
    let signals = Signals::listen(farewell(&arguments.command))?;
    let environment = Environment::of_process();
    let file = SettingsFile::read(arguments.config.as_deref(), &environment)?;
    let settings = Settings::new(&arguments.overrides(), &environment, &file)?;
    let host = Host { environment, settings, signals };
    match &arguments.command {
        Command::Run(run) => commands::run::run(&host, run),
        Command::Check(check) => commands::check::check(&host, check),
        Command::Plan(plan) => commands::plan::plan(&host, plan),
        Command::Inspect(inspect) => commands::inspect::inspect(&host, inspect),
        Command::Build(build) => commands::build::build(&host, build),
        Command::Output(output) => commands::output::output(&host, output),
        Command::Runs(runs) => commands::runs::runs(&host, runs),
        Command::Show(show) => commands::show::show(&host, show),
        Command::Logs(logs) => commands::logs::logs(&host, logs),
        Command::Watch(watch) => commands::watch::watch(&host, watch),
        Command::Cancel(cancel) => commands::cancel::cancel(&host, cancel),
        Command::Rm(rm) => commands::rm::rm(&host, rm),
        Command::Doctor(doctor) => commands::doctor::doctor(&host, doctor),
    }
}
