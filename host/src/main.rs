//! The binary: everything stands in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    cascade_host::cli::start()
}
