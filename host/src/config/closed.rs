//! Detects which of stdin, stdout and stderr were closed when this process was started.
//! The command line decides what follows.

#![expect(
    unsafe_code,
    reason = "only the loader runs code before the standard library, which replaces closed streams by /dev/null"
)]

use std::sync::atomic::{AtomicU8, Ordering};

/// A standard stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// The input.
    Stdin,
    /// The results.
    Stdout,
    /// Everything else.
    Stderr,
}

impl Stream {
    /// Returns whether the stream was closed at the start. It is `/dev/null` now: writes are lost, reads are empty.
    #[must_use]
    pub(crate) fn is_closed(self) -> bool {
        CLOSED.load(Ordering::Relaxed) & self.bit() != 0
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Stdin => 1,
            Self::Stdout => 2,
            Self::Stderr => 4,
        }
    }
}

static CLOSED: AtomicU8 = AtomicU8::new(0);

/// Called by the loader before `main`. Sound because `detect_closed` needs nothing that the standard library sets up:
/// it only makes system calls and stores a byte.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".init_array")]
static DETECT_CLOSED: extern "C" fn() = detect_closed;

#[cfg(target_os = "linux")]
extern "C" fn detect_closed() {
    for (number, stream) in [(0, Stream::Stdin), (1, Stream::Stdout), (2, Stream::Stderr)] {
        // SAFETY: the descriptor is only queried, never read, written or closed, so it may be invalid.
        let file = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
        if rustix::io::fcntl_getfd(file).is_err() {
            CLOSED.fetch_or(stream.bit(), Ordering::Relaxed);
        }
    }
}
