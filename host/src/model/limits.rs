//! The bounds of one call, as a manifest states them and the sandbox enforces them.
//! The wall time of an attempt stands apart: it also bounds host calls that wait.

use crate::model::size::Size;

/// `limits` of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// All linear memories and tables of the call together; 256MiB unless set.
    pub memory: Size,
    /// Units of wasmtime's fuel; none means that they are not counted.
    pub fuel: Option<u64>,
    /// The encoded result; 64MiB unless set.
    pub output: Size,
    /// What the guest may write to stdout, stderr and `wasi:logging` together; 1MiB unless set.
    pub logs: Size,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: Size::bytes(256 << 20),
            fuel: None,
            output: Size::bytes(64 << 20),
            logs: Size::bytes(1 << 20),
        }
    }
}
