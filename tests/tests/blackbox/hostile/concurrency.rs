//! Guests with async functions that never end, never close a stream, or open and write without end.
//! Those that no compiler writes are in the host's own tests.

use super::{Ends, Row, Source, check, row};
use crate::guests::Guest;

const FLOWS: Source = Source::Rust(Guest::Flows);
const TOO_LARGE: Ends = Ends::Failed(
    "limit",
    "`limits.output` = 1MiB reached: the result is larger; raise it with `limits.output = \"2MiB\"`",
);
const HANDLES: Ends = Ends::Failed("limit", "the guest holds more than 1000 handles");

#[test]
fn async_function_that_never_ends_is_stopped() {
    check(&[
        row(FLOWS, "restless", "", Ends::InTime),
        // The stream of its result is open, and a task of the guest waits: it might still write.
        row(FLOWS, "unclosed", "", Ends::InTime),
    ]);
}

#[test]
fn async_function_that_cannot_end_fails_at_once() {
    let deadlock = "deadlock detected: event loop cannot make further progress";
    let forgotten = "the guest ended without closing the stream or future of its result";
    check(&[
        row(FLOWS, "deadlock", "", Ends::Failed("trap", deadlock)),
        row(FLOWS, "forgotten", "", Ends::Failed("trap", forgotten)),
    ]);
}

#[test]
fn endless_streams_hit_the_limit_of_the_output() {
    check(&[
        row(FLOWS, "endless", "", TOO_LARGE),
        row(FLOWS, "endless-words", "", TOO_LARGE),
        row(FLOWS, "large-words", "args.size = 300_000\n", TOO_LARGE),
        row(FLOWS, "large-words", "args.size = 10_000_000\n", TOO_LARGE),
        // Empty words take a byte each.
        row(FLOWS, "large-words", "args.size = 0\n", TOO_LARGE),
    ]);
}

#[test]
fn endless_streams_and_tasks_hit_the_limit_of_handles() {
    check(&[row(FLOWS, "hoard", "", HANDLES), row(FLOWS, "spawn", "", HANDLES)]);
}

#[test]
fn what_a_guest_does_after_its_result_is_cut_off() {
    let returned = |call| Row { keys: super::KEYS, ..row(FLOWS, call, "", Ends::Returned("\"done\"")) };
    check(&[returned("afterwards"), returned("traps-afterwards")]);
}
