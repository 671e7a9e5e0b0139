//! The syntax tree of a manifest: owned data with source spans.
//! Each value is well-formed on its own; `graph` and `plan` check whether the values fit together.

use crate::manifest::component_source::ComponentSource;
use crate::manifest::expr::Expr;
use crate::manifest::imported::Imports;
use crate::manifest::notification::Notify;
use crate::manifest::program::Action;
use crate::manifest::repetition::Repeat;
use crate::manifest::test_case::Test;
use crate::model::{
    Capacity, Datum, Digest, Endpoint, FilePath, Grant, Limits, Name, Size, Sources, Span, Spanned, UrlPrefix,
};
use indexmap::IndexMap;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A manifest; maps keep the order of the text.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The source texts, for diagnostics of later stages: its own, and those of the other manifests.
    pub sources: Sources,
    /// The base folder of relative paths.
    pub folder: PathBuf,
    /// `name`: one line of text.
    pub name: String,
    /// `description`.
    pub description: Option<String>,
    /// `deadline` at the head: of the whole run.
    pub deadline: Option<Duration>,
    /// `[state]`.
    pub state: BackendSection,
    /// `[cache]`; off if it names no URI.
    pub cache: BackendSection,
    /// `[params]`.
    pub params: IndexMap<Name, Param>,
    /// `[resources]`.
    pub resources: IndexMap<Name, Resource>,
    /// `[components]`.
    pub components: IndexMap<Name, Component>,
    /// `[tasks]`, and then `[finally]`.
    pub tasks: IndexMap<Name, Task>,
    /// `[outputs]`; `None` if the table is absent.
    pub outputs: Option<IndexMap<Name, Spanned<Expr>>>,
    /// The key `file` of outputs, by name.
    pub output_files: HashMap<String, Spanned<FilePath>>,
    /// `[notify]`.
    pub notify: Option<Notify>,
    /// `[[tests]]`.
    pub tests: Vec<Test>,
    /// Number of faults in `[[tests]]`, which no other part depends on.
    pub test_faults: usize,
}

/// `[state]` or `[cache]`.
#[derive(Debug, Clone, Default)]
pub struct BackendSection {
    /// `uri`.
    pub uri: Option<Spanned<UriSource>>,
    /// `ttl`.
    pub ttl: Option<Duration>,
}

/// The source of a backend's URI. The text may hold a password, so there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub enum UriSource {
    /// A URI written in the manifest.
    Text(String),
    /// `{ env = "NAME" }`.
    Env(String),
}

/// `[params.NAME]`. `Debug` hides the default of a secret param.
#[derive(Clone)]
pub struct Param {
    /// Span of the param's name.
    pub span: Span,
    /// `type`, as unparsed WIT text.
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
    /// Span of the resource's name.
    pub span: Span,
    /// The amount, or the rate.
    pub capacity: Capacity,
    /// The runs and hosts that share it.
    pub scope: Scope,
}

/// The scope over which a resource is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Scope {
    /// Each host has its own.
    #[default]
    Host,
    /// All hosts of the run share it.
    Run,
    /// All runs of the state backend share it, by name.
    Backend,
}

/// `[components.NAME]`.
#[derive(Debug, Clone)]
pub struct Component {
    /// `path`, `oci` or `url`; `None` if it has a fault.
    pub source: Option<Spanned<ComponentSource>>,
    /// `sha256`.
    pub sha256: Option<Spanned<Digest>>,
    /// `wit` and `world`: the interface of a core module.
    pub wit: Option<WitSource>,
    /// `build`.
    pub build: Option<String>,
    /// `build-dir`, joined to the manifest's folder.
    pub build_dir: PathBuf,
    /// `[components.NAME.imports]`.
    pub imports: Imports,
    /// `[components.NAME.grants]`.
    pub grants: Grants,
}

impl Component {
    /// Returns the path of its file with its span; `None` if it comes from elsewhere.
    #[must_use]
    pub fn path(&self) -> Option<(&PathBuf, &Span)> {
        let source = self.source.as_ref()?;
        Some((source.value.path()?, &source.span))
    }
}

/// The WIT that a core module was built by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitSource {
    /// `wit`, joined to the manifest's folder: a folder or a file.
    pub path: Spanned<PathBuf>,
    /// `world`; `None` for the only one.
    pub world: Option<String>,
}

/// The capabilities of a guest; none by default.
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the manifest, granted on its own")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Span of the grants; empty if none are written.
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
    /// Whether a part has a fault. Then grants may be missing here.
    pub is_partial: bool,
}

/// A folder of the host, and its path in the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preopen {
    /// The host's path, joined to the manifest's folder.
    pub host: PathBuf,
    /// The path inside the sandbox.
    pub guest: String,
}

/// `[tasks.NAME]`. There may be many, so keys that few of them have are boxed.
#[derive(Debug, Clone)]
pub struct Task {
    /// Span of the task's name.
    pub span: Span,
    /// `call`, `command` or `manifest`; `None` if it has a fault.
    pub action: Option<Spanned<Action>>,
    /// `args`: WIT parameter names with the spans of their keys and their values. For a command, all that it is given.
    pub args: IndexMap<String, (Span, Spanned<Expr>)>,
    /// `after`.
    pub after: Vec<Spanned<String>>,
    /// `when`.
    pub when: Option<Box<When>>,
    /// `for-each`: item names with their lists.
    pub for_each: IndexMap<Name, Spanned<Expr>>,
    /// `product`: all combinations of the lists' elements, instead of pairs.
    pub product: bool,
    /// `repeat`.
    pub repeat: Option<Box<Repeat>>,
    /// `max-parallel`.
    pub max_parallel: Option<NonZeroU32>,
    /// `retry`, `max-lost-hosts`, `timeout`, `limits`, `cache`, `resources`, with `[defaults]` already applied. Shared by all
    /// tasks that set none of them.
    pub policy: Arc<Policy>,
    /// `priority`, −100 to 100.
    pub priority: i8,
    /// `deadline`: of the whole task, all its attempts and elements.
    pub deadline: Option<Duration>,
    /// `grants`, which replaces the component's; none at all for a task with `manifest` that says `"none"`.
    pub grants: Option<Box<Grants>>,
    /// `on-error`.
    pub on_error: OnError,
    /// Whether it is a task of `[finally]`.
    pub is_finally: bool,
    /// The keys that have a fault, or that an unknown key may be a misspelling of. Later stages must not rely on them.
    pub unread: Vec<Unread>,
}

/// A key of a task that later stages check other keys against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// `args`: it is unknown which parameters get a value.
    Args,
    /// `for-each`: it is unknown which items there are, and whether the output is a list.
    ForEach,
    /// `on-error`: the type of the output is not known.
    OnError,
    /// `grants`: it is unknown what is granted.
    Grants,
    /// `output` of a command, `type` of a built-in task: the type of the output is not known.
    Output,
}

impl Task {
    /// Returns whether a key is unread.
    #[must_use]
    pub fn is_unread(&self, key: Unread) -> bool {
        self.unread.contains(&key)
    }
}

/// `when = …`.
#[derive(Debug, Clone)]
pub struct When {
    /// Span of the condition.
    pub span: Span,
    /// The value under test.
    pub subject: Spanned<Expr>,
    /// `equals`; without it, the subject itself must be true.
    pub equals: Option<Spanned<Datum>>,
    /// Whether the condition was read without a fault.
    pub is_complete: bool,
    /// `not`: negates the condition.
    pub is_negated: bool,
}

/// The outcome of a failure once retries are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// The task fails.
    #[default]
    Fail,
    /// The `result`, `ok` or `err`, becomes the output. Other failures fail the task.
    Value,
    /// A `result` becomes the output; its `err` has class and message of the failure.
    Failure,
    /// The element is left out of the list. Needs `for-each`.
    Skip,
}

/// The task keys that `[defaults]` may set.
#[derive(Debug, Clone)]
pub struct Policy {
    /// `retry`.
    pub retry: Retry,
    /// `max-lost-hosts`: maximum number of consecutive hosts lost with the task, before it counts as the cause.
    pub max_lost_hosts: u32,
    /// `timeout`, of one attempt; the first entry of a list.
    pub timeout: Duration,
    /// The further entries of a list, in ascending order, each for an attempt after one that took longer.
    pub longer_timeouts: Vec<Duration>,
    /// `limits`, with the first entry of a list of `memory`.
    pub limits: Limits,
    /// The further entries of that list, in ascending order, each for an attempt after one that needed more.
    pub larger_memory: Vec<Size>,
    /// `resources`: names with amounts.
    pub resources: IndexMap<Name, Spanned<u32>>,
    /// `cache`.
    pub cache: CachePolicy,
}

/// `retry`.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// Maximum number of attempts, including the first.
    pub attempts: NonZeroU32,
    /// The delay before the second attempt.
    pub delay: Duration,
    /// The growth of the delay.
    pub backoff: Backoff,
    /// The maximum delay.
    pub max_delay: Duration,
    /// Whether each delay is drawn at random between half and all of its length.
    pub jitter: bool,
    /// The classes of failures that are retried.
    pub on: Vec<RetryClass>,
    /// Error cases that are never retried. Each must be a case of the function's error type.
    pub permanent: Vec<Spanned<String>>,
    /// Whether `permanent` comes from `[defaults]`: then it applies only to tasks whose error type has the cases.
    pub inherits_permanent: bool,
}

/// The growth of the delay from attempt to attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backoff {
    /// The delay doubles each time.
    #[default]
    Exponential,
    /// The delay stays the same.
    Fixed,
}

/// A class of failures that may be retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryClass {
    /// The function returned an `err`.
    Error,
    /// The guest trapped.
    Trap,
    /// The attempt exceeded its timeout.
    Timeout,
    /// The attempt hit another limit.
    Limit,
}

/// The `cache` key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CachePolicy {
    /// Absent: cached if the task is pure.
    #[default]
    IfPure,
    /// `true`: always cached. The author vouches for an impure task.
    Always,
    /// `false`: never cached.
    Never,
    /// A duration: cached with this TTL.
    For(Duration),
}

impl Manifest {
    /// Returns the position of the first task of `[finally]`, or how many tasks there are.
    #[must_use]
    pub fn first_finally(&self) -> usize {
        self.tasks.values().position(|task| task.is_finally).unwrap_or(self.tasks.len())
    }

    /// Creates an empty manifest, to be filled while reading.
    #[must_use]
    pub(crate) fn empty(sources: Sources, folder: PathBuf) -> Self {
        Self {
            sources,
            folder,
            name: String::new(),
            description: None,
            deadline: None,
            state: BackendSection::default(),
            cache: BackendSection::default(),
            params: IndexMap::new(),
            resources: IndexMap::new(),
            components: IndexMap::new(),
            tasks: IndexMap::new(),
            outputs: None,
            output_files: HashMap::new(),
            notify: None,
            tests: Vec::new(),
            test_faults: 0,
        }
    }
}

impl Grants {
    /// Returns the granted keys, in the order of [`Grant::ALL`]. Destructured, so that no new key is forgotten.
    #[must_use]
    pub fn granted(&self) -> Vec<Grant> {
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
        let granted = [
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
        granted.into_iter().filter(|(_, is_granted)| *is_granted).map(|(grant, _)| grant).collect()
    }

    /// Returns whether a task with these grants gives the same output for the same inputs on every host.
    #[must_use]
    pub fn is_pure(&self) -> bool {
        self.granted().into_iter().all(|grant| grant.row().is_pure)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retry: Retry::default(),
            max_lost_hosts: 3,
            timeout: Duration::from_mins(5),
            longer_timeouts: Vec::new(),
            limits: Limits::default(),
            larger_memory: Vec::new(),
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
