//! Opens the sinks of a run's events: the log, the progress, the events file.
//! Each sink's format is in its own file.

use crate::app::{Error, InputFiles, InputFilesRequest, Refusal, Session};
use crate::cli::args::RunArguments;
use crate::cli::context::Context;
use crate::cli::escaped_json::EscapedJson;
use crate::cli::log::human::Human;
use crate::cli::log::json::JsonLog;
use crate::cli::log::progress::{Progress, Shown};
use crate::cli::log::screen::{Follower, Screen};
use crate::cli::process::{Stderr, stderr_reader, stderr_style};
use crate::config::{LogFormat, Stream};
use crate::events::{JsonLines, Sink};
use crate::state::Backend;
use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A standard stream: its name, and its paths.
type StandardStream = (Stream, &'static str, [&'static str; 3]);

const STDOUT: StandardStream = (Stream::Stdout, "stdout", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]);
const STDERR: StandardStream = (Stream::Stderr, "stderr", ["/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"]);

/// The sinks of one run.
pub(crate) struct Listeners {
    sinks: Vec<Arc<dyn Sink>>,
    /// The log; none if events take its place.
    screen: Option<Arc<Screen>>,
    /// The error after which no more events were written, if any.
    failure: Arc<OnceLock<io::Error>>,
    events: Option<PathBuf>,
}

impl Listeners {
    /// Opens the sinks that the arguments ask for.
    pub(crate) fn open(
        ctx: &Context,
        arguments: &RunArguments,
        (session, backend): (&Session, &dyn Backend),
        name: &str,
    ) -> Result<Self, Error> {
        let is_stored = backend.outlives_process();
        let run = &session.run;
        let mut sinks: Vec<Arc<dyn Sink>> = Vec::new();
        let failure = Arc::<OnceLock<io::Error>>::default();
        match arguments.events.as_deref() {
            // stdout carries results only, so `--events -` goes to stderr and replaces the log.
            Some(path) if path == Path::new("-") => {
                refuse_closed(STDERR)?;
                sinks.push(Arc::new(JsonLines::new(
                    run,
                    name,
                    EscapedJson::new(stderr_reader(), Stderr),
                    drop,
                )));
                return Ok(Self { sinks, screen: None, failure, events: None });
            }
            Some(path) => {
                let file = events_file(path, &input_files(ctx, arguments, session)?)?;
                let shown = path.display().to_string();
                let write_error = Arc::clone(&failure);
                let console = ctx.console.clone();
                let failed = move |error: io::Error| {
                    console.warn("events", &format!("writing events to `{shown}` stopped: {error}"));
                    drop(write_error.set(error));
                };
                sinks.push(Arc::new(JsonLines::new(run, name, file, failed)));
            }
            None => {}
        }
        let progress = progress_display(ctx.settings.log_format, arguments.progress);
        let screen = Arc::new(Screen::new(progress, ctx.console.clone(), Stderr));
        if progress != Shown::None {
            sinks.push(Arc::new(Follower(Arc::clone(&screen))));
        }
        let level = ctx.settings.log_level;
        sinks.push(match ctx.settings.log_format {
            LogFormat::Human => {
                let stored = is_stored.then(|| run.to_string());
                Arc::new(Human::new(level, stderr_style(), Arc::clone(&screen), stored))
            }
            LogFormat::Json => Arc::new(JsonLog::new(run.clone(), name, level, Arc::clone(&screen))),
        });
        let events = arguments.events.clone();
        Ok(Self { sinks, screen: Some(screen), failure, events })
    }

    /// Returns handles to all sinks.
    pub(crate) fn sinks(&self) -> Vec<Arc<dyn Sink>> {
        self.sinks.clone()
    }

    /// Waits until the log has written all that was recorded before.
    pub(crate) fn flush(&self) {
        self.screen.iter().for_each(|screen| screen.flush());
    }

    /// Waits until each sink has written its last line. All other handles must be dropped. Fails if the events file is
    /// incomplete.
    pub(crate) fn close(self) -> Result<(), Error> {
        drop((self.sinks, self.screen));
        let failure = Arc::into_inner(self.failure).and_then(OnceLock::into_inner);
        match (self.events, failure) {
            (Some(path), Some(source)) => Err(Error::Unwritten { path, source }),
            (_, None) | (None, _) => Ok(()),
        }
    }
}

/// Chooses the progress display. A JSON log gets none, since progress lines would break the JSON.
fn progress_display(format: LogFormat, progress: Progress) -> Shown {
    match format {
        LogFormat::Human => progress.shown(stderr_reader()),
        LogFormat::Json => Shown::None,
    }
}

/// Returns the files that a run reads.
pub(crate) fn input_files(
    ctx: &Context,
    arguments: &RunArguments,
    session: &Session,
) -> Result<InputFiles, Error> {
    InputFiles::new(&InputFilesRequest {
        settings: &ctx.settings,
        environment: &ctx.environment,
        manifest: &arguments.scope.manifest,
        params: &arguments.params.texts(),
        session,
    })
}

/// Refuses a closed stream, since its events would be lost.
fn refuse_closed((stream, name, _): StandardStream) -> Result<(), Refusal> {
    if stream.is_closed() {
        let message = format!("cannot write the events to {name}: it is closed");
        return Err(Refusal::new(message).help("leave it open, or name a file"));
    }
    Ok(())
}

fn events_file(path: &Path, inputs: &InputFiles) -> Result<File, Refusal> {
    for stream in [STDOUT, STDERR] {
        if is_named(path, stream) {
            refuse_closed(stream)?;
        }
    }
    if let Some(read) = inputs.find(path) {
        let message = format!("`--events {}` would replace {read}, which this run reads", path.display());
        return Err(Refusal::new(message).help("name another file; each run replaces it"));
    }
    let refused = |error| {
        Refusal::new(format!("cannot write the events to `{}`", path.display()))
            .help("name a file in an existing folder, or `-` for stderr")
            .caused_by(error)
    };
    // Truncate only after locking the file, so that a mistyped path does not destroy another host's events.
    let file = File::options().write(true).create(true).truncate(false).open(path).map_err(refused)?;
    if is_stdout(path, &file) {
        return Err(Refusal::new("`--events` would mix events with the results on stdout").help(
            "name a file that is not stdout, or `-` to write the events to stderr instead of the log",
        ));
    }
    if file.metadata().is_ok_and(|found| found.is_file()) {
        lock(&file, path)?;
        file.set_len(0).map_err(refused)?;
    }
    Ok(file)
}

/// Returns whether the file is stdout, by name or by identity.
fn is_stdout(path: &Path, file: &File) -> bool {
    let stdout = io::stdout().as_fd().try_clone_to_owned().and_then(|stdout| File::from(stdout).metadata());
    let is_same = match (file.metadata(), stdout) {
        (Ok(file), Ok(stdout)) => file.is_file() && (file.dev(), file.ino()) == (stdout.dev(), stdout.ino()),
        (Err(_), _) | (_, Err(_)) => false,
    };
    is_same || is_named(path, STDOUT)
}

fn is_named(path: &Path, (.., names): StandardStream) -> bool {
    names.iter().any(|name| path == Path::new(name))
}

/// Locks the file for this process while it is open: lines of two hosts would interleave.
fn lock(file: &File, path: &Path) -> Result<(), Refusal> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let message = format!("another host is writing its events to `{}`", path.display());
            Err(Refusal::new(message).help("use a different `--events` file for each host"))
        }
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()), // some network file systems have no locks
    }
}
