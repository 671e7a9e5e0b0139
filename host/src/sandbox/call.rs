//! A single call: a fresh guest, its arguments, its result, and its cost.
//! `failure` classifies failures; `guest/limits` holds the limits; `collect` has the results of commands.

use crate::invoke::{Call, Failure, Invoker, LastOutput, Outcome, Returned, Usage};
use crate::model::FailureClass;
use crate::sandbox::codec::{self, Bounds, Codec};
use crate::sandbox::collect::{Ended, end_of_program};
use crate::sandbox::engine::Bounded;
use crate::sandbox::failure;
use crate::sandbox::guest::{
    Deadline, Exit, LimitHit, MAX_HANDLES, MIN_HOSTCALL_LIMIT, MemoryGuard, Prepared, Program, Share, State,
    TimedOut, Unfit, Variant, max_waiting,
};
use crate::sandbox::load::Sandbox;
use crate::value::wire;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use wasmtime::{CallHook, GcHeapOutOfMemory, Store, UpdateDeadline};

/// Maximum time to close the files of a guest. Its outcome is reported afterwards in any case.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

#[async_trait::async_trait]
impl Invoker for Sandbox {
    async fn invoke(&self, call: Arc<Call>) -> Result<Returned, Failure> {
        let prepared = self.prepared(call.function);
        let Some((prepared, variant)) =
            prepared.as_ref().and_then(|it| Some((it, it.variant(&call.limits)?)))
        else {
            let message = format!("no function was prepared for these limits as number {}", call.function.0);
            return Err(failure::without_trap(FailureClass::Input, message, Usage::default()));
        };
        check_count(prepared, &call.args)?;
        // Backpressure: calls beyond the `-j` slots wait here. The semaphore is never closed.
        let _permit = self.permits.acquire().await.ok();
        let _memory = self.reserve_memory(call.limits.host_memory()).await;
        let start = Instant::now();
        let deadline = Deadline(start + call.timeout);
        let share = Share { deadline, memory: self.budget, files: self.files_of_guest() };
        let program = program(prepared, &call).map_err(|error| setup_failure(&error.into(), &call))?;
        let state = State::new(prepared, &call, program.clone(), share).await;
        let state = state.map_err(|error| setup_failure(&error, &call))?;
        let mut store = Store::new(variant.instance.engine(), state);
        let result = match self.bounded {
            Bounded::Yes => {
                set_limits(&mut store, prepared, &call)?;
                // The ticks of the engine's epoch stop a guest that computes; this timer stops a guest that waits.
                let result = timeout_at(deadline.0, run(&mut store, (prepared, variant), &call)).await;
                result.unwrap_or_else(|_elapsed| Err(TimedOut.into()))
            }
            #[cfg(feature = "internals")]
            Bounded::No => run(&mut store, (prepared, variant), &call).await,
        };
        let usage = Usage {
            duration: start.elapsed(),
            memory: store.data().memory.peak(),
            fuel: fuel_used(&store, &call),
        };
        let result = result.map_err(|error| with_heap_refusal(error, &store.data().memory));
        // The guest is dropped before its outcome is reported, so that its last output is delivered first.
        let stderr_tail = store.data().outputs.stderr_tail.clone();
        let (disk, logs) = (store.data().disk.clone(), store.data().outputs.logs.clone());
        drop_guest(store).await;
        let stderr = || stderr_tail.text();
        if let (Some(program), Some(disk)) = (program, disk) {
            let ended = Ended { result, disk, logs, stderr: stderr(), usage };
            // Boxed, as below: the future of a plain call stays small.
            return Box::pin(end_of_program(&program, ended, &call, deadline)).await;
        }
        let last = || LastOutput { stderr: stderr(), stdout: String::new() };
        match end_of_function(result, &prepared.codec) {
            Ok((outcome, exit)) => {
                let is_failure = matches!(outcome, Outcome::Error(_)) && prepared.codec.returns_status();
                let last = if is_failure { last() } else { LastOutput::default() };
                Ok(Returned { outcome, last, exit, usage })
            }
            Err(error) => Err(failure::of_guest(&error, &call, last(), usage)),
        }
    }
}

/// Adds to the error of an allocation on the full collected heap why that could not grow.
fn with_heap_refusal(error: wasmtime::Error, memory: &MemoryGuard) -> wasmtime::Error {
    match memory.heap_refusal() {
        Some(hit) if error.is::<GcHeapOutOfMemory<()>>() => error.context(hit.clone()),
        _ => error, // anything else says itself what happened
    }
}

/// Returns the arguments as a command gets them; none for a function.
fn program(prepared: &Prepared, call: &Call) -> Result<Option<Arc<Program>>, Unfit> {
    let make = |command| Program::new(command, &prepared.grants, &call.args, &call.limits).map(Arc::new);
    prepared.command.as_ref().map(make).transpose()
}

/// Drops a guest. That closes its open files, which may wait for the file system.
async fn drop_guest(store: Store<State>) {
    match store.data().files.blocking_calls().cloned() {
        Some(calls) => calls.call_with_timeout(CLOSE_TIMEOUT, move || drop(store)).await,
        None => drop(store),
    }
}

/// Checks that there is an argument for each parameter. Lowering checks the values.
fn check_count(prepared: &Prepared, args: &[Bytes]) -> Result<(), Failure> {
    let params = prepared.command.as_ref().map_or(prepared.codec.names.len(), |command| command.feeds.len());
    if params == args.len() {
        return Ok(());
    }
    let message = format!("the function has {params} parameters, but the call has {} arguments", args.len());
    Err(failure::without_trap(FailureClass::Input, message, Usage::default()))
}

fn setup_failure(error: &wasmtime::Error, call: &Call) -> Failure {
    if error.is::<TimedOut>() {
        return failure::from_error(error, call, Usage::default());
    }
    if let Some(unfit) = error.downcast_ref::<Unfit>() {
        return failure::without_trap(FailureClass::Input, unfit.to_string(), Usage::default());
    }
    if let Some(hit) = error.downcast_ref::<LimitHit>() {
        let failure = failure::without_trap(FailureClass::Limit, hit.to_string(), Usage::default());
        return Failure { hit_memory: failure::has_hit_memory(error), ..failure };
    }
    failure::without_trap(
        FailureClass::Input,
        format!("a grant cannot be set up: {error:#}"),
        Usage::default(),
    )
}

/// Sets every limit of the call.
fn set_limits(store: &mut Store<State>, prepared: &Prepared, call: &Call) -> Result<(), Failure> {
    store.limiter(|state| &mut state.memory);
    store.epoch_deadline_callback(|store| {
        store.data().deadline.check()?;
        Ok(UpdateDeadline::Yield(1))
    });
    store.set_epoch_deadline(1);
    // Code without a loop never checks the epoch, and may call the host thousands of times.
    if prepared.is_concurrent {
        store.call_hook(|mut store, hook| {
            count_entered(store.data_mut(), hook)?;
            check_deadline(store.data(), hook)
        });
    } else {
        // Calls of a guest wait only on the engine with concurrency: nothing to count.
        store.call_hook(|store, hook| check_deadline(store.data(), hook));
    }
    store.set_hostcall_fuel(call.limits.output.as_usize().max(MIN_HOSTCALL_LIMIT));
    store.set_max_component_handles(MAX_HANDLES);
    if let Some(fuel) = call.limits.fuel {
        store.set_fuel(fuel).map_err(|error| setup_failure(&error, call))?;
    }
    Ok(())
}

/// Stops a guest whose time is over when the host returns to it.
fn check_deadline(state: &State, hook: CallHook) -> wasmtime::Result<()> {
    let is_due = hook.exiting_host() && state.deadline.check().is_err();
    if is_due { Err(TimedOut.into()) } else { Ok(()) }
}

/// Counts the calls into the guest that have not returned, each of which may keep a stack.
fn count_entered(state: &mut State, hook: CallHook) -> Result<(), LimitHit> {
    match hook {
        CallHook::CallingWasm => state.entered = state.entered.saturating_add(1),
        CallHook::ReturningFromWasm => state.entered = state.entered.saturating_sub(1),
        CallHook::CallingHost | CallHook::ReturningFromHost => {} // neither begins nor ends a call
    }
    let max = max_waiting(state.call.limits.stack);
    if state.entered <= max + 1 {
        return Ok(());
    }
    Err(LimitHit::Other(format!("more than {max} calls inside of the guest wait at the same time")))
}

/// Runs the guest from its initialisation to its result.
async fn run(
    store: &mut Store<State>,
    (prepared, variant): (&Prepared, &Variant),
    call: &Call,
) -> wasmtime::Result<Outcome> {
    let instance = variant.instance.instantiate_async(&mut *store).await?;
    let function = instance.get_func(&mut *store, variant.index);
    let function = function.ok_or_else(|| wasmtime::format_err!("the export is not a function"))?;
    let bounds = Bounds { output: call.limits.output.as_usize(), deadline: store.data().deadline };
    // `run` has no parameters: a command gets its arguments by other ways.
    let args = if prepared.command.is_some() { &[] } else { &*call.args };
    if prepared.is_concurrent {
        Box::pin(codec::flows::call(store, function, &prepared.codec, args, bounds)).await
    } else {
        codec::call(store, function, &prepared.codec, args, bounds).await
    }
}

/// Returns the result of a function, and the status by which it ended itself if that is known and not 0.
///
/// The status of `wasi:cli/exit` is a `result` without payloads, as a command (`wasi:cli/run`) returns one. So it counts
/// as the result of every function with that type. A function of any other type has returned nothing.
fn end_of_function(
    result: wasmtime::Result<Outcome>,
    codec: &Codec,
) -> wasmtime::Result<(Outcome, Option<u8>)> {
    let error = match result {
        Ok(outcome) => return Ok((outcome, None)),
        Err(error) => error,
    };
    let Some(Exit { status }) = error.downcast_ref().copied().filter(|_| codec.returns_status()) else {
        return Err(error);
    };
    let mut nil = Vec::new();
    wire::put_nil(&mut nil);
    let side = if status == Some(0) { Outcome::Value } else { Outcome::Error };
    Ok((side(nil.into()), status.filter(|status| *status != 0)))
}

fn fuel_used(store: &Store<State>, call: &Call) -> Option<u64> {
    call.limits.fuel.map(|fuel| fuel.saturating_sub(store.get_fuel().unwrap_or_default()))
}
