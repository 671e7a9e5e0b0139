//! The binary, which only calls the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    cascade_host::command_line()
}
