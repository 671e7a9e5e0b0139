//! Reads the replies of `scripts/resources.lua`.
//! Requests are made in `session.rs` and `store.rs`.

use crate::model::{Capacity, RunId};
use crate::state::redis::link::Answer;
use crate::state::{Holder, HostId, ReservationView, ReserveReply, Reserved, ResourceView, Wait};
use std::sync::Arc;
use std::time::Duration;

/// The reply to a step.
pub(crate) enum Step {
    /// The step was taken; with the parts of the reply, of a reservation together with its outcome.
    Taken(Vec<Answer>),
    /// The session's lease has passed.
    Lost,
}

/// Reads the reply to a step; none if the keys have another layout.
pub(crate) fn read_step(answers: Vec<Answer>) -> Option<Step> {
    let parts = answers.into_iter().next().map(Answer::list).unwrap_or_default();
    let Some(Answer::Bytes(word)) = parts.first() else { return None };
    match &**word {
        b"LOST" => Some(Step::Lost),
        b"OK" => Some(Step::Taken(parts.into_iter().skip(1).collect())),
        b"HELD" | b"WAITS" | b"EXCEEDS" => Some(Step::Taken(parts)),
        _ => None,
    }
}

/// Reads the reply to a reservation.
pub(crate) fn reply(parts: Vec<Answer>) -> Option<ReserveReply> {
    let mut parts = parts.into_iter();
    let word = parts.next()?.bytes()?;
    let differing = texts(parts.next()?);
    let differing =
        differing.chunks(2).map(|pair| named(pair.first()?, pair.get(1)?)).collect::<Option<_>>()?;
    let outcome = match &*word {
        b"HELD" => Reserved::Held,
        b"WAITS" => Reserved::Waits(wait(parts.next()?.list())?),
        _ => {
            let texts = texts(parts.next()?);
            let (name, capacity) = named(texts.first()?, texts.get(1)?)?;
            Reserved::Exceeds { name, capacity }
        }
    };
    Some(ReserveReply { outcome, differing })
}

fn named(name: &str, capacity: &str) -> Option<(Arc<str>, Capacity)> {
    Some((name.into(), Capacity::decode(capacity)?))
}

fn wait(parts: Vec<Answer>) -> Option<Wait> {
    let mut parts = parts.into_iter();
    let (name, capacity) = named(&text(parts.next()?)?, &text(parts.next()?)?)?;
    let (held, ahead) = (number(&parts.next()?)?, number(&parts.next()?)?);
    let holder = holder(&texts(parts.next()?));
    let recheck = parts.next()?.number()?;
    let recheck = u64::try_from(recheck).ok().map(Duration::from_micros);
    Some(Wait { name, capacity, held, ahead, holder, recheck })
}

/// Reads a holder; none if the texts are not those of one.
fn holder(texts: &[String]) -> Option<Holder> {
    let [run, task, host] = texts else { return None };
    Some(Holder { run: RunId::new(run).ok()?, task: task.clone(), host: HostId(host.as_str().into()) })
}

/// Reads the list of resources.
pub(crate) fn views(list: Answer) -> Vec<ResourceView> {
    list.list().into_iter().filter_map(view).collect()
}

fn view(resource: Answer) -> Option<ResourceView> {
    let mut parts = resource.list().into_iter();
    let (name, capacity, run) = (text(parts.next()?)?, text(parts.next()?)?, text(parts.next()?)?);
    let reservations = parts.next()?.list().into_iter().filter_map(reservation);
    let (holders, waiting): (Vec<_>, Vec<_>) = reservations.partition(|(holds, _)| *holds);
    let only = |list: Vec<(bool, ReservationView)>| list.into_iter().map(|(_, view)| view).collect();
    Some(ResourceView {
        name,
        capacity: Capacity::decode(&capacity)?,
        declared_by: RunId::new(&run).ok()?,
        holders: only(holders),
        waiting: only(waiting),
    })
}

/// Reads a reservation, and whether it holds.
fn reservation(part: Answer) -> Option<(bool, ReservationView)> {
    let mut parts = part.list().into_iter();
    let holds = parts.next()?.number()? == 1;
    let who: Vec<String> = parts.by_ref().take(3).filter_map(text).collect();
    let amount = number(&parts.next()?)?;
    let priority = i8::try_from(parts.next()?.number()?).ok()?;
    let since = u64::try_from(parts.next()?.number()?).unwrap_or_default();
    Some((
        holds,
        ReservationView { holder: holder(&who)?, amount, priority, since: Duration::from_micros(since) },
    ))
}

fn text(answer: Answer) -> Option<String> {
    String::from_utf8(answer.bytes()?.to_vec()).ok()
}

fn texts(list: Answer) -> Vec<String> {
    list.list().into_iter().filter_map(text).collect()
}

fn number(answer: &Answer) -> Option<u32> {
    u32::try_from(answer.number()?).ok()
}
