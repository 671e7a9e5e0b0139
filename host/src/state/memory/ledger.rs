//! The ledger of one host over a run in memory: lock, clock and wake-ups around the machine.
//! Decisions are left to `machine.rs` and `life.rs`.

use crate::model::{Clock, RunStatus, to_usize};
use crate::state::memory::journal::RunJournal;
use crate::state::memory::leases::Held;
use crate::state::memory::life::{Life, Plan};
use crate::state::memory::machine::{Caller, Machine};
use crate::state::{
    Certainty, ClaimView, Entry, Error, ErrorKind, HostId, Ledger, Loss, NodeId, OpenKind, OpenRequest,
    Opened, Reply, Settlement, Token, Version, Want,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::Instant;

/// Most claims that a host should ask for at once: a commit holds the run's lock, and other hosts wait for it.
const MAX_CLAIMS: u32 = 1000;

/// A run, shared by all hosts of this process.
pub(crate) struct Run {
    // A mutex, because hosts work on many threads. Each section is one step of the machine and never waits.
    life: Mutex<Life>,
    start: Instant,
    version: watch::Sender<u64>,
    // A mutex, because hosts come and go on many threads; each section is a push or a removal.
    open_hosts: Mutex<Vec<HostId>>,
    // A mutex, because hosts work on many threads; each section is a look-up.
    loss_senders: Mutex<HashMap<HostId, UnboundedSender<Loss>>>,
    // A mutex, because hosts append from many threads. The lives of a run share the journal.
    journal: Arc<Mutex<RunJournal>>,
    clock: Arc<dyn Clock>,
    active: AtomicI64,
    is_removed: AtomicBool,
}

impl Run {
    /// Creates a run with its first life.
    pub(crate) fn new(life: Life, clock: &Arc<dyn Clock>) -> Self {
        Self::with(life, clock, Arc::new(Mutex::new(RunJournal::new(clock.now()))))
    }

    /// Creates the next life of this run, with the same journal.
    pub(crate) fn next(&self, life: Life) -> Self {
        Self::with(life, &self.clock, Arc::clone(&self.journal))
    }

    fn with(life: Life, clock: &Arc<dyn Clock>, journal: Arc<Mutex<RunJournal>>) -> Self {
        let version = watch::Sender::new(life.machine.version);
        Self {
            life: Mutex::new(life),
            start: Instant::now(),
            version,
            open_hosts: Mutex::default(),
            loss_senders: Mutex::default(),
            journal,
            active: AtomicI64::new(clock.now().as_millis()),
            clock: Arc::clone(clock),
            is_removed: AtomicBool::new(false),
        }
    }

    pub(crate) fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides what to do with a request to open this run.
    pub(crate) fn plan(&self, request: &OpenRequest) -> Result<Plan, Error> {
        self.remove_dead_hosts(request.is_gone);
        let open_hosts = self.open_hosts().len();
        self.life().plan(request, open_hosts)
    }

    /// Removes hosts that are known to be dead; their claims may be taken over at once.
    fn remove_dead_hosts(&self, is_gone: fn(&HostId) -> bool) {
        let gone: Vec<HostId> = self.open_hosts().extract_if(.., |host| is_gone(host)).collect();
        for host in gone {
            self.step(|machine, now| machine.leave(&host, now));
        }
    }

    /// Returns the live hosts.
    pub(crate) fn hosts(&self) -> Vec<HostId> {
        self.open_hosts().clone()
    }

    /// Subscribes to the run's version.
    pub(crate) fn versions(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Returns the current claims, at most `max`.
    pub(crate) fn claims(&self, max: usize) -> Vec<ClaimView> {
        let mut life = self.life();
        let now = self.start.elapsed();
        let held: Vec<Held> = life.machine.leases.live_claims().take(max).cloned().collect();
        let view = |held: Held| {
            let node = life.machine.node_mut(held.node)?;
            let (attempt, takeovers) = (node.attempt, node.takeovers);
            let iteration = u32::try_from(life.machine.iterations(held.node).len()).unwrap_or(u32::MAX);
            let lease = held.until.saturating_sub(now);
            Some(ClaimView { node: held.node, host: held.host, attempt, iteration, takeovers, lease })
        };
        held.into_iter().filter_map(view).collect()
    }

    /// Returns the time that is left until each deadline that runs; nothing unless hosts work on the run.
    pub(crate) fn deadlines(&self) -> Vec<(Option<String>, Duration)> {
        let life = self.life();
        if !life.machine.is_running() || self.open_hosts().is_empty() {
            return Vec::new();
        }
        life.machine.time_left(self.start.elapsed())
    }

    /// Marks the run as removed, and wakes the hosts that work on it.
    pub(crate) fn remove(&self) {
        self.is_removed.store(true, Ordering::SeqCst);
        self.step(|machine, _| machine.version += 1);
    }

    /// Cancels the run and returns its previous status.
    pub(crate) fn cancel(&self) -> RunStatus {
        self.step(|machine, _| {
            let status = machine.status();
            machine.cancel();
            status
        })
    }

    /// Returns the journal.
    pub(crate) fn journal(&self) -> MutexGuard<'_, RunJournal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time of the last write in milliseconds.
    pub(crate) fn active(&self) -> i64 {
        self.active.load(Ordering::Relaxed)
    }

    fn open_hosts(&self) -> MutexGuard<'_, Vec<HostId>> {
        self.open_hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Performs one step of the machine, reports losses, and wakes waiting hosts.
    fn step<T>(&self, step: impl FnOnce(&mut Machine, Duration) -> T) -> T {
        let mut life = self.life();
        let result = step(&mut life.machine, self.start.elapsed());
        let version = life.machine.version;
        let losses = life.machine.leases.take_losses();
        drop(life);
        if !losses.is_empty() {
            self.report_losses(losses);
        }
        self.version.send_if_modified(|seen| {
            let is_later = *seen < version;
            *seen = (*seen).max(version);
            is_later
        });
        result
    }
}

impl Run {
    fn loss_senders(&self) -> MutexGuard<'_, HashMap<HostId, UnboundedSender<Loss>>> {
        self.loss_senders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends lost claims to their hosts. A closed receiver means that the host has left.
    fn report_losses(&self, losses: Vec<(HostId, Token)>) {
        let mut loss_senders = self.loss_senders();
        for (host, token) in losses {
            let loss = Loss { token, certainty: Certainty::Taken };
            if loss_senders.get(&host).is_some_and(|sender| sender.send(loss).is_err()) {
                loss_senders.remove(&host);
            }
        }
    }
}

/// Lease of a host that keeps its claims: nothing separates a host from its own memory.
const KEPT_LEASE: Duration = Duration::from_hours(24 * 365);

/// The ledger of one host.
pub(crate) struct MemoryLedger {
    run: Arc<Run>,
    host: HostId,
    have: Vec<u32>,
    lease: Duration,
    keeps_leases: AtomicBool,
    // A mutex, because the ledger is shared; the section is one removal.
    losses: Mutex<Option<UnboundedReceiver<Loss>>>,
}

impl MemoryLedger {
    /// Opens the ledger of a run.
    pub(crate) fn opened(run: Arc<Run>, request: OpenRequest, kind: OpenKind) -> Opened {
        run.open_hosts().push(request.host.clone());
        let have = request.shape.amounts();
        let mut life = run.life();
        life.machine.join(&request.host, have.clone());
        let (epoch, policy, stored) = (life.epoch, life.machine.policy, life.machine.stored());
        let rerun = life.rerun.nodes();
        drop(life);
        let (sender, losses) = unbounded_channel();
        run.loss_senders().insert(request.host.clone(), sender);
        let (keeps_leases, losses) = (AtomicBool::new(false), Mutex::new(Some(losses)));
        let ledger = Self { run, host: request.host, have, lease: request.lease, keeps_leases, losses };
        Opened { ledger: Arc::new(ledger), kind, epoch, policy, stored, rerun }
    }

    fn caller(&self, now: Duration) -> Caller<'_> {
        let lease = if self.keeps_leases.load(Ordering::SeqCst) { KEPT_LEASE } else { self.lease };
        Caller { host: &self.host, have: &self.have, lease, now }
    }
}

/// Leaves the run: the host's claims may be taken over at once.
impl Drop for MemoryLedger {
    fn drop(&mut self) {
        self.run.step(|machine, now| machine.leave(&self.host, now));
        self.run.loss_senders().remove(&self.host);
        let mut open_hosts = self.run.open_hosts();
        if let Some(idx) = open_hosts.iter().position(|host| *host == self.host) {
            open_hosts.swap_remove(idx);
        }
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn commit(&self, batch: Vec<Settlement>, want: Want) -> Result<Reply, Error> {
        if self.run.is_removed.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::NoRun, "working on a run that was removed"));
        }
        if !batch.is_empty() {
            self.run.active.store(self.run.clock.now().as_millis(), Ordering::Relaxed);
        }
        self.run.step(|machine, now| {
            let done = machine.commit(&self.caller(now), batch, want)?;
            Ok(Reply {
                verdicts: done.verdicts,
                claims: done.claims,
                blocked: done.blocked,
                progress: machine.progress(now),
                version: machine.version(),
            })
        })
    }

    fn max_claims(&self) -> u32 {
        MAX_CLAIMS
    }

    async fn fetch(&self, nodes: &[NodeId]) -> Result<Vec<Entry>, Error> {
        let life = self.run.life();
        Ok(nodes.iter().map(|node| life.machine.entry(*node)).collect())
    }

    async fn failed(&self) -> Result<Vec<NodeId>, Error> {
        Ok(self.run.life().machine.failed())
    }

    async fn fetch_iteration(&self, node: NodeId, iteration: u32) -> Result<Option<Bytes>, Error> {
        Ok(self.run.life().machine.iterations(node).get(to_usize(iteration)).cloned())
    }

    fn keep_leases(&self) -> Result<UnboundedReceiver<Loss>, Error> {
        let losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner).take();
        let losses =
            losses.ok_or_else(|| Error::new(ErrorKind::Misuse, "starting lease renewal a second time"))?;
        self.keeps_leases.store(true, Ordering::SeqCst);
        self.run.step(|machine, now| {
            let held = machine.leases.held_by(&self.host);
            machine.renew(&self.caller(now), &held)
        });
        Ok(losses)
    }

    async fn renew(&self, held: &[Token]) -> Result<Vec<Token>, Error> {
        Ok(self.run.step(|machine, now| machine.renew(&self.caller(now), held)))
    }

    async fn changed(&self, seen: Version) -> Result<(), Error> {
        let mut versions = self.run.version.subscribe();
        loop {
            // Subscribe before looking, so that a change in between is not missed.
            let due = {
                let life = self.run.life();
                if life.machine.version() > seen {
                    return Ok(());
                }
                life.machine.next_due()
            };
            let is_due = async {
                match due {
                    Some(due) => tokio::time::sleep_until(self.run.start + due).await,
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

    async fn claim_end(&self) -> Result<bool, Error> {
        Ok(self.run.step(|machine, _| machine.claim_end(&self.host)))
    }
}
