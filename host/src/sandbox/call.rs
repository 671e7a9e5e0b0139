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
use crate::sandbox::state::Given;
use crate::sandbox::state::State;
use crate::value::Type;
use crate::value::ValueFault;
use crate::value::canonical;
use crate::value::wire::Reader;
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
        let args = check_args(&prepared, &call.args)?;
        // Nobody closes the semaphore: without a permit, there is no pool to be in front of.
        let _permit = self.permits.acquire().await.ok();
        let begin = Instant::now();
        let deadline = begin + call.timeout;
        let mut store = open(&prepared, &call, Given { args: &args, deadline })?;
        let ended = timeout_at(deadline, run(&mut store, &prepared, &args)).await;
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
            Ok(Ok(outcome)) => within_output(outcome, &call, usage),
        }
    }
}

/// The arguments in canonical form: whoever wrote them, they are of the function's types.
fn check_args(prepared: &Prepared, args: &[Bytes]) -> Result<Vec<Bytes>, Failure> {
    let refuse = |message| failure::plain(FailureClass::Input, message, Usage::default());
    let params = &prepared.signature.params;
    if params.len() != args.len() {
        return Err(refuse(format!(
            "the function has {} parameters, {} arguments were given",
            params.len(),
            args.len()
        )));
    }
    let checked = params.iter().zip(args).map(|((name, ty), arg)| {
        check_arg(ty, arg).map_err(|fault| refuse(format!("the argument `{name}` is malformed: {fault}")))
    });
    checked.collect()
}

/// Bytes and texts, which may be large, have one form and are not copied.
fn check_arg(ty: &Type, arg: &Bytes) -> Result<Bytes, ValueFault> {
    let mut reader = Reader::new(arg);
    match ty {
        Type::List(element) if **element == Type::U8 => drop(reader.bin()?),
        Type::String => drop(reader.str()?),
        _ => return canonical(ty, arg), // any other type may have its members in another order
    }
    reader.finish()?;
    Ok(arg.clone())
}

/// A store with every bound of the call set.
fn open(prepared: &Arc<Prepared>, call: &Call, given: Given<'_>) -> Result<Store<State>, Failure> {
    let refuse = |error: wasmtime::Error| {
        failure::plain(FailureClass::Input, format!("a grant cannot be given: {error:#}"), Usage::default())
    };
    let state = State::new(prepared, call, given).map_err(refuse)?;
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
async fn run(store: &mut Store<State>, prepared: &Prepared, args: &[Bytes]) -> wasmtime::Result<Outcome> {
    let instance = prepared.instance.instantiate_async(&mut *store).await?;
    let function = instance.get_func(&mut *store, prepared.index);
    let function = function.ok_or_else(|| wasmtime::format_err!("the export is not a function"))?;
    let function = function.typed::<erased::Params<'_>, erased::Returned>(&*store)?;
    Ok(function.call_async(store, erased::Params(args)).await?.0)
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

/// Hostcall fuel bounds what is encoded, and has a floor: a small limit is enforced here.
fn within_output(outcome: Outcome, call: &Call, usage: Usage) -> Result<Returned, Failure> {
    let (Outcome::Value(bytes) | Outcome::Error(bytes)) = &outcome;
    if bytes.len() > call.limits.output.as_usize() {
        return Err(failure::plain(FailureClass::Limit, failure::output(&call.limits), usage));
    }
    Ok(Returned { outcome, usage })
}
