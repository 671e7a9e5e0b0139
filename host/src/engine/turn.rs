//! The turn of an attempt at the resources that it reserves: waits without a slot, and then for a slot.
//! `reserving` has the places in line; the slots are those of `dispatch`.
//!
//! A slot comes first: who is called waits for one, and only then takes what it needs and starts at once. So nothing is
//! held by who cannot run, and a rate counts starts. Meanwhile the place in line keeps others from overtaking.

use crate::engine::reserving::{Differing, Place, Reserving};
use crate::engine::settled::Verdict;
use crate::engine::verdicts::Job;
use crate::events::{Fact, HolderFact, ShortageFact};
use crate::model::{Capacity, FailureClass};
use crate::state::{Error, Outcome, Reserved, Wait};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long an attempt whose turn it is waits for a slot of its host. Then it lets others pass, so that the resource is
/// not idle and another host of the run can take the node.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait without being called, in case a call was lost.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// The outcome of waiting for resources.
pub(crate) enum Turn<'a> {
    /// It may start, and holds the place meanwhile, if it needs any.
    Starts(Option<Place<'a>>),
    /// It does not start.
    Ends(Verdict),
}

/// Why a wait has ended.
enum Woken {
    /// It may be the attempt's turn.
    Called,
    /// Nothing was heard for long.
    Late,
    /// The run or this host stops.
    Stopped,
}

impl Job<'_> {
    /// Waits until the attempt holds all that it reserves.
    pub(crate) async fn turn(&self) -> Result<Turn<'_>, Error> {
        let Some(reserving) = &self.ctx.reserving else { return Ok(Turn::Starts(None)) };
        let positions = reserving.positions(self.task);
        if positions.is_empty() {
            return Ok(Turn::Starts(None));
        }
        match self.until_due(Box::pin(self.reserve(reserving, positions.into()))).await {
            Some(turn) => turn,
            None => Ok(Turn::Ends(self.overdue())),
        }
    }

    async fn reserve<'r>(
        &self,
        reserving: &'r Reserving,
        positions: Arc<[usize]>,
    ) -> Result<Turn<'r>, Error> {
        let name = self.ctx.shape.name_of(self.claim.node).unwrap_or_default();
        let mut place = reserving.place(name, self.task);
        let mut is_told = false;
        loop {
            let (outcome, differing) = place.ask().await?;
            differing.into_iter().for_each(|differing| self.warn_of(&differing));
            let wait = match outcome {
                Reserved::Held => return Ok(Turn::Starts(Some(place))),
                Reserved::Exceeds { name, capacity } => {
                    let message = exceeded(&name, place.need(&name), capacity);
                    return Ok(Turn::Ends(self.unresolved(FailureClass::Input, &message)));
                }
                Reserved::Waits(wait) => wait,
            };
            if !is_told {
                self.tell(&wait);
                is_told = true;
            }
            if !self.wait_in_line(&place, (&wait, &positions)).await {
                if !*self.ctx.stopping.borrow() {
                    place.keep();
                }
                self.ctx.mark_ready_emitted(self.claim.node);
                return Ok(Turn::Ends((Outcome::Release, Vec::new())));
            }
        }
    }

    /// Waits without a slot until it may be the attempt's turn, and then for a slot. Returns whether it has one.
    async fn wait_in_line(&self, place: &Place<'_>, (wait, positions): (&Wait, &Arc<[usize]>)) -> bool {
        let token = self.claim.token;
        loop {
            self.ctx.queue(token, positions);
            match self.woken(place, wait.recheck).await {
                Woken::Called => {
                    return tokio::select! {
                        slot = timeout(PATIENCE, self.ctx.wait_for_slot(token)) => slot.unwrap_or(false),
                        () = self.ctx.stopped() => false,
                    };
                }
                Woken::Late if self.ctx.reacquire_slot(token).await => return true,
                Woken::Late => {}
                Woken::Stopped => return false,
            }
        }
    }

    async fn woken(&self, place: &Place<'_>, recheck: Option<Duration>) -> Woken {
        tokio::select! {
            () = self.ctx.stopped() => Woken::Stopped,
            () = place.called() => Woken::Called,
            () = tokio::time::sleep(recheck.unwrap_or(LONGEST_WAIT)) => {
                if recheck.is_some() { Woken::Called } else { Woken::Late }
            }
        }
    }

    fn tell(&self, wait: &Wait) {
        let holder = wait.holder.as_ref().map(|holder| HolderFact {
            run: holder.run.to_string(),
            task: holder.task.clone(),
            host: holder.host.0.to_string(),
        });
        let shortage = ShortageFact {
            capacity: wait.capacity.to_string(),
            held: matches!(wait.capacity, Capacity::Amount(_)).then_some(wait.held),
            ahead: wait.ahead,
            holder,
        };
        let resource = shown(&wait.name).to_owned();
        self.ctx.recorder.task(self.subject(None), Fact::TaskBlocked { resource, shortage: Some(shortage) });
    }

    fn warn_of(&self, differing: &Differing) {
        let Differing { name, declared, counts } = differing;
        let message = format!(
            "resource `{}` is {counts}, as another run has declared it, and not {declared}; that counts as long as any run \
             holds it or waits for it",
            shown(name)
        );
        self.ctx.recorder.run(Fact::Warning { code: "resource-differs".into(), message });
    }
}

/// Returns the manifest's name of a resource.
fn shown(name: &str) -> &str {
    name.split_once('@').map_or(name, |(name, _)| name)
}

fn exceeded(name: &str, need: u32, capacity: Capacity) -> String {
    let name = shown(name);
    format!(
        "the task requests {need} of resource `{name}`, which is {capacity} as another run has declared it; request at most \
         {}, or resume once no run holds `{name}` or waits for it (`cascade-host resources` lists them)",
        capacity.max()
    )
}
