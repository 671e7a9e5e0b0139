//! Host side of a worker process: starts it with an empty environment, watches it, and kills it at its bounds.
//! `worker` is the process itself.

use crate::model::Size;
use crate::sandbox::compile::bounds::{Bounds, Exceeded, MAX_CODE_SIZE};
use crate::sandbox::compile::misfit::Misfit;
use crate::sandbox::compile::pool::CompilePool;
use crate::sandbox::compile::worker::{
    CompileRequest, FAILED, Job, NO_MEMORY, REFUSED, UNADAPTED, UNWRITTEN,
};
use crate::sandbox::error::{LoadError, compile_error, write_error};
use crate::sandbox::kind::CodeKind;
use rustix::io::Errno;
use rustix::process::{Resource, Signal, getrlimit};
use std::fs::File;
use std::io;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread::Builder;
use std::time::Duration;

/// Maximum number of bytes read from a worker's stderr.
const MAX_STDERR: u64 = 64 << 10;

/// Memory that compiling an empty component takes on most machines.
const MIN_COMPILE_MEMORY: Size = Size::bytes(16 << 20);

/// Ways in which a worker process ends.
enum WorkerEnd {
    /// By itself or by a signal of the system, with the text of its stderr.
    Own(ExitStatus, String),
    /// By timeout.
    TimedOut,
}

/// Compiles a component in a worker process, which writes the code to `output`.
pub(crate) fn compile(
    pool: &CompilePool,
    kind: CodeKind,
    bytes: &[u8],
    output: &File,
) -> Result<(), LoadError> {
    run(pool, Job::Compile(kind), bytes, output, compile_error)
}

/// Composes components in a worker process, which writes the new component to `output`.
pub(crate) fn compose(pool: &CompilePool, composition: &[u8], output: &File) -> Result<(), LoadError> {
    let misfit = |text: String| match serde_json::from_str(&text) {
        Ok(misfit) => LoadError::Misfit(misfit),
        Err(_) => LoadError::Misfit(Misfit::Other(text)),
    };
    run(pool, Job::Compose, composition, output, misfit)
}

/// Runs a worker process. `refused` builds the error from its text if it refuses the input.
///
/// Blocks until the worker ends, at most for `compile-timeout`.
fn run(
    pool: &CompilePool,
    job: Job,
    bytes: &[u8],
    output: &File,
    refused: impl FnOnce(String) -> LoadError,
) -> Result<(), LoadError> {
    let Bounds { memory, time, .. } = pool.bounds;
    // `time` is wall-clock time. The processor time that fits into it is at most that of all cores.
    let request = CompileRequest { job, memory, time: time.saturating_mul(pool.cores.max(1)) };
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
    let end = watch(child, bytes, time).map_err(|error| LoadError::Compiler(error.into()))?;
    check_end(end, &pool.bounds, refused)
}

/// Sends the component and waits until the worker ends or `time` has passed.
fn watch(mut child: Child, bytes: &[u8], time: Duration) -> io::Result<WorkerEnd> {
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
        let text = text_receiver.recv_timeout(time);
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
) -> Result<(), LoadError> {
    let (status, text) = match end {
        WorkerEnd::TimedOut => return Err(Exceeded::Time(bounds.time).into()),
        WorkerEnd::Own(status, text) => (status, text),
    };
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    match (code, status.signal().and_then(Signal::from_named_raw)) {
        (Some(0), _) => Ok(()),
        (Some(REFUSED), _) => Err(refused(text.trim_end().to_owned())),
        (Some(UNADAPTED), _) => Err(LoadError::Adapt(text.trim_end().into())),
        (Some(NO_MEMORY), _) => Err(no_memory(bounds)),
        (Some(UNWRITTEN), _) => Err(write_error(match text.trim().parse() {
            Ok(number) => io::Error::from_raw_os_error(number),
            Err(_) => io::Error::other(text),
        })),
        // With so little memory, it is a matter of chance what fails first: a thread, a library, or a mapped file.
        (Some(_), _) if bounds.memory < MIN_COMPILE_MEMORY => Err(no_memory(bounds)),
        (Some(FAILED), _) => Err(LoadError::Compiler(text.into())),
        (_, Some(Signal::XCPU)) => Err(Exceeded::Time(bounds.time).into()),
        (_, Some(Signal::XFSZ)) => Err(too_large()),
        // The standard library aborts on a failed allocation; only the text distinguishes it from other aborts.
        (_, Some(Signal::ABORT)) if text.contains("memory allocation of ") => Err(no_memory(bounds)),
        // Any other signal, or a panic, is a fault of the compiler.
        _ => Err(LoadError::Compiler(crash_message(status, &text).into())),
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
    use std::time::Instant;

    fn run_script(program: &str, script: &str, time: Duration) -> Result<(), LoadError> {
        let child = Command::new(program)
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let bounds = Bounds { time, ..Bounds::default() };
        check_end(watch(child, &vec![0; 1 << 20], time).unwrap(), &bounds, compile_error)
    }

    fn error_text(script: &str) -> String {
        let error = run_script("/bin/sh", script, Duration::from_mins(1)).unwrap_err();
        format!("{error}: {}", std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default())
    }

    #[test]
    fn each_end_of_a_worker_has_its_own_error() {
        assert!(run_script("/bin/sh", "exit 0", Duration::from_mins(1)).is_ok());
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
