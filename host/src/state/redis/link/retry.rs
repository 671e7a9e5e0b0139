//! Retry policy of requests: how long to try, with jittered exponential backoff between attempts.
//! `errors.rs` decides what is worth another attempt.

use crate::model::Random;
use std::time::Duration;

/// Time limits of retrying.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryPolicy {
    /// Limit until the server has replied for the first time, connecting included.
    pub(crate) at_start: Duration,
    /// Limit afterwards, and for a server that is up but cannot serve yet.
    pub(crate) later: Duration,
}

/// Default limit of retrying a lost server.
const RETRY_LIMIT: Duration = Duration::from_mins(1);

/// First backoff between two attempts.
const MIN_BACKOFF: Duration = Duration::from_millis(50);

/// Maximum backoff.
const MAX_BACKOFF: Duration = Duration::from_secs(2);

impl RetryPolicy {
    /// Creates the default policy, with the URI's limit for the first connection.
    pub(crate) const fn new(at_start: Duration) -> Self {
        Self { at_start, later: RETRY_LIMIT }
    }
}

/// Jittered exponential backoff between the attempts of one request.
pub(crate) struct Backoff {
    wait: Duration,
    random: Random,
}

impl Backoff {
    /// Creates the backoff of a request without failed attempts.
    pub(crate) fn new() -> Self {
        Self { wait: MIN_BACKOFF, random: Random::from_system() }
    }

    /// Waits before the next attempt, for at most the time `left`; returns false if there is none.
    pub(crate) async fn next(&mut self, left: Duration) -> bool {
        if left.is_zero() {
            return false;
        }
        let wait = self.random.jittered(self.wait).min(left);
        self.wait = (self.wait * 2).min(MAX_BACKOFF);
        tokio::time::sleep(wait).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn backoff_grows_to_its_maximum_and_ends_with_the_limit() {
        let mut backoff = Backoff::new();
        let (start, limit) = (Instant::now(), Duration::from_secs(10));
        let mut count = 0;
        while backoff.next(limit.saturating_sub(start.elapsed())).await {
            count += 1;
        }
        assert!((8..=18).contains(&count), "{count}");
        assert_eq!(start.elapsed(), limit);
    }
}
