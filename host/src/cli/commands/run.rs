//! `run`: runs a manifest, or resumes a run of it, and prints its outputs.
//! Owns the log and the progress of the run; `app` runs it.

use crate::app;
use crate::app::{
    Backends, Builds, Checked, Delivery, Error, Hook, Report, RunRequest, Session, SessionRequest,
    StateBackend, runtime_for_guests,
};
use crate::cli::args::RunArguments;
use crate::cli::commands::build::build_all;
use crate::cli::commands::if_running::{if_running, left};
use crate::cli::commands::output;
use crate::cli::commands::output_dir::OutputTarget;
use crate::cli::commands::watching::Watching;
use crate::cli::console::report as report_error;
use crate::cli::context::Context;
use crate::cli::log::{Listeners, Progress, input_files};
use crate::cli::print::outputs;
use crate::cli::process::{
    Exit, interrupted_after_run, interrupted_before_run, outputs_not_printed, resume_hint, stdout_reader,
    watching_ended,
};
use crate::config;
use crate::config::host_id;
use crate::engine::{Ended, Interrupt, Verification, WhenInterrupted};
use crate::events::{Fact, Recorder};
use crate::graph::Resolved;
use crate::model::{Clock as _, FailurePolicy, Random, RunId, RunStatus, SystemClock};
use crate::sandbox::Sandbox;
use crate::state::{HostId, Mode};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::timeout;

/// Worker threads besides those that run guests: one for the engine's run loop.
const SPARE_THREADS: usize = 1;

/// How long to wait at exit for threads that are blocked in guests' system calls.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(100);

/// How long a receiver may take to accept the notification before the log says that the command waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// Open files per guest below which a warning is emitted: few programs need less.
const MIN_FILES: usize = 16;

/// Runs a manifest.
pub(crate) fn run(ctx: &Context, arguments: &RunArguments) -> Result<Exit, Error> {
    run_once(ctx, arguments, None)
}

/// Runs a manifest, as one of several runs if it is watched.
pub(crate) fn run_once(
    ctx: &Context,
    arguments: &RunArguments,
    mut watching: Option<&mut Watching<'_>>,
) -> Result<Exit, Error> {
    let backends = Backends::default();
    let (sandbox, checked) = check((ctx, arguments), &backends, watching.as_deref_mut())?;
    let mut random = Random::from_system();
    let session = session((ctx, arguments), checked, &mut random)?;
    // Runs while somebody edits are nobody else's business.
    let session = if watching.is_some() { session } else { session.notifying(&ctx.environment)? };
    let target = output_target(ctx, arguments, (&session, random.next_u64()))?;
    let state = backends.state(&ctx.settings, &session.manifests.root().state, &ctx.environment)?;
    session.check_limits(&state.uri)?;
    let section = &session.manifests.root().cache;
    let cache = match &watching {
        Some(watching) => watching.cache(section)?,
        None => backends.cache(&ctx.settings, section, &ctx.environment)?,
    };

    if let Some(how) = arguments.if_running {
        let own =
            Backends::default().state(&ctx.settings, &session.manifests.root().state, &ctx.environment)?;
        if let Some(exit) = if_running(ctx, how, (own.backend.as_ref(), &session.run))? {
            return Ok(exit);
        }
    }

    // Code that counts fuel may still have to be compiled. Do it before opening the run, so that no lease is held.
    session.prepare(&sandbox)?;
    let threads = usize::try_from(ctx.settings.jobs).unwrap_or(1).saturating_add(SPARE_THREADS);
    let runtime = runtime_for_guests(threads)?;
    let name = host_id(random.next_u64());
    ctx.console.set_names(&session.run, &name);
    let listeners = Listeners::open(ctx, arguments, (&session, state.backend.as_ref()), &name)?;
    let recorder = Recorder::new(Arc::new(SystemClock), listeners.sinks()).hiding(session.secrets());
    record_warnings(ctx, &sandbox, &recorder);
    let (stop, interrupt) = watch::channel(Interrupt::None);
    let request = RunRequest {
        backend: Arc::clone(&state.backend),
        cache,
        mode: mode(arguments),
        rerun: arguments.scope.rerun.clone(),
        policy: policy(arguments),
        slots: ctx.settings.jobs,
        host: HostId(name.into()),
        recorder,
        interrupt,
        lease: state.uri.lease(),
        seed: random.next_u64(),
        verification: if arguments.verify { Verification::Twice } else { Verification::None },
        others: arguments.if_running.into(),
        when_interrupted: match &watching {
            Some(_) => WhenInterrupted::Cancelled,
            None => WhenInterrupted::Kept,
        },
    };
    // Built now, since `app::run` takes the request and a signal may come at any moment.
    let after = match &watching {
        Some(_) => watching_ended(&arguments.scope.manifest),
        None => {
            interrupted_after_run(&session.run, state.backend.as_ref(), arguments.backend.state.as_deref())
        }
    };
    let run = app::run(&session, Arc::new(sandbox), request);
    let running = || ctx.signals.while_running(stop.clone(), after, || runtime.block_on(run));
    let report = match &mut watching {
        Some(watching) => watching.while_running(&stop, running),
        None => running(),
    };
    let ending = Ending { runtime, listeners };
    if let (Err(Error::Occupied { .. }), Some(how)) = (&report, arguments.if_running) {
        drop(ending.close());
        return left(ctx, how, (&session.run, &[]));
    }
    if watching.as_ref().is_some_and(|watching| watching.is_outdated()) {
        drop(ending.close());
        return Ok(Exit::Interrupted);
    }
    let is_watched = watching.is_some();
    let finished =
        Finished { ctx, arguments, session: &session, state: &state, target: target.as_ref(), is_watched };
    let exit = conclude(report, ending, (&finished, stop));
    // The process ends: unmapping code and freeing a plan piece by piece would only keep its caller waiting.
    if !is_watched {
        std::mem::forget(session);
    }
    exit
}

/// Fits the params to the checked manifest, and checks which outputs are to be printed.
fn session(
    (ctx, arguments): (&Context, &RunArguments),
    checked: Checked,
    random: &mut Random,
) -> Result<Session, Error> {
    let run = match &arguments.run_id {
        Some(run) => run.clone(),
        None => RunId::generate(SystemClock.now(), random),
    };
    let request = SessionRequest {
        params: &arguments.params.texts(),
        targets: &arguments.scope.targets,
        run,
        environment: &ctx.environment,
        memory: ctx.settings.memory,
    };
    let session = Session::new(checked, &request)?;
    let choice = arguments.output.as_deref();
    let shown = session.outputs();
    let shown: Vec<_> = shown.iter().map(|(name, ty)| (name.as_str(), ty)).collect();
    outputs::check(&shown, choice, arguments.format.format).map_err(output::error)?;
    Ok(session)
}

/// Records what is short before the run begins, and sets the quota of open files for each guest.
fn record_warnings(ctx: &Context, sandbox: &Sandbox, recorder: &Recorder) {
    for message in sandbox.take_warnings() {
        recorder.run(Fact::Warning { code: "code-cache".into(), message });
    }
    let files = sandbox.share_files(config::spare_files());
    if files < MIN_FILES {
        let message = few_files_message(files, ctx.settings.jobs);
        recorder.run(Fact::Warning { code: "open-files".into(), message });
    }
}

/// Reads the manifest, builds its components if asked to, and checks all that can be checked before a run is opened.
fn check(
    (ctx, arguments): (&Context, &RunArguments),
    backends: &Backends,
    watching: Option<&mut Watching<'_>>,
) -> Result<(Sandbox, Checked), Error> {
    let mut resolved = app::read(&arguments.scope.manifest)?;
    backends.check(&mut resolved, &ctx.settings, &ctx.environment);
    let builds = match watching {
        None => {
            Hook::check(&mut resolved, &ctx.environment);
            build(ctx, arguments, &resolved)?
        }
        Some(watching) => {
            watching.read(&resolved)?;
            if watching.must_build() {
                let builds = build(ctx, arguments, &resolved);
                watching.record_build(&builds);
                builds?
            } else {
                Builds::NotRun
            }
        }
    };
    // Everything that can be checked is checked before the run is opened at its backend.
    config::raise_open_files();
    let sandbox = app::open_sandbox(&ctx.settings, Some(app::own_compiler()?))?;
    let is_silent =
        arguments.progress == Progress::None || arguments.events.as_deref() == Some(Path::new("-"));
    let sandbox = if is_silent { sandbox } else { ctx.reporting(sandbox) };
    let checked = app::check(resolved, (&sandbox, &ctx.fetcher(&sandbox)), &ctx.environment, builds);
    // A run that fails its checks opens no log.
    let checked = checked.inspect_err(|_| ctx.print_warnings(&sandbox))?;
    Ok((sandbox, checked))
}

/// Runs the build commands, if that was asked for.
fn build(ctx: &Context, arguments: &RunArguments, resolved: &Resolved) -> Result<Builds, Error> {
    if !arguments.build {
        return Ok(Builds::NotRun);
    }
    build_all(ctx, resolved)?;
    Ok(Builds::Run)
}

/// Checks `--output-dir`, if there is one.
fn output_target(
    ctx: &Context,
    arguments: &RunArguments,
    (session, seed): (&Session, u64),
) -> Result<Option<OutputTarget>, Error> {
    let Some(dir) = &arguments.output_dir else { return Ok(None) };
    let inputs = input_files(ctx, arguments, session)?;
    let events = arguments.events.as_deref().filter(|events| *events != Path::new("-"));
    OutputTarget::new((dir, seed), (session, arguments.output.as_deref()), (inputs, events)).map(Some)
}

fn few_files_message(files: usize, jobs: u32) -> String {
    format!(
        "the limit of open files gives each of {jobs} concurrent tasks only {files} files; raise the hard limit of \
         `ulimit -n`, or use a smaller `-j`"
    )
}

fn mode(arguments: &RunArguments) -> Mode {
    match (arguments.fresh, arguments.update) {
        (true, _) => Mode::Fresh,
        (false, true) => Mode::Update,
        (false, false) => Mode::Resume,
    }
}

fn policy(arguments: &RunArguments) -> FailurePolicy {
    match (arguments.keep_going, arguments.fail_fast) {
        (true, _) => FailurePolicy::KeepGoing,
        (false, true) => FailurePolicy::FailFast,
        (false, false) => FailurePolicy::Finish,
    }
}

/// The parts that are closed once a run has ended.
struct Ending {
    runtime: Runtime,
    listeners: Listeners,
}

impl Ending {
    /// Waits for the last lines of the log and of the events file. Fails if that file is incomplete.
    fn close(self) -> Result<(), Error> {
        // A guest may hang in an uninterruptible system call, such as a read from a network file system; do not wait.
        self.runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
        self.listeners.close()
    }
}

/// Prints what remains of a run, and closes its log and its events file.
fn conclude(
    mut report: Result<Report, Error>,
    ending: Ending,
    (finished, stop): (&Finished<'_>, watch::Sender<Interrupt>),
) -> Result<Exit, Error> {
    let Finished { ctx, session, .. } = finished;
    let (exit, written) = match report.as_mut().ok().and_then(|report| report.delivery.take()) {
        None => {
            let written = ending.close();
            (report.and_then(|report| finish(report, finished)), written)
        }
        // The outputs do not wait for a receiver.
        Some(delivery) => {
            ending.listeners.flush();
            let exit = report.and_then(|report| finish(report, finished));
            let deliver = || ending.runtime.block_on(deliver(ctx, delivery));
            let after = format!("interrupted: run {} has ended\n", session.run);
            ctx.signals.while_notifying(stop, after, deliver);
            (exit, ending.close())
        }
    };
    match (exit, written) {
        // The events file is incomplete, so the run must not look successful.
        (Ok(Exit::Success), Err(error)) => Err(error),
        (exit, _) => exit,
    }
}

/// Sends the notification of the end, and says so if that takes long.
async fn deliver(ctx: &Context, delivery: Delivery) {
    let waiting = delivery.waiting();
    let mut delivering = pin!(delivery.deliver());
    if timeout(PATIENCE, &mut delivering).await.is_err() {
        ctx.console.note("notifying", &waiting);
        delivering.await;
    }
}

/// A run that has ended, with its arguments, session and backend.
struct Finished<'a> {
    ctx: &'a Context,
    arguments: &'a RunArguments,
    session: &'a Session,
    state: &'a StateBackend,
    target: Option<&'a OutputTarget>,
    /// Whether the run is repeated as soon as something changes. Then nobody resumes it.
    is_watched: bool,
}

/// Prints the outputs, if any, and how to resume if the run did not succeed.
fn finish(report: Report, finished: &Finished<'_>) -> Result<Exit, Error> {
    let Finished { ctx, arguments, session, state, target, is_watched } = finished;
    if !report.has_started {
        ctx.console.note("interrupted", &interrupted_before_run(&arguments.scope.manifest));
        return Ok(Exit::Interrupted);
    }
    let has_succeeded = report.ended == Ended::Run(RunStatus::Succeeded);
    let exit = exit_code(&report);
    let typed = arguments.backend.state.as_deref();
    let unprinted = |error: &Error| {
        let exit = report_error(error, &ctx.console);
        let message = outputs_not_printed(&session.run, state.backend.as_ref(), typed);
        ctx.console.note("unprinted", &message);
        exit
    };
    // Outputs that cannot be files are printed all the same.
    let written = target.filter(|_| has_succeeded).map(|target| target.write(&report.outputs));
    // A failed run prints its remaining outputs only with `--keep-going`.
    let has_outputs = has_succeeded || (exit == Exit::TaskFailed && arguments.keep_going);
    if has_outputs {
        let chosen = outputs::choose(report.outputs, arguments.output.as_deref()).map_err(output::error)?;
        let rendered = outputs::render(&chosen, arguments.format.format, stdout_reader().into());
        let rendered = rendered.map_err(output::error)?;
        rendered.left_out.iter().for_each(|line| ctx.console.note("output-left-out", line));
        if let Err(error) = output::print_as(arguments.format.format, &rendered.bytes) {
            return Ok(unprinted(&error));
        }
    }
    match written {
        Some(Ok(done)) => ctx.console.note("output-files", &done),
        Some(Err(error)) => return Ok(report_error(&error, &ctx.console)),
        None => {}
    }
    if !has_succeeded && !is_watched {
        let hint = resume_hint(
            report.ended,
            arguments,
            (&session.run, session.shape.deadline),
            state.backend.as_ref(),
        );
        ctx.console.note("unfinished", &hint);
    }
    Ok(exit)
}

/// Returns the exit code of a run. A task of `[finally]` that has not ended well makes that of a success a failure.
fn exit_code(report: &Report) -> Exit {
    match report.ended {
        Ended::Run(RunStatus::Succeeded) if report.unwell.is_empty() => Exit::Success,
        Ended::Run(RunStatus::Succeeded | RunStatus::Failed | RunStatus::TimedOut) => Exit::TaskFailed,
        Ended::Run(RunStatus::Cancelled | RunStatus::Running) | Ended::Interrupted => Exit::Interrupted,
    }
}
