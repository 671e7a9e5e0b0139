//! What ended a guest, in the words of the port: which limit, which trap, and where in the guest.
//! Whether the call is repeated is for the engine.

use crate::invoke::Failure;
use crate::invoke::Usage;
use crate::model::FailureClass;
use crate::model::Limits;
use crate::model::Size;
use crate::sandbox::engine::STACK;
use crate::sandbox::guard::LimitHit;
use crate::sandbox::lift::TooLarge;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

/// What wasmtime says where a guest hands too much to a host function. Its error is of a private type.
const HOSTCALL_FUEL: &str = "fuel allocated for hostcalls has been exhausted";

/// The most characters of a line of a failure: names of functions and files are the guest's, of any length.
const MAX_LINE: usize = 400;

/// The failure that an error of the engine stands for.
pub(crate) fn of_error(error: &wasmtime::Error, limits: &Limits, usage: Usage) -> Failure {
    let (class, message) = classify(error, limits);
    Failure { class, message: cut(&message), backtrace: error.downcast_ref().and_then(backtrace), usage }
}

/// A failure that is no trap, before the guest ran or around it.
pub(crate) fn plain(class: FailureClass, message: impl Into<String>, usage: Usage) -> Failure {
    Failure { class, message: message.into(), backtrace: None, usage }
}

fn classify(error: &wasmtime::Error, limits: &Limits) -> (FailureClass, String) {
    if let Some(hit) = error.downcast_ref::<LimitHit>() {
        return (FailureClass::Limit, hit.0.clone());
    }
    if error.is::<TooLarge>() {
        return (FailureClass::Limit, output(limits));
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return (FailureClass::Trap, format!("the guest called exit({})", exit.0));
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return of_trap(*trap, limits);
    }
    let cause = error.root_cause().to_string();
    if cause.contains(HOSTCALL_FUEL) {
        return (FailureClass::Limit, "the guest handed too much to one call of the host".to_owned());
    }
    (FailureClass::Trap, cause)
}

fn of_trap(trap: Trap, limits: &Limits) -> (FailureClass, String) {
    match trap {
        Trap::OutOfFuel => {
            let fuel = limits.fuel.unwrap_or_default();
            (FailureClass::Limit, format!("`limits.fuel` = {fuel} reached: the guest computes for longer"))
        }
        Trap::StackOverflow => {
            let stack = Size::bytes(u64::try_from(STACK).unwrap_or(u64::MAX));
            (FailureClass::Limit, format!("the guest's stack ({stack}) overflowed"))
        }
        other => (FailureClass::Trap, other.to_string()), // all others are the guest's own doing
    }
}

/// What is said of a result that is too large.
pub(crate) fn output(limits: &Limits) -> String {
    LimitHit::of("output", limits.output, "the result is larger").0
}

/// The guest's frames, a line each, innermost first.
fn backtrace(trace: &WasmBacktrace) -> Option<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in trace.to_string().lines().skip(1).map(str::trim) {
        match lines.last_mut() {
            Some(frame) if line.starts_with("at ") => {
                frame.push(' ');
                frame.push_str(line);
            }
            _ => lines.push(line.to_owned()), // a frame of its own, or a function that was inlined into it
        }
    }
    let lines: Vec<_> = lines.iter().map(|line| cut(line)).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(MAX_LINE) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}
