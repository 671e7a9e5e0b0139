//! Iterations of a task that repeats: what the next one is called with, or how the task ends instead.
//! `job` calls and settles; the ledger stores iterations and hands their node out again.

use crate::engine::context::Context;
use crate::engine::resolve::converted;
use crate::engine::unresolved::Unresolved;
use crate::model::{FailureClass, Path};
use crate::plan::{OnError, Repeat, Task};
use crate::state::{Claim, Error};
use crate::value::{Type, ValueFault, pick};
use bytes::Bytes;

/// What becomes of a claimed node, once its arguments are known.
pub(crate) enum Next {
    /// It is called with these arguments.
    Call(Vec<Bytes>),
    /// It is done: its last iteration has this result.
    Done(Bytes),
    /// It has failed.
    Failed(FailureClass, String),
}

/// Decides about a node by its last iteration. `args` are those of the first one.
pub(crate) async fn next(
    ctx: &Context,
    (task, repeat): (&Task, &Repeat),
    claim: &Claim,
    mut args: Vec<Bytes>,
) -> Result<Next, Error> {
    let Some(last) = claim.iteration.checked_sub(1) else {
        return Ok(Next::Call(args));
    };
    let Some(value) = ctx.ledger.fetch_iteration(claim.node, last).await? else {
        return Ok(Next::Failed(
            FailureClass::Lost,
            format!("the state has lost the result of iteration {last}"),
        ));
    };
    Ok(match fed(task, repeat, &value) {
        Ok(Fed::Last) => Next::Done(value),
        Ok(Fed::Next(_)) if claim.iteration >= repeat.max => Next::Failed(
            FailureClass::Limit,
            format!(
                "`{}` is not true after {}, and `max` allows no more; {}",
                shown(&repeat.until),
                iterations(claim.iteration),
                remedy(ctx, task, claim)
            ),
        ),
        Ok(Fed::Next(fed)) => {
            args.get_mut(repeat.param).into_iter().for_each(|arg| *arg = fed.clone());
            Next::Call(args)
        }
        Err((class, message)) => Next::Failed(class, format!("after iteration {last}: {message}")),
    })
}

/// Says how to go on after the last iteration that `max` allows. A failure that is kept as a result, or left out of a list, is
/// final: only a rerun begins again.
fn remedy(ctx: &Context, task: &Task, claim: &Claim) -> String {
    let is_final = !task.leaves_out.is_empty() || task.on_error == OnError::Failure;
    match ctx.shape.name_of(claim.node).filter(|_| is_final) {
        Some(name) => format!("raise `max` and begin again by `--rerun '{name}'`"),
        None => "raise `max` and resume the run to go on".to_owned(),
    }
}

/// What follows an iteration.
pub(crate) enum Fed {
    /// Nothing: it was the last.
    Last,
    /// Another one, with this value of the parameter.
    Next(Bytes),
}

/// Decides by the result of an iteration what follows it.
pub(crate) fn fed(task: &Task, repeat: &Repeat, value: &Bytes) -> Result<Fed, (FailureClass, String)> {
    if is_last(task, repeat, value)? {
        return Ok(Fed::Last);
    }
    converted(value, &repeat.conversion, task.limits).map(Fed::Next).map_err(|unresolved| match unresolved {
        Unresolved::Limit(message) => (FailureClass::Limit, message),
        Unresolved::Input(message) => (FailureClass::Input, message),
        // A conversion needs no other task.
        Unresolved::Needs(_) | Unresolved::Skip(_) | Unresolved::LeftOut { .. } => {
            (FailureClass::Input, "it cannot be converted".to_owned())
        }
    })
}

/// Returns whether an iteration with this result is the last one. Without an answer the iteration has failed: it is not
/// stored, so that a resumed run computes it again.
pub(crate) fn is_last(task: &Task, repeat: &Repeat, value: &Bytes) -> Result<bool, (FailureClass, String)> {
    let ty = task.value.as_ref().unwrap_or(&Type::Bool); // the plan has checked that there is a value
    let failed = |message: String| (FailureClass::Input, message);
    let found = pick(ty, value, &repeat.until)
        .map_err(|fault: ValueFault| failed(format!("its result is malformed: {fault}")))?;
    let until = shown(&repeat.until);
    let found =
        found.ok_or_else(|| failed(format!("its result has nothing at `{until}`, where `until` looks")))?;
    Ok(*found == [TRUE])
}

/// Formats a number of iterations.
fn iterations(count: u32) -> String {
    if count == 1 { "1 iteration".to_owned() } else { format!("{count} iterations") }
}

/// Formats a path as the manifest writes it.
fn shown(path: &Path) -> String {
    path.to_string().trim_start_matches('.').to_owned()
}

/// MessagePack's `true`.
const TRUE: u8 = 0xc3;
