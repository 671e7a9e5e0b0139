//! The probes as data: a hostile guest, its grants and limits, and how its call must end.
//! The guests are in `guests`; `trial` calls them.

use crate::app::doctor::async_guests::{
    deadlocked_guest, hoarding_guest, restless_guest, waiting_guests, writing_guest,
};
use crate::app::doctor::guests::{
    disk_guest, environment_guest, folders_guest, progress_guest, result_guest, run_guest, timer_guest,
};
use crate::invoke::Grants;
use crate::model::{FailureClass, Limits, Size, Stack};
use std::time::Duration;

/// Timeout of guests that never end.
const SHORT_TIMEOUT: Duration = Duration::from_millis(200);

/// Timeout of guests that another limit ends, long before it.
const LONG_TIMEOUT: Duration = Duration::from_secs(20);

/// Memory limit of guests that exhaust it.
const MEMORY: Size = Size::bytes(32 << 20);

/// Type of an object with an edge.
const NODE: &str = "(type $node (struct (field (ref null $node))))";

/// A guest with the required outcome.
pub(crate) struct Probe {
    /// The behaviour under test.
    pub(crate) name: &'static str,
    /// The component as text.
    pub(crate) guest: String,
    /// The grants.
    pub(crate) grants: Grants,
    /// The limits.
    pub(crate) limits: Limits,
    /// The timeout.
    pub(crate) timeout: Duration,
    /// The required outcome.
    pub(crate) ending: Ending,
}

/// The required outcome of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ending {
    /// The call returns.
    Returns,
    /// The call fails with this class, and its message contains this text.
    Fails(FailureClass, &'static str),
}

/// Returns all probes.
pub(crate) fn probes() -> Vec<Probe> {
    let timeout = Ending::Fails(FailureClass::Timeout, "`timeout`");
    let memory = Ending::Fails(FailureClass::Limit, "`limits.memory`");
    let logs = Ending::Fails(FailureClass::Limit, "`limits.logs`");
    let output = Ending::Fails(FailureClass::Limit, "`limits.output`");
    let disk = Ending::Fails(FailureClass::Limit, "`limits.disk`");
    let handles = Ending::Fails(FailureClass::Limit, "handles");
    let stack = Ending::Fails(FailureClass::Limit, "`limits.stack`");
    let trap = Ending::Fails(FailureClass::Trap, "malformed value");
    let deadlock = Ending::Fails(FailureClass::Trap, "deadlock");
    let waiting = Ending::Fails(FailureClass::Limit, "wait at the same time");
    let clock = Grants { clock: true, ..Grants::default() };
    let fuel = Ending::Fails(FailureClass::Limit, "`limits.fuel`");
    let tables = "(loop (br_if 0 (i32.ne (table.grow (ref.null func) (i32.const 10000)) (i32.const -1))))";
    let filling = "(loop
        (memory.fill (i32.const 0) (i32.const 1) (i32.mul (memory.size) (i32.const 65536)))
        (drop (memory.grow (i32.const 16))) (br 0))";
    let memories = "(loop
        (drop (memory.grow 0 (i32.const 16))) (drop (memory.grow 1 (i32.const 16)))
        (drop (memory.grow 2 (i32.const 16))) (br 0))";
    let hoarding = "(local $n (ref null $node))
        (loop (local.set $n (struct.new $node (local.get $n))) (br 0))";
    let littering = "(loop (drop (struct.new $node (ref.null $node))) (br 0))";
    vec![
        short_timeout("endless loop", run_guest("", "(loop (br 0))"), timeout),
        short_timeout(
            "endless loop in start",
            run_guest("(func $forever (loop (br 0))) (start $forever)", ""),
            timeout,
        ),
        small_limits("memory growth", run_guest("", filling), memory),
        small_limits("growth of many memories", run_guest("(memory 1) (memory 1)", memories), memory),
        small_limits("growth of the collected heap", run_guest(NODE, hoarding), memory),
        short_timeout("endless garbage", run_guest(NODE, littering), timeout),
        Probe {
            limits: Limits { memory: Size::bytes(1 << 20), ..Limits::default() },
            ..long_timeout("table growth", run_guest("(table 0 funcref)", tables), memory)
        },
        recursion("deep recursion", Stack::Small, stack),
        recursion("deep recursion, stack of 2MiB", Stack::Medium, stack),
        recursion("deep recursion, stack of 8MiB", Stack::Large, stack),
        Probe {
            limits: Limits { fuel: Some(1_000_000), ..Limits::default() },
            ..long_timeout("endless loop with fuel", run_guest("", "(loop (br 0))"), fuel)
        },
        small_limits(
            "result too large",
            result_guest("(i32.store (i32.const 4) (i32.const 60000)) (i32.const 0)"),
            output,
        ),
        long_timeout(
            "false length of a list",
            result_guest("(i32.store (i32.const 4) (i32.const -1)) (i32.const 0)"),
            trap,
        ),
        small_limits("endless output", progress_guest(), logs),
        long_timeout(
            "sleep for an hour, logical clock",
            timer_guest("(call $block (call $timer))"),
            Ending::Returns,
        ),
        Probe {
            grants: clock,
            ..short_timeout(
                "sleep for an hour, real clock",
                timer_guest("(call $block (call $timer))"),
                timeout,
            )
        },
        long_timeout("endless handles", timer_guest("(loop (drop (call $timer)) (br 0))"), handles),
        long_timeout("environment without a grant", environment_guest(), Ending::Returns),
        long_timeout("folders without a grant", folders_guest(), Ending::Returns),
        Probe {
            limits: Limits { disk: Size::bytes(1 << 20), ..Limits::default() },
            ..long_timeout("endless file in the private `/tmp`", disk_guest(), disk)
        },
        short_timeout("async function that yields for ever", restless_guest(), timeout),
        long_timeout("async function that waits for nothing", deadlocked_guest(), deadlock),
        long_timeout("endless streams", hoarding_guest(), handles),
        small_limits("endless writes to a stream", writing_guest(), output),
        long_timeout("many calls that wait on stacks of their own", waiting_guests(40), waiting),
    ]
}

fn long_timeout(name: &'static str, guest: String, ending: Ending) -> Probe {
    Probe { name, guest, grants: Grants::default(), limits: Limits::default(), timeout: LONG_TIMEOUT, ending }
}

fn recursion(name: &'static str, stack: Stack, ending: Ending) -> Probe {
    let limits = Limits { stack, ..Limits::default() };
    Probe { limits, ..long_timeout(name, run_guest("", "(call $run)"), ending) }
}

fn short_timeout(name: &'static str, guest: String, ending: Ending) -> Probe {
    Probe { timeout: SHORT_TIMEOUT, ..long_timeout(name, guest, ending) }
}

fn small_limits(name: &'static str, guest: String, ending: Ending) -> Probe {
    let size = Size::bytes(10_000);
    let limits = Limits { memory: MEMORY, output: size, logs: size, ..Limits::default() };
    Probe { limits, ..long_timeout(name, guest, ending) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guest_is_a_valid_component() {
        for probe in probes() {
            let binary = wat::parse_str(&probe.guest);
            assert!(binary.is_ok(), "{}: {}", probe.name, binary.unwrap_err());
        }
    }
}
