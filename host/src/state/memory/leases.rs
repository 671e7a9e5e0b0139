//! Who holds which node until when, and what a token that holds nothing stands for.
//! What happens to a node whose lease has passed is for the machine.

use crate::state::{HostId, NodeId, Stage, Token, Verdict};
use rustc_hash::FxHashMap;
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

/// A claim that is neither settled nor lost.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// The node.
    pub(crate) node: NodeId,
    /// Who holds it.
    pub(crate) host: HostId,
    /// How far the node had come.
    pub(crate) stage: Stage,
    /// When the lease passes.
    pub(crate) until: Duration,
    /// Whether it has passed: the node is lined up for others, and is still this holder's until one has it.
    pub(crate) is_lapsed: bool,
}

/// All claims of a run. Tokens are numbers that are handed out one after the other.
#[derive(Debug)]
pub(crate) struct Leases {
    held: FxHashMap<Token, Held>,
    ends: BTreeSet<(Duration, Token)>,
    first: u64,
    next: u64,
    // Every token from `first` to `next` that is neither held nor in here was settled.
    lost: HashSet<Token>,
    // Whom to tell: claims that were lost, with who had them.
    losses: Vec<(HostId, Token)>,
}

impl Leases {
    /// No claims; tokens begin at `first`, and smaller ones are of an earlier life of the run.
    pub(crate) fn new(first: u64) -> Self {
        Self {
            held: FxHashMap::default(),
            ends: BTreeSet::new(),
            first,
            next: first,
            lost: HashSet::new(),
            losses: Vec::new(),
        }
    }

    /// The first token that was never handed out.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// How many claims are held under a lease that has not passed.
    pub(crate) fn live(&self) -> usize {
        self.ends.len()
    }

    /// The claims under a lease that has not passed.
    pub(crate) fn live_claims(&self) -> impl Iterator<Item = &Held> {
        self.ends.iter().filter_map(|(_, token)| self.held.get(token))
    }

    /// Hands out a token.
    pub(crate) fn grant(&mut self, held: Held) -> Token {
        let token = Token(self.next);
        self.next += 1;
        self.ends.insert((held.until, token));
        self.held.insert(token, held);
        token
    }

    /// What a token holds.
    pub(crate) fn get(&self, token: Token) -> Option<&Held> {
        self.held.get(&token)
    }

    /// Ends a claim by its settlement.
    pub(crate) fn settle(&mut self, token: Token) -> Option<Held> {
        let held = self.held.remove(&token)?;
        self.ends.remove(&(held.until, token));
        Some(held)
    }

    /// Ends a claim that another has taken over, or whose run has ended.
    pub(crate) fn lose(&mut self, token: Token) -> Option<Held> {
        let held = self.settle(token)?;
        self.lost.insert(token);
        self.losses.push((held.host.clone(), token));
        Some(held)
    }

    /// Ends all claims.
    pub(crate) fn lose_all(&mut self) {
        self.ends.clear();
        for (token, held) in self.held.drain() {
            self.lost.insert(token);
            self.losses.push((held.host, token));
        }
    }

    /// Claims that were lost since the last time somebody asked, with who had them.
    pub(crate) fn take_losses(&mut self) -> Vec<(HostId, Token)> {
        std::mem::take(&mut self.losses)
    }

    /// Holds a claim until then, whether its lease had passed or not.
    pub(crate) fn renew(&mut self, token: Token, until: Duration) {
        if let Some(held) = self.held.get_mut(&token) {
            self.ends.remove(&(held.until, token));
            held.until = until;
            held.is_lapsed = false;
            self.ends.insert((until, token));
        }
    }

    /// Lets the lease of a claim pass.
    pub(crate) fn lapse(&mut self, token: Token) -> Option<Held> {
        let held = self.held.get_mut(&token)?;
        if held.is_lapsed {
            return None;
        }
        self.ends.remove(&(held.until, token));
        held.is_lapsed = true;
        Some(held.clone())
    }

    /// A claim whose lease ends at `now` or before.
    pub(crate) fn overdue(&self, now: Duration) -> Option<Token> {
        self.ends.first().filter(|(until, _)| *until <= now).map(|(_, token)| *token)
    }

    /// When the next lease passes.
    pub(crate) fn next_end(&self) -> Option<Duration> {
        self.ends.first().map(|(until, _)| *until)
    }

    /// The claims of a host.
    pub(crate) fn held_by(&self, host: &HostId) -> Vec<Token> {
        let mut tokens: Vec<Token> =
            self.held.iter().filter(|(_, held)| held.host == *host).map(|(token, _)| *token).collect();
        tokens.sort_unstable();
        tokens
    }

    /// What a settlement with a token that holds nothing comes to.
    pub(crate) fn verdict(&self, token: Token) -> Verdict {
        let is_ours = (self.first..self.next).contains(&token.0);
        if is_ours && !self.lost.contains(&token) { Verdict::Duplicate } else { Verdict::Fenced }
    }
}
