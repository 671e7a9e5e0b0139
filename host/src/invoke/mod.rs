//! The port between engine and sandbox: one call of one task, and how it may end.
//! Whether a failed call is repeated is for the engine; how a guest is contained is for the sandbox.

use crate::model::{Endpoint, FailureClass, Limits, Name, RunId, UrlPrefix};
use bytes::Bytes;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A function that an [`Invoker`] has made ready: the position in the order of preparation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FunctionId(pub usize);

/// One call.
#[derive(Clone)]
pub struct Call {
    /// What is called.
    pub function: FunctionId,
    /// The arguments in the order of the parameters, each MessagePack of the parameter's type.
    pub args: Vec<Bytes>,
    /// What the call may use.
    pub limits: Limits,
    /// How long it may take.
    pub timeout: Duration,
    /// Which attempt of which task this is.
    pub attempt: Attempt,
    /// Who hears what the guest writes while it runs.
    pub listener: Arc<dyn Listener>,
}

/// The identity of an attempt, for the guest that was granted it and for messages.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The run.
    pub run: RunId,
    /// The task.
    pub task: Name,
    /// The element of the task's `for-each`.
    pub item: Option<u32>,
    /// One for the first attempt.
    pub number: u32,
    /// The run's epoch.
    pub epoch: u64,
}

/// What a guest was granted, with every value resolved.
#[expect(clippy::struct_excessive_bools, reason = "each is granted on its own")]
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Grants {
    /// Variables and their values.
    pub env: Vec<(String, String)>,
    /// Arguments of the command line.
    pub args: Vec<String>,
    /// Folders that may be read: host path, guest path.
    pub read: Vec<(PathBuf, String)>,
    /// Folders that may be read and written: host path, guest path.
    pub write: Vec<(PathBuf, String)>,
    /// Which URLs may be requested.
    pub http: Vec<UrlPrefix>,
    /// What may be connected to.
    pub tcp: Vec<Endpoint>,
    /// Addresses of names.
    pub dns: bool,
    /// The real clocks.
    pub clock: bool,
    /// Real randomness.
    pub random: bool,
    /// `cascade:task/context`.
    pub context: bool,
    /// Names of buckets.
    pub keyvalue: Vec<String>,
}

/// Values of variables may be secrets: only their names are shown.
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

/// What a function returned.
#[derive(Debug, Clone)]
pub struct Returned {
    /// The value or the error.
    pub outcome: Outcome,
    /// Where the outcome is a status and no more, that of a failure: the end of what the guest wrote to stderr.
    pub stderr: String,
    /// What it cost.
    pub usage: Usage,
}

/// The value or the error that a function returned. Bytes are MessagePack of the payload's type; nil for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A plain result, or the payload of `ok`.
    Value(Bytes),
    /// The payload of `err`.
    Error(Bytes),
}

/// What a call cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Wall time.
    pub duration: Duration,
    /// The most that memories and tables held together, in bytes.
    pub memory: u64,
    /// Fuel used, where it was counted.
    pub fuel: Option<u64>,
}

/// Why a call ended without a result.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What sort of failure; it decides about retries.
    pub class: FailureClass,
    /// What happened, a lowercase fragment that names the limit where one was hit.
    pub message: String,
    /// Where the guest itself brought it about: the end of what it wrote to stderr, as it wrote it.
    pub stderr: String,
    /// The guest's backtrace, a line a frame.
    pub backtrace: Option<String>,
    /// What the call cost until then.
    pub usage: Usage,
}

/// Which of the guest's outputs a text came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// `wasi:logging`, with its level and context in the text.
    Log,
}

/// Hears what a guest writes. Called on the guest's thread: it must return at once.
pub trait Listener: Send + Sync {
    /// A piece of output; whole lines where the guest wrote whole lines.
    fn wrote(&self, stream: Stream, text: &str);

    /// How far the guest says it is, 0 to 1.
    fn progressed(&self, fraction: f64, message: &str);
}

/// Calls functions, each call in a sandbox of its own.
#[async_trait::async_trait]
pub trait Invoker: Send + Sync {
    /// Calls a function once.
    ///
    /// Ends within the call's timeout plus the time that the invoker needs to stop a guest. Dropping the future
    /// stops the guest and frees all that it held.
    async fn invoke(&self, call: Arc<Call>) -> Result<Returned, Failure>;
}
