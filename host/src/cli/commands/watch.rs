//! `watch`: follows a run of any host, as the log lines of `run` or as the events themselves.
//! `app` decides when the run has ended.

use crate::app;
use crate::app::{Backends, Company, Error, Watcher};
use crate::cli::args::WatchArguments;
use crate::cli::commands::output::{print, print_json};
use crate::cli::context::Host;
use crate::cli::log::Chronicle;
use crate::cli::process::{Exit, stdout_style, wait_for, while_read};
use crate::cli::voice::Voice;
use crate::manifest::BackendSection;
use crate::model::RunStatus;
use bytes::Bytes;

/// Follows a run until it has ended, and ends as it has; or until nobody reads what is told of it.
pub(crate) fn watch(host: &Host, arguments: &WatchArguments) -> Result<Exit, Error> {
    let state = Backends::default().state(&host.settings, &BackendSection::default(), &host.environment)?;
    let mut watcher = Printing {
        run: arguments.run.to_string(),
        voice: host.voice.clone(),
        chronicle: (!arguments.json).then(|| Chronicle::new(host.settings.log_level, stdout_style())),
    };
    let watching = app::watch_run(state.backend.as_ref(), &arguments.run, &mut watcher);
    let watching = async { while_read(watching).await.transpose() };
    let Some(status) = wait_for(&host.voice, state.backend.as_ref(), watching)? else {
        return Ok(Exit::Success);
    };
    if let Some(chronicle) = &mut watcher.chronicle {
        print(chronicle.end().as_bytes())?;
    }
    Ok(match status {
        RunStatus::Succeeded => Exit::Success,
        RunStatus::Failed => Exit::TaskFailed,
        RunStatus::Cancelled | RunStatus::Running => Exit::Interrupted,
    })
}

/// Prints the events of a followed run.
struct Printing {
    run: String,
    voice: Voice,
    /// For people; none for programs, which get the events as they are.
    chronicle: Option<Chronicle>,
}

impl Watcher for Printing {
    fn tell(&mut self, events: &[Bytes]) -> Result<(), Error> {
        let Some(chronicle) = &mut self.chronicle else {
            let lines: Vec<u8> =
                events.iter().flat_map(|event| event.iter().copied().chain([b'\n'])).collect();
            return print_json(&lines).map(drop);
        };
        let text: String = events.iter().map(|event| chronicle.tell(event)).collect();
        if text.is_empty() { Ok(()) } else { print(text.as_bytes()).map(drop) }
    }

    fn company(&mut self, company: Company) {
        let run = &self.run;
        self.voice.note(
            "hosts",
            &match company {
                Company::Nobody => format!("no host works on run {run}; waiting for one"),
                Company::Hosts => format!("run {run} is worked on again"),
            },
        );
    }
}
