//! One call: a fresh guest, its arguments, its result, and what it cost.
//! What went wrong is put into words in `failure`; which bounds hold while it runs stands in `guard`.

use crate::invoke::Call;
use crate::invoke::Failure;
use crate::invoke::Invoker;
use crate::invoke::Outcome;
use crate::invoke::Returned;
use crate::invoke::Usage;
use crate::model::FailureClass;
use crate::model::show_duration;
use crate::sandbox::erased;
use crate::sandbox::failure;
use crate::sandbox::load::Metering;
use crate::sandbox::load::Prepared;
use crate::sandbox::load::Sandbox;
use crate::sandbox::state::State;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use wasmtime::Store;

/// What a guest may hand to one call of the host in any case, in bytes: the writes of files and streams are below.
const HOSTCALL_FLOOR: usize = 16 << 20;

/// Handles that one guest may hold.
const MAX_HANDLES: usize = 10_000;

#[async_trait::async_trait]
impl Invoker for Sandbox {
    async fn invoke(&self, call: Call) -> Result<Returned, Failure> {
        let Some(prepared) = self.prepared(call.function) else {
            let message = format!("no function was prepared under the number {}", call.function.0);
            return Err(failure::plain(FailureClass::Input, message, Usage::default()));
        };
        check_count(&prepared, &call.args)?;
        // Nobody closes the semaphore: without a permit, there is no pool to be in front of.
        let _permit = self.permits.acquire().await.ok();
        let begin = Instant::now();
        let deadline = begin + call.timeout;
        let mut store = open(&prepared, &call, deadline)?;
        let ended = timeout_at(deadline, run(&mut store, &prepared, &call)).await;
        let usage = Usage {
            duration: begin.elapsed(),
            memory: store.data().memory.peak(),
            fuel: fuel_used(&store, &prepared, &call),
        };
        // The guest goes before its outcome is told: what it wrote last is heard now.
        drop(store);
        match ended {
            Err(_elapsed) => Err(failure::plain(FailureClass::Timeout, timed_out(call.timeout), usage)),
            Ok(Err(error)) => Err(failure::of_error(&error, &call.limits, usage)),
            Ok(Ok(outcome)) => Ok(Returned { outcome, usage }),
        }
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

/// A store with every bound of the call set.
fn open(prepared: &Arc<Prepared>, call: &Call, deadline: Instant) -> Result<Store<State>, Failure> {
    let refuse = |error: wasmtime::Error| {
        failure::plain(FailureClass::Input, format!("a grant cannot be given: {error:#}"), Usage::default())
    };
    let state = State::new(prepared, call, deadline).map_err(refuse)?;
    let mut store = Store::new(prepared.instance.engine(), state);
    store.limiter(|state| &mut state.memory);
    store.epoch_deadline_async_yield_and_update(1);
    store.set_epoch_deadline(1);
    store.set_hostcall_fuel(call.limits.output.as_usize().max(HOSTCALL_FLOOR));
    store.set_max_component_handles(MAX_HANDLES);
    if prepared.metering == Metering::Fuel {
        store.set_fuel(call.limits.fuel.unwrap_or(u64::MAX)).map_err(refuse)?;
    }
    Ok(store)
}

/// Everything that the guest does, from its initialisation on.
async fn run(store: &mut Store<State>, prepared: &Prepared, call: &Call) -> wasmtime::Result<Outcome> {
    let instance = prepared.instance.instantiate_async(&mut *store).await?;
    let function = instance.get_func(&mut *store, prepared.index);
    let function = function.ok_or_else(|| wasmtime::format_err!("the export is not a function"))?;
    erased::call(store, function, &prepared.codec, &call.args, call.limits.output.as_usize()).await
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

fn timed_out(timeout: Duration) -> String {
    format!("`timeout` = {} reached: the guest did not return", show_duration(timeout))
}
