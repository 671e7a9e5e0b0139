//! The connections to one server: a shared one for all runs, and separate lines for blocking and lease renewal.
//! Requests are retried until the outcome is definite, so every request must be safe to run twice.

use crate::state::redis::link::command::{Answer, Command, Effect, Request};
use crate::state::redis::link::connect::client;
use crate::state::redis::link::errors::{Remedy, ServerError};
use crate::state::redis::link::monitor::Monitor;
use crate::state::redis::link::names::Names;
use crate::state::redis::link::retry::{RetryPolicy, Trials};
use crate::state::redis::link::trial::{Heard, Terms, Trial};
use crate::state::{Durability, Error, ErrorKind, Health, RedisTopology, RedisUri};
use redis::AsyncConnectionConfig;
use redis::Client;
use redis::aio::MultiplexedConnection;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Default timeout of a reply, without the time for its size.
const ANSWER: Duration = Duration::from_secs(10);

/// The throughput that network and server are assumed to reach at least.
const BYTES_PER_MILLISECOND: usize = 10_000;

/// Longest duration of one connection attempt.
const CONNECT: Duration = Duration::from_secs(5);

/// How long an answer may take before the server is asked whether it is there.
const SLOW: Duration = Duration::from_millis(500);

/// How long it may take to answer that.
const PROBE: Duration = Duration::from_secs(1);

/// Why a server is held to be away that says nothing.
const NO_ANSWER: &str = "no answer";

/// How long replicas or the disk may take to acknowledge one write, before it is tried again.
const ACKNOWLEDGE: Duration = Duration::from_secs(1);

/// The longest argument. At 512 MiB a server closes the connection, and all requests under way on it are lost.
const LONGEST: usize = (512 << 20) - 1024;

/// Capacity of the client's queue: how many requests may wait to be written. Further ones see backpressure.
const QUEUE: usize = 1024;

/// The connections to one server.
pub(crate) struct Link {
    uri: RedisUri,
    client: Client,
    name: String,
    patience: RetryPolicy,
    shared: Line,
    monitor: Monitor,
    /// Whether the server has answered anything yet.
    has_answered: AtomicBool,
}

/// What one request is allowed.
#[derive(Clone, Copy)]
struct Allowed {
    /// For how long it is tried once the server has answered for the first time.
    later: Duration,
    /// How long the server may hold its answer back.
    block: Duration,
}

/// One connection to a server, reopened when it breaks.
pub(crate) struct Line {
    role: &'static str,
    // A mutex, because all threads share the connection. It is held only to copy a handle.
    live: Mutex<Option<Live>>,
    // Single-flight: held while connecting, so that waiting requests share one attempt.
    making: tokio::sync::Mutex<()>,
    made: AtomicU64,
}

#[derive(Clone)]
struct Live {
    number: u64,
    connection: MultiplexedConnection,
}

impl Line {
    /// An unconnected line. `role` becomes part of its client name at the server.
    pub(crate) fn new(role: &'static str) -> Self {
        Self { role, live: Mutex::new(None), making: tokio::sync::Mutex::new(()), made: AtomicU64::new(0) }
    }

    /// Returns how often the line was connected.
    pub(crate) fn made(&self) -> u64 {
        self.made.load(Ordering::SeqCst)
    }

    fn live(&self) -> Option<Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, live: Option<Live>) {
        *self.live.lock().unwrap_or_else(PoisonError::into_inner) = live;
    }

    /// Drops a broken connection, unless it was already replaced.
    fn give_up(&self, number: u64) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.as_ref().is_some_and(|live| live.number == number) {
            *live = None;
        }
    }
}

impl Link {
    /// A link to a server; does not connect yet. `name` is the client name shown by the server.
    pub(crate) fn new(uri: &RedisUri, name: &str, patience: RetryPolicy) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self {
            client: client(uri)?,
            uri: uri.clone(),
            name: name.to_owned(),
            patience,
            shared: Line::new("main"),
            monitor: Monitor::new(&uri.to_string(), patience.later),
            has_answered: AtomicBool::new(false),
        }))
    }

    /// Whether the server serves.
    pub(crate) fn health(&self) -> watch::Receiver<Health> {
        self.monitor.follow()
    }

    /// Where it leads.
    pub(crate) const fn uri(&self) -> &RedisUri {
        &self.uri
    }

    /// Returns the topology.
    pub(crate) const fn place(&self) -> &RedisTopology {
        &self.uri.place
    }

    /// Returns how often the shared connection was reopened.
    pub(crate) fn reconnects(&self) -> u64 {
        self.shared.made().saturating_sub(1)
    }

    /// Sends commands and retries temporary failures until the deadline; returns the replies in order.
    pub(crate) async fn ask(&self, doing: &str, request: Request) -> Result<Vec<Answer>, Error> {
        self.ask_for(doing, request, self.patience.later).await
    }

    /// Sends commands like [`Link::ask`], but gives up as early as for a first connection: nothing is at stake yet.
    pub(crate) async fn ask_at_start(&self, doing: &str, request: Request) -> Result<Vec<Answer>, Error> {
        self.ask_for(doing, request, self.patience.at_start).await
    }

    async fn ask_for(&self, doing: &str, request: Request, later: Duration) -> Result<Vec<Answer>, Error> {
        self.try_for(&self.shared, doing, request, Allowed { later, block: Duration::ZERO }).await
    }

    /// Sends commands on a line of one's own until there is an answer, which the server may hold back for `block`.
    pub(crate) async fn ask_on(
        &self,
        line: &Line,
        doing: &str,
        request: Request,
        block: Duration,
    ) -> Result<Vec<Answer>, Error> {
        self.try_for(line, doing, request, Allowed { later: self.patience.later, block }).await
    }

    async fn try_for(
        &self,
        line: &Line,
        doing: &str,
        request: Request,
        allowed: Allowed,
    ) -> Result<Vec<Answer>, Error> {
        if request.largest > LONGEST {
            let size = request.largest;
            return Err(Error::new(ErrorKind::Refused, format!("{doing}: a value has {size} bytes"))
                .hint("Redis stores no value of 512 MiB or more."));
        }
        let request = self.durable(request);
        let extra = moving(&request) + self.acknowledging(&request) + allowed.block;
        let (at_start, later) = (self.patience.at_start, allowed.later.saturating_add(extra));
        let mut trial = Trial::new(&self.monitor, Terms { at_start, later }, request.need);
        let (mut trials, mut last) = (Trials::new(), None);
        loop {
            let sent = Instant::now();
            let trouble = match self.attempt_within(line, &request, extra, &mut trial).await {
                Ok(answers) => {
                    self.has_answered.store(true, Ordering::SeqCst);
                    self.monitor.served(self.reconnects());
                    return Ok(answers);
                }
                // What was cut off says less than what failed before it.
                Err(cut) => cut.or(last.take()).unwrap_or_else(|| self.never_answered()),
            };
            match trouble.remedy {
                Remedy::Refuse => return Err(trouble.into_error(self.about(doing))),
                Remedy::Wait | Remedy::Load => self.has_answered.store(true, Ordering::SeqCst),
                Remedy::Reconnect => {}
            }
            let ends = trial.failed(sent, trouble.cause(), self.heard());
            if !trials.next(ends.saturating_duration_since(Instant::now())).await {
                let seconds = trial.elapsed().as_secs();
                return Err(trouble.into_error(format!("{} for {seconds} s", self.about(doing))));
            }
            last = Some(trouble);
        }
    }

    fn never_answered(&self) -> ServerError {
        ServerError::no_answer(self.patience.at_start.as_secs_f64()).while_connecting(&self.uri)
    }

    fn heard(&self) -> Heard {
        if self.has_answered.load(Ordering::SeqCst) { Heard::Before } else { Heard::Never }
    }

    /// One attempt. One that takes long is reported while it is waited for; a server that has never answered is given up
    /// in the middle of it, and then there is nothing to say of the attempt.
    async fn attempt_within(
        &self,
        line: &Line,
        request: &Request,
        extra: Duration,
        trial: &mut Trial<'_>,
    ) -> Result<Vec<Answer>, Option<ServerError>> {
        let sent = Instant::now();
        let deadline = self.deadline().saturating_add(extra);
        let mut attempt = Box::pin(self.attempt(line, request, deadline));
        let heard = self.heard();
        let ends = match heard {
            Heard::Never => Some(trial.start_ends()),
            Heard::Before => None,
        };
        let late = sent + SLOW.saturating_add(extra);
        let early = tokio::time::timeout_at(ends.map_or(late, |ends| ends.min(late)), attempt.as_mut());
        if let Ok(done) = early.await {
            return done.map_err(Some);
        }
        let Some(ends) = ends else {
            // What is large takes long, and others are served meanwhile.
            tokio::select! {
                biased;
                done = attempt.as_mut() => return done.map_err(Some),
                cause = self.absence() => drop(trial.failed(sent, cause, heard)),
            }
            return attempt.await.map_err(Some);
        };
        if Instant::now() < ends {
            trial.failed(sent, NO_ANSWER.to_owned(), heard);
        }
        match tokio::time::timeout_at(ends, attempt).await {
            Ok(done) => done.map_err(Some),
            Err(_) => Err(None),
        }
    }

    /// Waits until the server does not answer somebody else either; gives why.
    async fn absence(&self) -> String {
        loop {
            let line = Line::new("probe");
            let time = Request::read([Command::new("TIME")]);
            match tokio::time::timeout(PROBE, self.attempt(&line, &time, PROBE)).await {
                Ok(Ok(_)) => tokio::time::sleep(PROBE).await,
                Ok(Err(trouble)) => return trouble.cause(),
                Err(_) => return NO_ANSWER.to_owned(),
            }
        }
    }

    /// Sends commands once on a separate line, which may block for `block`. Failures carry no details.
    pub(crate) async fn ask_once(
        &self,
        line: &Line,
        request: Request,
        block: Duration,
    ) -> Result<Vec<Answer>, ()> {
        let deadline = self.deadline().saturating_add(moving(&request)).saturating_add(block);
        self.attempt(line, &request, deadline).await.map_err(drop)
    }

    /// Sends commands once on a separate line, connecting included, within a bound. Failures carry no details.
    pub(crate) async fn ask_within(
        &self,
        line: &Line,
        request: Request,
        within: Duration,
    ) -> Result<Vec<Answer>, ()> {
        // The inner timeout drops a silent connection; the outer one also covers connecting.
        let attempt = self.attempt(line, &request, within);
        tokio::time::timeout(within * 2, attempt).await.map_err(drop)?.map_err(drop)
    }

    fn about(&self, doing: &str) -> String {
        format!("{doing} at `{}`", self.uri)
    }

    fn durable(&self, request: Request) -> Request {
        let within = ACKNOWLEDGE.as_millis().to_string();
        match self.uri.durability {
            _ if request.effect == Effect::None => request,
            Durability::Server => request,
            Durability::Replica(count) => {
                request.and(Command::new("WAIT").arg(count.to_string()).arg(within))
            }
            Durability::Aof => request.and(Command::new("WAITAOF").arg("1").arg("0").arg(within)),
        }
    }

    /// How long a server may take by itself to see to the durability of a request.
    fn acknowledging(&self, request: &Request) -> Duration {
        match self.uri.durability {
            Durability::Replica(_) | Durability::Aof if request.effect == Effect::Writes => ACKNOWLEDGE,
            Durability::Server | Durability::Replica(_) | Durability::Aof => Duration::ZERO,
        }
    }

    fn deadline(&self) -> Duration {
        self.uri.timeout.unwrap_or(ANSWER)
    }

    async fn attempt(
        &self,
        line: &Line,
        request: &Request,
        deadline: Duration,
    ) -> Result<Vec<Answer>, ServerError> {
        let current = self.connected(line).await?;
        let sent = self.send(current.connection, request, deadline).await;
        if sent.as_ref().is_err_and(|trouble| trouble.remedy == Remedy::Reconnect) {
            line.give_up(current.number);
        }
        sent
    }

    async fn send(
        &self,
        mut connection: MultiplexedConnection,
        request: &Request,
        deadline: Duration,
    ) -> Result<Vec<Answer>, ServerError> {
        let answers = match exchange(&mut connection, request, deadline).await {
            // `EVALSHA` runs nothing if the server does not know the script: load all scripts, then send the request
            // again.
            Err(trouble) if trouble.remedy == Remedy::Load => {
                let load = |script: &&crate::state::redis::link::script::Script| {
                    Command::new("SCRIPT").arg("LOAD").arg(script.text())
                };
                let load = Request::read(request.scripts.iter().map(load));
                exchange(&mut connection, &load, deadline).await?;
                exchange(&mut connection, request, deadline).await?
            }
            done => done?,
        };
        self.acknowledged(request, answers)
    }

    /// Removes the reply of the durability command, and checks it.
    fn acknowledged(&self, request: &Request, mut answers: Vec<Answer>) -> Result<Vec<Answer>, ServerError> {
        let wanted = match self.uri.durability {
            Durability::Replica(count) if request.effect == Effect::Writes => count,
            Durability::Aof if request.effect == Effect::Writes => 1,
            Durability::Server | Durability::Replica(_) | Durability::Aof => return Ok(answers),
        };
        let had = match answers.pop() {
            Some(Answer::List(parts)) => parts.first().and_then(Answer::number),
            Some(answer) => answer.number(),
            None => None,
        };
        let had = had.unwrap_or(0);
        if had >= i64::from(wanted) { Ok(answers) } else { Err(ServerError::not_durable(had, wanted)) }
    }

    async fn connected(&self, line: &Line) -> Result<Live, ServerError> {
        if let Some(live) = line.live() {
            return Ok(live);
        }
        let _making = line.making.lock().await;
        // Another request may have connected while this one waited for the lock.
        if let Some(live) = line.live() {
            return Ok(live);
        }
        let connected = self.connect(line.role).await;
        let connection = connected.map_err(|trouble| trouble.while_connecting(&self.uri))?;
        let made = Live { number: line.made.fetch_add(1, Ordering::SeqCst), connection };
        line.set(Some(made.clone()));
        Ok(made)
    }

    async fn connect(&self, role: &str) -> Result<MultiplexedConnection, ServerError> {
        // Deadlines are ours: the client's would end a request but keep a connection that may be dead.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE)
            .set_write_backpressure_boundary(1 << 20)
            .set_dns_resolver(Names);
        let bound = self.patience.at_start.min(CONNECT);
        let connect = self.client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = within(bound, connect).await?;
        let name = format!("cascade-host:{}:{role}", self.name);
        let name = Request::read([Command::new("CLIENT").arg("SETNAME").arg(name)]);
        match exchange(&mut connection, &name, bound).await {
            // A server that rejects the client name, or is still loading, works all the same. One that requires a
            // password must fail here: it would treat what follows as a flood, without saying so.
            Err(trouble) if trouble.remedy == Remedy::Reconnect || trouble.is_login() => Err(trouble),
            Ok(_) | Err(_) => Ok(connection),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("uri", &self.uri.to_string()).finish_non_exhaustive()
    }
}

/// How long it takes at most to move what a request has.
fn moving(request: &Request) -> Duration {
    Duration::from_millis(u64::try_from(request.bytes / BYTES_PER_MILLISECOND).unwrap_or(u64::MAX))
}

async fn exchange(
    connection: &mut MultiplexedConnection,
    request: &Request,
    deadline: Duration,
) -> Result<Vec<Answer>, ServerError> {
    let sent = connection.send_packed_commands(&request.commands, 0, request.count);
    let values = within(deadline, sent).await?;
    let read = |value| Answer::read(value, request.strangers);
    values.into_iter().map(read).collect::<Result<_, _>>().map_err(ServerError::classify)
}

async fn within<T>(
    bound: Duration,
    future: impl Future<Output = Result<T, redis::RedisError>>,
) -> Result<T, ServerError> {
    match tokio::time::timeout(bound, future).await {
        Ok(done) => done.map_err(ServerError::classify),
        Err(_) => Err(ServerError::no_answer(bound.as_secs_f64())),
    }
}
