//! Control of a run by commands outside it: listing its claims and cancelling it.
//! Both are steps of the script in `scripts`, which hosts use too.

use crate::model::{RunId, RunStatus};
use crate::state::redis::keys::RunKeys;
use crate::state::redis::link::{Answer, Command, Link, Request};
use crate::state::redis::run::{attempt_of, node};
use crate::state::redis::scripts::STEP;
use crate::state::redis::stored::journal::no_run;
use crate::state::{ClaimView, Error, ErrorKind, HostId};
use std::time::Duration;

/// Maximum number of attempts of a step while the run begins new lives.
const MAX_ROUNDS: u32 = 10;

/// Returns the current claims.
pub(crate) async fn claims(
    link: &Link,
    run: &RunId,
    keys: &RunKeys,
    max: usize,
) -> Result<Vec<ClaimView>, Error> {
    let request = ControlRequest { link, run, keys, doing: format!("listing the claims of run `{run}`") };
    let answer = request.step("claims", &[&max.to_string()]).await?;
    let claims = answer.into_iter().next().map(Answer::list).unwrap_or_default();
    Ok(claims.into_iter().filter_map(claim).collect())
}

/// Cancels a run and returns its previous status.
pub(crate) async fn cancel(link: &Link, run: &RunId, keys: &RunKeys) -> Result<RunStatus, Error> {
    let request = ControlRequest { link, run, keys, doing: format!("cancelling run `{run}`") };
    let state = request.step("cancel", &[]).await?.into_iter().next().and_then(Answer::bytes);
    let is_match = |status: &RunStatus| state.as_deref() == Some(status.as_str().as_bytes());
    Ok(RunStatus::ALL.into_iter().find(is_match).unwrap_or(RunStatus::Running))
}

/// A request for a step by a process that does not work on the run.
struct ControlRequest<'a> {
    link: &'a Link,
    run: &'a RunId,
    keys: &'a RunKeys,
    doing: String,
}

impl ControlRequest<'_> {
    /// Performs a step in the run's current life.
    async fn step(&self, command_name: &str, args: &[&str]) -> Result<Vec<Answer>, Error> {
        for _ in 0..MAX_ROUNDS {
            let life = Command::new("HGET").arg(self.keys.key("meta")).arg("life");
            let answers = self.link.ask(&self.doing, Request::read([life])).await?;
            let Some(life) = answers.into_iter().next().and_then(Answer::bytes) else {
                return Err(no_run(self.run));
            };
            // The host name is empty and nothing is claimed, so no lease is needed.
            let step = Command::script(&STEP, self.keys.all())
                .arg(command_name)
                .arg("")
                .arg(&life)
                .arg("1")
                .args(args);
            let answers = self.link.ask(&self.doing, Request::write([step])).await?;
            let mut parts = answers.into_iter().next().map(Answer::list).unwrap_or_default().into_iter();
            match &*parts.next().and_then(Answer::bytes).unwrap_or_default() {
                b"OK" => return Ok(parts.collect()),
                b"NORUN" => return Err(no_run(self.run)),
                b"LIFE" => {} // a new life has begun in between
                b"LOST" => {
                    let hint = "Its hosts restart it from the remaining results; then try again.";
                    return Err(self
                        .failed(ErrorKind::Unavailable, "the server has lost part of its data")
                        .hint(hint));
                }
                _ => {
                    let hint = "Use the version of cascade-host that created it.";
                    return Err(self.failed(ErrorKind::Refused, "another version wrote it").hint(hint));
                }
            }
        }
        Err(self.failed(ErrorKind::Unavailable, "hosts keep restarting it"))
    }

    fn failed(&self, kind: ErrorKind, reason: &str) -> Error {
        Error::new(kind, format!("{}: {reason}", self.doing))
    }
}

/// Reads a claim of the script's reply: task, indexes, stage, attempt, takeovers, iteration, lease, host.
fn claim(answer: Answer) -> Option<ClaimView> {
    let mut parts = answer.list();
    let host = String::from_utf8(parts.pop()?.bytes()?.into()).ok()?;
    let task = u32::try_from(parts.first()?.number()?).ok()?;
    let at = parts.get(1).cloned()?.bytes()?;
    let numbers: Vec<i64> = parts.iter().skip(2).filter_map(Answer::number).collect();
    let [_stage, attempt, takeovers, iteration, lease] = numbers.try_into().ok()?;
    Some(ClaimView {
        node: node(task, std::str::from_utf8(&at).ok()?)?,
        host: HostId(host.into()),
        attempt: attempt_of(u32::try_from(attempt).ok()?),
        iteration: u32::try_from(iteration).ok()?,
        takeovers: u32::try_from(takeovers).ok()?,
        lease: Duration::from_millis(u64::try_from(lease).ok()?),
    })
}
