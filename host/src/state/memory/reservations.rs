//! Reservations in the memory of this process, shared by its runs: locks, clock and wake-ups around the line.
//! Decisions are left to `resource_line.rs`.

use crate::state::memory::resource_line::{Key, ResourceLine};
use crate::state::{
    Error, GiveBack, Reservation, ReservationSession, Reservations, ReserveReply, ResourceView,
    SessionRequest,
};
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// Lease of a session that is kept: nothing separates a host from its own memory.
const KEPT_LEASE: Duration = Duration::from_hours(24 * 365);

/// The resources of a process.
pub(crate) struct MemoryReservations(Arc<Shared>);

struct Shared {
    // A mutex, because hosts work on many threads. Each section is one step of the line and never waits.
    line: Mutex<ResourceLine>,
    // A mutex, because hosts work on many threads; each section is a look-up.
    calls: Mutex<HashMap<Key, Arc<Notify>>>,
    start: Instant,
    sessions: AtomicU64,
}

impl MemoryReservations {
    /// Creates a store without resources.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            line: Mutex::default(),
            calls: Mutex::default(),
            start: Instant::now(),
            sessions: AtomicU64::new(0),
        }))
    }
}

impl Shared {
    fn now(&self) -> u64 {
        micros(self.start.elapsed())
    }

    /// Performs one step of the line, and wakes those that it has called.
    fn step<T>(&self, step: impl FnOnce(&mut ResourceLine, u64) -> T) -> T {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let result = step(&mut line, self.now());
        let called = line.take_called();
        drop(line);
        let calls = if called.is_empty() { None } else { Some(self.calls()) };
        for key in called {
            calls.iter().filter_map(|calls| calls.get(&key)).for_each(|call| call.notify_one());
        }
        result
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<Key, Arc<Notify>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[async_trait]
impl Reservations for MemoryReservations {
    async fn open(&self, request: SessionRequest) -> Result<Arc<dyn ReservationSession>, Error> {
        self.0.step(|line, now| line.remove_gone(request.is_gone, now));
        let session = Session {
            shared: Arc::clone(&self.0),
            request,
            id: AtomicU64::new(0),
            is_kept: AtomicBool::new(false),
            ids: AtomicU64::new(0),
            lost: watch::Sender::new(0),
        };
        session.begin();
        Ok(Arc::new(session))
    }

    async fn list(&self) -> Result<Vec<ResourceView>, Error> {
        Ok(self.0.step(ResourceLine::list))
    }
}

struct Session {
    shared: Arc<Shared>,
    request: SessionRequest,
    /// The session in line; another one after the lease has passed.
    id: AtomicU64,
    is_kept: AtomicBool,
    ids: AtomicU64,
    lost: watch::Sender<u64>,
}

impl Session {
    fn begin(&self) -> u64 {
        let id = self.shared.sessions.fetch_add(1, Ordering::SeqCst);
        let who = (self.request.run.clone(), self.request.host.clone());
        self.shared.step(|line, now| line.open(id, who, now.saturating_add(self.lease())));
        self.id.store(id, Ordering::SeqCst);
        id
    }

    fn begin_again(&self) -> u64 {
        let id = self.begin();
        self.lost.send_modify(|lost| *lost += 1);
        id
    }

    fn id(&self) -> u64 {
        self.id.load(Ordering::SeqCst)
    }

    fn lease(&self) -> u64 {
        micros(if self.is_kept.load(Ordering::SeqCst) { KEPT_LEASE } else { self.request.lease })
    }

    fn call(&self, id: u64) -> Arc<Notify> {
        Arc::clone(self.shared.calls().entry((self.id(), id)).or_default())
    }
}

#[async_trait]
impl ReservationSession for Session {
    fn draw_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    async fn reserve(&self, reservation: &Reservation) -> Result<ReserveReply, Error> {
        let mut session = self.id();
        loop {
            if let Some(reply) = self.shared.step(|line, now| line.reserve(session, reservation, now)) {
                return Ok(reply);
            }
            session = self.begin_again();
        }
    }

    async fn called(&self, id: u64) {
        self.call(id).notified().await;
    }

    fn give_back(&self, id: u64, how: GiveBack) {
        let key = (self.id(), id);
        self.shared.step(|line, now| line.give_back(key, how, now));
        self.shared.calls().remove(&key);
    }

    fn keep_lease(&self) -> Result<watch::Receiver<u64>, Error> {
        self.is_kept.store(true, Ordering::SeqCst);
        let id = self.id();
        self.shared.step(|line, now| line.renew(id, (now, now.saturating_add(self.lease()))));
        Ok(self.lost.subscribe())
    }

    async fn renew(&self) -> Result<bool, Error> {
        let id = self.id();
        let is_kept = self.shared.step(|line, now| line.renew(id, (now, now.saturating_add(self.lease()))));
        if !is_kept {
            self.begin_again();
        }
        Ok(is_kept)
    }
}

/// Ends the session: what it holds is free at once.
impl Drop for Session {
    fn drop(&mut self) {
        let id = self.id();
        self.shared.step(|line, now| line.close(id, now));
        self.shared.calls().retain(|(session, _), _| *session != id);
    }
}
