//! Metering of a guest's time, which decides how its code is compiled.
//! `call` sets the limits of each call.

/// Bounds on a guest's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metering {
    /// The call's timeout only.
    Time,
    /// Fuel as well, for tasks with `limits.fuel`. Their code is slower, and separate from that of other tasks.
    Fuel,
}
