//! The memory usage of this process: current, and peak.
//! Limits are set by the callers.

use crate::model::Size;
use std::fs;

/// Returns the resident memory of this process; `None` if the system does not report it.
#[must_use]
pub(crate) fn resident() -> Option<Size> {
    status_field("VmRSS:")
}

/// Returns the peak resident memory since [`forget_peak`], or since the process began.
#[must_use]
pub(crate) fn peak() -> Option<Size> {
    status_field("VmHWM:")
}

/// Resets the peak. If the system refuses, the old peak remains.
pub(crate) fn forget_peak() {
    drop(fs::write("/proc/self/clear_refs", "5"));
}

fn status_field(name: &str) -> Option<Size> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024).map(Size::bytes)
}
