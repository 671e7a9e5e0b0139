//! Guests that fill their private disk: with bytes, files, folders, and a file that has no name any more.
//! `scratch` has what the disk is for.

use super::{Ends, Row, Source, check, row};

const FULL: Ends = Ends::Failed(
    "limit",
    "`limits.disk` = 1MiB reached: the guest's files in `/tmp` need more; raise it with `limits.disk = \"2MiB\"`",
);
const NO_MEMORY: Ends = Ends::Failed(
    "limit",
    "`limits.memory` = 8MiB reached: the guest's linear memories and its files in `/tmp` need more; raise it with \
     `limits.memory = \"16MiB\"`",
);

/// Returns a row of a program that takes one step.
const fn step(more: &'static str) -> Row {
    let keys = "timeout = \"5m\"\nlimits = { memory = \"32MiB\", disk = \"1MiB\" }\n";
    Row { keys, ..row(Source::Program, "run", more, FULL) }
}

#[test]
fn private_disk_is_limited_whatever_fills_it() {
    let memory = "timeout = \"5m\"\nlimits.memory = \"8MiB\"\n";
    check(&[
        step("grants.args = [\"fill=/tmp/a\"]\n"),
        step("grants.args = [\"many-files=/tmp/\"]\n"),
        step("grants.args = [\"deep-folders=1000000\"]\n"),
        step("grants.args = [\"hold-removed=/tmp/a\"]\n"),
        Row { keys: memory, ends: NO_MEMORY, ..step("grants.args = [\"fill=/tmp/a\"]\n") },
    ]);
}
