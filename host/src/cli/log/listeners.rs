//! Opens the sinks of a run's events: the log, the progress, the events file.
//! Each sink's format is in its own file.

use crate::app::{Error, Reads, ReadsRequest, Refusal, Session};
use crate::cli::args::RunArguments;
use crate::cli::context::Host;
use crate::cli::log::human::Human;
use crate::cli::log::json::JsonLog;
use crate::cli::log::progress::{Progress, Shown};
use crate::cli::log::screen::{Follower, Screen};
use crate::cli::process::{Stderr, stderr_reader, stderr_style};
use crate::cli::tame::Tame;
use crate::config::{LogFormat, Stream};
use crate::events::{JsonLines, Sink};
use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A stream that this process was started with, what it is called, and its names as a file.
type Inherited = (Stream, &'static str, [&'static str; 3]);

const STDOUT: Inherited = (Stream::Stdout, "stdout", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]);
const STDERR: Inherited = (Stream::Stderr, "stderr", ["/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"]);

/// The sinks of one run.
pub(crate) struct Listeners {
    sinks: Vec<Arc<dyn Sink>>,
    /// Why the file of events is not whole, once that is so.
    failure: Arc<OnceLock<io::Error>>,
    events: Option<PathBuf>,
}

impl Listeners {
    /// Opens the sinks that the arguments ask for.
    pub(crate) fn open(
        host: &Host,
        arguments: &RunArguments,
        session: &Session,
        name: &str,
    ) -> Result<Self, Error> {
        let run = &session.run;
        let mut sinks: Vec<Arc<dyn Sink>> = Vec::new();
        let failure = Arc::<OnceLock<io::Error>>::default();
        match arguments.events.as_deref() {
            // stdout carries results only, so `--events -` goes to stderr and replaces the log.
            Some(path) if path == Path::new("-") => {
                refuse_closed(STDERR)?;
                sinks.push(Arc::new(JsonLines::new(run, name, Tame::new(stderr_reader(), Stderr), drop)));
                return Ok(Self { sinks, failure, events: None });
            }
            Some(path) => {
                let file = events_file(path, &reads(host, arguments, session)?)?;
                let shown = path.display().to_string();
                let told = Arc::clone(&failure);
                let voice = host.voice.clone();
                let failed = move |error: io::Error| {
                    voice.warn("events", &format!("no more events are written to `{shown}`: {error}"));
                    drop(told.set(error));
                };
                sinks.push(Arc::new(JsonLines::new(run, name, file, failed)));
            }
            None => {}
        }
        let shown = shown(host.settings.log_format, arguments.progress);
        let screen = Arc::new(Screen::new(shown, host.voice.clone(), Stderr));
        if shown != Shown::None {
            sinks.push(Arc::new(Follower(Arc::clone(&screen))));
        }
        let level = host.settings.log_level;
        sinks.push(match host.settings.log_format {
            LogFormat::Human => Arc::new(Human::new(level, stderr_style(), screen)),
            LogFormat::Json => Arc::new(JsonLog::new(run.clone(), name, level, screen)),
        });
        let events = arguments.events.clone();
        Ok(Self { sinks, failure, events })
    }

    /// Returns handles to all sinks.
    pub(crate) fn sinks(&self) -> Vec<Arc<dyn Sink>> {
        self.sinks.clone()
    }

    /// Waits for the last line of each; everybody else has let go of them by now. Fails where events are missing in their
    /// file: that is known only now.
    pub(crate) fn close(self) -> Result<(), Error> {
        drop(self.sinks);
        let failure = Arc::into_inner(self.failure).and_then(OnceLock::into_inner);
        match (self.events, failure) {
            (Some(path), Some(source)) => Err(Error::Unwritten { path, source }),
            (_, None) | (None, _) => Ok(()),
        }
    }
}

/// Chooses the progress display. A JSON log gets none, since progress lines would break the JSON.
fn shown(format: LogFormat, progress: Progress) -> Shown {
    match format {
        LogFormat::Human => progress.shown(stderr_reader()),
        LogFormat::Json => Shown::None,
    }
}

fn reads(host: &Host, arguments: &RunArguments, session: &Session) -> Result<Reads, Error> {
    Reads::new(&ReadsRequest {
        settings: &host.settings,
        environment: &host.environment,
        manifest: &arguments.scope.manifest,
        params: &arguments.params.texts(),
        session,
    })
}

/// Events for a stream that is closed would go nowhere.
fn refuse_closed((stream, name, _): Inherited) -> Result<(), Refusal> {
    if stream.is_closed() {
        let message = format!("cannot write the events to {name}: it is closed");
        return Err(Refusal::new(message).help("leave it open, or give a file"));
    }
    Ok(())
}

fn events_file(path: &Path, reads: &Reads) -> Result<File, Refusal> {
    for inherited in [STDOUT, STDERR] {
        if is_named(path, inherited) {
            refuse_closed(inherited)?;
        }
    }
    if let Some(read) = reads.find(path) {
        let message = format!("`--events {}` would replace {read}, which this run reads", path.display());
        return Err(Refusal::new(message).help("give a file of its own; it is replaced by each run"));
    }
    let refused = |error| {
        Refusal::new(format!("cannot write the events to `{}`", path.display()))
            .help("give a file in a folder that exists, or `-` for stderr")
            .caused_by(error)
    };
    // Truncate only after locking the file, so that a mistyped path does not destroy another host's events.
    let file = File::options().write(true).create(true).truncate(false).open(path).map_err(refused)?;
    if is_stdout(path, &file) {
        return Err(Refusal::new("`--events` would write between the results on stdout").help(
            "give a file that stdout does not go to, or `-` to have the events on stderr in place of the log",
        ));
    }
    if file.metadata().is_ok_and(|found| found.is_file()) {
        take(&file, path)?;
        file.set_len(0).map_err(refused)?;
    }
    Ok(file)
}

/// Returns whether the file is stdout, by name or by identity.
fn is_stdout(path: &Path, file: &File) -> bool {
    let results =
        io::stdout().as_fd().try_clone_to_owned().and_then(|results| File::from(results).metadata());
    let is_same = match (file.metadata(), results) {
        (Ok(file), Ok(results)) => {
            file.is_file() && (file.dev(), file.ino()) == (results.dev(), results.ino())
        }
        (Err(_), _) | (_, Err(_)) => false,
    };
    is_same || is_named(path, STDOUT)
}

fn is_named(path: &Path, (.., names): Inherited) -> bool {
    names.iter().any(|name| path == Path::new(name))
}

/// Locks the file for this process while it is open: lines of two hosts would interleave.
fn take(file: &File, path: &Path) -> Result<(), Refusal> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let message = format!("another host is writing its events to `{}`", path.display());
            Err(Refusal::new(message).help("give each host an `--events` file of its own"))
        }
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()), // some network file systems have no locks
    }
}
