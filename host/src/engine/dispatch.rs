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
use std::collections::HashMap;
use std::sync::Arc;

/// What this host holds and has free.
pub(crate) struct Dispatcher {
    shape: Arc<Shape>,
    slots: u32,
    free: Vec<u32>,
    held: HashMap<Token, Held>,
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
            held: HashMap::new(),
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

    fn charge(&mut self, node: NodeId, change: fn(u32, u32) -> u32) {
        let Some(task) = self.shape.tasks.get(node.task.index()) else {
            return;
        };
        if task.is_for_each && node.item.is_none() {
            return;
        }
        let class = self.shape.classes.get(usize::from(task.class));
        for (resource, amount) in class.into_iter().flatten() {
            if let Some(free) = self.free.get_mut(*resource) {
                *free = change(*free, *amount);
            }
        }
    }
}
