//! `check`: checks a manifest and its components without running anything.
//! The checks are in `app`. Success is reported on stderr, since stdout carries results only.

use crate::app;
use crate::app::{Backends, Builds, Error};
use crate::cli::args::CheckArguments;
use crate::cli::context::Host;
use crate::cli::process::Exit;

/// Checks a manifest and its components.
pub(crate) fn check(host: &Host, arguments: &CheckArguments) -> Result<Exit, Error> {
    let mut resolved = app::read(&arguments.manifest)?;
    // Nothing is connected to: whether a server is there is no matter of the manifest.
    let backends = Backends::default();
    backends.check(&mut resolved, &host.settings, &host.environment);
    let sandbox = app::open_sandbox(&host.settings, Some(app::own_compiler()?))?;
    let checked = app::check(resolved, &sandbox, &host.environment, Builds::NotRun);
    host.say_warnings(&sandbox);
    let checked = checked?;
    app::check_inputs(&checked, &host.environment)?;
    backends.state(&host.settings, &checked.manifest.state, &host.environment)?;
    backends.cache(&host.settings, &checked.manifest.cache, &host.environment)?;
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let sound = format!(
        "{}: {} and {} are sound",
        arguments.manifest.display(),
        count(checked.plan.tasks().len(), "task"),
        count(checked.components.len(), "component"),
    );
    host.voice.note("sound", &sound);
    Ok(Exit::Success)
}
