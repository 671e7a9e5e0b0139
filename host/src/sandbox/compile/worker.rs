//! The worker process that compiles one component, or composes several: sets its own limits, reads, works, writes, exits.
//! `worker_process` watches it from the host. The worker is this host's own binary and trusts its arguments.

use crate::model::{Size, try_threads};
use crate::sandbox::compile::adapt::component_of;
use crate::sandbox::compile::bindings::BindingsRequest;
use crate::sandbox::compile::bounds::MAX_CODE_SIZE;
use crate::sandbox::compile::composition::Composition;
use crate::sandbox::compile::features::{Proposal, Refused, precompile};
use crate::sandbox::compile::skeleton::SkeletonRequest;
use crate::sandbox::engine;
use crate::sandbox::engine::Threads;
use crate::sandbox::kind::CodeKind;
use rustix::process::Resource;
use rustix::process::Rlimit;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::ffi::OsString;
use std::io;
use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::time::Duration;

/// First argument of a worker process. Users have no reason to pass it.
const WORKER_FLAG: &str = "--compile-the-component-on-stdin";

/// Exit code: the code was written.
const DONE: u8 = 0;

/// Exit code: the component does not compile; stderr says why. No panic or signal produces this code.
pub(crate) const REFUSED: u8 = 65;

/// Exit code: the system refused a resource; stderr has the number of the error, or its text.
pub(crate) const FAILED: u8 = 66;

/// Exit code: the memory limit was too low.
pub(crate) const NO_MEMORY: u8 = 67;

/// Maximum number of bytes to allocate before any input has arrived: the length may be a lie.
const INITIAL_CAPACITY: usize = 64 << 20;

/// Exit code: the code could not be written; stderr has the number of the system's error.
pub(crate) const UNWRITTEN: u8 = 68;

/// Exit code: no component can be made of the module; stderr says why.
pub(crate) const UNADAPTED: u8 = 69;

/// Exit code: the code was written, but the component needs other features; stderr names the kind of code.
pub(crate) const OTHER_KIND: u8 = 70;

/// Exit code: the component needs a proposal that no engine has; stderr names it.
pub(crate) const PROPOSAL: u8 = 71;

/// Task of a worker process. The component, or the module that becomes one, arrives on stdin, after its length; the
/// result goes to stdout. Stdin stays open for as long as the host wants the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileRequest {
    /// Kind of work.
    pub(crate) job: Job,
    /// Number of threads to compile with.
    pub(crate) threads: Threads,
    /// Maximum memory of the process.
    pub(crate) memory: Size,
    /// Maximum processor time of the process.
    pub(crate) time: Duration,
}

/// Kind of work of a worker process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// Compiles a component to code of this kind.
    Compile(CodeKind),
    /// Composes components to one.
    Compose,
    /// Makes a component of a module.
    Wrap,
    /// Writes the bindings of a world.
    Bindings,
    /// Writes the beginning of a task for a world.
    Skeleton,
}

impl CompileRequest {
    /// Parses a request from the arguments of a process. Returns `None` for a user's arguments.
    pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut words = arguments.into_iter().skip(1).map_while(|word| word.into_string().ok());
        if words.next()? != WORKER_FLAG {
            return None;
        }
        let job = match words.next()?.as_str() {
            "compose" => Job::Compose,
            "wrap" => Job::Wrap,
            "bindings" => Job::Bindings,
            "skeleton" => Job::Skeleton,
            kind => Job::Compile(CodeKind::from_words(kind)?),
        };
        let threads = match words.next()?.as_str() {
            "one" => Threads::One,
            "many" => Threads::Many,
            _ => return None, // not from this host
        };
        let memory = Size::bytes(words.next()?.parse().ok()?);
        Some(Self { job, threads, memory, time: Duration::from_secs(words.next()?.parse().ok()?) })
    }

    /// Returns the arguments that encode the request.
    pub(crate) fn arguments(&self) -> [String; 5] {
        let job = match self.job {
            Job::Compile(kind) => kind.words(),
            Job::Compose => "compose".to_owned(),
            Job::Wrap => "wrap".to_owned(),
            Job::Bindings => "bindings".to_owned(),
            Job::Skeleton => "skeleton".to_owned(),
        };
        let threads = match self.threads {
            Threads::One => "one",
            Threads::Many => "many",
        };
        let (memory, time) = (self.memory.as_bytes(), self.time.as_secs().max(1));
        [WORKER_FLAG.to_owned(), job, threads.to_owned(), memory.to_string(), time.to_string()]
    }

    /// Executes the request and returns the exit code for this process.
    pub fn execute(
        self,
        input: impl Read + Send + 'static,
        output: impl Write,
        mut stderr: impl Write,
    ) -> u8 {
        let (code, message) = match self.work(input, output) {
            Ok(None) => return DONE,
            Ok(Some(kind)) => (OTHER_KIND, kind.words()),
            Err(CompileFailure::Proposal(proposal)) => (PROPOSAL, proposal.name().to_owned()),
            Err(CompileFailure::Refused(text)) => (REFUSED, text),
            Err(CompileFailure::Unadapted(text)) => (UNADAPTED, text),
            Err(CompileFailure::Failed(error)) if error.kind() == io::ErrorKind::OutOfMemory => {
                (NO_MEMORY, String::new())
            }
            Err(CompileFailure::Failed(error)) => (FAILED, words_of(&error)),
            Err(CompileFailure::Unwritten(error)) => (UNWRITTEN, words_of(&error)),
        };
        // If stderr is closed, the exit code still reports the failure.
        drop(stderr.write_all(message.as_bytes()));
        code
    }

    /// Returns the kind of the code if it is not the one of the request.
    fn work(
        self,
        mut input: impl Read + Send + 'static,
        mut output: impl Write,
    ) -> Result<Option<CodeKind>, CompileFailure> {
        self.set_limits()?;
        // From here on, the end of stdin means that the host was killed.
        let input_bytes = read(&mut input)?;
        std::thread::Builder::new().spawn(move || exit_when_closed(input))?;
        let (result, other) = match self.job {
            Job::Compile(kind) => {
                let (actual, code) = compile(kind, self.threads, &input_bytes)?;
                (code, (actual != kind).then_some(actual))
            }
            Job::Compose => (compose(&input_bytes)?, None),
            Job::Wrap => (wrapped(&input_bytes).map_err(CompileFailure::Unadapted)?, None),
            Job::Bindings => (written(&input_bytes, BindingsRequest::generate)?, None),
            Job::Skeleton => (written(&input_bytes, SkeletonRequest::write)?, None),
        };
        output.write_all(&result).and_then(|()| output.flush()).map_err(CompileFailure::Unwritten)?;
        Ok(other)
    }

    /// Sets resource limits on this process, which hold whatever a component does to the compiler.
    fn set_limits(self) -> io::Result<()> {
        let bounds = [
            (Resource::Core, 0, 0),
            // At the soft limit the signal is XCPU, which names the cause; at the hard limit it is KILL.
            (Resource::Cpu, self.time.as_secs(), self.time.as_secs().saturating_add(10)),
            (Resource::Fsize, MAX_CODE_SIZE.as_bytes(), MAX_CODE_SIZE.as_bytes()),
            // Data, not address space: compilers reserve more addresses than they use.
            (Resource::Data, self.memory.as_bytes(), self.memory.as_bytes()),
        ];
        // A limit that the system sets lower stays in force.
        for (resource, first, last) in bounds {
            let allowed = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
            let limit = Rlimit { current: Some(first.min(allowed)), maximum: Some(last.min(allowed)) };
            rustix::process::setrlimit(resource, limit)?;
        }
        Ok(())
    }
}

fn compile(kind: CodeKind, threads: Threads, payload: &[u8]) -> Result<(CodeKind, Vec<u8>), CompileFailure> {
    let component = component_of(payload).map_err(CompileFailure::Unadapted)?;
    let threads = allowed(threads);
    precompile(kind, &component, |kind| engine::for_compiling(kind, threads)).map_err(|refused| match refused
    {
        Refused::Proposal(proposal) => CompileFailure::Proposal(proposal),
        Refused::Engine(error) => engine_failure(&error),
    })
}

/// Composes components. A misfit is written to stderr as JSON.
fn compose(composition: &[u8]) -> Result<Vec<u8>, CompileFailure> {
    let composition: Composition<'_> = rmp_serde::from_slice(composition).map_err(io::Error::other)?;
    print_no_panics();
    let refused = |misfit| CompileFailure::Refused(serde_json::to_string(&misfit).unwrap_or_default());
    composition.compose().map_err(refused)
}

/// Makes a component of a module.
fn wrapped(payload: &[u8]) -> Result<Vec<u8>, String> {
    component_of(payload).map(Cow::into_owned)
}

/// Decodes a request, and encodes what is written for it. A refusal is the text on stderr.
fn written<R: DeserializeOwned, W: Serialize>(
    request: &[u8],
    write: impl FnOnce(R) -> Result<W, String>,
) -> Result<Vec<u8>, CompileFailure> {
    let request = rmp_serde::from_slice(request).map_err(io::Error::other)?;
    print_no_panics();
    let written = write(request).map_err(CompileFailure::Refused)?;
    Ok(rmp_serde::to_vec(&written).map_err(io::Error::other)?)
}

/// Keeps panics off stderr: one that is caught is an error like others, whose text is the only one there.
fn print_no_panics() {
    std::panic::set_hook(Box::new(|_| {}));
}

/// Returns how many threads to compile with: one if the system refuses threads, which would fail later.
fn allowed(threads: Threads) -> Threads {
    if threads == Threads::One {
        return threads;
    }
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    if try_threads(cores).is_ok() { Threads::Many } else { Threads::One }
}

/// Reasons why there is no code.
enum CompileFailure {
    Refused(String),
    Unadapted(String),
    Proposal(Proposal),
    Failed(io::Error),
    Unwritten(io::Error),
}

impl From<io::Error> for CompileFailure {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

fn engine_failure(error: &wasmtime::Error) -> CompileFailure {
    let is_memory = |cause: &(dyn std::error::Error + 'static)| {
        let of_system = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let of_call = cause.downcast_ref::<rustix::io::Errno>();
        of_system == Some(io::ErrorKind::OutOfMemory) || of_call == Some(&rustix::io::Errno::NOMEM)
    };
    if error.chain().any(is_memory) {
        CompileFailure::Failed(io::ErrorKind::OutOfMemory.into())
    } else {
        CompileFailure::Refused(format!("{error:#}"))
    }
}

/// Reads the component, which follows its length.
fn read(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    input.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    let mut component =
        Vec::with_capacity(usize::try_from(length).unwrap_or(INITIAL_CAPACITY).min(INITIAL_CAPACITY));
    input.take(length).read_to_end(&mut component)?;
    if component.len().try_into() == Ok(length) {
        Ok(component)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Ends this process once stdin closes: the host was killed, and the code is no longer wanted.
fn exit_when_closed(mut input: impl Read) {
    drop(io::copy(&mut input, &mut io::sink()));
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).ok();
}

/// Returns an error as this process tells it to the host: by its number, from which the host tells a shortage.
fn words_of(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::metering::Metering;

    #[test]
    fn request_round_trips_and_user_arguments_are_no_request() {
        let request = CompileRequest {
            job: Job::Compile(CodeKind { metering: Metering::Fuel, ..CodeKind::PLAIN }),
            threads: Threads::One,
            memory: Size::bytes(7 << 20),
            time: Duration::from_secs(9),
        };
        let words = |words: &[String]| {
            let words = words.iter().map(OsString::from);
            CompileRequest::from_arguments(std::iter::once(OsString::from("host")).chain(words))
        };
        let arguments = request.arguments();
        assert_eq!(words(&arguments), Some(request));
        assert_eq!(words(&arguments[..3]), None);
        assert_eq!(words(&arguments[1..]), None);
        assert_eq!(words(&["run".to_owned(), "manifest.toml".to_owned()]), None);
        assert_eq!(words(&[]), None);
    }

    #[test]
    fn truncated_component_is_an_error() {
        let mut input = 5_u64.to_le_bytes().to_vec();
        input.extend(b"abcde");
        assert_eq!(read(&mut &input[..]).unwrap(), b"abcde");
        for len in [0, 7, 8, 12] {
            assert!(read(&mut &input[..len]).is_err(), "{len}");
        }
        let false_length = u64::MAX.to_le_bytes();
        assert!(read(&mut &false_length[..]).is_err());
    }
}
