//! The probes as data: a hostile guest, its grants and limits, and how its call must end.
//! The guests are in `guests`; `trial` calls them.

use crate::app::doctor::guests::{answering, doing, environment, folders, sleeping, writing};
use crate::invoke::Grants;
use crate::model::{FailureClass, Limits, Size};
use std::time::Duration;

/// Timeout of guests that never end.
const SOON: Duration = Duration::from_millis(200);

/// Timeout of guests that another limit ends, long before it.
const LATE: Duration = Duration::from_secs(20);

/// Memory limit of guests that exhaust it.
const MEMORY: Size = Size::bytes(32 << 20);

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
    Ends(FailureClass, &'static str),
}

/// Returns all probes.
pub(crate) fn probes() -> Vec<Probe> {
    let timeout = Ending::Ends(FailureClass::Timeout, "`timeout`");
    let memory = Ending::Ends(FailureClass::Limit, "`limits.memory`");
    let logs = Ending::Ends(FailureClass::Limit, "`limits.logs`");
    let output = Ending::Ends(FailureClass::Limit, "`limits.output`");
    let handles = Ending::Ends(FailureClass::Limit, "handles");
    let stack = Ending::Ends(FailureClass::Limit, "stack");
    let trap = Ending::Ends(FailureClass::Trap, "malformed value");
    let clock = Grants { clock: true, ..Grants::default() };
    let fuel = Ending::Ends(FailureClass::Limit, "`limits.fuel`");
    let tables = "(loop (br_if 0 (i32.ne (table.grow (ref.null func) (i32.const 10000)) (i32.const -1))))";
    let filling = "(loop
        (memory.fill (i32.const 0) (i32.const 1) (i32.mul (memory.size) (i32.const 65536)))
        (drop (memory.grow (i32.const 16))) (br 0))";
    let memories = "(loop
        (drop (memory.grow 0 (i32.const 16))) (drop (memory.grow 1 (i32.const 16)))
        (drop (memory.grow 2 (i32.const 16))) (br 0))";
    vec![
        soon("endless loop", doing("", "(loop (br 0))"), timeout),
        soon("endless loop in start", doing("(func $forever (loop (br 0))) (start $forever)", ""), timeout),
        small("memory growth", doing("", filling), memory),
        small("growth of many memories", doing("(memory 1) (memory 1)", memories), memory),
        Probe {
            limits: Limits { memory: Size::bytes(1 << 20), ..Limits::default() },
            ..late("table growth", doing("(table 0 funcref)", tables), memory)
        },
        late("deep recursion", doing("", "(call $run)"), stack),
        Probe {
            limits: Limits { fuel: Some(1_000_000), ..Limits::default() },
            ..late("endless loop with fuel", doing("", "(loop (br 0))"), fuel)
        },
        small(
            "result too large",
            answering("(i32.store (i32.const 4) (i32.const 60000)) (i32.const 0)"),
            output,
        ),
        late(
            "lying length of a list",
            answering("(i32.store (i32.const 4) (i32.const -1)) (i32.const 0)"),
            trap,
        ),
        small("endless output", writing(), logs),
        late("sleep for an hour, logical clock", sleeping("(call $block (call $timer))"), Ending::Returns),
        Probe {
            grants: clock,
            ..soon("sleep for an hour, real clock", sleeping("(call $block (call $timer))"), timeout)
        },
        late("endless handles", sleeping("(loop (drop (call $timer)) (br 0))"), handles),
        late("environment without a grant", environment(), Ending::Returns),
        late("folders without a grant", folders(), Ending::Returns),
    ]
}

fn late(name: &'static str, guest: String, ending: Ending) -> Probe {
    Probe { name, guest, grants: Grants::default(), limits: Limits::default(), timeout: LATE, ending }
}

fn soon(name: &'static str, guest: String, ending: Ending) -> Probe {
    Probe { timeout: SOON, ..late(name, guest, ending) }
}

fn small(name: &'static str, guest: String, ending: Ending) -> Probe {
    let few = Size::bytes(10_000);
    let limits = Limits { memory: MEMORY, output: few, logs: few, ..Limits::default() };
    Probe { limits, ..late(name, guest, ending) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guest_is_a_component() {
        for probe in probes() {
            let binary = wat::parse_str(&probe.guest);
            assert!(binary.is_ok(), "{}: {}", probe.name, binary.unwrap_err());
        }
    }
}
