//! Address space: what the system allows this process, and whether guests find room in it.
//! How much memory they may use of what is reserved for them is for `limits`.

use crate::model::Size;
use crate::sandbox::error::LoadError;
use rustix::process::{Resource, getrlimit};

/// What a guest reserves of it without a pool: a linear memory with its guards, a stack, tables.
const GUEST_RESERVATION: u64 = (4 << 30) + (128 << 20);

/// What the host itself needs besides: its heap, and the stacks of its threads.
const HOST_RESERVE: u64 = 512 << 20;

/// Address space that this process may still take; none where the system sets no bound.
fn left() -> Option<u64> {
    let allowed = getrlimit(Resource::As).current?;
    Some(allowed.saturating_sub(taken().unwrap_or_default()))
}

/// Address space that this process has taken.
fn taken() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Whether the host finds room beside what is reserved already.
pub(crate) fn has_address_space() -> bool {
    left().is_none_or(|left| left >= HOST_RESERVE)
}

/// Refuses so many guests at the same time where, without a pool, the address space is too small for them.
pub(crate) fn require(calls: u32) -> Result<(), LoadError> {
    let Some(left) = left() else { return Ok(()) };
    let fitting = left.saturating_sub(HOST_RESERVE) / GUEST_RESERVATION;
    if fitting >= u64::from(calls) {
        return Ok(());
    }
    let needed = GUEST_RESERVATION.saturating_mul(u64::from(calls)).saturating_add(HOST_RESERVE);
    let needed = needed.saturating_add(taken().unwrap_or_default());
    let allowed = getrlimit(Resource::As).current.unwrap_or(u64::MAX);
    Err(LoadError::AddressSpace { allowed: in_mib(allowed), needed: in_mib(needed), calls, fitting })
}

/// In whole MiB, as people read it.
const fn in_mib(bytes: u64) -> Size {
    Size::bytes(bytes >> 20 << 20)
}
