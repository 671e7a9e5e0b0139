//! The availability of a backend, for progress messages during an outage.
//! The backend detects outages; the application decides how often to report them.

use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The availability of a backend.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Number of reconnects so far.
    pub reconnects: u64,
    /// The current outage; `None` while the backend is available.
    pub outage: Option<Outage>,
}

/// A time in which a backend is unavailable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// The backend's URI without secrets.
    pub uri: Arc<str>,
    /// Start of the outage.
    pub since: Instant,
    /// The cause, as a lowercase fragment.
    pub cause: String,
    /// The earliest deadline of the waiting requests; `None` if no request with a deadline waits.
    pub deadline: Option<Instant>,
    /// Timeout of a request during an outage.
    pub timeout: Duration,
}
