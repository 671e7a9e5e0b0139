//! The limits of one call, as a manifest sets them and the sandbox enforces them.
//! The timeout is separate: it also bounds host calls that wait.

use crate::model::size::Size;

/// The `limits` of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// All linear memories, tables and private files of the call together; 256MiB by default.
    pub memory: Size,
    /// Units of wasmtime's fuel; `None` means that fuel is not counted.
    pub fuel: Option<u64>,
    /// The encoded result, and the stdout that it is made of; 64MiB by default.
    pub output: Size,
    /// Guest output to stdout, stderr and `wasi:logging` together; 1MiB by default.
    pub logs: Size,
    /// The private disk of the call, `/tmp` and a command's working directory; 256MiB by default.
    pub disk: Size,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: Size::bytes(256 << 20),
            fuel: None,
            output: Size::bytes(64 << 20),
            logs: Size::bytes(1 << 20),
            disk: Size::bytes(256 << 20),
        }
    }
}
