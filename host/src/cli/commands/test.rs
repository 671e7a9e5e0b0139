//! `test`: runs the tests of a manifest, and prints a table of what came of them.
//! `app` runs each one.

use crate::app;
use crate::app::{Builds, Error, Refusal, TestHost, TestResult, run_test, runtime_for_guests};
use crate::cli::args::TestArguments;
use crate::cli::commands::output::print;
use crate::cli::context::Context;
use crate::cli::log::show_millis;
use crate::cli::print::{Ink, Style, escape_control};
use crate::cli::process::{Exit, stdout_style};
use crate::config;
use crate::model::{nearest, shortlist};
use std::sync::Arc;

/// Worker threads besides those that run guests: one for the engine's run loop.
const SPARE_THREADS: usize = 1;

/// Runs the tests of a manifest.
pub(crate) fn test(ctx: &Context, arguments: &TestArguments) -> Result<Exit, Error> {
    let resolved = app::read(&arguments.manifest)?;
    config::raise_open_files();
    let sandbox = ctx.open_sandbox()?;
    let checked = app::check(resolved, (&sandbox, &ctx.fetcher(&sandbox)), &ctx.environment, Builds::NotRun);
    ctx.print_warnings(&sandbox);
    let checked = checked?;
    let tests = checked.manifests.root().tests.clone();
    if tests.is_empty() {
        let message = format!("`{}` has no tests", arguments.manifest.display());
        let help =
            "write `[[tests]]` and below it `name`, `params` and `expect`: `cascade-host help manifest`";
        return Err(Refusal::new(message).help(help).into());
    }
    let is_chosen =
        |name: &str| arguments.tests.is_empty() || arguments.tests.iter().any(|chosen| chosen == name);
    for chosen in &arguments.tests {
        let known = || tests.iter().map(|test| test.name.as_str());
        if !known().any(|name| name == chosen) {
            let meant = nearest(chosen, known()).map(|meant| format!("did you mean `{meant}`? "));
            let help = format!("{}the tests are {}", meant.unwrap_or_default(), shortlist(chosen, known()));
            return Err(Error::Missing { message: format!("there is no test `{chosen}`"), help });
        }
    }
    sandbox.share_files(config::spare_files());
    let threads = usize::try_from(ctx.settings.jobs).unwrap_or(1).saturating_add(SPARE_THREADS);
    let runtime = runtime_for_guests(threads)?;
    let host =
        TestHost { settings: &ctx.settings, environment: &ctx.environment, sandbox: Arc::new(sandbox) };
    let (mut passed, mut failed) = (0_usize, 0_usize);
    for test in tests.iter().filter(|test| is_chosen(&test.name)) {
        let result = runtime.block_on(run_test(&host, checked.clone(), test))?;
        *(if result.findings.is_empty() { &mut passed } else { &mut failed }) += 1;
        // A row as soon as its test has ended, and the failed ones where they happened.
        print(row(&test.name, &result, stdout_style()).as_bytes())?;
    }
    print(format!("{passed} passed, {failed} failed\n").as_bytes())?;
    Ok(if failed == 0 { Exit::Success } else { Exit::TaskFailed })
}

fn row(name: &str, result: &TestResult, style: Style) -> String {
    let took = show_millis(result.took.as_secs_f64() * 1e3);
    let name = escape_control(name);
    if result.findings.is_empty() {
        return format!("{}  {name}  {took}\n", style.paint(Ink::Good, "passed"));
    }
    let mut text = format!("{}  {name}  {took}\n", style.paint(Ink::Bad, "failed"));
    for finding in &result.findings {
        for line in finding.lines() {
            text.push_str(&format!("        {}\n", escape_control(line)));
        }
    }
    text
}
