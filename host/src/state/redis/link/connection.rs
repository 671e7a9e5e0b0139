//! The connections to one server: a shared one for all runs, and separate lines for blocking and lease renewal.
//! Requests are retried until the outcome is definite, so every request must be safe to run twice.

use crate::state::redis::link::command::{Answer, Command, Effect, Request};
use crate::state::redis::link::connect::client;
use crate::state::redis::link::errors::{Remedy, ServerError};
use crate::state::redis::link::monitor::Monitor;
use crate::state::redis::link::pending_request::{Contact, PendingRequest, TimeLimits};
use crate::state::redis::link::resolver::Resolver;
use crate::state::redis::link::retry::{Backoff, RetryPolicy};
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
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// Assumed minimum throughput of network and server.
const BYTES_PER_MILLISECOND: usize = 10_000;

/// Timeout of one connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Delay of a reply after which the server is probed.
const SLOW_REPLY: Duration = Duration::from_millis(500);

/// Timeout of a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Cause of the outage of a silent server.
const NO_REPLY: &str = "no answer";

/// Timeout of the acknowledgement of a write by replicas or the disk; then the write is retried.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum length of an argument. At 512 MiB a server closes the connection, and all pending requests on it are lost.
const MAX_ARGUMENT: usize = (512 << 20) - 1024;

/// Capacity of the client's queue of requests to be written. Further ones see backpressure.
const QUEUE_LEN: usize = 1024;

/// The connections to one server.
pub(crate) struct Link {
    uri: RedisUri,
    client: Client,
    name: String,
    retry: RetryPolicy,
    shared: Line,
    monitor: Monitor,
    /// Whether the server has replied at all.
    has_answered: AtomicBool,
}

/// The timeouts of one request.
#[derive(Clone, Copy)]
struct Timeouts {
    /// Time limit of retrying, once the server has replied for the first time.
    later: Duration,
    /// Time that the server may block.
    block: Duration,
}

/// One connection to a server, reopened when it breaks.
pub(crate) struct Line {
    role: &'static str,
    // A mutex, because all threads share the connection. It is held only to copy a handle.
    live: Mutex<Option<Live>>,
    // Single-flight: held while connecting, so that waiting requests share one attempt.
    connecting: tokio::sync::Mutex<()>,
    connects: AtomicU64,
}

#[derive(Clone)]
struct Live {
    number: u64,
    connection: MultiplexedConnection,
}

impl Line {
    /// Creates an unconnected line. `role` becomes part of its client name at the server.
    pub(crate) fn new(role: &'static str) -> Self {
        Self {
            role,
            live: Mutex::new(None),
            connecting: tokio::sync::Mutex::new(()),
            connects: AtomicU64::new(0),
        }
    }

    /// Returns how often the line was connected.
    pub(crate) fn connects(&self) -> u64 {
        self.connects.load(Ordering::SeqCst)
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
    /// Creates a link to a server; does not connect yet. `name` is the client name shown by the server.
    pub(crate) fn new(uri: &RedisUri, name: &str, retry: RetryPolicy) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self {
            client: client(uri)?,
            uri: uri.clone(),
            name: name.to_owned(),
            retry,
            shared: Line::new("main"),
            monitor: Monitor::new(&uri.to_string(), retry.later),
            has_answered: AtomicBool::new(false),
        }))
    }

    /// Returns the availability of the server.
    pub(crate) fn health(&self) -> watch::Receiver<Health> {
        self.monitor.subscribe()
    }

    /// Returns the URI.
    pub(crate) const fn uri(&self) -> &RedisUri {
        &self.uri
    }

    /// Returns the topology.
    pub(crate) const fn topology(&self) -> &RedisTopology {
        &self.uri.topology
    }

    /// Returns how often the shared connection was reopened.
    pub(crate) fn reconnects(&self) -> u64 {
        self.shared.connects().saturating_sub(1)
    }

    /// Sends commands and retries temporary failures until the deadline; returns the replies in order.
    pub(crate) async fn ask(&self, doing: &str, request: Request) -> Result<Vec<Answer>, Error> {
        self.ask_for(doing, request, self.retry.later).await
    }

    /// Sends commands like [`Link::ask`], but gives up as early as for a first connection, because no run is open yet.
    pub(crate) async fn ask_at_start(&self, doing: &str, request: Request) -> Result<Vec<Answer>, Error> {
        self.ask_for(doing, request, self.retry.at_start).await
    }

    async fn ask_for(&self, doing: &str, request: Request, later: Duration) -> Result<Vec<Answer>, Error> {
        self.try_for(&self.shared, doing, request, Timeouts { later, block: Duration::ZERO }).await
    }

    /// Sends commands on a separate line until there is a reply, for which the server may block for `block`.
    pub(crate) async fn ask_on(
        &self,
        line: &Line,
        doing: &str,
        request: Request,
        block: Duration,
    ) -> Result<Vec<Answer>, Error> {
        self.try_for(line, doing, request, Timeouts { later: self.retry.later, block }).await
    }

    async fn try_for(
        &self,
        line: &Line,
        doing: &str,
        request: Request,
        timeouts: Timeouts,
    ) -> Result<Vec<Answer>, Error> {
        if request.largest > MAX_ARGUMENT {
            let size = request.largest;
            return Err(Error::new(ErrorKind::Refused, format!("{doing}: a value has {size} bytes"))
                .hint("Redis stores no value of 512 MiB or more."));
        }
        let request = self.durable(request);
        let extra = transfer_time(&request) + self.acknowledge_time(&request) + timeouts.block;
        let (at_start, later) = (self.retry.at_start, timeouts.later.saturating_add(extra));
        let mut pending = PendingRequest::new(&self.monitor, TimeLimits { at_start, later }, request.need);
        let (mut backoff, mut last) = (Backoff::new(), None);
        loop {
            let sent = Instant::now();
            let error = match self.attempt_within(line, &request, extra, &mut pending).await {
                Ok(answers) => {
                    self.has_answered.store(true, Ordering::SeqCst);
                    self.monitor.served(self.reconnects());
                    return Ok(answers);
                }
                // The error before a timed out attempt says more than the timeout.
                Err(cut) => cut.or(last.take()).unwrap_or_else(|| self.never_answered()),
            };
            match error.remedy {
                Remedy::Refuse => return Err(error.into_error(self.about(doing))),
                Remedy::Wait | Remedy::Load => self.has_answered.store(true, Ordering::SeqCst),
                Remedy::Reconnect => {}
            }
            let ends = pending.failed(sent, error.cause(), self.contact());
            if !backoff.next(ends.saturating_duration_since(Instant::now())).await {
                let seconds = pending.elapsed().as_secs();
                return Err(error.into_error(format!("{} for {seconds} s", self.about(doing))));
            }
            last = Some(error);
        }
    }

    fn never_answered(&self) -> ServerError {
        ServerError::timed_out(self.retry.at_start.as_secs_f64()).while_connecting(&self.uri)
    }

    fn contact(&self) -> Contact {
        if self.has_answered.load(Ordering::SeqCst) { Contact::Established } else { Contact::Never }
    }

    /// Makes one attempt. A slow one is reported while it is pending. If the server has never replied, the time limit
    /// ends the attempt, which then has no error of its own.
    async fn attempt_within(
        &self,
        line: &Line,
        request: &Request,
        extra: Duration,
        pending: &mut PendingRequest<'_>,
    ) -> Result<Vec<Answer>, Option<ServerError>> {
        let sent = Instant::now();
        let deadline = self.deadline().saturating_add(extra);
        let mut attempt = Box::pin(self.attempt(line, request, deadline));
        let contact = self.contact();
        let ends = match contact {
            Contact::Never => Some(pending.start_deadline()),
            Contact::Established => None,
        };
        let late = sent + SLOW_REPLY.saturating_add(extra);
        let early = tokio::time::timeout_at(ends.map_or(late, |ends| ends.min(late)), attempt.as_mut());
        if let Ok(done) = early.await {
            return done.map_err(Some);
        }
        let Some(ends) = ends else {
            // A large request is slow although the server is up: probe the server before reporting an outage.
            tokio::select! {
                biased;
                done = attempt.as_mut() => return done.map_err(Some),
                cause = self.wait_for_absence() => drop(pending.failed(sent, cause, contact)),
            }
            return attempt.await.map_err(Some);
        };
        if Instant::now() < ends {
            pending.failed(sent, NO_REPLY.to_owned(), contact);
        }
        match tokio::time::timeout_at(ends, attempt).await {
            Ok(done) => done.map_err(Some),
            Err(_) => Err(None),
        }
    }

    /// Waits until a probe of the server fails too; returns the cause.
    async fn wait_for_absence(&self) -> String {
        loop {
            let line = Line::new("probe");
            let time = Request::read([Command::new("TIME")]);
            match tokio::time::timeout(PROBE_TIMEOUT, self.attempt(&line, &time, PROBE_TIMEOUT)).await {
                Ok(Ok(_)) => tokio::time::sleep(PROBE_TIMEOUT).await,
                Ok(Err(error)) => return error.cause(),
                Err(_) => return NO_REPLY.to_owned(),
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
        let deadline = self.deadline().saturating_add(transfer_time(&request)).saturating_add(block);
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
        let within = ACKNOWLEDGE_TIMEOUT.as_millis().to_string();
        match self.uri.durability {
            _ if request.effect == Effect::None => request,
            Durability::Server => request,
            Durability::Replica(count) => {
                request.and(Command::new("WAIT").arg(count.to_string()).arg(within))
            }
            Durability::Aof => request.and(Command::new("WAITAOF").arg("1").arg("0").arg(within)),
        }
    }

    /// Returns the time that a server may take to acknowledge a write.
    fn acknowledge_time(&self, request: &Request) -> Duration {
        match self.uri.durability {
            Durability::Replica(_) | Durability::Aof if request.effect == Effect::Writes => {
                ACKNOWLEDGE_TIMEOUT
            }
            Durability::Server | Durability::Replica(_) | Durability::Aof => Duration::ZERO,
        }
    }

    fn deadline(&self) -> Duration {
        self.uri.timeout.unwrap_or(REPLY_TIMEOUT)
    }

    async fn attempt(
        &self,
        line: &Line,
        request: &Request,
        deadline: Duration,
    ) -> Result<Vec<Answer>, ServerError> {
        let current = self.connected(line).await?;
        let sent = self.send(current.connection, request, deadline).await;
        if sent.as_ref().is_err_and(|error| error.remedy == Remedy::Reconnect) {
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
            Err(error) if error.remedy == Remedy::Load => {
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
        let required = match self.uri.durability {
            Durability::Replica(count) if request.effect == Effect::Writes => count,
            Durability::Aof if request.effect == Effect::Writes => 1,
            Durability::Server | Durability::Replica(_) | Durability::Aof => return Ok(answers),
        };
        let acknowledged_by = match answers.pop() {
            Some(Answer::List(parts)) => parts.first().and_then(Answer::number),
            Some(answer) => answer.number(),
            None => None,
        };
        let acknowledged_by = acknowledged_by.unwrap_or(0);
        if acknowledged_by >= i64::from(required) {
            Ok(answers)
        } else {
            Err(ServerError::not_durable(acknowledged_by, required))
        }
    }

    async fn connected(&self, line: &Line) -> Result<Live, ServerError> {
        if let Some(live) = line.live() {
            return Ok(live);
        }
        let _connecting = line.connecting.lock().await;
        // Another request may have connected while this one waited for the lock.
        if let Some(live) = line.live() {
            return Ok(live);
        }
        let connected = self.connect(line.role).await;
        let connection = connected.map_err(|error| error.while_connecting(&self.uri))?;
        let fresh = Live { number: line.connects.fetch_add(1, Ordering::SeqCst), connection };
        line.set(Some(fresh.clone()));
        Ok(fresh)
    }

    async fn connect(&self, role: &str) -> Result<MultiplexedConnection, ServerError> {
        // The client's own timeouts would end a request but keep a connection that may be dead: the link has deadlines.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE_LEN)
            .set_write_backpressure_boundary(1 << 20)
            .set_dns_resolver(Resolver);
        let bound = self.retry.at_start.min(CONNECT_TIMEOUT);
        let connect = self.client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = within(bound, connect).await?;
        let name = format!("cascade-host:{}:{role}", self.name);
        let name = Request::read([Command::new("CLIENT").arg("SETNAME").arg(name)]);
        match exchange(&mut connection, &name, bound).await {
            // A server that rejects the client name, or is still loading, is usable. One that requires a password must
            // fail here: it would treat further requests as a flood, without an error.
            Err(error) if error.remedy == Remedy::Reconnect || error.needs_login() => Err(error),
            Ok(_) | Err(_) => Ok(connection),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("uri", &self.uri.to_string()).finish_non_exhaustive()
    }
}

/// Returns the maximum time to transfer a request.
fn transfer_time(request: &Request) -> Duration {
    Duration::from_millis(u64::try_from(request.bytes / BYTES_PER_MILLISECOND).unwrap_or(u64::MAX))
}

async fn exchange(
    connection: &mut MultiplexedConnection,
    request: &Request,
    deadline: Duration,
) -> Result<Vec<Answer>, ServerError> {
    let sent = connection.send_packed_commands(&request.commands, 0, request.count);
    let values = within(deadline, sent).await?;
    let read = |value| Answer::read(value, request.foreign_keys);
    values.into_iter().map(read).collect::<Result<_, _>>().map_err(ServerError::classify)
}

async fn within<T>(
    bound: Duration,
    future: impl Future<Output = Result<T, redis::RedisError>>,
) -> Result<T, ServerError> {
    match tokio::time::timeout(bound, future).await {
        Ok(done) => done.map_err(ServerError::classify),
        Err(_) => Err(ServerError::timed_out(bound.as_secs_f64())),
    }
}
