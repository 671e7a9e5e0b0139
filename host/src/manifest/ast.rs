//! What a manifest says, in owned data with the places that it says it at.
//! Values here are well-formed one by one; whether they fit together is for `graph` and `plan`.

use crate::model::{Datum, Digest, Endpoint, Grant, Limits, Name, Path, Source, Span, Spanned, UrlPrefix};
use indexmap::IndexMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// A whole manifest; maps keep the order of the text.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The text, for diagnostics of later stages.
    pub source: Source,
    /// The folder that relative paths start from.
    pub folder: PathBuf,
    /// `name`: any text on one line.
    pub name: String,
    /// `description`.
    pub description: Option<String>,
    /// `[state]`.
    pub state: BackendSection,
    /// `[cache]`; off where it names no URI.
    pub cache: BackendSection,
    /// `[params]`.
    pub params: IndexMap<Name, Param>,
    /// `[resources]`.
    pub resources: IndexMap<Name, Resource>,
    /// `[components]`.
    pub components: IndexMap<Name, Component>,
    /// `[tasks]`.
    pub tasks: IndexMap<Name, Task>,
    /// `[outputs]`; none where the table is not written.
    pub outputs: Option<IndexMap<Name, Spanned<Expr>>>,
}

/// `[state]` or `[cache]`.
#[derive(Debug, Clone, Default)]
pub struct BackendSection {
    /// `uri`.
    pub uri: Option<Spanned<UriSource>>,
    /// `ttl`.
    pub ttl: Option<Duration>,
}

/// Where a backend's URI comes from. Its text may hold a password: no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub enum UriSource {
    /// Written in the manifest.
    Text(String),
    /// `{ env = "NAME" }`.
    Env(String),
}

/// `[params.NAME]`. `Debug` does not show the default of a secret one.
#[derive(Clone)]
pub struct Param {
    /// Where the param is named.
    pub span: Span,
    /// `type`, WIT text that nobody has parsed yet.
    pub ty: Spanned<String>,
    /// `default`; without one the param is required.
    pub default: Option<Spanned<Datum>>,
    /// `description`.
    pub description: Option<String>,
    /// `secret`: its value never reaches logs, events, plans or errors.
    pub secret: bool,
}

/// `[resources] NAME = …`.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Where the resource is named.
    pub span: Span,
    /// How much there is.
    pub amount: u32,
    /// Counted where.
    pub scope: Scope,
}

/// What a resource's amount is counted over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Every host has the amount.
    #[default]
    Host,
    /// All hosts of the run have it together.
    Run,
}

/// `[components.NAME]`.
#[derive(Debug, Clone)]
pub struct Component {
    /// Where the component is named.
    pub span: Span,
    /// `path`, joined to the manifest's folder; none where it could not be read.
    pub path: Option<Spanned<PathBuf>>,
    /// `sha256`.
    pub sha256: Option<Spanned<Digest>>,
    /// `build`.
    pub build: Option<String>,
    /// `build-dir`, joined to the manifest's folder.
    pub build_dir: PathBuf,
    /// `[components.NAME.grants]`.
    pub grants: Grants,
}

/// What a guest may touch; the default is nothing at all.
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the manifest, granted on its own")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Where the grants stand; empty where none are written.
    pub span: Span,
    /// `env`: `NAME` passes one on, `NAME=value` sets one.
    pub env: Vec<Spanned<String>>,
    /// `args`.
    pub args: Vec<String>,
    /// `read`.
    pub read: Vec<Spanned<Preopen>>,
    /// `write`.
    pub write: Vec<Spanned<Preopen>>,
    /// `http`, by URL prefix.
    pub http: Vec<Spanned<UrlPrefix>>,
    /// `tcp`, `host:port`.
    pub tcp: Vec<Spanned<Endpoint>>,
    /// `dns`.
    pub dns: bool,
    /// `clock`: the real clocks.
    pub clock: bool,
    /// `random`: real randomness.
    pub random: bool,
    /// `context`: `cascade:task/context`.
    pub context: bool,
    /// `keyvalue` buckets.
    pub keyvalue: Vec<Spanned<String>>,
    /// Whether something of them could not be read, so that what is not here may be granted all the same.
    pub is_partial: bool,
}

/// A folder of the host and what the guest calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preopen {
    /// Joined to the manifest's folder.
    pub host: PathBuf,
    /// The path inside the sandbox.
    pub guest: String,
}

/// `[tasks.NAME]`.
#[derive(Debug, Clone)]
pub struct Task {
    /// Where the task is named.
    pub span: Span,
    /// `call`; none where it could not be read.
    pub call: Option<Spanned<Call>>,
    /// `args`: WIT parameter name to what it gets; the key's own place comes with it.
    pub args: IndexMap<String, (Span, Spanned<Expr>)>,
    /// `after`.
    pub after: Vec<Spanned<String>>,
    /// `when`.
    pub when: Option<When>,
    /// `for-each`: item name to the list it runs over.
    pub for_each: IndexMap<Name, Spanned<Expr>>,
    /// `max-parallel`.
    pub max_parallel: Option<NonZeroU32>,
    /// `retry`, `max-lost-hosts`, `timeout`, `limits`, `cache`, `resources`, with `[defaults]` already applied.
    pub policy: Policy,
    /// `priority`, −100 to 100.
    pub priority: i8,
    /// `grants`, in place of the component's.
    pub grants: Option<Grants>,
    /// `on-error`.
    pub on_error: OnError,
    /// The keys that could not be read, or that an unknown key may stand for: nothing follows from what they seem to say.
    pub unread: Vec<Unread>,
}

/// A key of a task that others are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// `args`: which parameters get a value is not known.
    Args,
    /// `for-each`: neither the items nor whether the output is a list is known.
    ForEach,
    /// `on-error`: the type of the output is not known.
    OnError,
    /// `grants`: what is granted is not known.
    Grants,
}

impl Task {
    /// Whether a key could not be read.
    #[must_use]
    pub fn is_unread(&self, key: Unread) -> bool {
        self.unread.contains(&key)
    }
}

/// `component.function`, or `component#interface.function`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Which component.
    pub component: String,
    /// The interface, where the long form names one.
    pub interface: Option<String>,
    /// Which function.
    pub function: String,
}

/// `when = …`.
#[derive(Debug, Clone)]
pub struct When {
    /// Where the condition stands.
    pub span: Span,
    /// What is looked at.
    pub subject: Spanned<Expr>,
    /// `equals`; without it the subject itself is the condition.
    pub equals: Option<Spanned<Datum>>,
    /// Whether all of it could be read.
    pub is_whole: bool,
    /// `not`: true where the condition is to be false.
    pub is_negated: bool,
}

/// What an `err` becomes once retries are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// The task fails.
    #[default]
    Fail,
    /// The whole `result` is the output.
    Value,
}

/// The task keys that `[defaults]` may set.
#[derive(Debug, Clone)]
pub struct Policy {
    /// `retry`.
    pub retry: Retry,
    /// `max-lost-hosts`: how many hosts in a row may be lost with the task before it is held to be the cause.
    pub max_lost_hosts: u32,
    /// `timeout`, of one attempt.
    pub timeout: Duration,
    /// `limits`.
    pub limits: Limits,
    /// `resources`: name to amount.
    pub resources: IndexMap<Name, Spanned<u32>>,
    /// `cache`.
    pub cache: CachePolicy,
}

/// `retry`.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// How often the task is tried at most, the first attempt counted.
    pub attempts: NonZeroU32,
    /// The wait before the second attempt.
    pub delay: Duration,
    /// How the wait grows.
    pub backoff: Backoff,
    /// The longest wait.
    pub max_delay: Duration,
    /// Whether each wait is drawn between half of it and all of it.
    pub jitter: bool,
    /// The classes that are retried.
    pub on: Vec<RetryClass>,
    /// Error cases that are never retried; each must be a case of the function's error type.
    pub permanent: Vec<Spanned<String>>,
    /// Whether `[defaults]` names them: then they hold for those tasks whose errors have the cases.
    pub inherits_permanent: bool,
}

/// How a wait grows from attempt to attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backoff {
    /// Twice as long each time.
    #[default]
    Exponential,
    /// Always the same.
    Fixed,
}

/// What may be retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryClass {
    /// The function returned an `err`.
    Error,
    /// The guest trapped.
    Trap,
    /// The attempt took too long.
    Timeout,
}

/// `cache`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CachePolicy {
    /// Not written: cached if the task is pure.
    #[default]
    IfPure,
    /// `true`: cached, the author vouches for it where the task is impure.
    Always,
    /// `false`.
    Never,
    /// A TTL of its own.
    For(Duration),
}

/// What stands wherever a value is expected.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A literal without a reference inside.
    Literal(Datum),
    /// An array with a reference somewhere inside.
    Array(Vec<Spanned<Expr>>),
    /// A table with a reference somewhere inside; keys are unique.
    Table(Vec<(Spanned<String>, Spanned<Expr>)>),
    /// One of the reference tables.
    Reference(Box<Reference>),
    /// Something that could not be read, which was reported; and what could be read of it, so that the names in that are
    /// looked up all the same.
    Faulty(Vec<Spanned<Expr>>),
}

/// A reference table.
#[derive(Debug, Clone, PartialEq)]
pub enum Reference {
    /// `{ task = …, path = …, default = … }`.
    Task {
        /// Which task.
        task: Spanned<String>,
        /// The part of its output; the root where none is written.
        path: Path,
        /// What stands in if the task was skipped or the path misses.
        default: Option<Spanned<Datum>>,
    },
    /// `{ param = …, path = … }`.
    Param {
        /// Which param.
        param: Spanned<String>,
        /// The part of its value.
        path: Path,
    },
    /// `{ item = …, path = … }`.
    Item {
        /// Which item of the task's `for-each`.
        item: Spanned<String>,
        /// The part of the element.
        path: Path,
    },
    /// `{ env = …, default = … }`.
    Env {
        /// The variable.
        name: Spanned<String>,
        /// What stands in if it is unset.
        default: Option<Spanned<Datum>>,
    },
    /// `{ file = … }`, joined to the manifest's folder.
    File {
        /// The file.
        path: Spanned<PathBuf>,
    },
    /// `{ select = …, cases = …, default = … }`.
    Select {
        /// What chooses: a string or an enum.
        selector: Spanned<Expr>,
        /// Case name to value, in order.
        cases: Vec<(Spanned<String>, Spanned<Expr>)>,
        /// What stands in if no case is named so, or the selector's task was skipped.
        default: Option<Spanned<Datum>>,
    },
}

impl Manifest {
    /// A manifest that says nothing: what is read of a text is put into it piece by piece.
    #[must_use]
    pub(crate) fn empty(source: Source, folder: PathBuf) -> Self {
        Self {
            source,
            folder,
            name: String::new(),
            description: None,
            state: BackendSection::default(),
            cache: BackendSection::default(),
            params: IndexMap::new(),
            resources: IndexMap::new(),
            components: IndexMap::new(),
            tasks: IndexMap::new(),
            outputs: None,
        }
    }
}

impl Grants {
    /// The grants that are given, in the order of [`Grant::ALL`]. Destructured, so that no new key is forgotten.
    #[must_use]
    pub fn given(&self) -> Vec<Grant> {
        let Self {
            span: _,
            is_partial: _,
            env,
            args,
            read,
            write,
            http,
            tcp,
            dns,
            clock,
            random,
            context,
            keyvalue,
        } = self;
        let given = [
            (Grant::Env, !env.is_empty()),
            (Grant::Args, !args.is_empty()),
            (Grant::Read, !read.is_empty()),
            (Grant::Write, !write.is_empty()),
            (Grant::Http, !http.is_empty()),
            (Grant::Tcp, !tcp.is_empty()),
            (Grant::Dns, *dns),
            (Grant::Clock, *clock),
            (Grant::Random, *random),
            (Grant::Context, *context),
            (Grant::Keyvalue, !keyvalue.is_empty()),
        ];
        given.into_iter().filter(|(_, is_given)| *is_given).map(|(grant, _)| grant).collect()
    }

    /// Whether a task with these grants gives the same output for the same inputs on every host.
    #[must_use]
    pub fn is_pure(&self) -> bool {
        self.given().into_iter().all(|grant| grant.row().is_pure)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retry: Retry::default(),
            max_lost_hosts: 3,
            timeout: Duration::from_mins(5),
            limits: Limits::default(),
            resources: IndexMap::new(),
            cache: CachePolicy::default(),
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: NonZeroU32::MIN,
            delay: Duration::from_millis(100),
            backoff: Backoff::Exponential,
            max_delay: Duration::from_mins(1),
            jitter: true,
            on: vec![RetryClass::Error, RetryClass::Trap, RetryClass::Timeout],
            permanent: Vec::new(),
            inherits_permanent: false,
        }
    }
}

impl std::fmt::Debug for Param {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Param");
        shown.field("ty", &self.ty.value).field("secret", &self.secret);
        if !self.secret {
            shown.field("default", &self.default);
        }
        shown.finish_non_exhaustive()
    }
}

impl std::fmt::Debug for UriSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(…)"),
            Self::Env(name) => write!(f, "Env({name})"),
        }
    }
}
