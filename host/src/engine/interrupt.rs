//! How urgently a host is told to stop.
//! Signals become interrupts in the command line; `dispatch` obeys them.

/// How urgently this host was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Interrupt {
    /// It was not.
    #[default]
    None,
    /// Start nothing new; finish and commit what runs.
    Drain,
    /// Stop guests now.
    Abort,
}
