//! Interrupts: how urgently this host must stop.
//! Signals become interrupts in `cli`; `dispatch` obeys them.

/// Urgency with which this host must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Interrupt {
    /// Not interrupted.
    #[default]
    None,
    /// Start nothing new; finish and commit running nodes.
    Drain,
    /// Stop guests now.
    Abort,
    /// Stop guests now; another run takes the place of this one, which nobody resumes.
    Supersede,
}
