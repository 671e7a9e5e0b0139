//! Single-flight: one call computes a cached result while all others that need it wait without a slot.
//! The cache stores results and decides which host computes; `single_flight` has the locks within this host.

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

/// Time for which a key stays reserved for a host that stops renewing it.
const HOLD: Duration = Duration::from_secs(10);

/// First and longest wait between two lookups of a result that another host computes.
///
/// The cache wakes the waiter earlier when the result arrives. A host that dies sends no wake-up, hence the polling.
const POLL_INTERVALS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Outcome of looking for a cached result.
pub(crate) enum Acquired<'a> {
    /// The result is in the cache.
    Stored(Digest, Stored),
    /// This job must compute the result. Others may wait for it if it is shared.
    Call(Option<InFlight<'a>>),
    /// The job released its slot and got none back: release the claim, so that the node is handed out again.
    Again,
}

/// A call under way whose result others may wait for.
pub(crate) struct InFlight<'a> {
    ctx: &'a Context,
    cache: &'a dyn Cache,
    shared: CacheTarget,
    request: MakeRequest,
    lock: Option<OwnedMutexGuard<()>>,
}

/// Looks up the result of a claimed call, and waits if another job or host is computing it. A node that runs again is called
/// whatever the cache has, and its result takes the place of the stored one.
pub(crate) async fn acquire<'a>(
    ctx: &'a Context,
    claim: &Claim,
    shared: Option<CacheTarget>,
) -> Result<Acquired<'a>, Error> {
    let (Some(cache), Some(shared)) = (ctx.cache.as_deref(), shared) else {
        return Ok(Acquired::Call(None));
    };
    // First within this host, then across hosts: only the holder of the key's lock asks the cache.
    let (lock, mut has_released) = lock_key(ctx, shared.key, claim.token).await;
    let request = MakeRequest { key: shared.key, maker: ctx.single_flight.next_maker(), hold: HOLD };
    let flight = InFlight { ctx, cache, shared, request, lock: Some(lock) };
    let is_usable = |stored: &Stored| {
        stored.type_fingerprint == flight.shared.type_fingerprint && !ctx.rerun.covers(claim.node)
    };
    let mut wait = POLL_INTERVALS.0;
    loop {
        // A miss also reserves the key for this host, so no second round trip is needed.
        match cache.find(&request).await? {
            Found::Stored(stored) if is_usable(&stored) => {
                // Verification still calls a guest, which needs a slot.
                let needs_slot = has_released && ctx.verification == Verification::Twice;
                if needs_slot && !ctx.reacquire_slot(claim.token).await {
                    ctx.mark_ready_emitted(claim.node);
                    return Ok(Acquired::Again);
                }
                return Ok(Acquired::Stored(flight.shared.key, stored));
            }
            // This job must call a guest (also if the stored value cannot be used), but no slot is free for it.
            Found::Stored(_) | Found::Mine if has_released && !ctx.reacquire_slot(claim.token).await => {
                flight.abandon().await?;
                ctx.mark_ready_emitted(claim.node);
                return Ok(Acquired::Again);
            }
            Found::Stored(_) | Found::Mine => return Ok(Acquired::Call(Some(flight))),
            Found::Theirs => {
                // Another host computes the result: wait without a slot, so that other nodes can run.
                if !has_released {
                    ctx.release_slot(claim.token);
                    has_released = true;
                }
                if ctx.is_stopping() {
                    return Ok(Acquired::Again);
                }
                cache.wait_made(&request.key, ctx.with_random(|random| random.jittered(wait))).await;
                wait = (wait * 3 / 2).min(POLL_INTERVALS.1);
            }
        }
    }
}

/// Waits until no other job of this host computes the same key. Returns the lock, and whether the slot was released.
async fn lock_key(ctx: &Context, key: Digest, token: Token) -> (OwnedMutexGuard<()>, bool) {
    let lock = ctx.single_flight.key_lock(key);
    if let Ok(guard) = Arc::clone(&lock).try_lock_owned() {
        return (guard, false);
    }
    ctx.release_slot(token);
    (lock.lock_owned().await, true)
}

impl InFlight<'_> {
    /// Runs the call while others wait for its result. Publishes a value; gives up the key if the call yields none.
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
                self.publish(value).await?;
            }
            Ok(invoke::Returned { outcome: invoke::Outcome::Error(_), .. }) | Err(_) => {
                self.abandon().await?;
            }
        }
        Ok(returned)
    }

    /// Does other work before the call, during which the key stays reserved.
    pub(crate) async fn keep_during<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            done = work => done,
            never = self.renew_forever() => match never {},
        }
    }

    /// Renews this host's reservation of the key for as long as the call takes.
    async fn renew_forever(&self) -> Infallible {
        loop {
            tokio::time::sleep(HOLD / 3).await;
            // If renewal fails, another host may compute the result too. That costs a call and is no error.
            drop(self.cache.find(&self.request).await);
        }
    }

    async fn publish(&self, value: &Bytes) -> Result<(), Error> {
        let CacheTarget { key, type_fingerprint, ttl } = &self.shared;
        let run = Some(self.ctx.run.clone());
        let stored = Stored { type_fingerprint: *type_fingerprint, value: value.clone(), run };
        self.cache.put_made(&self.request, Insert { key: *key, stored, ttl: *ttl }).await
    }

    /// Gives up the key without a result.
    pub(crate) async fn abandon(&self) -> Result<(), Error> {
        self.cache.give_up(&self.request).await
    }
}

/// Passes the key to the next waiter on this host, whether or not the call succeeded.
impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.ctx.single_flight.forget_key(&self.shared.key);
        drop(self.lock.take());
    }
}
