//! The memory that this process has: now, and at most since somebody asked.
//! What it may have is for whoever asks.

use crate::model::Size;
use std::fs;

/// The memory of this process that stands in the machine's; none where the system does not tell.
#[must_use]
pub fn resident() -> Option<Size> {
    field("VmRSS:")
}

/// The most of it since [`forget_peak`] was called, or since the process began.
#[must_use]
pub fn peak() -> Option<Size> {
    field("VmHWM:")
}

/// Counts the peak from now on. Where the system does not let this process, the peak stays what it was.
pub fn forget_peak() {
    drop(fs::write("/proc/self/clear_refs", "5"));
}

fn field(name: &str) -> Option<Size> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024).map(Size::bytes)
}
