//! Retry policy of requests: how long to try, with jittered exponential backoff between attempts.
//! `errors.rs` decides what is worth another attempt.

use crate::model::Random;
use std::time::Duration;

/// Time limits of retrying.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryPolicy {
    /// Until the server has answered for the first time: connecting and all else taken together.
    pub(crate) at_start: Duration,
    /// Limit afterwards, and for a server that is up but cannot serve yet.
    pub(crate) later: Duration,
}

/// Default limit of retrying a lost server.
const GIVE_UP: Duration = Duration::from_mins(1);

/// First backoff between two attempts.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// Longest backoff.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

impl RetryPolicy {
    /// The default policy, with the URI's limit for the first connection.
    pub(crate) const fn new(at_start: Duration) -> Self {
        Self { at_start, later: GIVE_UP }
    }
}

/// The attempts of one request.
pub(crate) struct Trials {
    wait: Duration,
    random: Random,
}

impl Trials {
    /// Attempts of which none has failed yet.
    pub(crate) fn new() -> Self {
        Self { wait: FIRST_WAIT, random: Random::from_system() }
    }

    /// Waits before the next trial, of all the time that is `left`; false where there is none.
    pub(crate) async fn next(&mut self, left: Duration) -> bool {
        if left.is_zero() {
            return false;
        }
        let wait = self.random.jittered(self.wait).min(left);
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        tokio::time::sleep(wait).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn waits_grow_to_the_longest_and_end_with_the_limit() {
        let mut trials = Trials::new();
        let (began, limit) = (Instant::now(), Duration::from_secs(10));
        let mut count = 0;
        while trials.next(limit.saturating_sub(began.elapsed())).await {
            count += 1;
        }
        assert!((8..=18).contains(&count), "{count}");
        assert_eq!(began.elapsed(), limit);
    }
}
