//! Whether a backend serves this process, for those who tell people while its answers are waited for.
//! Where it is asked, and for how long, is for the backend; how often people are told is for the application.

use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Whether a backend serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// How often its connection was made anew.
    pub reconnects: u64,
    /// Since when it does not serve; none while it does.
    pub outage: Option<Outage>,
}

/// A time in which a backend does not serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Which backend, by its URI without secrets.
    pub place: Arc<str>,
    /// Since when.
    pub since: Instant,
    /// Why, as a lowercase fragment.
    pub cause: String,
    /// When the first of those who wait for an answer gives up; none if nobody does who would.
    pub ends: Option<Instant>,
    /// For how long those wait who come to need it.
    pub patience: Duration,
}
