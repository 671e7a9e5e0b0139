//! One host's door to a run in memory: the lock, the clock and the wake-ups around the machine.
//! Decides nothing itself.

use crate::model::Clock;
use crate::state::Entry;
use crate::state::Error;
use crate::state::HostId;
use crate::state::Ledger;
use crate::state::NodeId;
use crate::state::OpenHow;
use crate::state::OpenRequest;
use crate::state::Opened;
use crate::state::Reply;
use crate::state::Settlement;
use crate::state::Token;
use crate::state::Version;
use crate::state::Want;
use crate::state::memory::journal::Pages;
use crate::state::memory::life::Life;
use crate::state::memory::life::Plan;
use crate::state::memory::machine::Caller;
use crate::state::memory::machine::Machine;
use async_trait::async_trait;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// A run as all hosts of this process share it.
pub(crate) struct Run {
    // A mutex because hosts work on many threads; each section is one step of the machine, without a wait.
    life: Mutex<Life>,
    began: Instant,
    version: watch::Sender<u64>,
    // A mutex because hosts come and go on many threads; the section is a push or a removal.
    doors: Mutex<Vec<HostId>>,
    // A mutex because hosts tell what happens from many threads; it is kept by the lives of a run in turn.
    pages: Arc<Mutex<Pages>>,
    clock: Arc<dyn Clock>,
    active: AtomicI64,
}

impl Run {
    /// A life of a run that was created now.
    pub(crate) fn new(life: Life, clock: &Arc<dyn Clock>) -> Self {
        Self::with(life, clock, Arc::new(Mutex::new(Pages::new(clock.now()))))
    }

    /// The next life of this run.
    pub(crate) fn next(&self, life: Life) -> Self {
        Self::with(life, &self.clock, Arc::clone(&self.pages))
    }

    fn with(life: Life, clock: &Arc<dyn Clock>, pages: Arc<Mutex<Pages>>) -> Self {
        let version = watch::Sender::new(life.machine.version);
        Self {
            life: Mutex::new(life),
            began: Instant::now(),
            version,
            doors: Mutex::default(),
            pages,
            active: AtomicI64::new(clock.now().as_millis()),
            clock: Arc::clone(clock),
        }
    }

    pub(crate) fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a request to open this run comes to.
    pub(crate) fn plan(&self, request: &OpenRequest) -> Result<Plan, Error> {
        let doors = self.doors().len();
        self.life().plan(request, doors)
    }

    /// Who works on it.
    pub(crate) fn hosts(&self) -> Vec<HostId> {
        self.doors().clone()
    }

    /// What hosts have told of it.
    pub(crate) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When something was last written to it, in milliseconds.
    pub(crate) fn active(&self) -> i64 {
        self.active.load(Ordering::Relaxed)
    }

    fn doors(&self) -> MutexGuard<'_, Vec<HostId>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one step of the machine and wakes those who wait for it.
    fn step<T>(&self, step: impl FnOnce(&mut Machine, Duration) -> T) -> T {
        let mut life = self.life();
        let taken = step(&mut life.machine, self.began.elapsed());
        let version = life.machine.version;
        drop(life);
        self.version.send_if_modified(|seen| {
            let is_later = *seen < version;
            *seen = (*seen).max(version);
            is_later
        });
        taken
    }
}

/// The door.
pub(crate) struct MemoryLedger {
    run: Arc<Run>,
    host: HostId,
    lease: Duration,
}

impl MemoryLedger {
    /// Opens a door to a run.
    pub(crate) fn opened(run: Arc<Run>, request: OpenRequest, how: OpenHow) -> Opened {
        run.doors().push(request.host.clone());
        let life = run.life();
        let (epoch, policy, stored) = (life.epoch, life.machine.policy, life.machine.stored());
        drop(life);
        let ledger = Self { run, host: request.host, lease: request.lease };
        Opened { ledger: Arc::new(ledger), how, epoch, policy, stored }
    }

    fn caller(&self, now: Duration) -> Caller<'_> {
        Caller { host: &self.host, lease: self.lease, now }
    }
}

/// Whoever drops the door works on the run no more: what it holds may be taken over at once.
impl Drop for MemoryLedger {
    fn drop(&mut self) {
        self.run.step(|machine, _| machine.leave(&self.host));
        let mut doors = self.run.doors();
        if let Some(at) = doors.iter().position(|host| *host == self.host) {
            doors.swap_remove(at);
        }
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn commit(&self, batch: Vec<Settlement>, want: Want) -> Result<Reply, Error> {
        if !batch.is_empty() {
            self.run.active.store(self.run.clock.now().as_millis(), Ordering::Relaxed);
        }
        self.run.step(|machine, now| {
            let done = machine.commit(&self.caller(now), batch, want)?;
            Ok(Reply {
                verdicts: done.verdicts,
                claims: done.claims,
                blocked: done.blocked,
                progress: machine.progress(),
                version: machine.version(),
            })
        })
    }

    async fn fetch(&self, nodes: &[NodeId]) -> Result<Vec<Entry>, Error> {
        let life = self.run.life();
        Ok(nodes.iter().map(|node| life.machine.entry(*node)).collect())
    }

    async fn renew(&self, held: &[Token]) -> Result<Vec<Token>, Error> {
        Ok(self.run.step(|machine, now| machine.renew(&self.caller(now), held)))
    }

    async fn changed(&self, seen: Version) -> Result<(), Error> {
        let mut versions = self.run.version.subscribe();
        loop {
            // Subscribed first, looked second: a change in between is seen by one or the other.
            let due = {
                let life = self.run.life();
                if life.machine.version() > seen {
                    return Ok(());
                }
                life.machine.next_due()
            };
            let is_due = async {
                match due {
                    Some(due) => tokio::time::sleep_until(self.run.began + due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = is_due => return Ok(()),
                changed = versions.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }

    async fn cancel(&self) -> Result<(), Error> {
        self.run.step(|machine, _| machine.cancel());
        Ok(())
    }
}
