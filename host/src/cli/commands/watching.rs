//! What `run --watch` keeps from one run to the next: the files as they were read, the cache, what builds have written.
//! `run_watch` repeats the runs, `run` makes one.

use crate::app::{
    Backends, Builds, BuiltFiles, Error, FilesChanged, Pause, Refusal, Snapshot, WatchList, WatchRequest,
    wait_for_change,
};
use crate::cache::Cache;
use crate::cli::args::RunArguments;
use crate::cli::context::Context;
use crate::cli::process::{open_streams, stdout_closed};
use crate::engine::Interrupt;
use crate::graph::Resolved;
use crate::manifest::BackendSection;
use std::fs;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;
use tokio::sync::watch;

/// What is kept from one run to the next.
pub(crate) struct Watching<'a> {
    ctx: &'a Context,
    arguments: &'a RunArguments,
    /// The factory of the cache, whose entries in this process outlast a run.
    backends: Backends,
    list: WatchList,
    /// The files as the current run has found them, or from before.
    base: Snapshot,
    built: BuiltFiles,
    must_build: bool,
    /// The change that has stopped the current run.
    change: Option<FilesChanged>,
    is_interrupted: bool,
    /// Whether nobody reads the results any more.
    is_unread: Arc<AtomicBool>,
}

impl<'a> Watching<'a> {
    /// Creates what is kept, before the first run.
    pub(crate) fn new(ctx: &'a Context, arguments: &'a RunArguments) -> Self {
        Self {
            ctx,
            arguments,
            backends: Backends::default(),
            list: WatchList::of_manifest(&arguments.scope.manifest),
            base: Snapshot::default(),
            built: BuiltFiles::default(),
            must_build: true,
            change: None,
            is_interrupted: false,
            is_unread: stdout_closed(),
        }
    }

    /// Begins a run: whatever is written from now on is a change.
    pub(crate) fn begin(&mut self) {
        self.base = self.list.snapshot();
        self.is_interrupted = false;
    }

    /// Lists the files of a manifest that was read. Fails if one of them can be read only once.
    pub(crate) fn read(&mut self, resolved: &Resolved) -> Result<(), Refusal> {
        let RunArguments { scope, params, events, output_dir, build, .. } = self.arguments;
        let written = [events, output_dir].into_iter().flatten().cloned().collect();
        let streams = open_streams();
        let params = &params.texts();
        let request = WatchRequest { manifest: &scope.manifest, params, builds: *build, written, streams };
        self.list = WatchList::new(resolved.graph.manifests(), &request);
        // Files that were known before may have been written since the manifest was read.
        self.base = self.list.snapshot().since(&self.base);
        self.list.inputs().find(|input| is_stream(input)).map_or(Ok(()), |input| Err(not_watched(input)))
    }

    /// Returns whether the build commands have to run.
    pub(crate) const fn must_build(&self) -> bool {
        self.must_build
    }

    /// Records that build commands have run. What they have written is no change; one that has failed has to run again.
    pub(crate) fn record_build(&mut self, built: &Result<Builds, Error>) {
        self.must_build = built.is_err();
        for path in self.built.accept(&mut self.base, &self.list.snapshot()) {
            let path = path.display();
            let message = format!("each build writes another content to `{path}`; its changes are ignored");
            self.ctx.console.warn("build-output", &message);
        }
    }

    /// Opens the cache.
    pub(crate) fn cache(&self, section: &BackendSection) -> Result<Option<Arc<dyn Cache>>, Error> {
        self.backends.cache_or_memory(&self.ctx.settings, section, &self.ctx.environment)
    }

    /// Runs `run`, which a change stops through `stop`, as a signal does.
    pub(crate) fn while_running<T>(&mut self, stop: &watch::Sender<Interrupt>, run: impl FnOnce() -> T) -> T {
        let (list, base) = (&self.list, &self.base);
        let (done, change) = std::thread::scope(|scope| {
            let (running, ended) = channel::<()>();
            let watcher = scope.spawn(move || {
                let change = wait_for_change(list, base, |pause| match ended.recv_timeout(pause) {
                    Err(RecvTimeoutError::Timeout) => Pause::Over,
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => Pause::Cancelled,
                })?;
                // A run that the user has stopped is not started again.
                let has_stopped = stop.send_if_modified(|interrupt| {
                    let is_first = *interrupt == Interrupt::None;
                    if is_first {
                        *interrupt = Interrupt::Supersede;
                    }
                    is_first
                });
                has_stopped.then_some(change)
            });
            let done = run();
            drop(running);
            (done, watcher.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        // A change stops only the run, also if the user stops the watch while the run is at its ending.
        self.is_interrupted = *stop.borrow() > Interrupt::Supersede;
        self.change = change.filter(|_| !self.is_interrupted);
        done
    }

    /// Returns whether a change has stopped the current run.
    pub(crate) const fn is_outdated(&self) -> bool {
        self.change.is_some()
    }

    /// Returns whether a signal has stopped the current run.
    pub(crate) const fn is_interrupted(&self) -> bool {
        self.is_interrupted
    }

    /// Returns the number of files.
    pub(crate) fn files(&self) -> usize {
        self.base.len()
    }

    /// Waits for the next change, unless one has stopped the run; none once nobody reads the results. A signal ends the
    /// process meanwhile.
    pub(crate) fn wait(&mut self) -> Option<FilesChanged> {
        let sleep = |pause: Duration| {
            std::thread::sleep(pause);
            if self.is_unread.load(Ordering::Relaxed) { Pause::Cancelled } else { Pause::Over }
        };
        let change = self.change.take().or_else(|| wait_for_change(&self.list, &self.base, sleep))?;
        self.must_build |= change.needs_build;
        Some(change)
    }
}

/// Returns whether a path leads to something that can be read only once, or is no file of its own.
pub(crate) fn is_stream(path: &Path) -> bool {
    let is_device = ["/dev", "/proc"].iter().any(|folder| path.starts_with(folder));
    is_device || fs::metadata(path).is_ok_and(|found| !found.is_file())
}

/// Returns the refusal of a path that cannot be watched.
pub(crate) fn not_watched(path: &Path) -> Refusal {
    let message = format!("`{}` cannot be watched: it is no file", path.display());
    Refusal::new(message).help("write its content to a file")
}

/// Names the files of a change, the first one by its path.
pub(crate) fn named(change: &FilesChanged) -> String {
    let shown = |path: &Path| path.strip_prefix(".").unwrap_or(path).display().to_string();
    let first = change.files.first().map(|path| shown(path)).unwrap_or_default();
    match change.files.len() {
        0 | 1 => first,
        2 => format!("{first} and 1 more file"),
        count => format!("{first} and {} more files", count - 1),
    }
}
