//! The machine's record of a task, and of each element that has elements of its own: a tree by levels.
//! Transitions are left to the machine.

use crate::model::IndexPath;
use crate::state::memory::elements::Elements;
use crate::state::memory::queue::Position;
use crate::state::{CallDigest, Entry, Token};
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// The scheduling state of a node.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// One plus the retries so far.
    pub(crate) attempt: u32,
    /// The step of the last retry.
    pub(crate) step: u8,
    /// Lost leases since the last settlement other than a release.
    pub(crate) takeovers: u32,
    /// Dependencies by the shape's edges that have not ended.
    pub(crate) left: u32,
    /// Open nodes that the node awaits, besides the shape's edges.
    pub(crate) awaits: u32,
    /// Whether a dependency of the node was skipped or has failed.
    pub(crate) is_tainted: bool,
    /// Whether the node was reported to be blocked by a resource.
    pub(crate) is_reported: bool,
    /// The claim whose lease has expired.
    pub(crate) expired_claim: Option<Token>,
    /// The phase of the node.
    pub(crate) phase: Phase,
}

/// The phase of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Waits for a dependency, a retry delay, or its elements.
    Waiting,
    /// Queued on its own.
    Queued(Position),
    /// An element that is queued beside its siblings.
    Ready,
    /// Claimed by a host.
    Claimed,
    /// Done, skipped or failed.
    Ended,
}

impl Node {
    /// Creates an untouched node.
    pub(crate) const fn new(phase: Phase) -> Self {
        Self {
            attempt: 1,
            step: 0,
            takeovers: 0,
            left: 0,
            awaits: 0,
            is_tainted: false,
            is_reported: false,
            expired_claim: None,
            phase,
        }
    }
}

/// A task, or an element that has elements.
#[derive(Debug)]
pub(crate) struct Branch {
    /// The branch as a node.
    pub(crate) node: Node,
    /// The stored state.
    pub(crate) entry: Entry,
    /// Its elements; none before there is anything to know of them.
    pub(crate) below: Option<Box<Below>>,
    /// Results of the iterations of the task's nodes, in order; only in the task itself, and if one of them repeats.
    pub(crate) iterations: Option<Box<Iterations>>,
}

/// Results of iterations by node, in order.
pub(crate) type Iterations = FxHashMap<IndexPath, Vec<Bytes>>;

/// The elements of a branch.
#[derive(Debug, Default)]
pub(crate) struct Below {
    /// The stored state of innermost elements, from this life of the run and earlier ones.
    pub(crate) elements: Elements,
    /// Elements that have elements of their own, once there is anything to know of them.
    pub(crate) branches: FxHashMap<u32, Branch>,
    /// The scheduling of the elements, while the branch is expanded.
    pub(crate) expansion: Option<Expansion>,
}

impl Branch {
    /// Creates a branch with the state stored by an earlier life of the run.
    pub(crate) fn new(entry: Entry, below: Option<Box<Below>>) -> Self {
        let phase = if matches!(entry, Entry::Open) { Phase::Waiting } else { Phase::Ended };
        Self { node: Node::new(phase), entry, below, iterations: None }
    }

    /// Creates a branch of which nothing is known.
    pub(crate) fn open() -> Self {
        Self::new(Entry::Open, None)
    }

    /// Returns the results of the branch and its elements. At most as deep as an [`IndexPath`].
    pub(crate) fn results(&self) -> Self {
        let below = self.below.as_ref().map(|below| {
            let branches = below.branches.iter().map(|(item, branch)| (*item, branch.results())).collect();
            Box::new(Below { elements: below.elements.results(), branches, expansion: None })
        });
        let entry = match &self.entry {
            kept @ (Entry::Done(_) | Entry::LeftOut(_)) => kept.clone(),
            Entry::Open | Entry::Skipped(_) | Entry::Failed(_) => Entry::Open,
        };
        Self { iterations: self.iterations.clone(), ..Self::new(entry, below) }
    }

    /// Returns the branch and its elements with all that is stored of them, as deep as [`Self::results`].
    pub(crate) fn as_it_is(&self) -> Self {
        let below = self.below.as_ref().map(|below| {
            let branches = below.branches.iter().map(|(item, branch)| (*item, branch.as_it_is())).collect();
            Box::new(Below { elements: below.elements.clone(), branches, expansion: None })
        });
        let mut copy = Self { iterations: self.iterations.clone(), ..Self::new(self.entry.clone(), below) };
        if self.node.phase == Phase::Ended {
            copy.node.phase = Phase::Ended;
        }
        copy
    }

    /// Returns whether the branch is expanded.
    pub(crate) fn is_expanded(&self) -> bool {
        self.expansion().is_some()
    }

    pub(crate) fn expansion(&self) -> Option<&Expansion> {
        self.below.as_ref()?.expansion.as_ref()
    }

    pub(crate) fn expansion_mut(&mut self) -> Option<&mut Expansion> {
        self.below.as_mut()?.expansion.as_mut()
    }

    /// Returns the branch at a path; none if nothing is known of it, or it is an innermost element.
    pub(crate) fn at(&self, path: &IndexPath) -> Option<&Self> {
        path.as_slice().iter().try_fold(self, |branch, index| branch.below.as_ref()?.branches.get(index))
    }

    /// Returns the branch at a path mutably.
    pub(crate) fn at_mut(&mut self, path: &IndexPath) -> Option<&mut Self> {
        path.as_slice().iter().try_fold(self, |branch, index| branch.below.as_mut()?.branches.get_mut(index))
    }

    /// Returns the node at a path; none for an element without a record.
    pub(crate) fn node_mut(&mut self, path: &IndexPath) -> Option<&mut Node> {
        let Some((around, index)) = path.split_last() else {
            return Some(&mut self.node);
        };
        let below = self.at_mut(&around)?.below.as_mut()?;
        let live = below.expansion.as_mut().and_then(|expansion| expansion.live.get_mut(&index));
        match live {
            Some(node) => Some(node),
            None => below.branches.get_mut(&index).map(|branch| &mut branch.node),
        }
    }

    /// Returns the stored state at a path.
    pub(crate) fn entry(&self, path: &IndexPath) -> Entry {
        let Some((around, index)) = path.split_last() else {
            return self.entry.clone();
        };
        match self.at(&around).and_then(|branch| branch.below.as_ref()) {
            None => Entry::Open,
            Some(below) => match below.branches.get(&index) {
                Some(branch) => branch.entry.clone(),
                None => below.elements.get(index),
            },
        }
    }

    /// Discards the results at the paths that `is_discarded` names, and their iterations. Nothing is scheduled yet.
    pub(crate) fn discard(&mut self, is_discarded: &dyn Fn(IndexPath) -> bool) {
        self.discard_below(IndexPath::root(), is_discarded);
        self.iterations.iter_mut().for_each(|iterations| iterations.retain(|at, _| !is_discarded(*at)));
    }

    fn discard_below(&mut self, at: IndexPath, is_discarded: &dyn Fn(IndexPath) -> bool) {
        if is_discarded(at) {
            (self.entry, self.node.phase) = (Entry::Open, Phase::Waiting);
        }
        let Some(below) = &mut self.below else { return };
        let items: Vec<u32> = below.elements.iter().map(|(item, _)| item).collect();
        for item in items.into_iter().filter(|item| is_discarded(at.child(*item))) {
            below.elements.insert(item, Entry::Open);
        }
        below
            .branches
            .iter_mut()
            .for_each(|(item, branch)| branch.discard_below(at.child(*item), is_discarded));
    }

    /// Calls `visit` with the path and the entry of each stored element, at any level.
    pub(crate) fn each_element(&self, visit: &mut dyn FnMut(&IndexPath, &Entry)) {
        self.each_below(IndexPath::root(), visit);
    }

    fn each_below(&self, at: IndexPath, visit: &mut dyn FnMut(&IndexPath, &Entry)) {
        let Some(below) = &self.below else { return };
        below.elements.iter().for_each(|(item, entry)| visit(&at.child(item), &entry));
        for (item, branch) in &below.branches {
            visit(&at.child(*item), &branch.entry);
            branch.each_below(at.child(*item), visit);
        }
    }

    /// Returns whether the node at a path has ended, or one around it has. `depth` is the number of levels of elements.
    pub(crate) fn has_ended(&self, path: &IndexPath, depth: usize) -> bool {
        let mut branch = self;
        for (level, index) in path.as_slice().iter().enumerate() {
            if branch.node.phase == Phase::Ended {
                return true;
            }
            let Some(below) = &branch.below else { return false };
            if level + 1 == depth {
                return below.elements.has(*index);
            }
            match below.branches.get(index) {
                Some(inner) => branch = inner,
                None => return false,
            }
        }
        branch.node.phase == Phase::Ended
    }
}

impl Below {
    /// Returns whether an element is stored, or has ended otherwise.
    pub(crate) fn has_ended(&self, index: u32) -> bool {
        match self.branches.get(&index) {
            Some(branch) => branch.node.phase == Phase::Ended,
            None => self.elements.has(index),
        }
    }

    /// Returns how many of the first `items` elements have ended.
    pub(crate) fn ended(&self, items: u32) -> u32 {
        let elements = self.elements.count(items);
        let branches =
            self.branches.iter().filter(|(item, branch)| **item < items && branch.node.phase == Phase::Ended);
        u32::try_from(elements + branches.count()).unwrap_or(u32::MAX)
    }

    /// Moves the cursor past elements that have ended.
    pub(crate) fn skip_ended(&mut self) {
        while let Some(expansion) = &self.expansion
            && expansion.cursor < expansion.items
            && self.has_ended(expansion.cursor)
        {
            self.expansion.as_mut().into_iter().for_each(|expansion| expansion.cursor += 1);
        }
    }
}

/// What a node is offered: its results under another plan.
#[derive(Debug, Clone)]
pub(crate) struct Offered {
    /// The call that they are of.
    pub(crate) call: CallDigest,
    /// The result; none if there are only iterations.
    pub(crate) result: Option<Bytes>,
    /// The results of iterations, in order.
    pub(crate) iterations: Vec<Bytes>,
}

/// The scheduling of the elements of an expanded branch. Those before the cursor were handed out; those after it cost
/// nothing.
#[derive(Debug)]
pub(crate) struct Expansion {
    /// Number of elements.
    pub(crate) items: u32,
    /// Maximum number of elements that are worked on at the same time.
    pub(crate) max_parallel: u32,
    /// The next element that was never handed out. The end, if elements wait for others: those become ready one by one.
    pub(crate) cursor: u32,
    /// Elements to be handed out before the one at the cursor: those that are to be repeated, and those that waited. The
    /// latter have no record before they are claimed.
    pub(crate) ready: BTreeSet<u32>,
    /// Innermost elements with a record.
    pub(crate) live: FxHashMap<u32, Node>,
    /// Number of elements that have ended.
    pub(crate) ended: u32,
    /// Number of elements that are worked on: claimed and not tainted, or expanded and not ended.
    pub(crate) running: u32,
    /// Position in the queue, while an element may be handed out.
    pub(crate) position: Option<Position>,
    /// One past the last element that was reported to be blocked by a resource.
    pub(crate) reported: u32,
    /// Whether results of an earlier life are below the branch, and none that are new.
    pub(crate) is_kept: bool,
}

impl Expansion {
    /// Returns the element to be handed out next.
    pub(crate) fn next(&self) -> Option<u32> {
        self.ready.first().copied().or_else(|| (self.cursor < self.items).then_some(self.cursor))
    }

    /// Returns whether an element may be handed out now.
    pub(crate) fn is_open(&self) -> bool {
        self.running < self.max_parallel && self.next().is_some()
    }
}
