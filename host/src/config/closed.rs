//! Which of stdin, stdout and stderr were closed when this process was started.
//! What that means for a command is for the command line.

#![expect(
    unsafe_code,
    reason = "only the loader runs code before the standard library, which opens /dev/null in their place"
)]

use std::sync::atomic::{AtomicU8, Ordering};

/// A stream that a process is started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// What it reads.
    Stdin,
    /// Where results go.
    Stdout,
    /// Where all else goes.
    Stderr,
}

impl Stream {
    /// Whether it was closed: what is written to it now is gone, and what is read from it was never there.
    #[must_use]
    pub fn is_closed(self) -> bool {
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

/// Called by the loader before `main`. Sound because `look` needs nothing that the standard library sets up: it makes
/// system calls and stores a byte.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

#[cfg(target_os = "linux")]
extern "C" fn look() {
    for (number, stream) in [(0, Stream::Stdin), (1, Stream::Stdout), (2, Stream::Stderr)] {
        // SAFETY: nothing is done with the file but to ask whether there is one.
        let file = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
        if rustix::io::fcntl_getfd(file).is_err() {
            CLOSED.fetch_or(stream.bit(), Ordering::Relaxed);
        }
    }
}
