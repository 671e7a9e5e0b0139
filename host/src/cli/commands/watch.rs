//! `watch`: follows a run of any host, as the log lines of `run` or as the events themselves.
//! `app` decides when the run has ended.

use crate::app;
use crate::app::{Backends, Error, HostPresence, Watcher};
use crate::cli::commands::output::{print, print_json};
use crate::cli::console::Console;
use crate::cli::context::Context;
use crate::cli::log::MergedLog;
use crate::cli::process::{Exit, interrupted_watch, stdout_style, wait_for, while_stdout_is_read};
use crate::cli::stored_arguments::WatchArguments;
use crate::manifest::BackendSection;
use crate::model::RunStatus;
use bytes::Bytes;

/// Follows a run to its end and returns its exit code; stops early if stdout is closed.
pub(crate) fn watch(ctx: &Context, arguments: &WatchArguments) -> Result<Exit, Error> {
    let state = Backends::default().state(&ctx.settings, &BackendSection::default(), &ctx.environment)?;
    let mut watcher = EventPrinter {
        run: String::new(),
        console: ctx.console.clone(),
        merged_log: (!arguments.json).then(|| MergedLog::new(ctx.settings.log_level, stdout_style())),
    };
    let backend = state.backend.as_ref();
    let watching = async {
        let run = app::find_run(backend, &arguments.run).await?;
        ctx.signals.say_if_interrupted(interrupted_watch(&run, arguments.backend.state.as_deref()));
        watcher.run = run.to_string();
        let status = app::watch_run(backend, &run, &mut watcher).await?;
        // Of a run that has succeeded, only tasks of `[finally]` can have failed.
        let is_unwell = status == RunStatus::Succeeded && app::has_failed(backend, &run).await?;
        Ok::<_, Error>((status, is_unwell))
    };
    let watching = async { while_stdout_is_read(watching).await.transpose() };
    let Some((status, is_unwell)) = wait_for(&ctx.console, state.backend.as_ref(), watching)? else {
        return Ok(Exit::Success);
    };
    if let Some(merged_log) = &mut watcher.merged_log {
        print(merged_log.end().as_bytes())?;
    }
    Ok(match status {
        RunStatus::Succeeded if is_unwell => Exit::TaskFailed,
        RunStatus::Succeeded => Exit::Success,
        RunStatus::Failed | RunStatus::TimedOut => Exit::TaskFailed,
        RunStatus::Cancelled | RunStatus::Running => Exit::Interrupted,
    })
}

/// Prints the events of a followed run.
struct EventPrinter {
    /// The id of the run, once it is found.
    run: String,
    console: Console,
    /// The log for people; `None` for programs, which get the events unchanged.
    merged_log: Option<MergedLog>,
}

impl Watcher for EventPrinter {
    fn on_events(&mut self, events: &[Bytes]) -> Result<(), Error> {
        let Some(merged_log) = &mut self.merged_log else {
            let lines: Vec<u8> =
                events.iter().flat_map(|event| event.iter().copied().chain([b'\n'])).collect();
            return print_json(&lines).map(drop);
        };
        let text: String = events.iter().map(|event| merged_log.format(event)).collect();
        if text.is_empty() { Ok(()) } else { print(text.as_bytes()).map(drop) }
    }

    fn on_presence(&mut self, presence: HostPresence) {
        let run = &self.run;
        self.console.note(
            "hosts",
            &match presence {
                HostPresence::Absent => format!("no host is working on run {run}; waiting for one"),
                HostPresence::Present => format!("a host is working on run {run} again"),
            },
        );
    }
}
