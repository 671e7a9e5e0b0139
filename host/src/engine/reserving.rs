//! Resources that attempts reserve at the backend: their names, and places in the line for them.
//! `turn` has jobs wait; the backend orders the line.

use crate::model::{Capacity, RunId};
use crate::plan::{Plan, ResourceScope, Task};
use crate::state::{Error, GiveBack, HostId, Need, Reservation, ReservationSession, ReserveReply, Reserved};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The session in which a run on this host reserves resources.
pub struct ReservedResources {
    /// The session.
    pub session: Arc<dyn ReservationSession>,
    /// This host.
    pub host: HostId,
}

/// The resources that attempts of a run reserve.
pub(crate) struct Reserving {
    session: Arc<dyn ReservationSession>,
    /// How many leases of the session were lost.
    lost: watch::Receiver<u64>,
    /// By position in the plan: name at the backend and capacity; none for resources that the ledger counts.
    resources: Vec<Option<(Arc<str>, Capacity)>>,
    // A mutex because jobs run on many threads; each critical section is one look-up.
    warned: Mutex<HashSet<(Arc<str>, Capacity)>>,
}

/// A place in line, or what it has become: a reservation that is held. Dropping it gives back what it holds.
pub(crate) struct Place<'a> {
    reserving: &'a Reserving,
    reservation: Reservation,
    /// How many leases had been lost when it was held.
    lease: u64,
    ends: GiveBack,
}

/// A resource whose capacity is another one than the manifest declares.
pub(crate) struct Differing {
    pub(crate) name: Arc<str>,
    pub(crate) declared: Capacity,
    pub(crate) counts: Capacity,
}

impl Reserving {
    /// Begins to renew the lease of the session. Fails only if this process cannot.
    pub(crate) fn new(reserved: ReservedResources, (run, plan): (&RunId, &Plan)) -> Result<Self, Error> {
        let name = |resource: &crate::plan::Resource| match resource.scope {
            ResourceScope::Backend => resource.name.to_string(),
            ResourceScope::Run => format!("{}@{run}", resource.name),
            ResourceScope::Host => format!("{}@{run}@{}", resource.name, printable(&reserved.host.0)),
        };
        let resources = plan.resources().iter();
        let resources = resources
            .map(|resource| resource.is_reserved().then(|| (Arc::from(name(resource)), resource.capacity)));
        Ok(Self {
            lost: reserved.session.keep_lease()?,
            resources: resources.collect(),
            session: reserved.session,
            warned: Mutex::default(),
        })
    }

    /// Returns the positions of the resources that a task reserves.
    pub(crate) fn positions(&self, task: &Task) -> Vec<usize> {
        let positions = task.resources.iter().map(|(position, _)| *position);
        positions.filter(|position| self.resource(*position).is_some()).collect()
    }

    /// Creates the place of an attempt. It is not in line until it [asks](Place::ask).
    pub(crate) fn place(&self, name: String, task: &Task) -> Place<'_> {
        let need = |(position, amount): &(usize, u32)| {
            let (name, capacity) = self.resource(*position)?;
            Some(Need { name: Arc::clone(name), amount: *amount, capacity: *capacity })
        };
        let reservation = Reservation {
            id: self.session.draw_id(),
            task: name,
            priority: task.priority,
            needs: task.resources.iter().filter_map(need).collect(),
        };
        Place { reserving: self, reservation, lease: 0, ends: GiveBack::Unused }
    }

    /// Ends the session.
    pub(crate) async fn leave(&self) {
        self.session.leave().await;
    }

    fn resource(&self, position: usize) -> Option<&(Arc<str>, Capacity)> {
        self.resources.get(position)?.as_ref()
    }

    fn lost(&self) -> u64 {
        *self.lost.borrow()
    }

    /// Returns whether a difference was not seen before.
    fn is_new(&self, name: &Arc<str>, capacity: Capacity) -> bool {
        self.warned.lock().unwrap_or_else(PoisonError::into_inner).insert((Arc::clone(name), capacity))
    }
}

impl Place<'_> {
    /// Reserves, or waits in line. Returns the outcome, and the capacities that differ and were not seen before.
    pub(crate) async fn ask(&mut self) -> Result<(Reserved, Vec<Differing>), Error> {
        loop {
            let lease = self.reserving.lost();
            let ReserveReply { outcome, differing } =
                self.reserving.session.reserve(&self.reservation).await?;
            // What was held before the lease was lost is held no more, so ask again.
            if self.reserving.lost() == lease {
                self.lease = lease;
                return Ok((outcome, self.new_among(differing)));
            }
        }
    }

    fn new_among(&self, differing: Vec<(Arc<str>, Capacity)>) -> Vec<Differing> {
        let mut differing = differing;
        differing.retain(|(name, capacity)| self.reserving.is_new(name, *capacity));
        let declared = |name: &Arc<str>| self.reservation.needs.iter().find(|need| need.name == *name);
        let differing = differing.into_iter().filter_map(|(name, counts)| {
            let declared = declared(&name)?.capacity;
            Some(Differing { name, declared, counts })
        });
        differing.collect()
    }

    /// Waits until it may be this place's turn. Cancel safe.
    pub(crate) async fn called(&self) {
        self.reserving.session.called(self.reservation.id).await;
    }

    /// Records that the guest starts: what it takes of rates is used.
    pub(crate) const fn begin(&mut self) {
        self.ends = GiveBack::Used;
    }

    /// Waits until what it holds is lost. Cancel safe.
    pub(crate) async fn lost(&self) {
        let mut lost = self.reserving.lost.clone();
        if lost.wait_for(|lost| *lost != self.lease).await.is_err() {
            std::future::pending::<()>().await; // the session is gone, and with it everything that could lose
        }
    }

    /// Leaves the line, and keeps the place for the next attempt at the same node.
    pub(crate) fn keep(mut self) {
        self.ends = GiveBack::KeepingPlace;
    }

    /// Returns how much the attempt needs of a resource.
    pub(crate) fn need(&self, name: &str) -> u32 {
        let need = self.reservation.needs.iter().find(|need| &*need.name == name);
        need.map_or(0, |need| need.amount)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.reserving.session.give_back(self.reservation.id, self.ends);
    }
}

/// Returns a text that can be part of a resource's name at the backend.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() && c != '=' { c } else { '-' }).collect()
}
