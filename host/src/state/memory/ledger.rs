//! One host's door to a run in memory: the lock, the clock and the wake-ups around the machine.
//! Decides nothing itself.

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
use crate::state::memory::life::Life;
use crate::state::memory::life::Plan;
use crate::state::memory::machine::Caller;
use crate::state::memory::machine::Machine;
use async_trait::async_trait;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    doors: AtomicUsize,
}

impl Run {
    pub(crate) fn new(life: Life) -> Self {
        let version = watch::Sender::new(life.machine.version);
        Self { life: Mutex::new(life), began: Instant::now(), version, doors: AtomicUsize::new(0) }
    }

    pub(crate) fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a request to open this run comes to.
    pub(crate) fn plan(&self, request: &OpenRequest) -> Result<Plan, Error> {
        self.life().plan(request, self.doors.load(Ordering::SeqCst))
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
        run.doors.fetch_add(1, Ordering::SeqCst);
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
        self.run.doors.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn commit(&self, batch: Vec<Settlement>, want: Want) -> Result<Reply, Error> {
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
