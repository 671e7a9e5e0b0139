//! The inherited signal dispositions: which signals this process was started to ignore or block.
//! The command line decides which signals a command handles.

use nix::sys::signal::SigSet;
use rustix::process::Signal;
use std::fs;
use std::io;
use tokio::signal::unix::{SignalKind, signal};

/// Signals that users ignore on purpose, for a program and its children: `nohup`, and `&` without job control.
const IGNORED_ON_PURPOSE: [Signal; 6] =
    [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TSTP, Signal::TTIN, Signal::TTOU];

/// The signals that this process was started to ignore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ignored(Vec<i32>);

impl Ignored {
    /// Reads the ignored signals of this process. Empty if the system does not report them.
    #[must_use]
    pub(crate) fn of_process() -> Self {
        Self::parse(&fs::read_to_string("/proc/self/status").unwrap_or_default())
    }

    fn parse(status: &str) -> Self {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
        Self((1..=64).filter(|number| mask >> (number - 1) & 1 == 1).collect())
    }

    /// Returns whether a signal was ignored on purpose, and must stay ignored.
    #[must_use]
    pub(crate) fn on_purpose(&self, signal: Signal) -> bool {
        IGNORED_ON_PURPOSE.contains(&signal) && self.0.contains(&signal.as_raw())
    }

    /// Catches the signals that were ignored by accident. Child processes inherit only ignored signals, so they start
    /// with the defaults. Must be called within a tokio runtime.
    pub(crate) fn catch_the_rest(&self) {
        let is_caught = |number: &&i32| {
            let signal = Signal::from_named_raw(**number);
            // The standard library ignores SIGPIPE itself, and restores it in children.
            signal.is_none_or(|signal| signal != Signal::PIPE && !IGNORED_ON_PURPOSE.contains(&signal))
        };
        for number in self.0.iter().filter(is_caught) {
            catch(*number).ok(); // a signal that cannot be caught is left unchanged
        }
    }
}

/// Catches a signal and ignores it. Must be called within a tokio runtime.
pub(crate) fn catch(number: i32) -> io::Result<()> {
    signal(SignalKind::from_raw(number)).map(drop)
}

/// Unblocks all signals for this thread and those that it starts. Blocked signals would disable both termination and
/// the fault handler that guards guest memory.
pub(crate) fn unblock_signals() -> io::Result<()> {
    Ok(SigSet::empty().thread_set_mask()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_parsed_from_the_kernel_mask() {
        let ignored = Ignored::parse("Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000011006\n");
        assert_eq!(ignored, Ignored(vec![2, 3, 13, 17]));
        assert!(ignored.on_purpose(Signal::INT) && !ignored.on_purpose(Signal::HUP));
        assert!(!ignored.on_purpose(Signal::CHILD), "never ignored on purpose");
        assert_eq!(Ignored::parse(""), Ignored(vec![]));
    }
}
