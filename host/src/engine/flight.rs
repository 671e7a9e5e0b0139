//! One call for all who need the same cached result at the same time: the others wait for it, and take no room meanwhile.
//! Where results are shared, and who makes which, is for the cache.

use crate::cache::Cache;
use crate::cache::Found;
use crate::cache::Insert;
use crate::cache::Making;
use crate::cache::Stored;
use crate::engine::context::Context;
use crate::engine::keys::Shared;
use crate::engine::verify::Verification;
use crate::invoke;
use crate::model::Digest;
use crate::model::Random;
use crate::state::Claim;
use crate::state::Error;
use crate::state::Token;
use bytes::Bytes;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;

/// How long others wait for a host that makes a result and says nothing any more.
const HOLD: Duration = Duration::from_secs(10);

/// The first and the longest wait between two looks at what another host makes, unless the cache tells that it is there:
/// a host that dies at it tells nothing.
const WAITS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// The results that this host's jobs make or wait for; of each, one job is in front.
pub(crate) struct Flights {
    // A mutex because jobs run on many threads; each section is a look-up.
    lanes: Mutex<HashMap<Digest, Lane>>,
    next: AtomicU64,
}

type Lane = Arc<tokio::sync::Mutex<()>>;

impl Flights {
    /// None yet; makers are numbered from a number that no other host has.
    pub(crate) fn new(first: u64) -> Self {
        Self { lanes: Mutex::default(), next: AtomicU64::new(first) }
    }

    fn maker(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn lane(&self, key: Digest) -> Lane {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lanes.entry(key).or_default())
    }

    /// Forgets a lane that nobody else is in.
    fn leave(&self, key: &Digest) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.get(key).is_some_and(|lane| Arc::strong_count(lane) <= 2) {
            lanes.remove(key);
        }
    }
}

/// How a job goes on.
pub(crate) enum Boarding<'a> {
    /// The result is there.
    Stored(Digest, Stored),
    /// It is to be made, and where it is shared, others may wait for it.
    Call(Option<Flight<'a>>),
    /// It is to be made, and the job has given its room to others: the node is to be handed out again.
    Again,
}

/// A call under way whose result others may wait for.
pub(crate) struct Flight<'a> {
    ctx: &'a Context,
    cache: &'a dyn Cache,
    shared: Shared,
    making: Making,
    lane: Option<OwnedMutexGuard<()>>,
}

/// Looks for the result of a claimed call. Where another job or host makes it, waits for that.
pub(crate) async fn board<'a>(
    ctx: &'a Context,
    claim: &Claim,
    shared: Option<Shared>,
) -> Result<Boarding<'a>, Error> {
    let (Some(cache), Some(shared)) = (ctx.cache.as_deref(), shared) else {
        return Ok(Boarding::Call(None));
    };
    let (lane, mut is_parked) = enter(ctx, shared.key, claim.token).await;
    let making = Making { key: shared.key, maker: ctx.flights.maker(), hold: HOLD };
    let flight = Flight { ctx, cache, shared, making, lane: Some(lane) };
    let mut wait = WAITS.0;
    loop {
        match cache.find(&making).await? {
            Found::Stored(stored) if stored.type_fingerprint == flight.shared.type_fingerprint => {
                // Where the result is to be verified, the job calls a guest yet, and needs room for it.
                let needs_room = is_parked && ctx.verification == Verification::Twice;
                if needs_room && !ctx.unpark(claim.token).await {
                    ctx.keep_announced(claim.node);
                    return Ok(Boarding::Again);
                }
                return Ok(Boarding::Stored(flight.shared.key, stored));
            }
            Found::Stored(_) | Found::Mine if is_parked && !ctx.unpark(claim.token).await => {
                flight.give_up().await?;
                ctx.keep_announced(claim.node);
                return Ok(Boarding::Again);
            }
            Found::Stored(_) | Found::Mine => return Ok(Boarding::Call(Some(flight))),
            Found::Theirs => {
                if !is_parked {
                    ctx.park(claim.token);
                    is_parked = true;
                }
                if ctx.is_stopping() {
                    return Ok(Boarding::Again);
                }
                cache.made(&making.key, ctx.with_random(|random| jittered(wait, random))).await;
                wait = (wait * 3 / 2).min(WAITS.1);
            }
        }
    }
}

/// Waits until no other job of this host is at the same result; whether the room was given away for that.
async fn enter(ctx: &Context, key: Digest, token: Token) -> (OwnedMutexGuard<()>, bool) {
    let lane = ctx.flights.lane(key);
    if let Ok(entered) = Arc::clone(&lane).try_lock_owned() {
        return (entered, false);
    }
    ctx.park(token);
    (lane.lock_owned().await, true)
}

impl Flight<'_> {
    /// Makes a call while others wait for its result; shares a result, and leaves to others what did not become one.
    pub(crate) async fn carry(
        self,
        call: impl Future<Output = Result<invoke::Returned, invoke::Failure>>,
    ) -> Result<Result<invoke::Returned, invoke::Failure>, Error> {
        let returned = tokio::select! {
            returned = call => returned,
            never = self.hold() => match never {},
        };
        match &returned {
            Ok(invoke::Returned { outcome: invoke::Outcome::Value(value), .. }) => self.land(value).await?,
            Ok(invoke::Returned { outcome: invoke::Outcome::Error(_), .. }) | Err(_) => {
                self.give_up().await?;
            }
        }
        Ok(returned)
    }

    /// Says that this host is at it, for as long as the call takes.
    async fn hold(&self) -> Infallible {
        loop {
            tokio::time::sleep(HOLD / 3).await;
            // Where that fails others may make it too: that costs a call and is no failure.
            drop(self.cache.find(&self.making).await);
        }
    }

    async fn land(&self, value: &Bytes) -> Result<(), Error> {
        let Shared { key, type_fingerprint, ttl } = &self.shared;
        let stored = Stored { type_fingerprint: *type_fingerprint, value: value.clone() };
        self.cache.put_made(&self.making, Insert { key: *key, stored, ttl: *ttl }).await
    }

    async fn give_up(&self) -> Result<(), Error> {
        self.cache.give_up(&self.making).await
    }
}

/// Whoever waits on this host is next, however the flight has ended.
impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.ctx.flights.leave(&self.shared.key);
        drop(self.lane.take());
    }
}

/// A wait between half of `full` and all of it, so that hosts do not look at the same time.
fn jittered(full: Duration, random: &mut Random) -> Duration {
    let half = full / 2;
    let spread = u64::try_from(half.as_micros()).unwrap_or(u64::MAX);
    half + Duration::from_micros(random.below(spread.saturating_add(1)))
}
