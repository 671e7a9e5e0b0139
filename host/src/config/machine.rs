//! Detects the machine's resources: cores, memory, open files, host name.
//! `settings` decides how much of them a run may use.

use crate::config::cgroup;
use crate::model::Size;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Path of this process's own executable on Linux. Works even after the file was replaced.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// Share of the machine's memory for all guests. The rest is for the host and other programs.
const SHARE: (u64, u64) = (3, 4);

/// Thread limit above which threads need not be tested: more than all programs of a user need on most machines.
const MANY_THREADS: u64 = 4096;

/// The memory budget if the machine does not report its memory.
const FALLBACK: u64 = 1 << 30;

/// Open files reserved for the host itself while guests run: backend connections, logs, up to 64 name lookups,
/// components compiled by a resumed run.
const OWN_FILES: usize = 128;

/// Returns the default number of slots. Computed once, since it reads control groups.
#[must_use]
pub(crate) fn cores() -> u32 {
    static CORES: OnceLock<u32> = OnceLock::new();
    *CORES.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        u32::try_from(cores).unwrap_or(u32::MAX)
    })
}

/// Returns a path by which this process can start its own program again.
pub(crate) fn program() -> io::Result<PathBuf> {
    if fs::symlink_metadata(OWN_PROGRAM).is_ok() {
        return Ok(PathBuf::from(OWN_PROGRAM));
    }
    std::env::current_exe()
}

/// Returns a path by which other processes can start this program for as long as this process lives.
pub(crate) fn program_for_others() -> io::Result<PathBuf> {
    let path = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    if fs::symlink_metadata(&path).is_ok() { Ok(path) } else { std::env::current_exe() }
}

/// Returns the memory budget of all guests: three quarters of the machine's memory, or of the control groups' limit.
/// Computed once.
#[must_use]
pub(crate) fn memory_budget() -> Size {
    static BUDGET: OnceLock<Size> = OnceLock::new();
    *BUDGET.get_or_init(|| {
        let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
        let bound = [machine, cgroup::memory()].into_iter().flatten().min().unwrap_or(FALLBACK);
        Size::bytes(bound / SHARE.1 * SHARE.0)
    })
}

/// Raises the soft limit of open files to the hard limit. A guest may hold hundreds of files, and the usual soft
/// limit suffices for about one guest. Failure is ignored.
pub(crate) fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap_or_default();
    }
}

/// Returns how many files all guests may have open together: this process's limit, minus its open files and a
/// reserve.
#[must_use]
pub(crate) fn spare_files() -> usize {
    let limit = getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok());
    let open = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    limit.unwrap_or(usize::MAX).saturating_sub(open).saturating_sub(OWN_FILES)
}

/// Returns whether the thread limit is low enough to matter.
#[must_use]
pub(crate) fn threads_are_few() -> bool {
    getrlimit(Resource::Nproc).current.is_some_and(|limit| limit < MANY_THREADS)
}

/// Returns `MemTotal` of `/proc/meminfo`, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Returns the host name, reduced to the characters of a host id.
#[must_use]
pub(crate) fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let clean: String =
        name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')).collect();
    if clean.is_empty() { "host".to_owned() } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn total_is_parsed_from_meminfo() {
        assert_eq!(total("MemTotal:       24540108 kB\nMemFree: 1 kB\n"), Some(24_540_108 * 1024));
        assert_eq!(total("nothing"), None);
    }

    #[test]
    fn every_resource_of_this_machine_is_detected() {
        assert!(cores() > 0);
        assert!(memory_budget() > Size::bytes(0));
        assert!(!host_name().is_empty());
    }
}
