//! The line in which runs wait for the resources of a backend: a pure state machine without locks or clocks.
//! `reservations` has those. The script of the Redis backend makes the same decisions.

use crate::model::{Capacity, RunId};
use crate::state::memory::pace::Pace;
use crate::state::{
    GiveBack, Holder, HostId, Need, Reservation, ReservationView, ReserveReply, Reserved, ResourceView, Wait,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// A reservation of a session.
pub(crate) type Key = (u64, u64);

/// A place in line: the priority, negated, then the order of arrival.
type Order = (i16, u64);

/// All resources of a backend. Times are in microseconds.
#[derive(Debug, Default)]
pub(crate) struct ResourceLine {
    sessions: BTreeMap<u64, Session>,
    resources: BTreeMap<Arc<str>, Resource>,
    reservations: BTreeMap<Key, Placed>,
    line: BTreeMap<Order, Key>,
    /// Places that are kept for the next reservation of a node, each by a session.
    kept: HashMap<(RunId, String), (Order, u64)>,
    arrivals: u64,
    called: Vec<Key>,
}

#[derive(Debug)]
struct Session {
    run: RunId,
    host: HostId,
    until: u64,
}

#[derive(Debug)]
struct Resource {
    capacity: Capacity,
    held: u64,
    pace: Pace,
    declared_by: RunId,
}

/// A reservation that holds or waits.
#[derive(Debug)]
struct Placed {
    task: String,
    needs: Arc<[Need]>,
    order: Order,
    since: u64,
    holds: bool,
}

impl ResourceLine {
    /// Opens a session, whose lease ends at `until`.
    pub(crate) fn open(&mut self, session: u64, (run, host): (RunId, HostId), until: u64) {
        self.sessions.insert(session, Session { run, host, until });
    }

    /// Ends the sessions of hosts that are known to be gone.
    pub(crate) fn remove_gone(&mut self, is_gone: fn(&HostId) -> bool, now: u64) {
        let gone = self.sessions.iter().filter(|(_, session)| is_gone(&session.host));
        for id in gone.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.close(id, now);
        }
    }

    /// Renews the lease of a session. Returns false if it has passed.
    pub(crate) fn renew(&mut self, session: u64, (now, until): (u64, u64)) -> bool {
        self.expire(now);
        self.sessions.get_mut(&session).map(|session| session.until = until).is_some()
    }

    /// Ends a session with all its reservations.
    pub(crate) fn close(&mut self, session: u64, now: u64) {
        self.kept.retain(|_, (_, keeper)| *keeper != session);
        let of_session = self.reservations.range((session, 0)..=(session, u64::MAX));
        for key in of_session.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.end(key, GiveBack::Used, now);
        }
        self.sessions.remove(&session);
    }

    /// Takes the reservations that may succeed now.
    pub(crate) fn take_called(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.called)
    }

    /// Reserves, or waits in line; none if the session's lease has passed.
    pub(crate) fn reserve(
        &mut self,
        session: u64,
        reservation: &Reservation,
        now: u64,
    ) -> Option<ReserveReply> {
        self.expire(now);
        let run = self.sessions.get(&session)?.run.clone();
        let key = (session, reservation.id);
        if self.reservations.get(&key).is_some_and(|placed| placed.holds) {
            return Some(ReserveReply { outcome: Reserved::Held, differing: Vec::new() });
        }
        let mut differing = Vec::new();
        for need in reservation.needs.iter() {
            let capacity = self.capacity(need, (key, &run), now);
            if capacity != need.capacity {
                differing.push((Arc::clone(&need.name), capacity));
            }
        }
        let outcome = match self.exceeded(&reservation.needs) {
            Some((name, capacity)) => {
                self.give_back(key, GiveBack::Unused, now);
                self.forget_idle(&reservation.needs, now);
                Reserved::Exceeds { name, capacity }
            }
            None => {
                let is_new = self.place(key, (run, reservation), now);
                match self.shortage(key, now) {
                    // Who holds it is told once.
                    Some(wait) if !is_new => Reserved::Waits(Wait { holder: None, ..wait }),
                    Some(wait) => Reserved::Waits(wait),
                    None => {
                        self.hold(key, now);
                        Reserved::Held
                    }
                }
            }
        };
        Some(ReserveReply { outcome, differing })
    }

    /// Ends a reservation.
    pub(crate) fn give_back(&mut self, key: Key, how: GiveBack, now: u64) {
        if how == GiveBack::KeepingPlace
            && let (Some(placed), Some(session)) = (self.reservations.get(&key), self.sessions.get(&key.0))
        {
            self.kept.insert((session.run.clone(), placed.task.clone()), (placed.order, key.0));
        }
        self.end(key, how, now);
    }

    /// Lists the resources that exist.
    pub(crate) fn list(&mut self, now: u64) -> Vec<ResourceView> {
        self.expire(now);
        let names: Vec<Arc<str>> = self.resources.keys().cloned().collect();
        let exists = |name: &Arc<str>| self.is_in_use(name, None, now);
        names.into_iter().filter(exists).filter_map(|name| self.view(&name, now)).collect()
    }

    fn view(&self, name: &Arc<str>, now: u64) -> Option<ResourceView> {
        let resource = self.resources.get(name)?;
        let mut of_name: Vec<(&Key, &Placed)> =
            self.reservations.iter().filter(|(_, placed)| placed.amount(name) > 0).collect();
        of_name.sort_by_key(|(_, placed)| placed.order);
        let view = |(key, placed): &(&Key, &Placed)| {
            Some(ReservationView {
                holder: self.holder(**key)?,
                amount: u32::try_from(placed.amount(name)).unwrap_or(u32::MAX),
                priority: i8::try_from(-placed.order.0).unwrap_or_default(),
                since: Duration::from_micros(now.saturating_sub(placed.since)),
            })
        };
        let list = |holds: bool| of_name.iter().filter(move |(_, placed)| placed.holds == holds);
        let mut holders: Vec<_> = list(true).collect();
        holders.sort_by_key(|(_, placed)| (placed.since, placed.order));
        Some(ResourceView {
            name: name.to_string(),
            capacity: resource.capacity,
            declared_by: resource.declared_by.clone(),
            holders: holders.into_iter().filter_map(view).collect(),
            waiting: list(false).filter_map(view).collect(),
        })
    }

    /// Ends the sessions whose lease has passed.
    fn expire(&mut self, now: u64) {
        let passed = self.sessions.iter().filter(|(_, session)| session.until <= now);
        for id in passed.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.close(id, now);
        }
    }

    /// Returns the capacity that counts, which is that of the need if nobody else uses the resource.
    fn capacity(&mut self, need: &Need, (key, run): (Key, &RunId), now: u64) -> Capacity {
        if let Some(resource) = self.resources.get(&need.name)
            && (resource.capacity == need.capacity || self.is_in_use(&need.name, Some(key), now))
        {
            return resource.capacity;
        }
        let (capacity, declared_by) = (need.capacity, run.clone());
        let resource = Resource { capacity, held: 0, pace: Pace::default(), declared_by };
        self.resources.insert(Arc::clone(&need.name), resource);
        capacity
    }

    /// Returns whether a resource is held, used up in part, or waited for by others than `except`.
    fn is_in_use(&self, name: &Arc<str>, except: Option<Key>, now: u64) -> bool {
        let Some(resource) = self.resources.get(name) else { return false };
        let is_awaited = || {
            let mut others = self.line.values().filter(|key| Some(**key) != except);
            others.any(|key| self.reservations.get(key).is_some_and(|placed| placed.amount(name) > 0))
        };
        resource.held > 0 || resource.pace.is_used(now) || is_awaited()
    }

    fn exceeded(&self, needs: &[Need]) -> Option<(Arc<str>, Capacity)> {
        let exceeds = |need: &&Need| {
            self.resources.get(&need.name).is_some_and(|resource| need.amount > resource.capacity.max())
        };
        let need = needs.iter().find(exceeds)?;
        Some((Arc::clone(&need.name), self.resources.get(&need.name)?.capacity))
    }

    /// Puts a reservation in line, unless it is there. Returns whether it was not.
    fn place(&mut self, key: Key, (run, reservation): (RunId, &Reservation), now: u64) -> bool {
        if self.reservations.contains_key(&key) {
            return false;
        }
        let kept = self.kept.remove(&(run, reservation.task.clone())).map(|(order, _)| order);
        let order = kept.unwrap_or_else(|| {
            self.arrivals += 1;
            (-i16::from(reservation.priority), self.arrivals)
        });
        let (task, needs) = (reservation.task.clone(), Arc::clone(&reservation.needs));
        self.reservations.insert(key, Placed { task, needs, order, since: now, holds: false });
        self.line.insert(order, key);
        true
    }

    /// Returns what a reservation in line waits for; none if all that it needs is free besides what is set aside.
    fn shortage(&self, key: Key, now: u64) -> Option<Wait> {
        let placed = self.reservations.get(&key)?;
        let mut first: Option<Wait> = None;
        let mut recheck: Option<u64> = None;
        for need in placed.needs.iter() {
            let Some(resource) = self.resources.get(&need.name) else { continue };
            let before = self.line.range(..placed.order).filter_map(|(_, key)| self.reservations.get(key));
            let aside = before.map(|placed| placed.amount(&need.name)).filter(|amount| *amount > 0);
            let (ahead, aside) = aside.fold((0, 0), |(count, sum), amount| (count + 1, sum + amount));
            let needed = aside + u64::from(need.amount);
            let wait = match resource.capacity {
                Capacity::Amount(amount) if resource.held + needed <= u64::from(amount) => continue,
                Capacity::Amount(_) => None, // whoever gives back calls
                Capacity::Rate(rate) => match resource.pace.wait(rate, (needed, now)) {
                    0 => continue,
                    wait => Some(wait),
                },
            };
            recheck = recheck.into_iter().chain(wait).min();
            let is_rate = matches!(resource.capacity, Capacity::Rate(_));
            first.get_or_insert_with(|| Wait {
                name: Arc::clone(&need.name),
                capacity: resource.capacity,
                held: u32::try_from(resource.held).unwrap_or(u32::MAX),
                ahead,
                holder: if is_rate { None } else { self.first_holder(&need.name) },
                recheck: None,
            });
        }
        first.map(|wait| Wait { recheck: recheck.map(Duration::from_micros), ..wait })
    }

    fn first_holder(&self, name: &Arc<str>) -> Option<Holder> {
        let holders = self.reservations.iter().filter(|(_, placed)| placed.holds && placed.amount(name) > 0);
        let (key, _) = holders.min_by_key(|(_, placed)| (placed.since, placed.order))?;
        self.holder(*key)
    }

    fn holder(&self, key: Key) -> Option<Holder> {
        let (placed, session) = (self.reservations.get(&key)?, self.sessions.get(&key.0)?);
        Some(Holder { run: session.run.clone(), task: placed.task.clone(), host: session.host.clone() })
    }

    fn hold(&mut self, key: Key, now: u64) {
        let Some(placed) = self.reservations.get_mut(&key) else { return };
        (placed.holds, placed.since) = (true, now);
        self.line.remove(&placed.order);
        for need in placed.needs.iter() {
            let Some(resource) = self.resources.get_mut(&need.name) else { continue };
            match resource.capacity {
                Capacity::Amount(_) => resource.held += u64::from(need.amount),
                Capacity::Rate(rate) => {
                    resource.pace = resource.pace.take(rate, (u64::from(need.amount), now));
                }
            }
        }
    }

    fn end(&mut self, key: Key, how: GiveBack, now: u64) {
        let Some(placed) = self.reservations.remove(&key) else { return };
        self.line.remove(&placed.order);
        for need in placed.needs.iter() {
            let Some(resource) = self.resources.get_mut(&need.name) else { continue };
            let amount = u64::from(need.amount);
            match resource.capacity {
                Capacity::Amount(_) if placed.holds => resource.held = resource.held.saturating_sub(amount),
                Capacity::Rate(rate) if placed.holds && how != GiveBack::Used => {
                    resource.pace = resource.pace.put_back(rate, amount);
                }
                // What was used of a rate is gone, and who only waited has nothing.
                Capacity::Rate(_) if placed.holds => continue,
                Capacity::Amount(_) | Capacity::Rate(_) => {}
            }
            self.call(&need.name);
        }
        self.forget_idle(&placed.needs, now);
    }

    /// Calls those in line whose need of a resource may be free now.
    fn call(&mut self, name: &Arc<str>) {
        let Some(resource) = self.resources.get(name) else { return };
        let mut needed = resource.held;
        for key in self.line.values() {
            let amount = self.reservations.get(key).map_or(0, |placed| placed.amount(name));
            if amount == 0 {
                continue;
            }
            needed += amount;
            match resource.capacity {
                Capacity::Amount(capacity) if needed > u64::from(capacity) => return,
                // All turns of a rate come sooner.
                Capacity::Amount(_) | Capacity::Rate(_) => self.called.push(*key),
            }
        }
    }

    fn forget_idle(&mut self, needs: &[Need], now: u64) {
        for need in needs {
            if !self.is_in_use(&need.name, None, now) {
                self.resources.remove(&need.name);
            }
        }
    }
}

impl Placed {
    fn amount(&self, name: &Arc<str>) -> u64 {
        self.needs.iter().find(|need| need.name == *name).map_or(0, |need| u64::from(need.amount))
    }
}
