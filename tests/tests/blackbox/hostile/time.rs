//! Guests that never end: in every phase of a call, in guest and host, waiting and computing.
//! How they end otherwise is in the modules beside.

use super::{Ends, HOST, Row, Source, TIMEOUT, TRIES, check, row};
use crate::guests::Guest;

const PHASES: Source = Source::Text("phases");
const CALLS: Source = Source::Text("host-calls");
const CLOCK: &str = "grants = { clock = true }\n";

#[test]
fn an_endless_loop_is_stopped_in_every_phase() {
    check(&[
        row(PHASES, "body-loops", "", TIMEOUT),
        row(PHASES, "realloc-loops", "args.xs = [1]\n", TIMEOUT),
        row(PHASES, "post-return-loops", "", TIMEOUT),
        row(Source::Text("start-loops"), "run", "", TIMEOUT),
        row(Source::Text("initialisation-loops"), "run", "", TIMEOUT),
        row(Source::Rust(Guest::Basic), "spin", "", TIMEOUT),
    ]);
}

#[test]
fn waiting_and_polling_for_ever_are_stopped() {
    check(&[
        row(CALLS, "sleeps", CLOCK, TIMEOUT),
        row(CALLS, "sleeps-again", CLOCK, TIMEOUT),
        row(CALLS, "asks", CLOCK, TIMEOUT),
        row(CALLS, "polls", CLOCK, TIMEOUT),
        row(CALLS, "holds-one", CLOCK, TIMEOUT),
        row(
            Source::Rust(Guest::Basic),
            "sleep-ms",
            "args.ms = 4_000_000_000\ngrants = { clock = true }\n",
            TIMEOUT,
        ),
        // By the logical clock, a timer is due at once: only who asks again and again goes on.
        row(CALLS, "sleeps", "", Ends::Returned("null")),
        row(CALLS, "asks-until-it-is-due", "", Ends::Returned("null")),
        row(CALLS, "asks", "", TIMEOUT),
        row(CALLS, "polls", "", TIMEOUT),
        row(CALLS, "holds-one", "", TIMEOUT),
    ]);
}

#[test]
fn work_that_the_host_does_for_a_guest_is_stopped_too() {
    let keys = "timeout = \"300ms\"\nlimits = { memory = \"256MiB\", output = \"256MiB\" }\n";
    let real = "grants = { random = true }\n";
    check(&[
        row(CALLS, "draws-again", "", TIMEOUT),
        row(CALLS, "draws-again", real, TIMEOUT),
        // 230 million values, each of which the host looks at.
        Row { keys, peak: 256 + HOST, ..row(Source::Text("results"), "many-small", "", TIMEOUT) },
    ]);
}

#[test]
fn fuel_ends_a_loop_before_its_time() {
    let keys = "timeout = \"1m\"\nlimits = { fuel = 1_000_000 }\n";
    let spent = "`limits.fuel` = 1000000 reached: the guest computes for longer; raise it with `limits.fuel = 2000000`";
    let spent = Ends::Failed("limit", spent);
    check(&[
        Row { keys, ..row(PHASES, "body-loops", "", spent) },
        Row { keys, ..row(PHASES, "post-return-loops", "", spent) },
        Row { keys, ..row(Source::Text("start-loops"), "run", "", spent) },
    ]);
}

/// One instruction that writes a quarter of a gigabyte cannot be stopped in its middle: what that takes comes on top,
/// and is bounded by `limits.memory`.
#[test]
fn an_instruction_that_fills_all_memory_delays_the_stop_by_itself_alone() {
    let keys = "timeout = \"300ms\"\nlimits = { memory = \"256MiB\" }\n";
    let row = Row { keys, peak: 256 + HOST, ..row(Source::Text("space"), "fills", "", TIMEOUT) };
    let late = (0..TRIES).filter_map(|_| row.run()).min().expect("it is stopped");
    println!("fills: stopped {late} ms after its time");
    assert!(late <= 1000, "{late}");
}
