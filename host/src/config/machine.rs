//! What this machine has: cores, memory, a name.
//! How much of it a run may use is for the settings.

use crate::config::cgroup;
use crate::model::Size;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The program that this process runs, on Linux: also when its file was replaced by a newer one meanwhile.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// What is left to the host itself and to others: guests together get three quarters of the machine.
const SHARE: (u64, u64) = (3, 4);

/// More threads and processes than all programs of a user have on most machines.
const MANY_THREADS: u64 = 4096;

/// The budget where the machine does not tell its memory.
const FALLBACK: u64 = 1 << 30;

/// Files that this process opens beside what it has open when guests are about to run: connections to backends, logs, names
/// that are looked up, 64 at a time, components that a resumed run compiles.
const OWN_FILES: usize = 128;

/// How many guests run at the same time unless the user says otherwise. It is looked up once: it takes reading what the
/// control groups say.
#[must_use]
pub fn cores() -> u32 {
    static CORES: OnceLock<u32> = OnceLock::new();
    *CORES.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        u32::try_from(cores).unwrap_or(u32::MAX)
    })
}

/// A path by which this process can start its own program again.
pub fn program() -> io::Result<PathBuf> {
    if fs::symlink_metadata(OWN_PROGRAM).is_ok() {
        return Ok(PathBuf::from(OWN_PROGRAM));
    }
    std::env::current_exe()
}

/// How much memory guests may be promised together: three quarters of the machine's, or of what the control groups
/// around this process leave it. It is looked up once.
#[must_use]
pub fn memory_budget() -> Size {
    static BUDGET: OnceLock<Size> = OnceLock::new();
    *BUDGET.get_or_init(|| {
        let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
        let bound = [machine, cgroup::memory()].into_iter().flatten().min().unwrap_or(FALLBACK);
        Size::bytes(bound / SHARE.1 * SHARE.0)
    })
}

/// Lets this process have as many files open as the system allows: a guest may hold hundreds, and what is offered first
/// is often no more than one guest may have. Where that is refused, it stays as it is.
pub fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap_or_default();
    }
}

/// How many files guests may have open together: as many as this process may, without those that it has open and may come
/// to need itself.
#[must_use]
pub fn spare_files() -> usize {
    let most = getrlimit(Resource::Nofile).current.and_then(|most| usize::try_from(most).ok());
    let open = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    most.unwrap_or(usize::MAX).saturating_sub(open).saturating_sub(OWN_FILES)
}

/// Whether the threads that this process may start have to be counted: a limit of thousands is none for it.
#[must_use]
pub fn threads_are_few() -> bool {
    getrlimit(Resource::Nproc).current.is_some_and(|most| most < MANY_THREADS)
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// What this machine calls itself, in letters that a host id may have.
#[must_use]
pub fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let clean: String =
        name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')).collect();
    if clean.is_empty() { "host".to_owned() } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_total_of_meminfo() {
        assert_eq!(total("MemTotal:       24540108 kB\nMemFree: 1 kB\n"), Some(24_540_108 * 1024));
        assert_eq!(total("nothing"), None);
    }

    #[test]
    fn this_machine_has_some_of_everything() {
        assert!(cores() > 0);
        assert!(memory_budget() > Size::bytes(0));
        assert!(!host_name().is_empty());
    }
}
