//! What this host has claimed and what it may claim: a state machine without time, tasks or input.
//! The loop in `run` feeds it and does what it says.

use crate::engine::Interrupt;
use crate::model::RunStatus;
use crate::state::Claim;
use crate::state::NodeId;
use crate::state::Progress;
use crate::state::Shape;
use crate::state::Stage;
use crate::state::Stop;
use crate::state::Token;
use crate::state::Want;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// How many nodes may wait for what others make, per place for a guest.
const MOST_PARKED: u32 = 8;

/// What this host holds and has free.
pub(crate) struct Dispatcher {
    shape: Arc<Shape>,
    slots: u32,
    free: Vec<u32>,
    held: FxHashMap<Token, Held>,
    running: u32,
    interrupt: Interrupt,
    progress: Option<Progress>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    node: NodeId,
    takes_room: bool,
}

/// What the loop is to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Wait for a job to end or for the ledger to change.
    Wait,
    /// The run has ended.
    Ended(RunStatus),
    /// This host has nothing left to do, and was told to start nothing.
    Interrupted,
}

impl Dispatcher {
    /// A host with `slots` places for guests and all of its resources free.
    pub(crate) fn new(shape: Arc<Shape>, slots: u32) -> Self {
        let free = shape.resources.iter().map(|resource| resource.amount).collect();
        Self {
            shape,
            slots,
            free,
            held: FxHashMap::default(),
            running: 0,
            interrupt: Interrupt::None,
            progress: None,
        }
    }

    /// What to ask the ledger for.
    pub(crate) fn want(&self) -> Want {
        if self.interrupt != Interrupt::None {
            return Want::default();
        }
        Want { slots: self.slots.saturating_sub(self.running), free: self.free.clone() }
    }

    /// A node was handed out to this host.
    pub(crate) fn claimed(&mut self, claim: &Claim) {
        let takes_room = claim.stage == Stage::Ready;
        self.held.insert(claim.token, Held { node: claim.node, takes_room });
        if takes_room {
            self.running += 1;
            self.charge(claim.node, u32::saturating_sub);
        }
    }

    /// A node waits for what another makes, and needs no room until it ends; whether that makes room. So many may wait
    /// besides those that run: whoever claimed all that wait would keep them from other hosts.
    pub(crate) fn parked(&mut self, token: Token) -> bool {
        let most = self.slots.saturating_mul(MOST_PARKED);
        if u32::try_from(self.held.len()).unwrap_or(u32::MAX) >= self.slots.saturating_add(most) {
            return false;
        }
        let Some(held) = self.held.get_mut(&token).filter(|held| held.takes_room) else {
            return false;
        };
        held.takes_room = false;
        let node = held.node;
        self.running = self.running.saturating_sub(1);
        self.charge(node, u32::saturating_add);
        true
    }

    /// A node that waited is to run after all; whether there is room for it, which it has then.
    pub(crate) fn unparked(&mut self, token: Token) -> bool {
        let Some(held) = self.held.get(&token) else {
            return false;
        };
        if held.takes_room {
            return true; // it was never given away
        }
        let node = held.node;
        if self.running >= self.slots || !self.has_room(node) {
            return false;
        }
        if let Some(held) = self.held.get_mut(&token) {
            held.takes_room = true;
        }
        self.running += 1;
        self.charge(node, u32::saturating_sub);
        true
    }

    /// A node is this host's no more.
    pub(crate) fn released(&mut self, token: Token) {
        if let Some(held) = self.held.remove(&token)
            && held.takes_room
        {
            self.running = self.running.saturating_sub(1);
            self.charge(held.node, u32::saturating_add);
        }
    }

    /// The ledger told where the run stands.
    pub(crate) const fn progressed(&mut self, progress: Progress) {
        self.progress = Some(progress);
    }

    /// Somebody told this host to stop.
    pub(crate) fn interrupted(&mut self, interrupt: Interrupt) {
        self.interrupt = self.interrupt.max(interrupt);
    }

    /// What the loop is to do next.
    pub(crate) fn next(&self) -> Next {
        let progress = self.progress;
        match progress.map(|progress| progress.status) {
            Some(RunStatus::Running) | None => {}
            Some(ended) => return Next::Ended(ended),
        }
        match self.interrupt {
            Interrupt::Abort | Interrupt::Drain if self.held.is_empty() => Next::Interrupted,
            Interrupt::Abort | Interrupt::Drain | Interrupt::None => Next::Wait,
        }
    }

    /// Whether guests are to be stopped and their nodes given back.
    pub(crate) fn must_abort(&self) -> bool {
        let stop = self.progress.and_then(|progress| progress.stop);
        self.interrupt == Interrupt::Abort || matches!(stop, Some(Stop::FailFast | Stop::Cancelled))
    }

    fn has_room(&self, node: NodeId) -> bool {
        needs(&self.shape, node).all(|(resource, amount)| {
            // What hosts share is the ledger's to count, and was not given back.
            let is_shared = self.shape.resources.get(resource).is_none_or(|resource| resource.is_shared);
            is_shared || self.free.get(resource).is_some_and(|free| amount <= *free)
        })
    }

    fn charge(&mut self, node: NodeId, change: fn(u32, u32) -> u32) {
        let Self { shape, free, .. } = self;
        for (resource, amount) in needs(shape, node) {
            if let Some(free) = free.get_mut(resource) {
                *free = change(*free, amount);
            }
        }
    }
}

/// What a node takes of each resource while it runs.
fn needs(shape: &Shape, node: NodeId) -> impl Iterator<Item = (usize, u32)> {
    let task = shape.tasks.get(node.task.index()).filter(|task| !task.is_for_each || node.item.is_some());
    let class = task.and_then(|task| shape.classes.get(usize::from(task.class)));
    class.into_iter().flatten().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;
    use crate::model::Name;
    use crate::model::TaskIdx;
    use crate::state::ResourceShape;
    use crate::state::TaskShape;

    /// Two tasks that take one of one permit each.
    fn shape() -> Arc<Shape> {
        let task = |name: &str| TaskShape {
            name: Name::new(name).unwrap(),
            fingerprint: Digest::of(b""),
            waits_for: 0,
            dependents: Vec::new(),
            rank: 0,
            class: 0,
            is_for_each: false,
            is_wanted: true,
        };
        let permit = ResourceShape { name: Name::new("permit").unwrap(), amount: 1, is_shared: false };
        Arc::new(Shape {
            tasks: vec![task("a"), task("b")],
            classes: vec![vec![(0, 1)]],
            resources: vec![permit],
        })
    }

    fn claim(task: u32) -> Claim {
        let node = NodeId { task: TaskIdx::new(task), item: None };
        let token = Token(task.into());
        Claim { node, token, attempt: 1, takeovers: 0, from: None, stage: Stage::Ready }
    }

    #[test]
    fn who_waits_gives_its_room_and_has_it_again_only_while_nobody_else_has() {
        let mut dispatcher = Dispatcher::new(shape(), 2);
        dispatcher.claimed(&claim(0));
        assert_eq!(dispatcher.want().free, [0]);
        assert!(dispatcher.parked(Token(0)));
        assert_eq!((dispatcher.want().slots, dispatcher.want().free), (2, vec![1]));
        assert!(dispatcher.unparked(Token(0)));
        assert_eq!((dispatcher.want().slots, dispatcher.want().free), (1, vec![0]));
        assert!(dispatcher.parked(Token(0)));
        dispatcher.claimed(&claim(1));
        assert!(!dispatcher.unparked(Token(0)), "the permit is taken");
        dispatcher.released(Token(1));
        assert!(dispatcher.unparked(Token(0)));
        assert!(!dispatcher.unparked(Token(7)), "nobody holds that");
    }
}
