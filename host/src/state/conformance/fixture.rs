//! The fixture of the conformance cases: a backend, concise shapes, and hosts that assert their replies.
//! The cases themselves are in the files beside this one.

use crate::model::{Digest, FailurePolicy, Name, RunId, TaskIdx, TaskName};
use crate::state::{
    Backend, Claim, Dependent, Entry, Error, HostId, Ledger, Mode, NodeId, OpenRequest, Opened, Outcome,
    Reply, ResourceScope, ResourceShape, RunShape, Settlement, Stage, TaskShape, Token, Verdict, Want,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// Makes the backends under test.
#[async_trait]
pub trait Harness: Send + Sync {
    /// Returns a backend over a new store without runs.
    async fn backend(&self) -> Arc<dyn Backend>;

    /// Returns another object over the store of the last [`Self::backend`], as another process would have; none if there
    /// can be only one.
    async fn again(&self) -> Option<Arc<dyn Backend>> {
        None
    }
}

/// Timeout for something that must happen, but might not.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

/// Default lease: no case takes as long, on any machine.
pub(crate) const LEASE: Duration = Duration::from_mins(1);

/// Lease for tests that wait for expiry; short, so that the test is fast.
pub(crate) const BRIEF: Duration = Duration::from_millis(1500);

/// The longest lease that [`in_time`] tries.
const LONGEST: Duration = Duration::from_secs(24);

/// Returns a success, or ends the test.
#[track_caller]
#[expect(clippy::panic, reason = "a case that fails ends its test")]
pub(crate) fn must<T, E: Debug>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error:?}"),
    }
}

/// Returns an error, or ends the test.
#[track_caller]
#[expect(clippy::panic, reason = "a case that fails ends its test")]
pub(crate) fn must_fail<T>(result: Result<T, Error>) -> Error {
    match result {
        Ok(_) => panic!("this was to be refused"),
        Err(error) => error,
    }
}

/// Returns the only item of a list, or ends the test.
#[track_caller]
#[expect(clippy::panic, reason = "a case that fails ends its test")]
pub(crate) fn only<T: Debug>(list: Vec<T>) -> T {
    match <[T; 1]>::try_from(list) {
        Ok([one]) => one,
        Err(list) => panic!("expected one, found {list:?}"),
    }
}

/// A run on a fresh backend, with the request that hosts open it with.
pub struct Fixture {
    /// The backend.
    pub backend: Arc<dyn Backend>,
    /// The shape.
    pub shape: RunShape,
    /// The open mode.
    pub mode: Mode,
    /// The nodes to run again.
    pub rerun: Vec<NodeId>,
    /// The policy.
    pub policy: FailurePolicy,
    /// The digest.
    pub digest: Digest,
    /// The run's id.
    pub id: &'static str,
    /// Decides which hosts the opening hosts know to be dead.
    pub is_gone: fn(&HostId) -> bool,
    /// The lease.
    pub lease: Duration,
    /// The TTL.
    pub ttl: Duration,
    /// Another object over the store, with which every second host opens the run.
    again: Option<Arc<dyn Backend>>,
    hosts: u32,
}

impl Fixture {
    /// A run of tasks named `t0`, `t1`, …, each waiting for the listed tasks.
    pub async fn new(harness: &dyn Harness, waits_for: &[&[u32]]) -> Self {
        let backend = harness.backend().await;
        Self {
            backend,
            again: harness.again().await,
            shape: shape(waits_for),
            mode: Mode::Resume,
            rerun: Vec::new(),
            policy: FailurePolicy::KeepGoing,
            digest: Digest::of_bytes(b"plan"),
            id: "run-1",
            is_gone: |_| false,
            lease: LEASE,
            ttl: Duration::from_hours(1),
            hosts: 0,
        }
    }

    /// Changes one task.
    #[must_use]
    pub fn with(mut self, task: u32, change: impl FnOnce(&mut TaskShape)) -> Self {
        self.shape.tasks.get_mut(TaskIdx::new(task).index()).into_iter().for_each(change_once(change));
        self
    }

    /// Has the run closed by a node of its own.
    #[must_use]
    pub const fn closed(mut self) -> Self {
        self.shape.has_closing = true;
        self
    }

    /// Makes the tasks from this one on finally tasks.
    #[must_use]
    pub fn finally(mut self, first: u32) -> Self {
        self.shape.first_finally = Some(TaskIdx::new(first));
        self
    }

    /// Adds a resource, and a class that needs one of it; class 1 needs the first.
    #[must_use]
    pub fn resource(mut self, resource: ResourceShape) -> Self {
        let at = self.shape.resources.len();
        self.shape.resources.push(resource);
        self.shape.classes.push(vec![(at, 1)]);
        self
    }

    /// Opens the run as a new host with `amount` of the first resource, all of it free.
    pub async fn open_with(&mut self, amount: u32) -> Host {
        self.shape.resources.first_mut().into_iter().for_each(|resource| resource.amount = amount);
        Host { free: vec![amount], ..self.open().await }
    }

    /// Returns the run's id.
    #[must_use]
    pub fn run(&self) -> RunId {
        must(RunId::new(self.id))
    }

    /// Requests the run as a new host.
    pub async fn ask(&mut self) -> Result<Opened, Error> {
        self.hosts += 1;
        let host = HostId(format!("host-{}", self.hosts).into());
        let backend = if self.hosts.is_multiple_of(2) { self.other() } else { &self.backend };
        backend.open(self.request(host)).await
    }

    /// Returns another object over the same store; the only one if there is no other.
    #[must_use]
    pub fn other(&self) -> &Arc<dyn Backend> {
        self.again.as_ref().unwrap_or(&self.backend)
    }

    /// Opens the run as a new host.
    pub async fn open(&mut self) -> Host {
        let opened = must(self.ask().await);
        Host {
            id: format!("host-{}", self.hosts),
            ledger: Arc::clone(&opened.ledger),
            opened,
            slots: 9,
            free: vec![],
        }
    }

    /// Opens the run as a new host with a short lease.
    pub async fn open_brief(&mut self) -> Host {
        let lease = std::mem::replace(&mut self.lease, BRIEF);
        let host = self.open().await;
        self.lease = lease;
        host
    }

    /// Drops a host and waits until the backend has noticed.
    pub async fn gone(&self, host: Host) {
        let id = HostId(host.id.as_str().into());
        drop(host);
        let left = async {
            while must(self.backend.run(&self.run()).await).hosts.contains(&id) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        // A host that could not report leaving is gone once its lease has expired.
        must(tokio::time::timeout(self.lease + TIMEOUT, left).await);
    }

    fn request(&self, host: HostId) -> OpenRequest {
        OpenRequest {
            run: self.run(),
            digest: self.digest,
            record: Bytes::copy_from_slice(self.digest.as_bytes()),
            shape: Arc::new(self.shape.clone()),
            mode: self.mode,
            rerun: self.rerun.clone(),
            policy: self.policy,
            ttl: self.ttl,
            host,
            lease: self.lease,
            is_gone: self.is_gone,
        }
    }
}

fn change_once<T>(change: impl FnOnce(&mut T)) -> impl FnMut(&mut T) {
    let mut change = Some(change);
    move |target| {
        if let Some(change) = change.take() {
            change(target);
        }
    }
}

fn shape(waits_for: &[&[u32]]) -> RunShape {
    let dependents = |at: u32| {
        let dependents = (0..).zip(waits_for).filter(move |(_, waits_for)| waits_for.contains(&at));
        dependents.map(|(dependent, _)| Dependent::of_task(TaskIdx::new(dependent))).collect()
    };
    let tasks = (0..).zip(waits_for).map(|(at, waits_for)| TaskShape {
        name: must(TaskName::new(&format!("t{at}"))),
        fingerprint: Digest::of_bytes(b"call"),
        waits_for: vec![u32::try_from(waits_for.len()).unwrap_or(u32::MAX)],
        dependents: dependents(at),
        rank: 0,
        class: 0,
        indexed: Vec::new(),
        is_repeated: false,
        is_included: true,
        deadlines: Vec::new(),
    });
    RunShape {
        tasks: tasks.collect(),
        classes: vec![Vec::new()],
        resources: Vec::new(),
        larger: Vec::new(),
        has_closing: false,
        max_elements: 10_000_000,
        deadlines: Vec::new(),
        deadline: None,
        first_finally: None,
    }
}

/// A host that works on the run.
pub struct Host {
    /// The host's id.
    pub id: String,
    /// The host's ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The reply to opening the run.
    pub opened: Opened,
    /// Number of nodes to claim.
    pub slots: u32,
    /// Free amounts of its resources.
    pub free: Vec<u32>,
}

impl Host {
    /// Commits a batch and claims nodes.
    pub async fn try_commit(&self, batch: Vec<(Token, Outcome)>) -> Result<Reply, Error> {
        let batch = batch.into_iter().map(|(token, outcome)| Settlement::new(token, outcome)).collect();
        self.ledger.commit(batch, Want { slots: self.slots, free: self.free.clone() }).await
    }

    /// Commits a batch, which must succeed, and claims nodes.
    pub async fn commit(&self, batch: Vec<(Token, Outcome)>) -> Reply {
        must(self.try_commit(batch).await)
    }

    /// Claims nodes without settling any.
    pub async fn ask(&self) -> Reply {
        self.commit(Vec::new()).await
    }

    /// Settles one node, which must be committed, and claims nodes.
    pub async fn settle(&self, claim: &Claim, outcome: Outcome) -> Reply {
        let reply = self.commit(vec![(claim.token, outcome)]).await;
        assert_eq!(reply.verdicts, [Verdict::Committed]);
        reply
    }

    /// Commits a result and returns the new claims.
    pub async fn done(&self, claim: &Claim) -> Vec<Claim> {
        self.settle(claim, Outcome::Done(value(claim.node))).await.claims
    }

    /// Waits until nodes are claimed, and returns the claims.
    pub async fn claim(&self) -> Vec<Claim> {
        let wait = async {
            loop {
                let reply = self.ask().await;
                if !reply.claims.is_empty() {
                    return reply.claims;
                }
                must(self.ledger.changed(reply.version).await);
            }
        };
        must(tokio::time::timeout(TIMEOUT, wait).await)
    }

    /// Returns the stored state of a node.
    pub async fn entry(&self, node: NodeId) -> Entry {
        only(must(self.ledger.fetch(&[node]).await))
    }
}

/// Runs a case in which a host must be in time for its lease, with growing leases, since no machine guarantees speed.
///
/// The case returns whether its host was in time. A case that fails even with the longest lease is a bug.
pub(crate) async fn in_time(
    harness: &dyn Harness,
    waits_for: &[&[u32]],
    mut comes_true: impl AsyncFnMut(Fixture) -> bool,
) {
    let mut lease = BRIEF;
    loop {
        let mut bench = Fixture::new(harness, waits_for).await;
        bench.lease = lease;
        if comes_true(bench).await {
            return;
        }
        lease *= 2;
        assert!(lease <= LONGEST, "it does not come true, however much time there is");
    }
}

/// Returns a task as a node.
pub(crate) const fn task(at: u32) -> NodeId {
    NodeId::of_task(TaskIdx::new(at))
}

/// Returns an element as a node.
pub(crate) fn element(at: u32, item: u32) -> NodeId {
    NodeId::element(TaskIdx::new(at), item)
}

/// Returns the result that cases store for a node.
pub(crate) fn value(node: NodeId) -> Bytes {
    format!("result of {node:?}").into()
}

/// Returns the nodes of claims, in order.
pub(crate) fn nodes(claims: &[Claim]) -> Vec<NodeId> {
    claims.iter().map(|claim| claim.node).collect()
}

/// A resource of each host.
pub(crate) fn own(amount: u32) -> ResourceShape {
    ResourceShape { name: must(Name::new("gpu")), amount, scope: ResourceScope::Own }
}

/// A resource that all hosts share.
pub(crate) fn shared(amount: u32) -> ResourceShape {
    ResourceShape { scope: ResourceScope::Shared, ..own(amount) }
}

/// A resource of each host that is divisible: nodes can run with less.
pub(crate) fn elastic(amount: u32) -> ResourceShape {
    ResourceShape { scope: ResourceScope::Elastic, ..own(amount) }
}

/// Returns the stages of claims, in order.
pub(crate) fn stages(claims: &[Claim]) -> Vec<Stage> {
    claims.iter().map(|claim| claim.stage).collect()
}
