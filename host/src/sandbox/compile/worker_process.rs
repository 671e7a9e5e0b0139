//! Host side of a worker process: starts it with an empty environment, watches it, and kills it at its bounds.
//! `worker` is the process itself.

use crate::model::{Shortage, Size};
use crate::sandbox::compile::bounds::{Bounds, Exceeded, MAX_CODE_SIZE};
use crate::sandbox::compile::features::Proposal;
use crate::sandbox::compile::misfit::Misfit;
use crate::sandbox::compile::patience::Patience;
use crate::sandbox::compile::pool::CompilePool;
use crate::sandbox::compile::worker::{
    CompileRequest, FAILED, Job, NO_MEMORY, OTHER_KIND, PROPOSAL, REFUSED, UNADAPTED, UNWRITTEN,
};
use crate::sandbox::engine::Threads;
use crate::sandbox::error::{LoadError, compile_error, write_error};
use crate::sandbox::kind::CodeKind;
use rustix::io::Errno;
use rustix::process::{Resource, Signal, getrlimit};
use std::fs::File;
use std::io;
use std::io::{Read, Seek as _, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread::Builder;
use std::time::Duration;
use tokio::time::Instant;

/// Maximum number of bytes read from a worker's stderr.
const MAX_STDERR: u64 = 64 << 10;

/// Memory that compiling an empty component takes on most machines.
const MIN_COMPILE_MEMORY: Size = Size::bytes(16 << 20);

/// Work for a worker process.
struct Work {
    job: Job,
    threads: Threads,
    /// Maximum time by the clock.
    time: Duration,
}

/// Ways in which a worker process ends.
enum WorkerEnd {
    /// By itself or by a signal of the system, with the text of its stderr.
    Own(ExitStatus, String),
    /// By timeout.
    TimedOut,
}

/// Compiles a component in a worker process, which writes the code to `output`. Returns the kind of the code, which has
/// the features that the component needs.
///
/// Threads that compile at the same time need memory at the same time. So that their number decides nothing, a component
/// for which many threads had too little memory is compiled again by one.
pub(crate) fn compile(
    pool: &CompilePool,
    kind: CodeKind,
    (bytes, output): (&[u8], &File),
    patience: &Patience<'_>,
) -> Result<CodeKind, LoadError> {
    let attempt = |threads, time| {
        let work = Work { job: Job::Compile(kind), threads, time };
        run(pool, work, (bytes, output), patience, compile_error)
    };
    let other = with_fewer_threads(pool, attempt, || rewind(output))?;
    Ok(other.unwrap_or(kind))
}

/// Calls `attempt` with many threads, and if they had too little memory once more with one, in the time that is left.
fn with_fewer_threads<T>(
    pool: &CompilePool,
    attempt: impl Fn(Threads, Duration) -> Result<T, LoadError>,
    reset: impl FnOnce() -> io::Result<()>,
) -> Result<T, LoadError> {
    let (start, time) = (Instant::now(), pool.bounds.time);
    let error = match attempt(Threads::Many, time) {
        Err(error) if pool.cores > 1 && is_memory(&error) => error,
        ended => return ended,
    };
    let Some(left) = time.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) else {
        return Err(error);
    };
    reset().map_err(write_error)?;
    match attempt(Threads::One, left) {
        // More memory would have helped, and is less than much more time.
        Err(LoadError::Beyond(Exceeded::Time(_))) => Err(error),
        ended => ended,
    }
}

fn is_memory(error: &LoadError) -> bool {
    match error {
        LoadError::Beyond(Exceeded::Memory(_)) => true,
        LoadError::Compiler(cause) => Shortage::from_error(cause.as_ref()) == Some(Shortage::Memory),
        _ => false, // fewer threads change nothing else
    }
}

/// Removes what a worker has written.
fn rewind(mut output: &File) -> io::Result<()> {
    output.set_len(0)?;
    output.rewind()
}

/// Does another job than compiling in a worker process, which writes the outcome to `output`. `refused` builds the error
/// from its text if it refuses the input.
pub(crate) fn make(
    pool: &CompilePool,
    job: Job,
    (input, output): (&[u8], &File),
    refused: impl FnOnce(String) -> LoadError,
) -> Result<(), LoadError> {
    let patience = Patience::new(&|_, _| ());
    let work = Work { job, threads: Threads::One, time: pool.bounds.time };
    run(pool, work, (input, output), &patience, refused).map(drop)
}

/// Builds the error of components that do not fit together from the text of a worker.
pub(crate) fn misfit(text: String) -> LoadError {
    match serde_json::from_str(&text) {
        Ok(misfit) => LoadError::Misfit(misfit),
        Err(_) => LoadError::Misfit(Misfit::Other(text)),
    }
}

/// Runs a worker process. `refused` builds the error from its text if it refuses the input. Returns the kind of the code
/// if it is not the one of the job.
///
/// Blocks until the worker ends, at most for `compile-timeout`.
fn run(
    pool: &CompilePool,
    Work { job, threads, time }: Work,
    (bytes, output): (&[u8], &File),
    patience: &Patience<'_>,
    refused: impl FnOnce(String) -> LoadError,
) -> Result<Option<CodeKind>, LoadError> {
    let memory = pool.bounds.memory;
    // `time` is wall-clock time. The processor time that fits into it is at most that of all cores.
    let request = CompileRequest { job, threads, memory, time: time.saturating_mul(pool.cores.max(1)) };
    let stdout = output.try_clone().map_err(write_error)?;
    let child = Command::new(&pool.program)
        .args(request.arguments())
        .env_clear()
        .current_dir("/")
        // Terminal signals go to the host alone, which decides what to stop.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| LoadError::Compiler(error.into()))?;
    let end = watch(child, bytes, (time, patience)).map_err(|error| LoadError::Compiler(error.into()))?;
    check_end(end, &pool.bounds, refused)
}

/// Sends the component and waits until the worker ends or `time` has passed.
fn watch(
    mut child: Child,
    bytes: &[u8],
    (time, patience): (Duration, &Patience<'_>),
) -> io::Result<WorkerEnd> {
    let (Some(mut stdin), Some(stderr)) = (child.stdin.take(), child.stderr.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    std::thread::scope(|scope| {
        let (text_sender, text_receiver) = mpsc::channel();
        let sender = Builder::new().spawn_scoped(scope, move || {
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            // A worker that ends early does not read all input; its exit code says why.
            drop(stdin.write_all(&length.to_le_bytes()).and_then(|()| stdin.write_all(bytes)));
            stdin // kept open until the worker ends, which exits when stdin closes
        });
        let reader = Builder::new().spawn_scoped(scope, move || {
            let mut text = Vec::new();
            drop(stderr.take(MAX_STDERR).read_to_end(&mut text));
            drop(text_sender.send(text));
        });
        // Without both threads the worker cannot be fed or watched.
        let (Ok(sender), Ok(_)) = (sender, reader) else {
            child.kill()?;
            child.wait()?;
            return Err(Errno::AGAIN.into());
        };
        // Stderr closes when the process ends. A worker that is late, or writes too much to stderr, is killed.
        let text = patience.wait(&text_receiver, time);
        let is_whole = text.as_ref().is_ok_and(|text| text.len().try_into() != Ok(MAX_STDERR));
        if !is_whole {
            child.kill()?;
        }
        let status = child.wait()?;
        drop(sender.join());
        Ok(match text {
            Err(RecvTimeoutError::Timeout) => WorkerEnd::TimedOut,
            Ok(text) => WorkerEnd::Own(status, String::from_utf8_lossy(&text).into_owned()),
            Err(RecvTimeoutError::Disconnected) => WorkerEnd::Own(status, String::new()),
        })
    })
}

fn check_end(
    end: WorkerEnd,
    bounds: &Bounds,
    refused: impl FnOnce(String) -> LoadError,
) -> Result<Option<CodeKind>, LoadError> {
    let (status, text) = match end {
        WorkerEnd::TimedOut => return Err(Exceeded::Time(bounds.time).into()),
        WorkerEnd::Own(status, text) => (status, text),
    };
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    match (code, status.signal().and_then(Signal::from_named_raw)) {
        (Some(0), _) => Ok(None),
        (Some(OTHER_KIND), _) => match CodeKind::from_words(text.trim()) {
            Some(kind) => Ok(Some(kind)),
            None => Err(LoadError::Compiler(crash_message(status, &text).into())),
        },
        (Some(PROPOSAL), _) => Err(match Proposal::from_name(text.trim()) {
            Some(proposal) => LoadError::Proposal(proposal),
            None => refused(text),
        }),
        (Some(REFUSED), _) => Err(refused(text.trim_end().to_owned())),
        (Some(UNADAPTED), _) => Err(LoadError::Adapt(text.trim_end().into())),
        (Some(NO_MEMORY), _) => Err(no_memory(bounds)),
        (Some(UNWRITTEN), _) => Err(write_error(told_error(text))),
        // With so little memory, it is a matter of chance what fails first: a thread, a library, or a mapped file.
        (Some(_), _) if bounds.memory < MIN_COMPILE_MEMORY => Err(no_memory(bounds)),
        (Some(FAILED), _) => Err(LoadError::Compiler(told_error(text).into())),
        (_, Some(Signal::XCPU)) => Err(Exceeded::Time(bounds.time).into()),
        (_, Some(Signal::XFSZ)) => Err(too_large()),
        // The standard library aborts on a failed allocation; only the text distinguishes it from other aborts.
        (_, Some(Signal::ABORT)) if text.contains("memory allocation of ") => Err(no_memory(bounds)),
        // Any other signal, or a panic, is a fault of the compiler.
        _ => Err(LoadError::Compiler(crash_message(status, &text).into())),
    }
}

/// Returns the system's error that a worker tells of.
fn told_error(text: String) -> io::Error {
    match text.trim().parse() {
        Ok(number) => io::Error::from_raw_os_error(number),
        Err(_) => io::Error::other(text),
    }
}

/// Returns the error for a lack of memory: our bound, or the machine's if the system sets a lower one.
fn no_memory(bounds: &Bounds) -> LoadError {
    let allowed =
        [getrlimit(Resource::As).current, getrlimit(Resource::Data).maximum].into_iter().flatten().min();
    match allowed {
        Some(allowed) if allowed < bounds.memory.as_bytes() => {
            LoadError::Compiler(io::Error::from(Errno::NOMEM).into())
        }
        Some(_) | None => Exceeded::Memory(bounds.memory).into(),
    }
}

/// Returns the error for code that is too large: our bound, or the machine's if the system sets a lower one.
fn too_large() -> LoadError {
    match getrlimit(Resource::Fsize).maximum {
        Some(allowed) if allowed < MAX_CODE_SIZE.as_bytes() => {
            LoadError::Compiler(io::Error::from(Errno::FBIG).into())
        }
        Some(_) | None => Exceeded::Code(MAX_CODE_SIZE).into(),
    }
}

fn crash_message(status: ExitStatus, text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("nothing on stderr");
    format!("the compiler process ended with {status}: {line}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn run_script(program: &str, script: &str, time: Duration) -> Result<Option<CodeKind>, LoadError> {
        let child = Command::new(program)
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let bounds = Bounds { time, ..Bounds::default() };
        let patience = Patience::new(&|_, _| ());
        check_end(watch(child, &vec![0; 1 << 20], (time, &patience)).unwrap(), &bounds, compile_error)
    }

    fn error_text(script: &str) -> String {
        let error = run_script("/bin/sh", script, Duration::from_mins(1)).unwrap_err();
        format!("{error}: {}", std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default())
    }

    #[test]
    fn each_end_of_a_worker_has_its_own_error() {
        assert!(run_script("/bin/sh", "exit 0", Duration::from_mins(1)).is_ok());
        let other = run_script("/bin/sh", "echo fuel-gc >&2; exit 70", Duration::from_mins(1));
        assert_eq!(other.unwrap().map(CodeKind::words).as_deref(), Some("fuel-gc"));
        assert!(error_text("echo threads >&2; exit 71").contains("uses threads, which"));
        assert!(error_text("echo no such thing >&2; exit 65").contains("does not compile: no such thing"));
        assert!(
            error_text("echo no such world >&2; exit 69")
                .contains("a component of the module: no such world")
        );
        assert!(error_text("echo nowhere to write >&2; exit 66").contains("nowhere to write"));
        assert!(error_text("echo 28 >&2; exit 68").contains("could not be written: No space left on device"));
        assert!(error_text("exit 67").contains("`compile-memory` = 2GiB"));
        assert!(error_text("kill -s XCPU $$").contains("`compile-timeout` = 1m"));
        assert!(error_text("kill -s XFSZ $$").contains("would exceed 1GiB"));
        assert!(
            error_text("echo memory allocation of 9 bytes failed >&2; kill -s ABRT $$")
                .contains("compile-mem")
        );
        assert!(error_text("kill -s KILL $$").contains("signal: 9"));
        assert!(error_text("echo; echo thread main panicked >&2; exit 101").contains("thread main panicked"));
    }

    fn pool(cores: u32) -> CompilePool {
        let bounds = Bounds { time: Duration::from_secs(100), ..Bounds::default() };
        CompilePool { program: "none".into(), bounds, max_processes: 1, cores }
    }

    #[test]
    fn one_thread_compiles_what_many_had_too_little_memory_for() {
        let memory = || LoadError::from(Exceeded::Memory(Size::bytes(1)));
        let of_system = || LoadError::Compiler(io::Error::from(Errno::NOMEM).into());
        let foreign = || LoadError::Compile("no".into());
        let time = || LoadError::from(Exceeded::Time(Duration::from_secs(1)));
        let outcome = |cores, first: fn() -> LoadError, second: fn() -> Result<(), LoadError>| {
            let attempts = Cell::new(0);
            let attempt = |threads, left| {
                attempts.set(attempts.get() + 1);
                assert!(left <= Duration::from_secs(100));
                if threads == Threads::Many { Err(first()) } else { second() }
            };
            let ended = with_fewer_threads(&pool(cores), attempt, || Ok(()));
            (attempts.get(), ended.map_err(|error| error.to_string()))
        };
        assert_eq!(outcome(2, memory, || Ok(())), (2, Ok(())));
        assert_eq!(outcome(2, of_system, || Ok(())), (2, Ok(())));
        assert_eq!(outcome(1, memory, || Ok(())), (1, Err(memory().to_string())));
        assert_eq!(outcome(2, foreign, || Ok(())), (1, Err(foreign().to_string())));
        let refused = outcome(2, memory, || Err(LoadError::Compile("no".into())));
        assert_eq!(refused, (2, Err(foreign().to_string())));
        let late = outcome(2, memory, || Err(Exceeded::Time(Duration::from_secs(1)).into()));
        assert_eq!(late, (2, Err(memory().to_string())));
        assert_eq!(outcome(2, time, || Ok(())), (1, Err(time().to_string())));
    }

    #[test]
    fn output_of_a_failed_attempt_is_removed() {
        let file = tempfile::tempfile().unwrap();
        (&file).write_all(b"half").unwrap();
        rewind(&file).unwrap();
        (&file).write_all(b"all").unwrap();
        let mut text = String::new();
        (&file).rewind().unwrap();
        (&file).read_to_string(&mut text).unwrap();
        assert_eq!(text, "all");
    }

    #[test]
    fn worker_that_does_not_end_is_killed() {
        for script in ["exec sleep 60", "kill -s STOP $$", "exec yes >&2"] {
            let start = Instant::now();
            let error = run_script("/bin/sh", script, Duration::from_millis(300)).unwrap_err();
            assert!(start.elapsed() < Duration::from_secs(20), "{script}");
            let is_timeout = matches!(error, LoadError::Beyond(Exceeded::Time(_)));
            assert!(is_timeout || script.contains("yes"), "{script}: {error}");
        }
    }
}
