//! One call for all who need the same cached result at the same time: the others wait for it, and take no room meanwhile.
//! Where results are shared, and who makes which, is for the cache.

use crate::cache::{Cache, Found, Insert, MakeRequest, Stored};
use crate::engine::context::Context;
use crate::engine::keys::CacheTarget;
use crate::engine::verify::Verification;
use crate::invoke;
use crate::model::Digest;
use crate::state::{Claim, Error, Token};
use bytes::Bytes;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;

/// How long others wait for a host that makes a result and says nothing any more.
const HOLD: Duration = Duration::from_secs(10);

/// The first and the longest wait between two looks at what another host makes, unless the cache tells that it is there:
/// a host that dies at it tells nothing.
const WAITS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// How a job goes on.
pub(crate) enum Acquired<'a> {
    /// The result is there.
    Stored(Digest, Stored),
    /// It is to be made, and where it is shared, others may wait for it.
    Call(Option<InFlight<'a>>),
    /// It is to be made, and the job has given its room to others: the node is to be handed out again.
    Again,
}

/// A call under way whose result others may wait for.
pub(crate) struct InFlight<'a> {
    ctx: &'a Context,
    cache: &'a dyn Cache,
    shared: CacheTarget,
    making: MakeRequest,
    lock: Option<OwnedMutexGuard<()>>,
}

/// Looks for the result of a claimed call. Where another job or host makes it, waits for that.
pub(crate) async fn acquire<'a>(
    ctx: &'a Context,
    claim: &Claim,
    shared: Option<CacheTarget>,
) -> Result<Acquired<'a>, Error> {
    let (Some(cache), Some(shared)) = (ctx.cache.as_deref(), shared) else {
        return Ok(Acquired::Call(None));
    };
    let (lane, mut is_parked) = lock_key(ctx, shared.key, claim.token).await;
    let making = MakeRequest { key: shared.key, maker: ctx.single_flight.next_maker(), hold: HOLD };
    let flight = InFlight { ctx, cache, shared, making, lock: Some(lane) };
    let mut wait = WAITS.0;
    loop {
        match cache.find(&making).await? {
            Found::Stored(stored) if stored.type_fingerprint == flight.shared.type_fingerprint => {
                // Where the result is to be verified, the job calls a guest yet, and needs room for it.
                let needs_room = is_parked && ctx.verification == Verification::Twice;
                if needs_room && !ctx.reacquire_slot(claim.token).await {
                    ctx.mark_ready_emitted(claim.node);
                    return Ok(Acquired::Again);
                }
                return Ok(Acquired::Stored(flight.shared.key, stored));
            }
            Found::Stored(_) | Found::Mine if is_parked && !ctx.reacquire_slot(claim.token).await => {
                flight.abandon().await?;
                ctx.mark_ready_emitted(claim.node);
                return Ok(Acquired::Again);
            }
            Found::Stored(_) | Found::Mine => return Ok(Acquired::Call(Some(flight))),
            Found::Theirs => {
                if !is_parked {
                    ctx.release_slot(claim.token);
                    is_parked = true;
                }
                if ctx.is_stopping() {
                    return Ok(Acquired::Again);
                }
                cache.wait_made(&making.key, ctx.with_random(|random| random.jittered(wait))).await;
                wait = (wait * 3 / 2).min(WAITS.1);
            }
        }
    }
}

/// Waits until no other job of this host is at the same result; whether the room was given away for that.
async fn lock_key(ctx: &Context, key: Digest, token: Token) -> (OwnedMutexGuard<()>, bool) {
    let lane = ctx.single_flight.key_lock(key);
    if let Ok(entered) = Arc::clone(&lane).try_lock_owned() {
        return (entered, false);
    }
    ctx.release_slot(token);
    (lane.lock_owned().await, true)
}

impl InFlight<'_> {
    /// Makes a call while others wait for its result; shares a result, and leaves to others what did not become one.
    pub(crate) async fn run(
        self,
        call: impl Future<Output = Result<invoke::Returned, invoke::Failure>>,
    ) -> Result<Result<invoke::Returned, invoke::Failure>, Error> {
        let returned = tokio::select! {
            returned = call => returned,
            never = self.renew_forever() => match never {},
        };
        match &returned {
            Ok(invoke::Returned { outcome: invoke::Outcome::Value(value), .. }) => {
                self.publish(value).await?
            }
            Ok(invoke::Returned { outcome: invoke::Outcome::Error(_), .. }) | Err(_) => {
                self.abandon().await?;
            }
        }
        Ok(returned)
    }

    /// Says that this host is at it, for as long as the call takes.
    async fn renew_forever(&self) -> Infallible {
        loop {
            tokio::time::sleep(HOLD / 3).await;
            // Where that fails others may make it too: that costs a call and is no failure.
            drop(self.cache.find(&self.making).await);
        }
    }

    async fn publish(&self, value: &Bytes) -> Result<(), Error> {
        let CacheTarget { key, type_fingerprint, ttl } = &self.shared;
        let stored = Stored { type_fingerprint: *type_fingerprint, value: value.clone() };
        self.cache.put_made(&self.making, Insert { key: *key, stored, ttl: *ttl }).await
    }

    async fn abandon(&self) -> Result<(), Error> {
        self.cache.give_up(&self.making).await
    }
}

/// Whoever waits on this host is next, however the flight has ended.
impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.ctx.single_flight.forget_key(&self.shared.key);
        drop(self.lock.take());
    }
}
