//! The claims of one host: which it holds, which it lost, and the counter from which it draws tokens.
//! Assigning nodes to hosts is left to the scripts.

use crate::model::Random;
use crate::state::{CallDigest, Claim, Error, NodeId, Outcome, RunShape, Settlement, Stage, Token, Verdict};
use std::collections::{HashMap, HashSet};
use tokio::time::Instant;

/// The claims of one host in one life of a run.
///
/// Tokens are drawn by the host, not by the server. So a server that lost data cannot issue one twice, and fencing
/// holds.
#[derive(Debug)]
pub(crate) struct Claims {
    prefix: u32,
    first: u32,
    next: u32,
    held: HashMap<Token, Held>,
    // Every token from `first` to `next` that is neither held nor in here was settled.
    lost: HashSet<Token>,
    // Claims that were held when their life ended, and are not reported yet.
    ended: Vec<Token>,
}

/// A claim that this host believes to hold.
#[derive(Debug)]
struct Held {
    node: NodeId,
    /// The node's current iteration.
    iteration: u32,
    stage: Stage,
    /// End of the lease by this host's clock.
    until: Instant,
    /// Whether the expired lease was reported as a loss; the node's guest has been stopped by then.
    is_doubtful: bool,
}

impl Claims {
    /// An empty set of claims.
    pub(crate) fn new() -> Self {
        Self {
            prefix: prefix(),
            first: 0,
            next: 0,
            held: HashMap::new(),
            lost: HashSet::new(),
            ended: Vec::new(),
        }
    }

    /// Drops all claims, because their life has ended.
    pub(crate) fn end_life(&mut self) {
        self.ended.extend(self.held.drain().map(|(token, _)| token));
        self.lost.clear();
        self.first = self.next;
    }

    /// Takes the claims whose life has ended; each is returned once.
    pub(crate) fn ended_leases(&mut self) -> Vec<Token> {
        std::mem::take(&mut self.ended)
    }

    /// Draws `count` tokens: returns their common prefix and the first number.
    pub(crate) fn draw(&mut self, count: u32) -> (u32, u32) {
        // On overflow, a new random prefix keeps tokens unique.
        if self.next.checked_add(count).is_none() {
            (self.prefix, self.first, self.next) = (prefix(), 0, 0);
        }
        let first = self.next;
        self.next = self.next.saturating_add(count);
        (self.prefix, first)
    }

    /// Returns the node that a token holds, and its current iteration.
    pub(crate) fn node(&self, token: Token) -> Option<(NodeId, u32)> {
        self.held.get(&token).map(|held| (held.node, held.iteration))
    }

    /// Returns the node of a settlement with a result, and the call that this is of. The iterations of a node have one call,
    /// which is stored with the first one.
    pub(crate) fn call(&self, settlement: &Settlement) -> Option<(NodeId, CallDigest)> {
        let Settlement { token, outcome, call } = settlement;
        let has_result = matches!(
            outcome,
            Outcome::Done(_) | Outcome::LeftOut(_) | Outcome::Iterated(_) | Outcome::Accepted
        );
        let (node, iteration) = self.node(*token).filter(|_| has_result)?;
        call.filter(|_| iteration == 0).map(|call| (node, call))
    }

    /// Returns all tokens held, oldest first: nodes that are left to other hosts are queued in this order.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        let mut tokens: Vec<Token> = self.held.keys().copied().collect();
        tokens.sort_unstable();
        tokens
    }

    /// Rejects settlements that the contract forbids, before anything is sent.
    pub(crate) fn check(&self, shape: &RunShape, settlement: &Settlement) -> Result<(), Error> {
        let held = self.held.get(&settlement.token);
        held.map_or(Ok(()), |held| settlement.check(shape, held.node, held.stage))
    }

    /// Records the reply to a settlement, and derives its verdict.
    pub(crate) fn record_settled(&mut self, token: Token, answer: Settled) -> Verdict {
        let was_held = self.held.remove(&token).is_some();
        if answer == Settled::Committed {
            return Verdict::Committed;
        }
        if was_held {
            self.lost.insert(token);
        }
        // A token of this host that is neither held nor lost was settled earlier: that reply was lost.
        if self.is_drawn(token) && !self.lost.contains(&token) { Verdict::Duplicate } else { Verdict::Fenced }
    }

    /// Records a claim whose lease lasts until `until`.
    pub(crate) fn record_claim(&mut self, claim: &Claim, until: Instant) {
        let Claim { node, iteration, stage, .. } = *claim;
        let held = Held { node, iteration, stage, until, is_doubtful: false };
        self.held.insert(claim.token, held);
    }

    /// Extends the leases of claims until `until`.
    pub(crate) fn kept(&mut self, tokens: &[Token], until: Instant) {
        for token in tokens {
            if let Some(held) = self.held.get_mut(token) {
                held.until = until;
            }
        }
    }

    /// Takes the claims whose lease has expired at `now` without confirmation; each is returned once.
    pub(crate) fn doubtful(&mut self, now: Instant) -> Vec<Token> {
        let overdue = self.held.iter_mut().filter(|(_, held)| !held.is_doubtful && held.until <= now);
        overdue
            .map(|(token, held)| {
                held.is_doubtful = true;
                *token
            })
            .collect()
    }

    /// Returns when the next lease expires.
    pub(crate) fn next_end(&self) -> Option<Instant> {
        self.held.values().filter(|held| !held.is_doubtful).map(|held| held.until).min()
    }

    /// Records the loss of a claim.
    pub(crate) fn lost(&mut self, token: Token) {
        if self.held.remove(&token).is_some() {
            self.lost.insert(token);
        }
    }

    fn is_drawn(&self, token: Token) -> bool {
        let number = u32::try_from(token.0 & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        token.0 >> 32 == u64::from(self.prefix) && (self.first..self.next).contains(&number)
    }
}

/// A step's reply to one settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Committed.
    Committed,
    /// The token holds nothing.
    NotHeld,
}

fn prefix() -> u32 {
    u32::try_from(Random::from_system().below(1 << 32)).unwrap_or(0)
}
