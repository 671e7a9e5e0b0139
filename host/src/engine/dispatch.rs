//! The local half of the scheduler: counts slots and resources and decides which claims may start.
//! A pure state machine without time or tasks: the loop in `run` feeds it and acts on its answers.

use crate::engine::Interrupt;
use crate::engine::queueing::Queueing;
use crate::model::RunStatus;
use crate::state::{
    Claim, NodeId, Progress, ResourceScope, ResourceShape, RunShape, Stage, Stop, Token, Want,
};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Jobs per slot that may hold a claim without a slot, while they wait for a result computed elsewhere.
const MAX_SLOTLESS_PER_SLOT: u32 = 8;

/// Claims that this host holds, and the slots and resources they take.
pub(crate) struct Dispatcher {
    shape: Arc<RunShape>,
    /// Per resource: whether every class takes some of it. Such a resource bounds how many nodes run, not which.
    is_for_all: Vec<bool>,
    /// Per class: the resources of this host that a running node takes, by index. Resources shared by all hosts are
    /// counted by the ledger.
    costs: Vec<Vec<(usize, u32)>>,
    /// Classes with more memory, numbered after those of the plan.
    with_memory: FxHashMap<(u16, u32), u16>,
    slots: u32,
    held: FxHashMap<Token, Held>,
    /// Claims that count against capacity: those with a slot and those that are prefetched.
    running: Occupancy,
    /// Claims that have a slot: their job has started and not ended.
    working: Occupancy,
    /// Held claims that were taken over from a lost host.
    taken_over: usize,
    /// Held claims that wait for their turn at a resource.
    queueing: Queueing,
    interrupt: Interrupt,
    progress: Option<Progress>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    /// Class of resource needs while it runs; none if it needs nothing.
    class: Option<u16>,
    uses_capacity: bool,
    has_slot: bool,
    is_taken_over: bool,
}

/// A number of nodes, and how much of each resource they take.
struct Occupancy {
    nodes: u32,
    taken: Vec<u64>,
}

/// Next action of the run loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Wait for a job to end or for the ledger to change.
    Wait,
    /// The run has ended.
    Ended(RunStatus),
    /// This host was interrupted and holds nothing any more.
    Interrupted,
}

impl Dispatcher {
    /// Creates a dispatcher with `slots` free slots and all resources of this host free.
    pub(crate) fn new(shape: Arc<RunShape>, slots: u32) -> Self {
        // A resource that every class takes limits the number of nodes, so prefetching may scale it (see `want`).
        let takes =
            |resource: usize, class: &[(usize, u32)]| class.iter().any(|(taken, _)| *taken == resource);
        let is_for_all =
            |resource| shape.classes.iter().all(|class| class.is_empty() || takes(resource, class));
        let nothing = || Occupancy { nodes: 0, taken: vec![0; shape.resources.len()] };
        Self {
            is_for_all: (0..shape.resources.len()).map(is_for_all).collect(),
            costs: shape.classes.iter().map(|class| class_costs(&shape, class)).collect(),
            with_memory: FxHashMap::default(),
            slots,
            held: FxHashMap::default(),
            running: nothing(),
            working: nothing(),
            shape,
            taken_over: 0,
            queueing: Queueing::default(),
            interrupt: Interrupt::None,
            progress: None,
        }
    }

    /// Returns what to ask the ledger for: the free capacity plus `ahead` prefetched claims.
    ///
    /// Nothing is prefetched while a taken-over claim is held. That claim may be what crashed its last host, and
    /// every claim held beside it would be suspected too.
    pub(crate) fn want(&self, ahead: u32) -> Want {
        if self.interrupt != Interrupt::None {
            return Want::default();
        }
        let ahead = if self.taken_over > 0 { 0 } else { ahead };
        let capacity = self.slots.saturating_add(ahead);
        let amounts = self.shape.resources.iter().zip(&self.is_for_all).map(|(resource, is_for_all)| {
            let amount = u64::from(resource.amount);
            // Prefetched claims get their share of a resource that all classes take, as if it grew with the slots.
            if *is_for_all { amount * u64::from(capacity) / u64::from(self.slots.max(1)) } else { amount }
        });
        // Report what is free per resource, so that the ledger skips nodes that could not start here.
        let free = amounts.zip(&self.running.taken).map(|(amount, taken)| amount.saturating_sub(*taken));
        let mut free: Vec<u32> = free.map(|free| u32::try_from(free).unwrap_or(u32::MAX)).collect();
        self.queueing.close(&mut free, self.slots);
        Want { slots: capacity.saturating_sub(self.running.nodes), free }
    }

    /// Returns whether all slots are taken.
    pub(crate) const fn is_full(&self) -> bool {
        self.working.nodes >= self.slots
    }

    /// Returns the number of slots.
    pub(crate) const fn slots(&self) -> u32 {
        self.slots
    }

    /// Returns the number of claims held beyond the slots.
    pub(crate) const fn prefetched(&self) -> u32 {
        self.running.nodes.saturating_sub(self.slots)
    }

    /// Returns whether a claim taken over from a lost host is held.
    pub(crate) const fn has_taken_over(&self) -> bool {
        self.taken_over > 0
    }

    /// Adds a claim that the ledger handed out. `memory` is the host's memory that it takes, in MiB, if that is not what its
    /// class takes.
    pub(crate) fn add(&mut self, claim: &Claim, memory: Option<u32>) {
        let (uses_capacity, is_taken_over) = (claim.stage == Stage::Ready, claim.takeovers > 0);
        let class = class(&self.shape, claim.node);
        let class = class.map(|class| memory.map_or(class, |memory| self.with_memory(class, memory)));
        self.held.insert(claim.token, Held { class, uses_capacity, has_slot: false, is_taken_over });
        self.taken_over += usize::from(is_taken_over);
        if uses_capacity {
            self.running.add(cost(&self.costs, class));
        }
    }

    /// Returns a class that takes this much memory of the host, and else what another one takes.
    fn with_memory(&mut self, class: u16, memory: u32) -> u16 {
        if let Some(known) = self.with_memory.get(&(class, memory)) {
            return *known;
        }
        // The host's memory is the last resource.
        let Some(last) = self.shape.resources.len().checked_sub(1) else { return class };
        let amount = self.shape.resources.get(last).map_or(memory, |all| all.scope.cost(memory, all.amount));
        let others = cost(&self.costs, Some(class)).iter().copied().filter(|(resource, _)| *resource != last);
        let costs = others.chain([(last, amount)]).collect();
        let Ok(number) = u16::try_from(self.costs.len()) else { return class };
        self.costs.push(costs);
        self.with_memory.insert((class, memory), number);
        number
    }

    /// Returns whether a slot and resources are free for a claim. A claim no longer held needs none.
    pub(crate) fn has_slot_for(&self, token: Token) -> bool {
        self.held.get(&token).is_none_or(|held| self.has_free_slot(held.class))
    }

    /// Assigns a slot to a claim whose job starts.
    pub(crate) fn assign_slot(&mut self, token: Token) {
        if let Some(held) = self.held.get_mut(&token).filter(|held| held.uses_capacity && !held.has_slot) {
            held.has_slot = true;
            self.working.add(cost(&self.costs, held.class));
        }
    }

    /// Frees the slot of a claim, if it has one. The claim is held until it is removed.
    pub(crate) fn free_slot(&mut self, token: Token) {
        if let Some(held) = self.held.get_mut(&token).filter(|held| held.has_slot) {
            held.has_slot = false;
            self.working.remove(cost(&self.costs, held.class));
        }
    }

    /// Releases the slot of a claim that waits for a result computed elsewhere. Returns whether capacity became free.
    ///
    /// The number of claims without a slot is bounded: a host that claimed every waiting node would keep them from
    /// others.
    pub(crate) fn release_slot(&mut self, token: Token) -> bool {
        // Prefetched claims have no slot either, but they are bounded by `prefetch` and must not use up this bound.
        let max_slotless = self.slots.saturating_mul(MAX_SLOTLESS_PER_SLOT).saturating_add(self.prefetched());
        let held = self.held.len().saturating_sub(self.queueing.len());
        if u32::try_from(held).unwrap_or(u32::MAX) >= self.slots.saturating_add(max_slotless) {
            return false;
        }
        self.yield_slot(token)
    }

    /// Releases the slot of a claim that waits for its turn at these resources. As many wait as there are slots, of each
    /// resource: then [`Self::want`] asks for no more.
    pub(crate) fn queue(&mut self, token: Token, resources: Arc<[usize]>) {
        if self.held.contains_key(&token) {
            self.queueing.add(token, resources);
            self.yield_slot(token);
        }
    }

    /// Takes the slot of a claim that stays held. Returns whether it had one.
    fn yield_slot(&mut self, token: Token) -> bool {
        let Some(held) = self.held.get_mut(&token).filter(|held| held.has_slot) else {
            return false;
        };
        // Both counters drop: the ledger may hand out another node for this capacity.
        (held.uses_capacity, held.has_slot) = (false, false);
        let amounts = cost(&self.costs, held.class);
        self.working.remove(amounts);
        self.running.remove(amounts);
        true
    }

    /// Gives a slot back to a claim that released it. Returns whether the claim now has one.
    pub(crate) fn reacquire_slot(&mut self, token: Token) -> bool {
        let Some(held) = self.held.get(&token).copied() else {
            return false;
        };
        if held.has_slot {
            return true; // the slot was never released
        }
        if !self.has_free_slot(held.class) {
            return false;
        }
        self.queueing.remove(token);
        self.held.insert(token, Held { uses_capacity: true, has_slot: true, ..held });
        self.running.add(cost(&self.costs, held.class));
        self.working.add(cost(&self.costs, held.class));
        true
    }

    /// Removes a claim that this host no longer holds.
    pub(crate) fn remove(&mut self, token: Token) {
        let Some(held) = self.held.remove(&token) else {
            return;
        };
        self.queueing.remove(token);
        self.taken_over -= usize::from(held.is_taken_over);
        let amounts = cost(&self.costs, held.class);
        if held.has_slot {
            self.working.remove(amounts);
        }
        // A claim without a slot may still count against capacity: it is prefetched, or its job has just ended.
        if held.uses_capacity {
            self.running.remove(amounts);
        }
    }

    /// Records the progress of the run as the ledger reports it.
    pub(crate) const fn set_progress(&mut self, progress: Progress) {
        self.progress = Some(progress);
    }

    /// Records the interrupt in force. Returns the one before.
    pub(crate) const fn set_interrupt(&mut self, interrupt: Interrupt) -> Interrupt {
        std::mem::replace(&mut self.interrupt, interrupt)
    }

    /// Returns whether only finally tasks are left to run.
    pub(crate) fn is_at_ending(&self) -> bool {
        self.progress.is_some_and(|progress| progress.ending.is_some())
    }

    /// Returns what the run loop does next.
    pub(crate) fn next(&self) -> Action {
        let progress = self.progress;
        match progress.map(|progress| progress.status) {
            // The end of the run outweighs an interrupt, which outweighs any waiting.
            Some(RunStatus::Running) | None => {}
            Some(ended) => return Action::Ended(ended),
        }
        match self.interrupt {
            Interrupt::Supersede | Interrupt::Abort | Interrupt::Drain if self.held.is_empty() => {
                Action::Interrupted
            }
            Interrupt::Supersede | Interrupt::Abort | Interrupt::Drain | Interrupt::None => Action::Wait,
        }
    }

    /// Returns whether nothing new may start.
    pub(crate) fn is_stopping(&self) -> bool {
        self.interrupt != Interrupt::None || self.progress.is_some_and(|progress| progress.stop.is_some())
    }

    /// Returns whether the run's deadline has passed.
    pub(crate) fn is_timed_out(&self) -> bool {
        self.progress.and_then(|progress| progress.stop) == Some(Stop::TimedOut)
    }

    /// Returns whether another run takes the place of this one.
    pub(crate) fn is_superseded(&self) -> bool {
        self.interrupt == Interrupt::Supersede
    }

    /// Returns whether guests must be stopped and their claims released.
    pub(crate) fn must_abort(&self) -> bool {
        let stop = self.progress.and_then(|progress| progress.stop);
        matches!(self.interrupt, Interrupt::Abort | Interrupt::Supersede)
            || matches!(stop, Some(Stop::FailFast | Stop::Cancelled | Stop::TimedOut))
    }

    /// Admission check: returns whether a slot is free and the resources of this class are too.
    fn has_free_slot(&self, class: Option<u16>) -> bool {
        let is_free = |(resource, amount): &(usize, u32)| {
            let taken = self.working.taken.get(*resource).copied().unwrap_or_default();
            let resource = self.shape.resources.get(*resource);
            resource.is_none_or(|resource| taken + u64::from(*amount) <= u64::from(resource.amount))
        };
        !self.is_full() && cost(&self.costs, class).iter().all(is_free)
    }
}

impl Occupancy {
    fn add(&mut self, needs: &[(usize, u32)]) {
        self.nodes += 1;
        for (resource, amount) in needs {
            if let Some(taken) = self.taken.get_mut(*resource) {
                *taken += u64::from(*amount);
            }
        }
    }

    fn remove(&mut self, needs: &[(usize, u32)]) {
        self.nodes = self.nodes.saturating_sub(1);
        for (resource, amount) in needs {
            if let Some(taken) = self.taken.get_mut(*resource) {
                *taken = taken.saturating_sub(u64::from(*amount));
            }
        }
    }
}

/// Returns the class of a node's needs; none for a `for-each` task itself, which takes no resources.
fn class(shape: &RunShape, node: NodeId) -> Option<u16> {
    let task = shape.tasks.get(node.task.index())?;
    (!task.is_expandable(&node.at)).then_some(task.class)
}

/// Returns the resources of this host that a class takes.
fn class_costs(shape: &RunShape, class: &[(usize, u32)]) -> Vec<(usize, u32)> {
    let own_cost = |(resource, amount): &(usize, u32)| match shape.resources.get(*resource)? {
        ResourceShape { scope: ResourceScope::Shared, .. } => None,
        ResourceShape { scope, amount: available, .. } => Some((*resource, scope.cost(*amount, *available))),
    };
    class.iter().filter_map(own_cost).collect()
}

fn cost(costs: &[Vec<(usize, u32)>], class: Option<u16>) -> &[(usize, u32)] {
    class.and_then(|class| costs.get(usize::from(class))).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, Name, TaskIdx, TaskName};
    use crate::state::TaskShape;

    /// Two tasks that each take the only permit.
    fn shape() -> Arc<RunShape> {
        let task = |name: &str| TaskShape {
            name: TaskName::new(name).unwrap(),
            fingerprint: Digest::of_bytes(b""),
            waits_for: Vec::new(),
            dependents: Vec::new(),
            rank: 0,
            class: 0,
            indexed: Vec::new(),
            is_repeated: false,
            is_included: true,
            deadlines: Vec::new(),
        };
        let permit =
            ResourceShape { name: Name::new("permit").unwrap(), amount: 1, scope: ResourceScope::Own };
        Arc::new(RunShape {
            tasks: vec![task("a"), task("b")],
            classes: vec![vec![(0, 1)]],
            resources: vec![permit],
            larger: Vec::new(),
            has_closing: false,
            max_elements: u32::MAX,
            deadlines: Vec::new(),
            deadline: None,
            first_finally: None,
        })
    }

    fn claim(task: u32) -> Claim {
        let node = NodeId::of_task(TaskIdx::new(task));
        let token = Token(task.into());
        Claim {
            node,
            token,
            attempt: 1,
            step: 0,
            iteration: 0,
            takeovers: 0,
            from: None,
            stage: Stage::Ready,
            offer: None,
            elements: 0,
            is_kept: false,
            deadline: None,
        }
    }

    fn requested_capacity(dispatcher: &Dispatcher, ahead: u32) -> (u32, Vec<u32>) {
        let Want { slots, free } = dispatcher.want(ahead);
        (slots, free)
    }

    fn start(dispatcher: &mut Dispatcher, claim: &Claim) {
        dispatcher.add(claim, None);
        assert!(dispatcher.has_slot_for(claim.token));
        dispatcher.assign_slot(claim.token);
    }

    #[test]
    fn waiting_claim_releases_its_slot_and_reacquires_it_only_if_free() {
        let mut dispatcher = Dispatcher::new(shape(), 2);
        start(&mut dispatcher, &claim(0));
        assert_eq!(requested_capacity(&dispatcher, 0), (1, vec![0]));
        assert!(dispatcher.release_slot(Token(0)));
        assert_eq!(requested_capacity(&dispatcher, 0), (2, vec![1]));
        assert!(dispatcher.reacquire_slot(Token(0)));
        assert_eq!(requested_capacity(&dispatcher, 0), (1, vec![0]));
        assert!(dispatcher.release_slot(Token(0)));
        start(&mut dispatcher, &claim(1));
        assert!(!dispatcher.reacquire_slot(Token(0)), "the permit is taken");
        dispatcher.remove(Token(1));
        assert!(dispatcher.reacquire_slot(Token(0)));
        assert!(!dispatcher.reacquire_slot(Token(7)), "no such claim is held");
    }

    #[test]
    fn prefetched_claim_has_no_slot_before_another_ends() {
        let mut dispatcher = Dispatcher::new(shape(), 1);
        assert_eq!(requested_capacity(&dispatcher, 2), (3, vec![3]));
        start(&mut dispatcher, &claim(0));
        dispatcher.add(&claim(1), None);
        assert_eq!((requested_capacity(&dispatcher, 2), dispatcher.prefetched()), ((1, vec![1]), 1));
        assert!(dispatcher.is_full() && !dispatcher.has_slot_for(Token(1)));
        dispatcher.free_slot(Token(0));
        assert!(dispatcher.has_slot_for(Token(1)));
        dispatcher.remove(Token(0));
        assert_eq!((requested_capacity(&dispatcher, 0), dispatcher.prefetched()), ((0, vec![0]), 0));
    }

    #[test]
    fn claim_may_take_more_memory_than_its_class() {
        let mut dispatcher = Dispatcher::new(shape(), 2);
        dispatcher.add(&claim(0), Some(3));
        assert_eq!(requested_capacity(&dispatcher, 0), (1, vec![0]), "it is counted while it waits");
        assert!(!dispatcher.has_slot_for(Token(0)), "there is one only");
        dispatcher.remove(Token(0));
        dispatcher.add(&claim(1), None);
        assert_eq!(requested_capacity(&dispatcher, 0), (1, vec![0]));
        dispatcher.remove(Token(1));
        assert_eq!(requested_capacity(&dispatcher, 0), (2, vec![1]));
    }

    #[test]
    fn nothing_is_prefetched_beside_a_taken_over_claim() {
        let mut dispatcher = Dispatcher::new(shape(), 1);
        dispatcher.add(&Claim { takeovers: 1, ..claim(0) }, None);
        assert_eq!(requested_capacity(&dispatcher, 2), (0, vec![0]));
        dispatcher.remove(Token(0));
        assert_eq!(requested_capacity(&dispatcher, 2), (3, vec![3]));
    }
}
