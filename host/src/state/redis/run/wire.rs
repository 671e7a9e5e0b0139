//! What steps are called with and what they answer, between the port's types and the scripts'.
//! Sending is for the ledger.

use crate::model::{RunStatus, SkipReason, TaskIdx};
use crate::state::redis::run::claims::Settled;
use crate::state::{
    Blocked, CLOSING, Claim, HostId, NodeId, Outcome, Progress, RunShape, Settlement, Stage, Stop, Token,
    Version,
};
use bytes::Bytes;
use serde::Deserialize;
use tokio::time::Instant;

/// What a step says of itself before anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step<T> {
    /// It was taken.
    Taken(T),
    /// The life of the run that the host knows is over, or not to be trusted: this many results were in it, where
    /// that can still be said.
    Lost(Option<u64>),
    /// Another version wrote the run.
    Layout,
}

/// What a commit came to.
#[derive(Debug)]
pub(crate) struct Committed {
    /// One per settlement: whether the token held something.
    pub(crate) settled: Vec<Settled>,
    pub(crate) claims: Vec<Claim>,
    pub(crate) blocked: Vec<Blocked>,
    pub(crate) progress: Progress,
    pub(crate) version: Version,
    /// Results stored so far.
    pub(crate) results: u64,
}

#[derive(Deserialize)]
struct Reply<'a> {
    verdicts: &'a str,
    #[serde(borrow)]
    claims: Vec<ClaimReply<'a>>,
    blocked: Vec<(u32, u32, usize)>,
    state: &'a str,
    stop: &'a str,
    open: u32,
    total: u32,
    version: u64,
    results: u64,
}

#[derive(Deserialize)]
struct ClaimReply<'a> {
    token: &'a str,
    at: u32,
    item: u32,
    attempt: u32,
    takeovers: u32,
    from: &'a str,
    stage: u8,
    items: u32,
}

/// Reads what a commit answers; none if it is damaged.
pub(crate) fn read_reply(bytes: &[u8]) -> Option<Committed> {
    let reply: Reply<'_> = rmp_serde::from_slice(bytes).ok()?;
    let claims = reply.claims.iter().map(claim);
    let blocked = reply.blocked.into_iter();
    Some(Committed {
        settled: reply.verdicts.bytes().map(read_settled).collect(),
        claims: claims.collect::<Option<_>>()?,
        blocked: blocked.map(|(at, item, resource)| Blocked { node: node(at, item), resource }).collect(),
        progress: Progress {
            status: status(reply.state)?,
            stop: stop(reply.stop),
            open: reply.open,
            total: reply.total,
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
        node: node(reply.at, reply.item),
        token: read_token(reply.token)?,
        attempt: reply.attempt,
        takeovers: reply.takeovers,
        from: (!reply.from.is_empty()).then(|| HostId(reply.from.into())),
        stage: match reply.stage {
            0 => Stage::Ready,
            1 => Stage::Tainted,
            2 => Stage::Expanded { items: reply.items },
            3 => Stage::Closing,
            _ => return None, // no script says so
        },
    })
}

fn node(at: u32, item: u32) -> NodeId {
    NodeId { task: TaskIdx::new(at), item: item.checked_sub(1) }
}

fn status(text: &str) -> Option<RunStatus> {
    [RunStatus::Running, RunStatus::Succeeded, RunStatus::Failed, RunStatus::Cancelled]
        .into_iter()
        .find(|status| status.as_str() == text)
}

fn stop(text: &str) -> Option<Stop> {
    match text {
        "failure" => Some(Stop::Failure),
        "fail-fast" => Some(Stop::FailFast),
        "cancelled" => Some(Stop::Cancelled),
        _ => None, // nothing stops the run
    }
}

/// A token as scripts write it.
pub(crate) fn token_text(token: Token) -> String {
    format!("{:016x}", token.0)
}

/// Reads a token.
pub(crate) fn read_token(text: &str) -> Option<Token> {
    u64::from_str_radix(text, 16).ok().map(Token)
}

/// Amounts of resources as scripts read them.
pub(crate) fn amounts_text(amounts: &[u32]) -> String {
    let amounts: Vec<String> = amounts.iter().map(ToString::to_string).collect();
    amounts.join(" ")
}

/// The reason of a skip as it is stored.
pub(crate) fn read_reason(bytes: &[u8]) -> Option<SkipReason> {
    [SkipReason::ConditionFalse, SkipReason::UpstreamSkipped, SkipReason::UpstreamFailed, SkipReason::Pruned]
        .into_iter()
        .find(|reason| reason.as_str().as_bytes() == bytes)
}

/// The kind of an outcome, one letter, and what comes with it.
pub(crate) fn outcome(outcome: Outcome) -> (&'static str, Bytes) {
    match outcome {
        Outcome::Done(bytes) => ("D", bytes),
        Outcome::Skipped(reason) => ("S", Bytes::from_static(reason.as_str().as_bytes())),
        Outcome::Failed(record) => ("F", record),
        Outcome::Retry(delay) => ("R", delay.as_millis().to_string().into()),
        Outcome::Passed => ("P", Bytes::new()),
        Outcome::Release => ("B", Bytes::new()),
        Outcome::Await(tasks) => {
            let tasks: Vec<String> = tasks.iter().map(|task| task.get().to_string()).collect();
            ("A", tasks.join(" ").into())
        }
        Outcome::Expand { items, max_parallel } => {
            let most = max_parallel.map_or(u32::MAX, std::num::NonZeroU32::get);
            ("E", format!("{items} {most}").into())
        }
    }
}

/// What a settlement settles, with the result if it has one.
pub(crate) fn with_result(settlement: &Settlement) -> (Token, Option<Bytes>) {
    let result = match &settlement.outcome {
        Outcome::Done(result) => Some(result.clone()),
        Outcome::Skipped(_)
        | Outcome::Failed(_)
        | Outcome::Retry(_)
        | Outcome::Passed
        | Outcome::Release
        | Outcome::Await(_)
        | Outcome::Expand { .. } => None,
    };
    (settlement.token, result)
}

/// When the first of the retries is due.
pub(crate) fn shortest_delay(batch: &[Settlement]) -> Option<Instant> {
    let delays = batch.iter().filter_map(|settlement| match settlement.outcome {
        Outcome::Retry(delay) => Some(delay),
        Outcome::Done(_)
        | Outcome::Skipped(_)
        | Outcome::Failed(_)
        | Outcome::Passed
        | Outcome::Release
        | Outcome::Await(_)
        | Outcome::Expand { .. } => None,
    });
    delays.min().map(|delay| Instant::now() + delay)
}

/// The field under which a node is stored; none for a task that the shape does not have. Whether a run is closed is the
/// choice of the host that began it, so that it does not matter here.
pub(crate) fn field(shape: &RunShape, node: NodeId) -> Option<String> {
    if node == shape.closing() {
        return Some(CLOSING.to_owned());
    }
    let name = shape.tasks.get(node.task.index())?.name.as_str();
    Some(match node.item {
        None => name.to_owned(),
        Some(item) => format!("{name}[{item}]"),
    })
}
