//! The leases of claims: holder, node and expiry of each, and the verdict on tokens that hold nothing.
//! Requeuing nodes with an expired lease is left to the machine.

use crate::state::{HostId, NodeId, Stage, Token, Verdict};
use rustc_hash::FxHashMap;
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

/// A claim that is neither settled nor lost.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// The claimed node.
    pub(crate) node: NodeId,
    /// The holder.
    pub(crate) host: HostId,
    /// The node's stage.
    pub(crate) stage: Stage,
    /// End of the lease.
    pub(crate) until: Duration,
    /// Whether the lease has expired. The node is queued for takeover, but its holder may settle it until then.
    pub(crate) is_expired: bool,
}

/// All claims of a run. Tokens are consecutive numbers.
#[derive(Debug)]
pub(crate) struct Leases {
    held: FxHashMap<Token, Held>,
    ends: BTreeSet<(Duration, Token)>,
    first: u64,
    next: u64,
    // Every token from `first` to `next` that is neither held nor in here was settled.
    lost: HashSet<Token>,
    // Lost claims that were not reported to their hosts yet.
    losses: Vec<(HostId, Token)>,
}

impl Leases {
    /// Creates an empty set of claims. Tokens begin at `first`; smaller ones belong to an earlier life of the run.
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

    /// Returns the first token that was never used.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// Returns the number of claims with an unexpired lease.
    pub(crate) fn live(&self) -> usize {
        self.ends.len()
    }

    /// Returns the claims with an unexpired lease.
    pub(crate) fn live_claims(&self) -> impl Iterator<Item = &Held> {
        self.ends.iter().filter_map(|(_, token)| self.held.get(token))
    }

    /// Grants a claim and returns its token.
    pub(crate) fn grant(&mut self, held: Held) -> Token {
        let token = Token(self.next);
        self.next += 1;
        self.ends.insert((held.until, token));
        self.held.insert(token, held);
        token
    }

    /// Returns the claim of a token.
    pub(crate) fn get(&self, token: Token) -> Option<&Held> {
        self.held.get(&token)
    }

    /// Ends a claim because it is settled.
    pub(crate) fn settle(&mut self, token: Token) -> Option<Held> {
        let held = self.held.remove(&token)?;
        self.ends.remove(&(held.until, token));
        Some(held)
    }

    /// Ends a claim because it was taken over, or its run has ended.
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

    /// Takes the claims that were lost since the last call, with their hosts.
    pub(crate) fn take_losses(&mut self) -> Vec<(HostId, Token)> {
        std::mem::take(&mut self.losses)
    }

    /// Renews a claim until `until`, even if its lease has expired.
    pub(crate) fn renew(&mut self, token: Token, until: Duration) {
        if let Some(held) = self.held.get_mut(&token) {
            self.ends.remove(&(held.until, token));
            held.until = until;
            held.is_expired = false;
            self.ends.insert((until, token));
        }
    }

    /// Marks the lease of a claim as expired. Returns nothing if it was already.
    pub(crate) fn expire(&mut self, token: Token) -> Option<Held> {
        let held = self.held.get_mut(&token)?;
        if held.is_expired {
            return None;
        }
        self.ends.remove(&(held.until, token));
        held.is_expired = true;
        Some(held.clone())
    }

    /// Returns a claim whose lease has expired at `now`.
    pub(crate) fn overdue(&self, now: Duration) -> Option<Token> {
        self.ends.first().filter(|(until, _)| *until <= now).map(|(_, token)| *token)
    }

    /// Returns when the next lease expires.
    pub(crate) fn next_end(&self) -> Option<Duration> {
        self.ends.first().map(|(until, _)| *until)
    }

    /// Returns the claims of a host.
    pub(crate) fn held_by(&self, host: &HostId) -> Vec<Token> {
        let mut tokens: Vec<Token> =
            self.held.iter().filter(|(_, held)| held.host == *host).map(|(token, _)| *token).collect();
        tokens.sort_unstable();
        tokens
    }

    /// Returns the verdict on a settlement whose token holds nothing.
    pub(crate) fn verdict(&self, token: Token) -> Verdict {
        let is_of_this_life = (self.first..self.next).contains(&token.0);
        if is_of_this_life && !self.lost.contains(&token) { Verdict::Duplicate } else { Verdict::Fenced }
    }
}
