//! Converts between the port's types and the arguments and replies of the step script.
//! Sending them is left to `session.rs`.

use crate::model::{IndexPath, RunStatus, TaskIdx};
use crate::state::redis::run::claims::Settled;
use crate::state::redis::run::formats::{
    ATTEMPT_BITS, CALL_BYTES, IS_CLOSING, IS_EXPANDED, IS_OVERDUE, IS_READY, IS_TAINTED,
};
use crate::state::{
    Blocked, CallDigest, Claim, Deadline, HostId, NodeId, Offer, Outcome, Progress, Settlement, Stage, Stop,
    Token, Version,
};
use bytes::Bytes;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::Instant;

/// The reply of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step<T> {
    /// The step was performed.
    Taken(T),
    /// The life that the host knows has ended, or has lost data. Carries the number of results in it, if known.
    Lost(Option<u64>),
    /// Another version of the program wrote the run.
    Layout,
}

/// The reply of a commit.
#[derive(Debug)]
pub(crate) struct Committed {
    /// One per settlement: whether the token held a node.
    pub(crate) settled: Vec<Settled>,
    pub(crate) claims: Vec<Claim>,
    pub(crate) blocked: Vec<Blocked>,
    pub(crate) progress: Progress,
    pub(crate) version: Version,
    /// Number of stored results.
    pub(crate) results: u64,
}

#[derive(Deserialize)]
struct Reply<'a> {
    verdicts: &'a str,
    #[serde(borrow)]
    claims: Vec<ClaimReply<'a>>,
    #[serde(borrow)]
    blocked: Vec<(u32, &'a str, usize)>,
    state: &'a str,
    stop: &'a str,
    open: u32,
    total: u32,
    version: u64,
    results: u64,
    /// Milliseconds until the run's deadline; negative without one.
    left: i64,
    /// The fast path leaves it out.
    #[serde(default)]
    ending: &'a str,
}

#[derive(Deserialize)]
struct ClaimReply<'a> {
    token: &'a str,
    idx: u32,
    at: &'a str,
    attempt: u32,
    takeovers: u32,
    from: &'a str,
    stage: u8,
    items: u32,
    iteration: u32,
    /// The fast path leaves it out.
    #[serde(default)]
    offer: &'a str,
    #[serde(default)]
    elements: u32,
    /// The deadline that passes first; negative without one.
    #[serde(default = "none")]
    deadline: i64,
    /// Milliseconds that it leaves.
    #[serde(default)]
    left: u64,
    #[serde(default)]
    is_kept: u8,
}

const fn none() -> i64 {
    -1
}

/// Decodes the reply of a commit; none if it is damaged.
pub(crate) fn read_reply(bytes: &[u8]) -> Option<Committed> {
    let reply: Reply<'_> = rmp_serde::from_slice(bytes).ok()?;
    let claims = reply.claims.iter().map(claim);
    let blocked =
        reply.blocked.into_iter().map(|(idx, at, resource)| Some(Blocked { node: node(idx, at)?, resource }));
    Some(Committed {
        settled: reply.verdicts.bytes().map(read_settled).collect(),
        claims: claims.collect::<Option<_>>()?,
        blocked: blocked.collect::<Option<_>>()?,
        progress: Progress {
            status: status(reply.state)?,
            stop: stop(reply.stop),
            open: reply.open,
            total: reply.total,
            left: u64::try_from(reply.left).ok().map(Duration::from_millis),
            ending: status(reply.ending),
        },
        version: Version(reply.version),
        results: reply.results,
    })
}

const fn read_settled(verdict: u8) -> Settled {
    if verdict == b'C' { Settled::Committed } else { Settled::NotHeld }
}

fn claim(reply: &ClaimReply<'_>) -> Option<Claim> {
    Some(Claim {
        node: node(reply.idx, reply.at)?,
        token: read_token(reply.token)?,
        attempt: attempt_of(reply.attempt),
        step: u8::try_from(reply.attempt >> ATTEMPT_BITS).unwrap_or(u8::MAX),
        iteration: reply.iteration,
        takeovers: reply.takeovers,
        from: (!reply.from.is_empty()).then(|| HostId(reply.from.into())),
        stage: match reply.stage {
            IS_READY => Stage::Ready,
            IS_TAINTED => Stage::Tainted,
            IS_EXPANDED => Stage::Expanded { items: reply.items },
            IS_CLOSING => Stage::Closing,
            IS_OVERDUE => Stage::Overdue,
            _ => return None, // no script sends another number
        },
        offer: if reply.offer.is_empty() { None } else { Some(offer(reply.offer)?) },
        elements: reply.elements,
        is_kept: reply.is_kept == 1,
        deadline: u32::try_from(reply.deadline)
            .ok()
            .map(|position| Deadline { position, left: Duration::from_millis(reply.left) }),
    })
}

/// Returns the attempt of a record or a claim, which has the step above it.
pub(crate) const fn attempt_of(number: u32) -> u32 {
    number & ((1 << ATTEMPT_BITS) - 1)
}

/// Reads an offer: the call in hexadecimal digits, and whether there is a result.
fn offer(text: &str) -> Option<Offer> {
    let (digits, is_done) = text.split_at_checked(2 * CALL_BYTES)?;
    let call = u128::from_str_radix(digits, 16).ok()?;
    Some(Offer { call: CallDigest(call.to_be_bytes()), is_done: is_done == "1" })
}

/// Reads a node: its task, and its indexes, separated by spaces.
pub(crate) fn node(idx: u32, at: &str) -> Option<NodeId> {
    let indexes = at.split_ascii_whitespace().map(|index| index.parse().ok());
    let indexes: Vec<u32> = indexes.collect::<Option<_>>()?;
    Some(NodeId { task: TaskIdx::new(idx), at: IndexPath::new(&indexes)? })
}

/// Formats a node for scripts.
fn node_text(node: &NodeId) -> String {
    let indexes = node.at.as_slice().iter().map(|index| format!(" {index}"));
    std::iter::once(node.task.get().to_string()).chain(indexes).collect()
}

fn status(text: &str) -> Option<RunStatus> {
    RunStatus::ALL.into_iter().find(|status| status.as_str() == text)
}

fn stop(text: &str) -> Option<Stop> {
    match text {
        "failure" => Some(Stop::Failure),
        "fail-fast" => Some(Stop::FailFast),
        "cancelled" => Some(Stop::Cancelled),
        "timeout" => Some(Stop::TimedOut),
        _ => None, // nothing stops the run
    }
}

/// Formats a token for scripts.
pub(crate) fn token_text(token: Token) -> String {
    format!("{:016x}", token.0)
}

/// Parses a token.
pub(crate) fn read_token(text: &str) -> Option<Token> {
    u64::from_str_radix(text, 16).ok().map(Token)
}

/// Formats amounts of resources for scripts.
pub(crate) fn amounts_text(amounts: &[u32]) -> String {
    let amounts: Vec<String> = amounts.iter().map(ToString::to_string).collect();
    amounts.join(" ")
}

/// Converts an outcome to its letter and payload, of which one is the bound on elements.
pub(crate) fn outcome(outcome: Outcome, max_elements: u32) -> (&'static str, Bytes) {
    match outcome {
        Outcome::Done(bytes) => ("D", bytes),
        Outcome::Skipped(reason) => ("S", Bytes::from_static(reason.as_str().as_bytes())),
        Outcome::LeftOut(hole) => {
            ("H", [hole.reason().as_str().as_bytes(), b"\0", &hole.encode()].concat().into())
        }
        Outcome::Failed(record) => ("F", record),
        Outcome::Retry { delay, step } => ("R", format!("{} {step}", delay.as_millis()).into()),
        Outcome::Passed => ("P", Bytes::new()),
        Outcome::Accepted => ("O", Bytes::new()),
        Outcome::Release => ("B", Bytes::new()),
        Outcome::Await(nodes) => {
            let nodes: Vec<String> = nodes.iter().map(node_text).collect();
            ("A", nodes.join(",").into())
        }
        Outcome::Iterated(bytes) => ("I", bytes),
        Outcome::Expand { items, max_parallel } => {
            let max = max_parallel.map_or(u32::MAX, std::num::NonZeroU32::get);
            ("E", format!("{items} {max} {max_elements}").into())
        }
    }
}

/// A result that a settlement stores.
#[derive(Debug)]
pub(crate) enum Stored {
    /// That of the node.
    Node(Bytes),
    /// That of the node's current iteration.
    Iteration(Bytes),
}

/// Returns the token of a settlement, and the result if it has one.
pub(crate) fn with_result(settlement: &Settlement) -> (Token, Option<Stored>) {
    let result = match &settlement.outcome {
        Outcome::Done(result) => Some(Stored::Node(result.clone())),
        Outcome::Iterated(result) => Some(Stored::Iteration(result.clone())),
        Outcome::LeftOut(hole) => Some(Stored::Node(hole.encode())),
        Outcome::Skipped(_)
        | Outcome::Failed(_)
        | Outcome::Retry { .. }
        | Outcome::Passed
        | Outcome::Accepted
        | Outcome::Release
        | Outcome::Await(_)
        | Outcome::Expand { .. } => None,
    };
    (settlement.token, result)
}

/// Returns when the first deadline that a reply names passes, by the host's clock and not too early.
pub(crate) fn first_deadline(reply: &Committed) -> Option<Instant> {
    let of_claims = reply.claims.iter().filter_map(|claim| Some(claim.deadline?.left));
    let left = of_claims.chain(reply.progress.left).filter(|left| !left.is_zero()).min()?;
    Instant::now().checked_add(left + Duration::from_millis(1))
}

/// Returns when the first retry in the batch is due.
pub(crate) fn shortest_delay(batch: &[Settlement]) -> Option<Instant> {
    let delays = batch.iter().filter_map(|settlement| match settlement.outcome {
        Outcome::Retry { delay, .. } => Some(delay),
        Outcome::Done(_)
        | Outcome::Skipped(_)
        | Outcome::LeftOut(_)
        | Outcome::Failed(_)
        | Outcome::Passed
        | Outcome::Accepted
        | Outcome::Release
        | Outcome::Await(_)
        | Outcome::Iterated(_)
        | Outcome::Expand { .. } => None,
    });
    delays.min().map(|delay| Instant::now() + delay)
}
