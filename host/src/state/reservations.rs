//! The reservations port: resources that all runs of a backend share, reserved by one attempt at a time.
//! The engine decides what to reserve and when. The conformance suite checks every sentence of this contract.

use crate::model::{Capacity, RunId};
use crate::state::Error;
use crate::state::id::HostId;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The resources of a backend, by name.
///
/// A resource exists while somebody holds some of it, waits for it, or, of a rate, while a full burst is not available.
/// The first reservation decides on its capacity; the capacities that others name do not count meanwhile.
#[async_trait]
pub trait Reservations: Send + Sync {
    /// Opens a session, for one host that works on one run. Reservations of hosts that are known to be gone end.
    async fn open(&self, request: SessionRequest) -> Result<Arc<dyn ReservationSession>, Error>;

    /// Lists the resources by name, with all that hold or wait.
    async fn list(&self) -> Result<Vec<ResourceView>, Error>;
}

/// A host's request to open a session.
#[derive(Clone)]
pub struct SessionRequest {
    /// The run.
    pub run: RunId,
    /// The host.
    pub host: HostId,
    /// The lease of all reservations of the session, unless it is renewed.
    pub lease: Duration,
    /// Returns whether a host is a process of this machine that has ended.
    pub is_gone: fn(&HostId) -> bool,
}

/// The reservations of one host for one run. Dropping the session ends them.
///
/// All reservations of a session share one lease. When it passes, what they hold is free again, and those that wait leave
/// the line, at the next request or renewal of anybody. Times are the store's.
#[async_trait]
pub trait ReservationSession: Send + Sync {
    /// Draws the id of a new reservation. Until it is [given back](Self::give_back), the session counts it as its own.
    fn draw_id(&self) -> u64;

    /// Reserves all needs of a reservation at once, or waits in line for them.
    ///
    /// The line is ordered by priority, then by arrival. Of each resource, what earlier ones in line need is set aside: a
    /// reservation succeeds if its needs are free besides. So nobody overtakes at a resource that both need, and a large
    /// need is met once enough has been given back.
    ///
    /// A caller that waits asks again with the same id when it is [`Self::called`], or when [`Wait::recheck`] has passed, and keeps its
    /// place. Asking again for what is held changes nothing and succeeds.
    ///
    /// The answers of a session whose lease has passed are those of a new session with the same run and host.
    async fn reserve(&self, reservation: &Reservation) -> Result<ReserveReply, Error>;

    /// Waits until a reservation that waits may succeed: something was given back, or one before it has left the line.
    /// Spurious wake-ups are possible. Cancel safe.
    async fn called(&self, id: u64);

    /// Ends a reservation, whether it holds, waits or does not exist. Returns at once; the backend does it soon.
    fn give_back(&self, id: u64, how: GiveBack);

    /// Starts to renew the lease until the session is dropped. Returns the number of leases that were lost so far: one more each
    /// time that the lease has passed, by the store's clock or, after a failed attempt to renew it, by this host's.
    ///
    /// Renewal does not depend on how busy or blocked this process's threads are. Called at most once. Fails only if this
    /// process cannot renew leases.
    fn keep_lease(&self) -> Result<watch::Receiver<u64>, Error>;

    /// Renews the lease once. Returns false if it had passed.
    ///
    /// Hosts of this crate call [`Self::keep_lease`] instead. The conformance suite calls this to control the time.
    async fn renew(&self) -> Result<bool, Error>;

    /// Ends the session, as dropping it does, and waits up to about a second for the backend to confirm it. Only dropping
    /// follows. The default does nothing, which suffices if dropping takes effect at once.
    async fn leave(&self) {}
}

/// What an attempt takes of resources.
#[derive(Debug, Clone)]
pub struct Reservation {
    /// The id, [drawn](ReservationSession::draw_id) from its session.
    pub id: u64,
    /// The name of the node.
    pub task: String,
    /// The priority, from −100 to 100; higher ones go first.
    pub priority: i8,
    /// Distinct resources.
    pub needs: Arc<[Need]>,
}

/// The need of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The name of the resource, of printable characters other than a space and `=`.
    pub name: Arc<str>,
    /// The amount, at least one.
    pub amount: u32,
    /// The capacity that the resource has if it does not exist.
    pub capacity: Capacity,
}

/// The reply to a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReserveReply {
    /// The outcome.
    pub outcome: Reserved,
    /// Resources that have another capacity than their need names, with the capacity that counts.
    pub differing: Vec<(Arc<str>, Capacity)>,
}

/// The outcome of a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// All needs are held.
    Held,
    /// The reservation waits in line.
    Waits(Wait),
    /// A need exceeds the capacity that counts. The reservation does not wait.
    Exceeds {
        /// The resource.
        name: Arc<str>,
        /// Its capacity.
        capacity: Capacity,
    },
}

/// What a reservation waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// The first resource that is short.
    pub name: Arc<str>,
    /// Its capacity.
    pub capacity: Capacity,
    /// How much of it is held. Zero for a rate.
    pub held: u32,
    /// How many reservations are before this one and need it.
    pub ahead: u32,
    /// The attempt that has held some of it for the longest time. Known when the reservation begins to wait; none for a rate.
    pub holder: Option<Holder>,
    /// The time after which to ask again without being called: the turn of a rate. None if only amounts are short.
    pub recheck: Option<Duration>,
}

/// A holder of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The run.
    pub run: RunId,
    /// The name of the node.
    pub task: String,
    /// The host.
    pub host: HostId,
}

/// How a reservation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveBack {
    /// It was used: amounts are free again, rates are not.
    Used,
    /// It was not used: rates are free again too.
    Unused,
    /// It was not used, and its place is kept: the next reservation of the same run and task is put there, as long as this
    /// session lasts. Others pass meanwhile.
    KeepingPlace,
}

/// A resource, with all that hold or wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceView {
    /// The name.
    pub name: String,
    /// The capacity that counts.
    pub capacity: Capacity,
    /// The run whose reservation has decided on the capacity.
    pub declared_by: RunId,
    /// Those that hold some, by arrival.
    pub holders: Vec<ReservationView>,
    /// Those that wait, in line.
    pub waiting: Vec<ReservationView>,
}

/// A reservation, as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationView {
    /// Who has made it.
    pub holder: Holder,
    /// How much of the resource it needs.
    pub amount: u32,
    /// Its priority.
    pub priority: i8,
    /// The time since it holds or waits.
    pub since: Duration,
}
