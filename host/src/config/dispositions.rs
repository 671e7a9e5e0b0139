//! What the parent of this process has left to it of signals: some are ignored, and some are blocked.
//! Which of them a command listens to is for the command line.

use nix::sys::signal::SigSet;
use rustix::process::Signal;
use std::fs;
use std::io;
use tokio::signal::unix::{SignalKind, signal};

/// A user ignores these for a program and all that it starts: `nohup`, and `&` of a shell without job control.
const BY_INTENT: [Signal; 6] =
    [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TSTP, Signal::TTIN, Signal::TTOU];

/// The signals that this process ignores, as it was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored(Vec<i32>);

impl Ignored {
    /// Those of this process; none where the system does not tell.
    #[must_use]
    pub fn of_process() -> Self {
        Self::read(&fs::read_to_string("/proc/self/status").unwrap_or_default())
    }

    fn read(status: &str) -> Self {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
        Self((1..=64).filter(|number| mask >> (number - 1) & 1 == 1).collect())
    }

    /// Whether it was ignored on purpose, and is to stay so.
    #[must_use]
    pub fn on_purpose(&self, signal: Signal) -> bool {
        BY_INTENT.contains(&signal) && self.0.contains(&signal.as_raw())
    }

    /// Catches what was ignored by chance. For this process it is the same, but programs that it starts inherit only
    /// what is ignored: they begin with the defaults. Needs a runtime around it.
    pub fn catch_the_rest(&self) {
        let is_caught = |number: &&i32| {
            let signal = Signal::from_named_raw(**number);
            // The standard library ignores SIGPIPE itself, and sees to it that no child does.
            signal.is_none_or(|signal| signal != Signal::PIPE && !BY_INTENT.contains(&signal))
        };
        for number in self.0.iter().filter(is_caught) {
            catch(*number).ok(); // one that cannot be caught stays as it was
        }
    }
}

/// Catches a signal and does nothing. Needs a runtime around it.
pub fn catch(number: i32) -> io::Result<()> {
    signal(SignalKind::from_raw(number)).map(drop)
}

/// Lets this thread, and those that it starts, take every signal: one that is blocked is not heard, be it an order to
/// end or the fault by which a guest's memory is guarded.
pub fn unblock_signals() -> io::Result<()> {
    Ok(SigSet::empty().thread_set_mask()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_mask_of_the_kernel() {
        let ignored = Ignored::read("Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000011006\n");
        assert_eq!(ignored, Ignored(vec![2, 3, 13, 17]));
        assert!(ignored.on_purpose(Signal::INT) && !ignored.on_purpose(Signal::HUP));
        assert!(!ignored.on_purpose(Signal::CHILD), "nobody means that");
        assert_eq!(Ignored::read(""), Ignored(vec![]));
    }
}
