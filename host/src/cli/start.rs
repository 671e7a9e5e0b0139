//! Runs the process from its arguments to its exit code.
//! Each command is in `commands`.

use crate::app::{BuildOrder, Error};
use crate::cli::args::{Arguments, Command};
use crate::cli::commands;
use crate::cli::context::Host;
use crate::cli::process::{Exit, Signals, farewell};
use crate::cli::voice::{Voice, report};
use crate::cli::wanted::{usage, wants_json};
use crate::config::{Environment, Settings, SettingsFile, arguments};
use crate::sandbox::CompileRequest;
use clap::Parser as _;
use std::io;
use std::process::ExitCode;

/// Runs the command that this process was started with.
#[must_use]
pub fn start() -> ExitCode {
    // A host starts itself again for each component that it compiles, and each command that builds one; users never see it.
    if let Some(order) = CompileRequest::of_arguments(arguments()) {
        return ExitCode::from(order.fill(io::stdin(), io::stdout(), io::stderr()));
    }
    if let Some(order) = BuildOrder::of_arguments(arguments()) {
        order.fill(io::stdin(), io::stdout(), io::stderr().into());
        return ExitCode::SUCCESS;
    }
    let environment = Environment::of_process();
    let voice = Voice::default();
    voice.tell_panics();
    speak_as_wanted(&voice, &environment, &SettingsFile::default());
    let exit = match Arguments::try_parse() {
        Ok(arguments) => command(&arguments, environment, &voice),
        Err(said) => {
            // Where words are not understood, the settings file of the user still says how to speak.
            let file = SettingsFile::read(None, &environment).unwrap_or_default();
            speak_as_wanted(&voice, &environment, &file);
            usage(&said, &voice)
        }
    };
    exit.unwrap_or_else(|error| report(&error, &voice)).into()
}

fn speak_as_wanted(voice: &Voice, environment: &Environment, file: &SettingsFile) {
    if wants_json(arguments(), environment, file) {
        voice.speak_json();
    }
}

fn command(arguments: &Arguments, environment: Environment, voice: &Voice) -> Result<Exit, Error> {
    let signals = Signals::listen(farewell(&arguments.command), voice.clone())?;
    let host = || {
        let file = SettingsFile::read(arguments.config.as_deref(), &environment)?;
        speak_as_wanted(voice, &environment, &file);
        let settings = Settings::new(&arguments.overrides(), &environment, &file)?;
        Ok::<_, Error>(Host { environment, settings, signals, voice: voice.clone() })
    };
    match &arguments.command {
        Command::Run(run) => commands::run::run(&host()?, run),
        Command::Check(check) => commands::check::check(&host()?, check),
        Command::Plan(plan) => commands::plan::plan(&host()?, plan),
        Command::Inspect(inspect) => commands::inspect::inspect(&host()?, inspect),
        Command::Build(build) => commands::build::build(&host()?, build),
        Command::Output(output) => commands::output::output(&host()?, output),
        Command::Runs(runs) => commands::runs::runs(&host()?, runs),
        Command::Show(show) => commands::show::show(&host()?, show),
        Command::Logs(logs) => commands::logs::logs(&host()?, logs),
        Command::Watch(watch) => commands::watch::watch(&host()?, watch),
        Command::Cancel(cancel) => commands::cancel::cancel(&host()?, cancel),
        Command::Rm(rm) => commands::rm::rm(&host()?, rm),
        Command::Doctor(doctor) => commands::doctor::doctor(&host()?, doctor),
        // The manual says how to mend settings: it is printed whatever they are.
        Command::Help(help) => commands::help::help(help),
    }
}
