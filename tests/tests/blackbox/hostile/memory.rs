//! Guests that exhaust memory, tables, the collected heap, instances, handles and stack.
//! Oversized results and output are in `results`.

use super::{Ends, Row, Source, check, row};
use crate::guests::Guest;

const SPACE: Source = Source::Text("space");
const PHASES: Source = Source::Text("phases");
const HEAPS: Source = Source::Text("heap");
const CALLS: Source = Source::Text("host-calls");

const MORE: Ends = Ends::Failed(
    "limit",
    "`limits.memory` = 32MiB reached: the guest's linear memories need more; raise it with `limits.memory = \"64MiB\"`",
);
const HEAP: Ends = Ends::Failed(
    "limit",
    "`limits.memory` = 32MiB reached: the guest's collected heap needs more; raise it with `limits.memory = \"64MiB\"`",
);
const HEAP_AT_ONCE: Ends = Ends::Failed(
    "limit",
    "`limits.memory` = 32MiB reached: the guest's collected heap needs more; raise it with `limits.memory = \"2GiB\"`",
);
const STACK: Ends = Ends::Failed(
    "limit",
    "`limits.stack` = 512KiB reached: the guest's calls nest deeper; raise it with `limits.stack = \"2MiB\"`",
);
const LARGER_STACK: Ends = Ends::Failed(
    "limit",
    "`limits.stack` = 2MiB reached: the guest's calls nest deeper; raise it with `limits.stack = \"8MiB\"`",
);
const LARGEST_STACK: Ends = Ends::Failed(
    "limit",
    "`limits.stack` = 8MiB reached: the guest's calls nest deeper, and no larger stack exists",
);
const HANDLES: Ends = Ends::Failed("limit", "the guest holds more than 1000 handles");

#[test]
fn memory_limit_covers_all_memories_and_tables() {
    let at_once = "`limits.memory` = 32MiB reached: the guest's linear memories need more; raise it with `limits.memory = \"4GiB\"`";
    let tables = "`limits.memory` = 4MiB reached: the guest's tables need more; raise it with `limits.memory = \"8MiB\"`";
    let large = "a table of the guest would have more than 200000 elements";
    let small = "timeout = \"10s\"\nlimits.memory = \"4MiB\"\n";
    check(&[
        row(SPACE, "at-once", "", Ends::Failed("limit", at_once)),
        row(SPACE, "slowly", "", MORE),
        row(SPACE, "touched", "", MORE),
        row(SPACE, "by-turns", "", MORE),
        row(PHASES, "realloc-grows", "args.xs = [1]\n", MORE),
        row(Source::Rust(Guest::Basic), "grow", "args.mib = 64\n", MORE),
        Row { keys: small, ..row(SPACE, "tables", "", Ends::Failed("limit", tables)) },
        row(SPACE, "tables", "", Ends::Failed("limit", large)),
        row(SPACE, "one-table", "", Ends::Failed("limit", large)),
    ]);
}

#[test]
fn collected_heap_counts_as_memory_and_is_collected_in_time() {
    check(&[
        row(HEAPS, "hoards", "", HEAP),
        row(HEAPS, "both", "", HEAP),
        row(HEAPS, "at-once", "", HEAP_AT_ONCE),
        row(HEAPS, "beyond-all", "", Ends::Failed("trap", "allocation size too large")),
        row(HEAPS, "litters", "", Ends::InTime),
        row(HEAPS, "cycles", "", Ends::InTime),
        row(HEAPS, "keeps-and-litters", "", Ends::InTime),
    ]);
}

#[test]
fn exceptions_end_the_call_or_stay_in_the_guest() {
    let uncaught = "the guest threw an exception that nothing caught";
    check(&[
        row(HEAPS, "throws", "", Ends::Failed("trap", uncaught)),
        row(HEAPS, "throws-for-ever", "", Ends::InTime),
    ]);
}

#[test]
fn declared_memories_and_tables_are_limited() {
    let ends = |message| Ends::Failed("limit", message);
    check(&[
        row(
            Source::Made(|| modules(3, &"(memory 0)".repeat(50), 1)),
            "run",
            "",
            ends("the guest has more than 100 linear memories"),
        ),
        row(
            Source::Made(|| modules(11, &"(table 0 funcref)".repeat(95), 1)),
            "run",
            "",
            ends("the guest has more than 1000 tables"),
        ),
        row(
            Source::Made(|| modules(1, "", 600)),
            "run",
            "",
            ends("the guest has more than 1000 core instances"),
        ),
        row(Source::Made(|| modules(2, &"(memory 100)".repeat(40), 1)), "run", "", MORE),
        row(Source::Made(|| modules(1, "(memory 600)", 1)), "run", "", MORE),
        row(
            Source::Made(|| modules(1, "(table 300000 funcref)", 1)),
            "run",
            "",
            ends("a table of the guest would have more than 200000 elements"),
        ),
    ]);
}

#[test]
fn deep_recursion_overflows_only_the_guest_stack() {
    check(&[
        row(SPACE, "stack", "", STACK),
        row(SPACE, "stack-by-table", "", STACK),
        row(CALLS, "recurses", "", STACK),
        row(PHASES, "realloc-recurses", "args.xs = [1]\n", STACK),
        row(Source::Rust(Guest::Basic), "recurse", "args.n = 100_000_000\n", STACK),
        Row {
            keys: "timeout = \"5m\"\nlimits = { memory = \"32MiB\", stack = \"1MiB\" }\n",
            ..row(SPACE, "stack", "", LARGER_STACK)
        },
        Row {
            keys: "timeout = \"5m\"\nlimits = { memory = \"32MiB\", stack = \"8MiB\" }\n",
            ..row(CALLS, "recurses", "", LARGEST_STACK)
        },
        row(CALLS, "allocator-asks", "", Ends::Failed("trap", "cannot leave component instance")),
    ]);
}

#[test]
fn handles_are_limited() {
    check(&[
        row(CALLS, "hoards", "", HANDLES),
        row(CALLS, "hoards", "grants = { clock = true }\n", HANDLES),
        row(CALLS, "polls-many", "", HANDLES),
        row(Source::Text("resources"), "hoards", "", HANDLES),
        Row {
            keys: "timeout = \"10s\"\n",
            ..row(
                Source::Rust(Guest::Basic),
                "hold-open",
                "args = { path = \"manifest.toml\", n = 5000 }\ngrants = { read = [\".\"] }\n",
                HANDLES,
            )
        },
        row(CALLS, "uses-what-it-has-not", "", Ends::Failed("trap", "unknown handle index 77")),
        row(CALLS, "drops-twice", "", Ends::Failed("trap", "unknown handle index 1")),
    ]);
}

/// Returns a component of this many modules with these definitions. With `times` above one, two components
/// instantiate each that often.
fn modules(count: usize, definitions: &str, times: usize) -> String {
    let mut body = String::new();
    for module in 0..count {
        body.push_str(&format!("(core module $m{module} {definitions} (func (export \"run\")))"));
        for instance in 0..times {
            body.push_str(&format!("(core instance $i{module}-{instance} (instantiate $m{module}))"));
        }
    }
    let run = "(func (export \"run\") (canon lift (core func $i0-0 \"run\")))";
    if times == 1 {
        return format!("(component {body}{run})");
    }
    format!(
        "(component (component $half {body}{run})
            (instance $a (instantiate $half)) (instance $b (instantiate $half))
            (func (export \"run\") (alias export $a \"run\")))"
    )
}
