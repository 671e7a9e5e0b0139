//! The scheduler's hand-out: nodes that need no slot first, then the best ones with slots and resources free.
//! Queuing nodes is left to `settle.rs`.

use crate::model::to_usize;
use crate::state::memory::heads::{Head, Heads, MAX_PASSED};
use crate::state::memory::leases::Held;
use crate::state::memory::machine::{Caller, Machine};
use crate::state::memory::queue::Slot;
use crate::state::memory::task::{Branch, Node, Phase};
use crate::state::{
    Blocked, Claim, DeadlineScope, MAX_SLOTLESS_CLAIMS, NodeId, Offer, ResourceScope, ResourceShape, Stage,
    Stop, Want,
};

impl Machine {
    /// Claims nodes for a caller, and returns the nodes that were blocked by a resource.
    pub(crate) fn hand_out(&mut self, caller: &Caller<'_>, want: Want) -> (Vec<Claim>, Vec<Blocked>) {
        let (mut claims, mut blocked) = (Vec::new(), Vec::new());
        if !self.is_running() || self.stop.and_then(Stop::ends_as).is_some() {
            return (claims, blocked);
        }
        // Tainted, expanded and overdue nodes take neither slots nor resources, also after a failure that stops the run.
        while claims.len() < to_usize(MAX_SLOTLESS_CLAIMS)
            && let Some(slot) = self.queue.first_fast()
        {
            let node = self.pop(slot);
            if let Slot::Elements(around) = slot {
                self.enqueue_elements(around);
            }
            claims.extend(node.and_then(|node| self.claim(caller, node)));
        }
        let Want { mut slots, mut free } = want;
        free.resize(self.shape.resources.len(), 0);
        let mut heads = Heads::default();
        while self.stop.is_none()
            && slots > 0
            && let Some(head) = heads.best(&self.queue)
        {
            let Some(node) = self.pick(caller, head, &mut blocked) else {
                // What is left to a larger host keeps nothing else from this one.
                if heads.pass_over(&self.queue, head) {
                    self.report_blocked(head, self.elastic(head.class), 1, &mut blocked);
                } else {
                    self.report_blocked(head, self.elastic(head.class), slots, &mut blocked);
                }
                continue;
            };
            let larger = self.larger_amount(head.class, node);
            if let Some(resource) = self.shortage(caller, (head.class, larger), &free) {
                // The lane stays blocked for the rest of this reply, because free amounts only shrink.
                heads.block(head);
                self.report_blocked(head, resource, slots, &mut blocked);
                continue;
            }
            slots -= 1;
            self.spend(caller, (head.class, larger), &mut free);
            self.take(head.slot, node);
            heads.move_on(&self.queue, head);
            claims.extend(self.claim(caller, node));
        }
        (claims, blocked)
    }

    /// Returns the first node of an entry that this host may take; none if all are left to a larger host.
    fn pick(&mut self, caller: &Caller<'_>, head: Head, blocked: &mut Vec<Blocked>) -> Option<NodeId> {
        let around = match head.slot {
            Slot::Node(node) => return (!self.is_left(caller, head.class, node)).then_some(node),
            Slot::Elements(around) => around,
        };
        if self.shape.larger.is_empty() {
            return self.next_element(around).map(|item| around.child(item));
        }
        let expansion = self.branch_mut(around)?.expansion()?;
        let ready: Vec<u32> = expansion.ready.iter().copied().take(MAX_PASSED).collect();
        // Elements from the cursor on have not been attempted.
        let cursor = (expansion.cursor < expansion.items).then_some(expansion.cursor);
        for item in ready {
            let element = around.child(item);
            if !self.is_left(caller, head.class, element) {
                return Some(element);
            }
            if self.mark_reported(element) {
                blocked.push(Blocked { node: element, resource: self.elastic(head.class) });
            }
        }
        cursor.map(|item| around.child(item))
    }

    /// Returns whether a node is left to a host that has more of the elastic resource: this one never has enough, because
    /// attempts of the node have grown.
    fn is_left(&mut self, caller: &Caller<'_>, class: u16, node: NodeId) -> bool {
        let Some(larger) = self.larger_amount(class, node) else { return false };
        let resource = self.elastic(class);
        let have = amount_of(caller.have, resource);
        larger > have && self.has_larger_host(class, resource, have)
    }

    /// Returns the position of the elastic resource that a class takes.
    fn elastic(&self, class: u16) -> usize {
        let scope = |resource: &usize| self.shape.resources.get(*resource).map(|shape| shape.scope);
        let mut resources = self.requirements(class).map(|(resource, _)| resource);
        resources.find(|resource| scope(resource) == Some(ResourceScope::Elastic)).unwrap_or_default()
    }

    /// Removes a node from the queue, where its entry is `slot`.
    fn take(&mut self, slot: Slot, node: NodeId) {
        match slot {
            Slot::Node(node) => {
                if let Some(Phase::Queued(position)) = self.node_mut(node).map(|node| node.phase) {
                    self.queue.remove(position);
                }
            }
            Slot::Elements(around) => {
                let Some((_, item)) = node.at.split_last() else { return };
                let below = self.branch_mut(around).and_then(|branch| branch.below.as_mut());
                let Some(below) = below else { return };
                let Some(expansion) = below.expansion.as_mut() else { return };
                if !expansion.ready.remove(&item) {
                    expansion.cursor += 1;
                    below.skip_ended();
                }
                // An element that is handed out for the first time gets its record now.
                self.touch(node);
            }
        }
    }

    /// Removes the first node of an entry from the queue.
    fn pop(&mut self, slot: Slot) -> Option<NodeId> {
        let node = match slot {
            Slot::Node(node) => node,
            Slot::Elements(around) => around.child(self.next_element(around)?),
        };
        self.take(slot, node);
        Some(node)
    }

    /// Gives an element of an expanded branch a record, unless it has one.
    pub(crate) fn touch(&mut self, node: NodeId) -> Option<&mut Node> {
        let is_expandable = self.task_shape(node.task)?.is_expandable(&node.at);
        let (around, item) = node.at.split_last()?;
        let below = self.branch_mut(NodeId { at: around, ..node })?.below.as_mut()?;
        let expansion = below.expansion.as_mut()?;
        if is_expandable {
            return Some(&mut below.branches.entry(item).or_insert_with(Branch::open).node);
        }
        Some(expansion.live.entry(item).or_insert_with(|| Node::new(Phase::Waiting)))
    }

    // A node with an expired claim is taken over here: its former claim is lost, and fenced from now on.
    fn claim(&mut self, caller: &Caller<'_>, id: NodeId) -> Option<Claim> {
        let is_closing = self.is_closing(id.task);
        let expansion = self.branch_mut(id).and_then(|branch| branch.expansion());
        let is_kept = expansion.is_some_and(|expansion| expansion.is_kept);
        let expanded = expansion.map(|expansion| expansion.items);
        let overdue = self.overdue(id.task);
        let node = self.node_mut(id)?;
        let stage = match (expanded, overdue) {
            (Some(items), _) => Stage::Expanded { items },
            (None, _) if is_closing => Stage::Closing,
            (None, Some(DeadlineScope::Task)) => Stage::Overdue,
            (None, _) if node.is_tainted => Stage::Tainted,
            (None, Some(DeadlineScope::Pipeline)) => Stage::Overdue,
            (None, None) => Stage::Ready,
        };
        node.phase = Phase::Claimed;
        node.is_reported = false;
        let expired_claim = node.expired_claim.take();
        if expired_claim.is_some() {
            node.takeovers = node.takeovers.saturating_add(1);
        }
        let (attempt, step, takeovers) = (node.attempt, node.step, node.takeovers);
        let iteration = u32::try_from(self.iterations(id).len()).unwrap_or(u32::MAX);
        let offered = self.offers.get(id).filter(|_| stage == Stage::Ready);
        let offer = offered.map(|offer| Offer { call: offer.call, is_done: offer.result.is_some() });
        let is_expandable = self.task_shape(id.task).is_some_and(|task| task.is_expandable(&id.at));
        let is_to_be_expanded = is_expandable && matches!(stage, Stage::Ready | Stage::Overdue);
        let elements = if is_to_be_expanded { self.elements_beside(id) } else { 0 };
        let deadline = match stage {
            Stage::Ready | Stage::Overdue => self.start_deadlines(id.task, caller.now),
            Stage::Tainted | Stage::Expanded { .. } | Stage::Closing => None,
        };
        self.take_resources(id, stage);
        let from = expired_claim.and_then(|token| self.leases.lose(token)).map(|held| held.host);
        let until = caller.now.saturating_add(caller.lease);
        let token =
            self.leases.grant(Held { node: id, host: caller.host.clone(), stage, until, is_expired: false });
        Some(Claim {
            node: id,
            token,
            attempt,
            step,
            iteration,
            takeovers,
            from,
            stage,
            offer,
            elements,
            is_kept,
            deadline,
        })
    }

    /// Admission: returns the first resource that is short for a class.
    fn shortage(
        &self,
        caller: &Caller<'_>,
        (class, larger): (u16, Option<u32>),
        free: &[u32],
    ) -> Option<usize> {
        let is_available = |resource, amount| {
            let Some(shape) = self.shape.resources.get(resource) else {
                return false; // a resource without a shape is never available
            };
            let (have, free) = (amount_of(caller.have, resource), amount_of(free, resource));
            match shape.scope {
                ResourceScope::Shared => {
                    let used = self.used.get(resource).copied().unwrap_or(0);
                    used + u64::from(amount) <= u64::from(shape.amount)
                }
                ResourceScope::Own => amount <= have.min(free),
                ResourceScope::Elastic if amount <= have => amount <= free,
                ResourceScope::Elastic => have <= free && !self.has_larger_host(class, resource, have),
            }
        };
        self.needs(class, larger)
            .find(|(resource, amount)| !is_available(*resource, *amount))
            .map(|(resource, _)| resource)
    }

    /// Returns whether another host could run the class and has more than `have` of a resource.
    fn has_larger_host(&self, class: u16, resource: usize, have: u32) -> bool {
        let can_run = |other: &[u32]| {
            self.requirements(class).all(|(resource, amount)| match self.shape.resources.get(resource) {
                Some(ResourceShape { scope: ResourceScope::Own, .. }) => amount <= amount_of(other, resource),
                Some(ResourceShape { scope: ResourceScope::Shared | ResourceScope::Elastic, .. }) | None => {
                    true
                }
            })
        };
        self.hosts.iter().any(|(_, other)| amount_of(other, resource) > have && can_run(other))
    }

    fn spend(&self, caller: &Caller<'_>, (class, larger): (u16, Option<u32>), free: &mut [u32]) {
        for (resource, amount) in self.needs(class, larger) {
            if let (Some(free), Some(shape)) = (free.get_mut(resource), self.shape.resources.get(resource)) {
                *free = free.saturating_sub(shape.scope.cost(amount, amount_of(caller.have, resource)));
            }
        }
    }

    /// Returns how much a node takes of the elastic resource, if attempts of it have grown.
    fn larger_amount(&mut self, class: u16, node: NodeId) -> Option<u32> {
        if self.shape.larger.is_empty() {
            return None;
        }
        let step = self.node_mut(node)?.step;
        self.shape.larger_amount(class, step)
    }

    /// Returns what a node of a class takes, with another amount of the elastic resource.
    fn needs(&self, class: u16, larger: Option<u32>) -> impl Iterator<Item = (usize, u32)> {
        self.requirements(class).map(move |(resource, amount)| {
            let scope = self.shape.resources.get(resource).map(|shape| shape.scope);
            let larger = larger.filter(|_| scope == Some(ResourceScope::Elastic));
            (resource, larger.unwrap_or(amount))
        })
    }

    fn requirements(&self, class: u16) -> impl Iterator<Item = (usize, u32)> {
        self.shape.classes.get(usize::from(class)).into_iter().flatten().copied()
    }

    /// Reports the nodes that a blocked lane would have handed out from its head on, each once.
    fn report_blocked(&mut self, head: Head, resource: usize, slots: u32, blocked: &mut Vec<Blocked>) {
        let lane = self.queue.lane_from(head.class, head.key).take(to_usize(slots));
        let slots: Vec<Slot> = lane.map(|(_, slot)| slot).collect();
        for slot in slots {
            let node = match slot {
                Slot::Node(node) => node,
                Slot::Elements(around) => match self.next_element(around) {
                    Some(item) => around.child(item),
                    None => continue,
                },
            };
            if self.mark_reported(node) {
                blocked.push(Blocked { node, resource });
            }
        }
    }

    fn next_element(&mut self, around: NodeId) -> Option<u32> {
        self.branch_mut(around)?.expansion()?.next()
    }

    /// Marks a node as reported to be blocked. Returns false if it was reported before.
    fn mark_reported(&mut self, id: NodeId) -> bool {
        let Some((at, item)) = id.at.split_last() else {
            return self.node_mut(id).is_some_and(|node| !std::mem::replace(&mut node.is_reported, true));
        };
        let around = self.branch_mut(NodeId { at, ..id });
        around.and_then(|branch| branch.expansion_mut()).is_some_and(|expansion| {
            let is_new = expansion.reported <= item;
            expansion.reported = expansion.reported.max(item.saturating_add(1));
            is_new
        })
    }
}

fn amount_of(amounts: &[u32], resource: usize) -> u32 {
    amounts.get(resource).copied().unwrap_or(0)
}
