//! A single call: a fresh guest, its arguments, its result, and its cost.
//! `failure` words what went wrong; `guest/limits` holds the limits.

use crate::invoke::{Call, Failure, Invoker, Outcome, Returned, Usage};
use crate::model::FailureClass;
use crate::sandbox::codec::{Bounds, Codec, erased};
use crate::sandbox::engine::Bounded;
use crate::sandbox::failure;
use crate::sandbox::guest::{
    Deadline, HANDED_AT_LEAST, LimitHit, MOST_HANDLES, Prepared, Share, State, TimedOut,
};
use crate::sandbox::load::Sandbox;
use crate::sandbox::metering::Metering;
use crate::value::wire;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::I32Exit;

/// How long the files of a guest may take to be closed before its outcome is told all the same.
const GRACE: Duration = Duration::from_secs(1);

#[async_trait::async_trait]
impl Invoker for Sandbox {
    async fn invoke(&self, call: Arc<Call>) -> Result<Returned, Failure> {
        let Some(prepared) = self.prepared(call.function) else {
            let message = format!("no function was prepared under the number {}", call.function.0);
            return Err(failure::plain(FailureClass::Input, message, Usage::default()));
        };
        check_count(&prepared, &call.args)?;
        // Backpressure: calls beyond the `-j` slots wait here. The semaphore is never closed.
        let _permit = self.permits.acquire().await.ok();
        let begin = Instant::now();
        let deadline = Deadline(begin + call.timeout);
        let share = Share { deadline, memory: self.budget, files: self.files_of_guest() };
        let state = State::new(&prepared, &call, share).await.map_err(|error| refused(&error, &call))?;
        let mut store = Store::new(prepared.instance.engine(), state);
        let ended = match self.bounded {
            Bounded::Yes => {
                bound(&mut store, &prepared, &call)?;
                // The ticks of the engine's epoch stop a guest that computes; this timer stops one that waits.
                let ended = timeout_at(deadline.0, run(&mut store, &prepared, &call)).await;
                ended.unwrap_or_else(|_elapsed| Err(TimedOut.into()))
            }
            #[cfg(any(test, feature = "test-support"))]
            Bounded::No => run(&mut store, &prepared, &call).await,
        };
        let usage = Usage {
            duration: begin.elapsed(),
            memory: store.data().memory.peak(),
            fuel: fuel_used(&store, &prepared, &call),
        };
        // The guest goes before its outcome is told: what it wrote last is heard now.
        let last_words = store.data().outputs.last_words.clone();
        leave(store).await;
        match ended {
            Ok(outcome) => {
                let is_failure = matches!(outcome, Outcome::Error(_)) && prepared.codec.returns_status();
                let stderr = if is_failure { last_words.text() } else { String::new() };
                Ok(Returned { outcome, stderr, usage })
            }
            Err(error) => {
                let mut failure = failure::of_error(&error, &call, usage);
                if failure.class == FailureClass::Trap {
                    failure.stderr = last_words.text();
                }
                Err(failure)
            }
        }
    }
}

/// Lets go of a guest. Files that it has not closed are closed with it, which may wait for whoever has them.
async fn leave(store: Store<State>) {
    match store.data().files.line().cloned() {
        Some(line) => line.last_call(GRACE, move || drop(store)).await,
        None => drop(store),
    }
}

/// Whether there is an argument for each parameter. What is in them is read when they are handed to the guest.
fn check_count(prepared: &Prepared, args: &[Bytes]) -> Result<(), Failure> {
    let params = prepared.codec.names.len();
    if params == args.len() {
        return Ok(());
    }
    let message = format!("the function has {params} parameters, {} arguments were given", args.len());
    Err(failure::plain(FailureClass::Input, message, Usage::default()))
}

fn refused(error: &wasmtime::Error, call: &Call) -> Failure {
    if error.is::<TimedOut>() {
        return failure::of_error(error, call, Usage::default());
    }
    if let Some(hit) = error.downcast_ref::<LimitHit>() {
        return failure::plain(FailureClass::Limit, hit.to_string(), Usage::default());
    }
    failure::plain(FailureClass::Input, format!("a grant cannot be given: {error:#}"), Usage::default())
}

/// Sets every limit of the call.
fn bound(store: &mut Store<State>, prepared: &Prepared, call: &Call) -> Result<(), Failure> {
    store.limiter(|state| &mut state.memory);
    store.epoch_deadline_callback(|store| {
        store.data().deadline.check()?;
        Ok(UpdateDeadline::Yield(1))
    });
    store.set_epoch_deadline(1);
    // Code without a loop never checks the epoch, and may call the host thousands of times.
    store.call_hook(|store, hook| {
        let is_due = hook.exiting_host() && store.data().deadline.check().is_err();
        if is_due { Err(TimedOut.into()) } else { Ok(()) }
    });
    store.set_hostcall_fuel(call.limits.output.as_usize().max(HANDED_AT_LEAST));
    store.set_max_component_handles(MOST_HANDLES);
    if prepared.metering == Metering::Fuel {
        store.set_fuel(call.limits.fuel.unwrap_or(u64::MAX)).map_err(|error| refused(&error, call))?;
    }
    Ok(())
}

/// Runs the guest from its initialisation to its result.
async fn run(store: &mut Store<State>, prepared: &Prepared, call: &Call) -> wasmtime::Result<Outcome> {
    let ended = call_once(store, prepared, call).await;
    ended.or_else(|error| exited(&error, &prepared.codec).ok_or(error))
}

async fn call_once(store: &mut Store<State>, prepared: &Prepared, call: &Call) -> wasmtime::Result<Outcome> {
    let instance = prepared.instance.instantiate_async(&mut *store).await?;
    let function = instance.get_func(&mut *store, prepared.index);
    let function = function.ok_or_else(|| wasmtime::format_err!("the export is not a function"))?;
    let bounds = Bounds { output: call.limits.output.as_usize(), deadline: store.data().deadline };
    erased::call(store, function, &prepared.codec, &call.args, bounds).await
}

/// What a guest returned that left by `wasi:cli/exit`. The status that it gives is a `result` without payloads, which is
/// what a command (`wasi:cli/run`) returns: there, and wherever a function returns that, it stands for the return.
/// A function that owes anything else has not returned it.
fn exited(error: &wasmtime::Error, codec: &Codec) -> Option<Outcome> {
    let exit: &I32Exit = error.downcast_ref()?;
    let mut nothing = Vec::new();
    wire::put_nil(&mut nothing);
    let side = if exit.0 == 0 { Outcome::Value } else { Outcome::Error };
    codec.returns_status().then(|| side(nothing.into()))
}

fn fuel_used(store: &Store<State>, prepared: &Prepared, call: &Call) -> Option<u64> {
    match prepared.metering {
        Metering::Time => None,
        Metering::Fuel => {
            let left = store.get_fuel().unwrap_or_default();
            Some(call.limits.fuel.unwrap_or(u64::MAX).saturating_sub(left))
        }
    }
}
