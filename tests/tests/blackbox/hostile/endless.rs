//! Guests that never end: in every phase of a call, in guest and host, waiting and computing.
//! Guests that end are in the other modules.

use super::{Ends, HOST, LATE, Row, Source, check, row};
use crate::guests::Guest;

const PHASES: Source = Source::Text("phases");
const CALLS: Source = Source::Text("host-calls");
const CLOCK: &str = "grants = { clock = true }\n";

#[test]
fn endless_loop_is_stopped_in_every_phase() {
    check(&[
        row(PHASES, "body-loops", "", Ends::InTime),
        row(PHASES, "realloc-loops", "args.xs = [1]\n", Ends::InTime),
        row(PHASES, "post-return-loops", "", Ends::InTime),
        row(Source::Text("start-loops"), "run", "", Ends::InTime),
        row(Source::Text("initialisation-loops"), "run", "", Ends::InTime),
        row(Source::Rust(Guest::Basic), "spin", "", Ends::InTime),
    ]);
}

#[test]
fn endless_waiting_and_polling_are_stopped() {
    check(&[
        row(CALLS, "sleeps", CLOCK, Ends::InTime),
        row(CALLS, "sleeps-again", CLOCK, Ends::InTime),
        row(CALLS, "asks", CLOCK, Ends::InTime),
        row(CALLS, "polls", CLOCK, Ends::InTime),
        row(CALLS, "holds-one", CLOCK, Ends::InTime),
        row(
            Source::Rust(Guest::Basic),
            "sleep-ms",
            "args.ms = 4_000_000_000\ngrants = { clock = true }\n",
            Ends::InTime,
        ),
        // By the logical clock, a timer is due at once; only a guest that keeps asking goes on.
        row(CALLS, "sleeps", "", Ends::Returned("null")),
        row(CALLS, "asks-until-it-is-due", "", Ends::Returned("null")),
        row(CALLS, "asks", "", Ends::InTime),
        row(CALLS, "polls", "", Ends::InTime),
        row(CALLS, "holds-one", "", Ends::InTime),
    ]);
}

#[test]
fn host_work_for_a_guest_is_stopped() {
    let keys = "timeout = \"300ms\"\nlimits = { memory = \"256MiB\", output = \"256MiB\" }\n";
    let real = "grants = { random = true }\n";
    check(&[
        row(CALLS, "draws-again", "", Ends::InTime),
        row(CALLS, "draws-again", real, Ends::InTime),
        // 230 million values, each of which the host visits.
        Row { keys, peak: 256 + HOST, ..row(Source::Text("results"), "many-small", "", Ends::InTime) },
    ]);
}

#[test]
fn fuel_stops_a_loop_before_its_timeout() {
    let keys = "timeout = \"1m\"\nlimits = { fuel = 1_000_000 }\n";
    let spent = "`limits.fuel` = 1000000 reached: the guest computes for longer; raise it with `limits.fuel = 2000000`";
    let spent = Ends::Failed("limit", spent);
    check(&[
        Row { keys, ..row(PHASES, "body-loops", "", spent) },
        Row { keys, ..row(PHASES, "post-return-loops", "", spent) },
        Row { keys, ..row(Source::Text("start-loops"), "run", "", spent) },
    ]);
}

/// One instruction that writes a quarter of a gigabyte cannot be interrupted. The additional delay is bounded by
/// `limits.memory`.
#[test]
fn bulk_memory_instruction_delays_the_stop_by_its_own_time_only() {
    let keys = "timeout = \"300ms\"\nlimits = { memory = \"256MiB\" }\n";
    let row = Row { keys, peak: 256 + HOST, ..row(Source::Text("space"), "fills", "", Ends::InTime) };
    let (late, machine) = (0..3).filter_map(|_| row.run()).min().expect("it is stopped");
    println!("fills: stopped {late} ms after its time, on a machine that is {machine} ms late");
    assert!(late - machine <= 20 * LATE, "{late} ms after its time");
}
