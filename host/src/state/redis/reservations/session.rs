//! One host's session for one run at a server, and its requests.
//! The engine has it as `handle.rs`. The loops that give back, listen and renew are in `background.rs` and `renewal.rs`.

use crate::model::Random;
use crate::state::redis::link::{Command, Line, Request};
use crate::state::redis::reservations::server::Server;
use crate::state::redis::reservations::wire::{Step, read_step, reply};
use crate::state::{Error, ErrorKind, GiveBack, Reservation, ReserveReply, SessionRequest};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

/// Timeout of leaving. If the server is unreachable, the lease expires instead.
pub(crate) const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum number of times that one reservation may find the session lost before the host gives up.
const MAX_SESSIONS: u32 = 10;

/// A session, shared with its background tasks.
pub(crate) struct Session {
    pub(crate) server: Arc<Server>,
    pub(crate) request: SessionRequest,
    /// The name of all sessions of this object, before their number.
    name: String,
    // A mutex, because jobs and the renewal use it; each section is an assignment.
    current: Mutex<Current>,
    // A mutex, because jobs wait on many threads; each section is a look-up.
    calls: Mutex<Calls>,
    lost: watch::Sender<u64>,
    /// One permit: somebody waits, so that calls must be listened for.
    pub(crate) waiter: Notify,
}

/// The reservations that have not ended, each with what wakes it, and the next id.
#[derive(Default)]
struct Calls {
    open: HashMap<u64, Arc<Notify>>,
    next: u64,
}

/// The session in force.
#[derive(Clone, Copy)]
struct Current {
    number: u64,
    /// When its lease ends by this host's clock.
    until: Instant,
}

impl Session {
    /// Creates a session that is not open yet.
    pub(crate) fn new(server: Arc<Server>, request: SessionRequest) -> Self {
        Self {
            server,
            name: format!("{:016x}", Random::from_system().next_u64()),
            current: Mutex::new(Current { number: 0, until: Instant::now() + request.lease }),
            request,
            calls: Mutex::default(),
            lost: watch::Sender::new(0),
            waiter: Notify::new(),
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn text(&self, number: u64) -> String {
        format!("{}-{number}", self.name)
    }

    fn lease_micros(&self) -> u64 {
        u64::try_from(self.request.lease.as_micros()).unwrap_or(u64::MAX)
    }

    fn step(&self, command: &str, number: u64) -> Command {
        self.server.step(command, &self.text(number), self.lease_micros())
    }

    /// Opens the session in force at the server, and ends those of lost hosts.
    pub(crate) async fn open(&self, gone: &[String]) -> Result<(), Error> {
        let (number, sent) = (self.current().number, Instant::now());
        let step = self.step("open", number).args(gone);
        self.server.ask("opening a session for", Request::write, step).await?;
        self.confirm(number, sent);
        Ok(())
    }

    fn confirm(&self, number: u64, sent: Instant) {
        let mut current = self.current();
        if current.number == number {
            current.until = sent + self.request.lease;
        }
    }

    /// Replaces a session that was lost, unless another job has.
    pub(crate) fn replace(&self, number: u64) {
        let mut current = self.current();
        if current.number == number {
            *current = Current { number: number + 1, until: Instant::now() + self.request.lease };
            self.lost.send_modify(|lost| *lost += 1);
        }
    }

    /// Reserves, or waits in line.
    pub(crate) async fn reserve(&self, reservation: &Reservation) -> Result<ReserveReply, Error> {
        for _ in 0..MAX_SESSIONS {
            let number = self.current().number;
            let step = self
                .step("reserve", number)
                .arg(format!("{}.{}", self.text(number), reservation.id))
                .arg(self.request.run.as_str())
                .arg(self.request.host.0.as_bytes())
                .arg(&reservation.task)
                .arg(reservation.priority.to_string());
            let step = reservation.needs.iter().fold(step, |step, need| {
                step.arg(need.name.as_bytes()).arg(need.amount.to_string()).arg(need.capacity.encode())
            });
            match self.server.ask("reserving", Request::write, step).await? {
                Step::Taken(parts) => {
                    return reply(parts).ok_or_else(|| {
                        Error::new(ErrorKind::Refused, "reserving resources: the server's reply is invalid")
                    });
                }
                Step::Lost => {
                    self.replace(number);
                    self.open(&[]).await?;
                }
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "reserving the resources of all runs")
            .hint("Redis keeps losing the keys `cascade:resources:*`; check its `maxmemory-policy`."))
    }

    /// Renews the lease on a separate line, and within a bound if there is one. Returns whether it had not passed; none
    /// without a reply.
    pub(crate) async fn renew_on(&self, line: &Line, within: Duration) -> Option<bool> {
        let (number, sent) = (self.current().number, Instant::now());
        let request = Request::write([self.renewal(number)]);
        let answers = self.server.link.ask_within(line, request, within).await.ok()?;
        Some(self.renewed(number, sent, &read_step(answers)?))
    }

    fn renewed(&self, number: u64, sent: Instant, step: &Step) -> bool {
        match step {
            Step::Taken(_) => {
                self.confirm(number, sent);
                true
            }
            Step::Lost => {
                self.replace(number);
                false
            }
        }
    }

    /// Replaces the session if its lease has ended by this host's clock: somebody else may hold what it held.
    pub(crate) fn doubt(&self) {
        let Current { number, until } = *self.current();
        if until <= Instant::now() {
            self.replace(number);
        }
    }

    /// Returns when the lease ends by this host's clock.
    pub(crate) fn until(&self) -> Instant {
        self.current().until
    }

    /// Wakes the reservations that the server has called.
    pub(crate) fn wake(&self, ids: &str) {
        let calls = self.calls();
        for id in ids.split(' ') {
            let own = id.strip_prefix(&self.name).and_then(|rest| rest.rsplit_once('.'));
            let call = own.and_then(|(_, id)| calls.open.get(&id.parse().ok()?));
            call.inspect(|call| call.notify_one());
        }
    }

    /// Wakes all that wait: calls may have been missed.
    pub(crate) fn wake_all(&self) {
        self.calls().open.values().for_each(|call| call.notify_one());
    }

    /// Draws the id of a new reservation.
    pub(crate) fn draw_id(&self) -> u64 {
        let mut calls = self.calls();
        let id = calls.next;
        calls.next += 1;
        calls.open.insert(id, Arc::default());
        id
    }

    /// Creates the command that renews the lease. It names the reservations that have not ended: a late packet may have
    /// begun another one anew.
    fn renewal(&self, number: u64) -> Command {
        let calls = self.calls();
        let step = self.step("renew", number).arg(calls.next.to_string());
        step.args(calls.open.keys().map(u64::to_string))
    }

    /// Returns what wakes a reservation.
    pub(crate) fn call(&self, id: u64) -> Arc<Notify> {
        Arc::clone(self.calls().open.entry(id).or_default())
    }

    /// Renews the lease on the shared connection. Returns whether it had not passed.
    pub(crate) async fn renew(&self) -> Result<bool, Error> {
        let (number, sent) = (self.current().number, Instant::now());
        let step = self.renewal(number);
        let step = self.server.ask("renewing the lease on", Request::write, step).await?;
        Ok(self.renewed(number, sent, &step))
    }

    /// Returns the number of leases that were lost.
    pub(crate) fn lost(&self) -> watch::Receiver<u64> {
        self.lost.subscribe()
    }

    /// Forgets a reservation, and returns what ends it at the server.
    pub(crate) fn ended(&self, id: u64, how: GiveBack) -> Ended {
        self.calls().open.remove(&id);
        Ended { number: self.current().number, id, how }
    }

    /// Creates the command that ends a reservation.
    pub(crate) fn end(&self, ended: &Ended) -> Command {
        let how = match ended.how {
            GiveBack::Used => "used",
            GiveBack::Unused => "unused",
            GiveBack::KeepingPlace => "keep",
        };
        let id = format!("{}.{}", self.text(ended.number), ended.id);
        self.step("give_back", ended.number).arg(id).arg(how)
    }

    /// Creates the command that ends the session.
    pub(crate) fn close(&self) -> Command {
        let number = self.current().number;
        self.step("close", number)
    }
}

/// A reservation that has ended.
pub(crate) struct Ended {
    number: u64,
    id: u64,
    how: GiveBack,
}

/// What the background task that gives back is told.
pub(crate) enum End {
    /// One reservation.
    Reservation(Ended),
    /// The session.
    Session(oneshot::Sender<()>),
}
