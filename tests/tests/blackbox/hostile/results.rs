//! Guests that return invalid or oversized values, or write or pass too much.
//! Results that take too long to read are in `endless`.

use super::{Ends, HOST, Row, Source, check, row};
use crate::guests::Guest;

const RESULTS: Source = Source::Text("results");
const PHASES: Source = Source::Text("phases");
const CALLS: Source = Source::Text("host-calls");
const BASIC: Source = Source::Rust(Guest::Basic);

/// The guest ends with a trap of this message.
const fn trap(message: &'static str) -> Ends {
    Ends::Failed("trap", message)
}

const OUTSIDE: Ends = trap("the guest returned a malformed value: an address outside of its memory");
const UNALIGNED: Ends = trap("the guest returned a malformed value: a misaligned address");
const NO_CHAR: Ends = trap("the guest returned a malformed value: an invalid char");
const TOO_LARGE: Ends = Ends::Failed(
    "limit",
    "`limits.output` = 1MiB reached: the result is larger; raise it with `limits.output = \"2MiB\"`",
);
const LOGS: Ends = Ends::Failed(
    "limit",
    "`limits.logs` = 64KiB reached: the guest writes more to its outputs; raise it with `limits.logs = \"128KiB\"`",
);

#[test]
fn invalid_result_is_refused() {
    check(&[
        row(RESULTS, "longer-than-memory", "", OUTSIDE),
        row(RESULTS, "begins-outside", "", OUTSIDE),
        row(RESULTS, "longest", "", OUTSIDE),
        row(RESULTS, "pair-outside", "", OUTSIDE),
        row(RESULTS, "unaligned", "", UNALIGNED),
        row(RESULTS, "pair-unaligned", "", UNALIGNED),
        row(
            RESULTS,
            "not-utf-8",
            "",
            trap("the guest returned a malformed value: a string that is not UTF-8"),
        ),
        row(
            RESULTS,
            "lone-surrogate",
            "",
            trap("the guest returned a malformed value: a string that is not Unicode"),
        ),
        row(RESULTS, "char", "args.n = 0xd800\n", NO_CHAR),
        row(RESULTS, "char", "args.n = 0x110000\n", NO_CHAR),
        row(
            RESULTS,
            "enum",
            "args.n = 2\n",
            trap("the guest returned a malformed value: an unknown enum case"),
        ),
        row(
            RESULTS,
            "variant",
            "args.n = 255\n",
            trap("the guest returned a malformed value: an unknown variant case"),
        ),
        row(
            RESULTS,
            "option",
            "args.n = 2\n",
            trap("the guest returned a malformed value: an option that is neither none nor some"),
        ),
        row(
            RESULTS,
            "outcome",
            "args.n = 2\n",
            trap("the guest returned a malformed value: a result that is neither ok nor err"),
        ),
    ]);
}

#[test]
fn results_of_every_type_are_limited() {
    const OVERLAPPING: &str = r#"["AAQAAAgAAAA=", "AAQAAAgAAAA=", "AAQAAAgAAAA="]"#;
    check(&[
        row(RESULTS, "large", "", TOO_LARGE),
        row(BASIC, "big", "args.bytes = 2_000_000\n", TOO_LARGE),
        // Lists that all share the same bytes: valid while they are small.
        row(RESULTS, "overlapping", "", Ends::Returned(OVERLAPPING)),
        row(RESULTS, "amplified", "", TOO_LARGE),
        row(RESULTS, "amplified-twice", "", TOO_LARGE),
    ]);
}

#[test]
fn logs_and_arguments_are_limited() {
    let handed = "the limit of one host call, 16MiB, reached: the guest passes more to one host call; raise it with `limits.output = \"32MiB\"`";
    let drawn = "the guest requested 1099511627776 random bytes at once; the limit is 16MiB";
    let wide = "timeout = \"10s\"\nlimits = { memory = \"128MiB\", output = \"1MiB\" }\n";
    check(&[
        row(BASIC, "flood", "args.bytes = 10_000_000_000\n", LOGS),
        row(CALLS, "reports-for-ever", "", LOGS),
        row(CALLS, "logs-for-ever", "", LOGS),
        row(Source::Rust(Guest::HostCalls), "progress-steps", "args.n = 4_000_000_000\n", LOGS),
        Row {
            keys: wide,
            peak: 128 + HOST,
            ..row(CALLS, "hands-over-much", "", Ends::Failed("limit", handed))
        },
        row(CALLS, "draws-much", "", Ends::Failed("limit", drawn)),
        row(CALLS, "draws-much", "grants = { random = true }\n", Ends::Failed("limit", drawn)),
    ]);
}

#[test]
fn trap_ends_the_call_in_every_phase() {
    const UNREACHABLE: Ends = trap("wasm `unreachable` instruction executed");
    check(&[
        row(PHASES, "body-traps", "", UNREACHABLE),
        row(PHASES, "body-divides-by-zero", "", trap("integer divide by zero")),
        row(PHASES, "body-reads-outside", "", trap("out of bounds memory access")),
        row(PHASES, "body-calls-nobody", "", trap("uninitialized element")),
        row(PHASES, "realloc-traps", "args.xs = [1]\n", UNREACHABLE),
        row(PHASES, "realloc-outside", "args.xs = [1]\n", trap("realloc return: beyond end of memory")),
        row(PHASES, "realloc-unaligned", "args.xs = [1]\n", trap("realloc return: result not aligned")),
        row(PHASES, "post-return-traps", "", UNREACHABLE),
        row(Source::Text("start-traps"), "run", "", UNREACHABLE),
        row(Source::Text("initialisation-traps"), "run", "", trap("out of bounds memory access")),
        row(CALLS, "hands-over-what-is-not-there", "", trap("string pointer/length out of bounds of memory")),
        row(CALLS, "logs-at-no-level", "", trap("unexpected discriminant: 6")),
        row(BASIC, "exit-with", "args.code = 3\n", trap("the guest called exit with a failure status")),
    ]);
}
