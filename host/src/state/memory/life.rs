//! The lives of a run: decides whether a request joins the current life, begins a new one, or is rejected.
//! Pure, like the machine: the number of open ledgers is a parameter.

use crate::model::{Digest, IndexPath, RunStatus, TaskIdx, TaskName, to_usize};
use crate::state::memory::deadlines::Spent;
use crate::state::memory::machine::{Beginning, Machine};
use crate::state::memory::task::{Branch, Offered};
use crate::state::{
    CLOSING, Entry, Error, ErrorKind, Mode, NodeId, NodeMap, OpenKind, OpenRequest, Rerun, TaskShape,
    split_iteration_name, split_node_name,
};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;

/// One life of a run, with the data of the request that opened it.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) machine: Machine,
    pub(crate) epoch: u64,
    pub(crate) record: Bytes,
    /// Nodes that run again, since the run last succeeded.
    pub(crate) rerun: Rerun,
    digest: Digest,
    names: HashMap<TaskName, TaskIdx>,
}

/// Decision about a request to open a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Join the current life.
    Join,
    /// Begin a new life with the results that are still valid.
    Resume,
    /// Begin a new life without results.
    Restart,
}

impl Life {
    /// Creates the first life of a run.
    pub(crate) fn first(request: &OpenRequest) -> Self {
        Self::create_life(request, 1, &Beginning::default(), |_, _| Branch::open())
    }

    /// Decides about a request to open the run while `open_hosts` hosts have it open.
    pub(crate) fn plan(&self, request: &OpenRequest, open_hosts: usize) -> Result<Plan, Error> {
        let is_busy = open_hosts > 0 && self.machine.is_running();
        let is_same = self.digest == request.digest;
        let is_rerun = !request.rerun.is_empty();
        match (request.mode, is_same, is_busy) {
            (Mode::Resume, false, _) => {
                let kind = ErrorKind::OtherDigest(self.record.clone());
                Err(Error::new(
                    kind,
                    format!("opening run `{}`, which exists with another plan", request.run),
                )
                .hint(
                    "Pass `--update` to keep what is unchanged, `--fresh` to start over, or another run id.",
                ))
            }
            (Mode::Resume | Mode::Update, true, true) if !is_rerun => Ok(Plan::Join),
            (Mode::Resume | Mode::Update, true, false) | (Mode::Update, false, false) => Ok(Plan::Resume),
            (Mode::Fresh, _, false) => Ok(Plan::Restart),
            (Mode::Resume | Mode::Update | Mode::Fresh, _, true) => Err(Error::new(
                ErrorKind::Held,
                format!("opening run `{}`, which another host works on", request.run),
            )
            .hint("Cancel the run or wait until it has ended, then try again.")),
        }
    }

    /// Creates the life after this one.
    pub(crate) fn next(&self, request: &OpenRequest, plan: Plan) -> Self {
        let token = self.machine.leases.next();
        match plan {
            Plan::Restart => {
                let beginning = Beginning { token, ..Beginning::default() };
                Self::create_life(request, self.epoch + 1, &beginning, |_, _| Branch::open())
            }
            Plan::Join | Plan::Resume => {
                let discarded = Rerun::new(request.rerun.iter().copied());
                let is_same = self.digest == request.digest && discarded.is_empty();
                let epoch = if is_same { self.epoch } else { self.epoch + 1 };
                // Only a run that has not ended goes on with the time that its deadlines have left.
                let goes_on = is_same && self.machine.is_running();
                let spent = if goes_on { self.machine.spent(&request.shape) } else { Spent::default() };
                let ending = self.machine.ending_of(&request.shape).filter(|_| is_same);
                let beginning = Beginning { token, spent, ending };
                let mut next = Self::create_life(request, epoch, &beginning, |task, shape| {
                    if ending.is_some() {
                        return self.machine.task_at_ending(task);
                    }
                    // Another ending needs other results of finally tasks.
                    if request.shape.is_finally(task) {
                        return Branch::open();
                    }
                    let mut kept = self.kept(&shape.name, &shape.fingerprint);
                    if discarded.touches(task) {
                        kept.discard(&|at| discarded.discards(NodeId { task, at }));
                    }
                    kept
                });
                if ending.is_some() {
                    next.machine.keep_closing(&self.machine);
                }
                self.hand_on_calls(&mut next, &discarded);
                let names = self.open_reruns();
                let earlier = Rerun::of_names(&request.shape, names.iter().map(String::as_str));
                next.rerun = earlier.with(discarded.nodes());
                next.machine.follow_life(self.machine.status());
                next
            }
        }
    }

    /// Returns the names of the nodes that run again in a later life: once this one has succeeded, those that it does not
    /// include.
    pub(crate) fn open_reruns(&self) -> Vec<String> {
        let shape = &self.machine.shape;
        match self.machine.status() {
            RunStatus::Succeeded => self.rerun.by_inclusion(shape).1.names(shape),
            RunStatus::Running | RunStatus::Failed | RunStatus::Cancelled | RunStatus::TimedOut => {
                self.rerun.names(shape)
            }
        }
    }

    /// Returns the [`OpenKind`] of a life that follows another one.
    pub(crate) fn resumed(&self) -> OpenKind {
        OpenKind::Resumed { kept: u32::try_from(self.machine.stored().len()).unwrap_or(u32::MAX) }
    }

    /// Returns the result stored under the name of a node or an iteration, if there is one.
    pub(crate) fn result(&self, name: &str) -> Option<Bytes> {
        match self.entry(name)? {
            Entry::Done(bytes) => Some(bytes),
            Entry::LeftOut(hole) => Some(hole.encode()),
            Entry::Open | Entry::Skipped(_) | Entry::Failed(_) => None,
        }
    }

    /// Returns the entry under the name of a node or an iteration; none for an unknown task.
    pub(crate) fn entry(&self, name: &str) -> Option<Entry> {
        if let Some((name, iteration)) = split_iteration_name(name) {
            let iterations = self.machine.iterations(self.node(name)?);
            return iterations.get(to_usize(iteration)).cloned().map(Entry::Done);
        }
        let node = self.node(name)?;
        Some(self.machine.tasks.get(node.task.index())?.entry(&node.at))
    }

    fn node(&self, name: &str) -> Option<NodeId> {
        if name == CLOSING {
            return Some(self.machine.shape.closing());
        }
        let (task, indexes) = split_node_name(name)?;
        let task = *self.names.get(task.as_str())?;
        let (places, indexes): (Vec<u8>, Vec<u32>) = indexes.into_iter().unzip();
        let of_task = &self.machine.shape.tasks.get(task.index())?.indexed;
        let at = IndexPath::new(&indexes).filter(|_| of_task.starts_with(&places))?;
        Some(NodeId { task, at })
    }

    fn create_life(
        request: &OpenRequest,
        epoch: u64,
        beginning: &Beginning,
        kept: impl Fn(TaskIdx, &TaskShape) -> Branch,
    ) -> Self {
        let shape = &request.shape;
        let indexed = (0..).map(TaskIdx::new).zip(&shape.tasks);
        let tasks = indexed.map(|(idx, task)| kept(idx, task)).collect();
        let names = shape.tasks.iter().map(|task| task.name.clone()).zip((0..).map(TaskIdx::new)).collect();
        Self {
            machine: Machine::new(Arc::clone(shape), request.policy, tasks, beginning),
            epoch,
            record: request.record.clone(),
            rerun: Rerun::default(),
            digest: request.digest,
            names,
        }
    }

    /// Returns the results of a task and its elements, if the task's call is unchanged.
    fn kept(&self, name: &TaskName, fingerprint: &Digest) -> Branch {
        match self.task(name) {
            Some((_, shape, task)) if shape.fingerprint == *fingerprint => task.results(),
            _ => Branch::open(),
        }
    }

    fn task(&self, name: &TaskName) -> Option<(TaskIdx, &TaskShape, &Branch)> {
        let idx = *self.names.get(name)?;
        Some((idx, self.machine.shape.tasks.get(idx.index())?, self.machine.tasks.get(idx.index())?))
    }

    /// Hands on to the next life which calls its results are of, and offers it all others.
    fn hand_on_calls(&self, next: &mut Self, discarded: &Rerun) {
        let mut offers: NodeMap<Offered> = NodeMap::default();
        let shape = Arc::clone(&next.machine.shape);
        for (idx, now) in (0..).map(TaskIdx::new).zip(&shape.tasks) {
            let Some((was, before, task)) = self.task(&now.name) else { continue };
            if shape.is_finally(idx) || self.machine.shape.is_finally(was) {
                continue;
            }
            let here = |node: NodeId| NodeId { task: idx, ..node };
            if now.fingerprint == before.fingerprint {
                next.machine.calls.extend(self.machine.calls.get(&was).map(|call| (idx, *call)));
            }
            if now.indexed != before.indexed || now.is_repeated != before.is_repeated {
                continue;
            }
            // What an earlier life has offered and nobody has taken is offered again.
            let earlier = self.machine.offers.of_task(was).map(|(node, offer)| (node, offer.clone()));
            let stored = (now.fingerprint != before.fingerprint).then(|| self.machine.offers_of(was, task));
            for (node, offer) in earlier.chain(stored.into_iter().flatten()) {
                if !next.machine.has_ended(here(node)) && !discarded.discards(here(node)) {
                    offers.insert(here(node), offer);
                }
            }
        }
        if next.machine.is_running() {
            next.machine.offers = offers;
        }
    }
}
