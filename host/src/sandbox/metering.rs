//! What bounds the time of a guest: it decides how its code is compiled.
//! The bounds themselves are set for each call.

/// What bounds a guest's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metering {
    /// The timeout of the call alone.
    Time,
    /// Fuel as well: for tasks that have `limits.fuel`. The code is slower, and not the code of other tasks.
    Fuel,
}
