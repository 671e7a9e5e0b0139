//! Address space (`ulimit -v`): how much the system allows this process, and whether the guests fit.
//! `guest/limits` bounds how much of their reservation guests may use.

use crate::model::{Size, Stack};
use crate::sandbox::error::LoadError;
use rustix::process::{Resource, getrlimit};

/// Address space that one guest reserves without a pool, in bytes, beside its stack: a linear memory with its guards,
/// tables.
const GUEST_RESERVATION: u64 = (4 << 30) + (128 << 20);

/// Address space that the host itself needs, in bytes: its heap, and the stacks of its threads.
const HOST_RESERVE: u64 = 512 << 20;

/// Returns the address space that this process may still reserve, or `None` if the system sets no bound.
fn available() -> Option<u64> {
    let allowed = getrlimit(Resource::As).current?;
    Some(allowed.saturating_sub(reserved().unwrap_or_default()))
}

/// Returns the address space that this process has reserved.
fn reserved() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Returns whether enough address space is left for the host itself.
pub(crate) fn has_address_space() -> bool {
    available().is_none_or(|available| available >= HOST_RESERVE)
}

/// Fails if the address space is too small for `calls` guests with such a stack at the same time without a pool.
pub(crate) fn require(calls: u32, stack: Stack) -> Result<(), LoadError> {
    let Some(available) = available() else { return Ok(()) };
    let guest = GUEST_RESERVATION + stack.size().as_bytes();
    let fitting = available.saturating_sub(HOST_RESERVE) / guest;
    if fitting >= u64::from(calls) {
        return Ok(());
    }
    let needed = guest.saturating_mul(u64::from(calls)).saturating_add(HOST_RESERVE);
    let needed = needed.saturating_add(reserved().unwrap_or_default());
    let allowed = getrlimit(Resource::As).current.unwrap_or(u64::MAX);
    Err(LoadError::AddressSpace { allowed: in_mib(allowed), needed: in_mib(needed), calls, fitting })
}

/// Rounds down to whole MiB, for messages.
const fn in_mib(bytes: u64) -> Size {
    Size::bytes(bytes >> 20 << 20)
}
