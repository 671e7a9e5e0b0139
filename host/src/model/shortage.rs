//! Shortages of system resources, recognised by their error numbers, and a hint for each.
//! The caller reports the operation that failed.

use rustix::io::Errno;
use std::error::Error;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle, park};

/// A resource that the system refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// Open files of this process.
    Files,
    /// Open files of the whole system.
    AllFiles,
    /// Threads and processes.
    Threads,
    /// Memory or address space.
    Memory,
    /// File size.
    FileSize,
    /// Disk space.
    Disk,
}

impl Shortage {
    /// Returns the shortage behind an error, looking at its causes too.
    #[must_use]
    pub fn from_error(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            let errno = error.downcast_ref::<Errno>().copied();
            let number = errno.or_else(|| Errno::from_io_error(error.downcast_ref::<io::Error>()?));
            if let Some(shortage) = number.and_then(Self::from_errno) {
                return Some(shortage);
            }
            next = error.source();
        }
        None
    }

    fn from_errno(number: Errno) -> Option<Self> {
        Some(match number {
            Errno::MFILE => Self::Files,
            Errno::NFILE => Self::AllFiles,
            Errno::AGAIN => Self::Threads,
            Errno::NOMEM => Self::Memory,
            Errno::FBIG => Self::FileSize,
            Errno::NOSPC | Errno::DQUOT => Self::Disk,
            _ => return None, // all others concern the operation itself
        })
    }

    /// Returns the help text, a sentence.
    #[must_use]
    pub const fn help(self) -> &'static str {
        match self {
            Self::Files => {
                "This process has reached its limit of open files: raise `ulimit -n`, or use a smaller `-j`."
            }
            Self::AllFiles => {
                "The system has reached its limit of open files: end some processes, or raise `fs.file-max`."
            }
            Self::Threads => {
                "This user has reached the limit of threads and processes: raise `ulimit -u`, or the `pids.max` of the \
                 control group."
            }
            Self::Memory => {
                "This process has reached its memory limit: raise `ulimit -v`, `ulimit -d` or the memory of the control \
                 group, or use a smaller `-j`."
            }
            Self::FileSize => "The file has reached the size limit of this process: raise `ulimit -f`.",
            Self::Disk => "The disk is full: free some space, or write the files to another disk.",
        }
    }
}

/// Checks whether the system grants this many more threads. Libraries that start threads of their own abort without
/// them.
pub fn try_threads(count: usize) -> io::Result<()> {
    // All threads exist at the same time, until they are released together.
    let may_end = Arc::new(AtomicBool::new(false));
    let start = |_| {
        let may_end = Arc::clone(&may_end);
        Builder::new().spawn(move || {
            while !may_end.load(Ordering::Acquire) {
                park();
            }
        })
    };
    let mut threads: Vec<JoinHandle<()>> = Vec::with_capacity(count);
    let started = (0..count).map(start).try_for_each(|thread| thread.map(|thread| threads.push(thread)));
    may_end.store(true, Ordering::Release);
    threads.iter().for_each(|thread| thread.thread().unpark());
    threads.into_iter().for_each(|thread| drop(thread.join()));
    started
}

/// Checks whether the system grants this many more open files.
pub fn try_files(count: usize) -> io::Result<()> {
    let files: io::Result<Vec<File>> = (0..count).map(|_| File::open("/dev/null")).collect();
    files.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tried_threads_are_joined() {
        assert!(try_threads(20).is_ok());
    }

    #[test]
    fn shortages_are_recognised_in_any_cause() {
        let shortage = |number: i32| Shortage::from_error(&io::Error::from_raw_os_error(number));
        assert_eq!(
            [shortage(24), shortage(11), shortage(12)].map(Option::unwrap),
            [Shortage::Files, Shortage::Threads, Shortage::Memory]
        );
        assert_eq!(shortage(2), None);
        assert_eq!(Shortage::from_error(&Errno::FBIG), Some(Shortage::FileSize));
        let inner = tempfile::PersistError {
            error: io::Error::from_raw_os_error(28),
            file: tempfile::NamedTempFile::new().unwrap(),
        };
        assert_eq!(Shortage::from_error(&inner), Some(Shortage::Disk));
    }
}
