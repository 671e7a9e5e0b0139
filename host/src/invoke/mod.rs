//! The port between engine and sandbox: one call of one task, and how it may end.
//! The engine decides about retries; the sandbox contains the guest.

use crate::model::{Endpoint, FailureClass, Limits, RunId, TaskName, UrlPrefix};
use bytes::Bytes;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A function that an [`Invoker`] has prepared: its position in the order of preparation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FunctionId(pub usize);

/// A call of a function.
#[derive(Clone)]
pub struct Call {
    /// Function to call.
    pub function: FunctionId,
    /// Arguments in the order of the parameters, each MessagePack of the parameter's type.
    pub args: Vec<Bytes>,
    /// Limits of the call.
    pub limits: Limits,
    /// Time limit of the call.
    pub timeout: Duration,
    /// When the run's deadline passes, if it has one. Guests that ask are told; the invoker does not stop them then.
    pub run_deadline: Option<Instant>,
    /// Attempt that this call makes.
    pub attempt: Attempt,
    /// Receiver of the guest's output while it runs.
    pub listener: Arc<dyn Listener>,
}

/// Identity of an attempt, for messages and for guests that are granted `context`.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Id of the run.
    pub run: RunId,
    /// Name of the task.
    pub task: TaskName,
    /// Element of the task's `for-each`.
    pub item: Option<u32>,
    /// Iteration of a task that repeats, from zero.
    pub iteration: Option<u32>,
    /// Number of the attempt, from one.
    pub number: u32,
    /// Epoch of the run.
    pub epoch: u64,
}

/// Grants of a guest, with every value resolved.
#[expect(clippy::struct_excessive_bools, reason = "each is granted on its own")]
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Grants {
    /// Environment variables and their values.
    pub env: Vec<(String, String)>,
    /// Arguments of the command line.
    pub args: Vec<String>,
    /// Read-only folders: host path, guest path.
    pub read: Vec<(PathBuf, String)>,
    /// Writable folders: host path, guest path.
    pub write: Vec<(PathBuf, String)>,
    /// URLs that may be requested.
    pub http: Vec<UrlPrefix>,
    /// Endpoints that may be connected to.
    pub tcp: Vec<Endpoint>,
    /// Whether names may be resolved to addresses.
    pub dns: bool,
    /// Whether the guest sees the real clocks.
    pub clock: bool,
    /// Whether the guest gets real randomness.
    pub random: bool,
    /// Whether `cascade:task/context` is available.
    pub context: bool,
    /// Names of the buckets that may be used.
    pub keyvalue: Vec<String>,
}

/// Shows only the names of variables: their values may be secrets.
impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { env, args, read, write, http, tcp, dns, clock, random, context, keyvalue } = self;
        let env: Vec<_> = env.iter().map(|(name, _)| name).collect();
        f.debug_struct("Grants")
            .field("env", &env)
            .field("args", args)
            .field("read", read)
            .field("write", write)
            .field("http", http)
            .field("tcp", tcp)
            .field("dns", dns)
            .field("clock", clock)
            .field("random", random)
            .field("context", context)
            .field("keyvalue", keyvalue)
            .finish()
    }
}

/// Result of a call that returned.
#[derive(Debug, Clone)]
pub struct Returned {
    /// The value or the error.
    pub outcome: Outcome,
    /// Last part of the guest's output, if the outcome is a bare failure status; empty otherwise.
    pub last: LastOutput,
    /// Status other than 0 by which a function ended itself, if the guest told it.
    pub exit: Option<u8>,
    /// Cost of the call.
    pub usage: Usage,
}

/// Value or error that a function returned. Bytes are MessagePack of the payload's type; nil if it has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A plain result, or the payload of `ok`.
    Value(Bytes),
    /// The payload of `err`.
    Error(Bytes),
}

/// Cost of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Wall time.
    pub duration: Duration,
    /// Peak of memories and tables together, in bytes.
    pub memory: u64,
    /// Fuel used, if it was counted.
    pub fuel: Option<u64>,
}

/// Reason why a call ended without a result.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Class of the failure, which decides about retries.
    pub class: FailureClass,
    /// Whether the call has hit its memory limit: another attempt may be given more.
    pub hit_memory: bool,
    /// Description, a lowercase fragment that names the limit if one was hit.
    pub message: String,
    /// Last part of the guest's output, if the guest caused the failure; empty otherwise.
    pub last: LastOutput,
    /// The guest's backtrace, one line per frame.
    pub backtrace: Option<String>,
    /// Cost of the call until it failed.
    pub usage: Usage,
}

/// Last part of what a guest wrote before it failed, as it wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastOutput {
    /// End of stderr.
    pub stderr: String,
    /// End of stdout, if that was to be the result of a command.
    pub stdout: String,
}

/// Output stream of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// `wasi:logging`, with level and context in the text.
    Log,
}

/// Receiver of a guest's output. Called on the guest's thread, so it must return at once.
pub trait Listener: Send + Sync {
    /// Receives a piece of output: whole lines if the guest wrote whole lines.
    fn on_output(&self, stream: Stream, text: &str);

    /// Receives the guest's own report of its progress, from 0 to 1.
    fn on_progress(&self, fraction: f64, message: &str);
}

/// Calls functions, each call in a sandbox of its own.
#[async_trait::async_trait]
pub trait Invoker: Send + Sync {
    /// Calls a function once.
    ///
    /// Ends within the call's timeout plus the time that the invoker needs to stop a guest. Cancel safe: dropping the
    /// future stops the guest and frees everything that it held.
    async fn invoke(&self, call: Arc<Call>) -> Result<Returned, Failure>;
}
