//! Attempts with growing pauses between them, of a bounded number.
//! `failed` says which failures may pass; `fetcher` bounds the time of all.

use crate::fetch::Error;
use crate::fetch::failed::Failed;
use std::time::Duration;
use tokio::time::sleep;

/// Maximum number of attempts without progress.
const MAX_ATTEMPTS: u32 = 5;

/// Pause after the first attempt. Each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(300);

/// Maximum pause that a server may ask for.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Counts the attempts at one component.
pub(crate) struct Retries {
    attempts: u32,
}

impl Retries {
    pub(crate) fn new() -> Self {
        Self { attempts: 0 }
    }

    /// Starts to count anew, since an attempt has made progress.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// Waits until the next attempt. Returns the error if there is none.
    pub(crate) async fn pause(&mut self, failed: Failed) -> Result<(), Error> {
        let (error, after) = match failed {
            Failed::Again(error, after) => (error, after),
            Failed::ForGood(error) => return Err(error),
        };
        let own = FIRST_PAUSE * 2_u32.saturating_pow(self.attempts);
        self.attempts += 1;
        let pause = after.unwrap_or_default().max(own);
        if self.attempts >= MAX_ATTEMPTS || pause > MAX_PAUSE {
            return Err(error);
        }
        sleep(pause).await;
        Ok(())
    }
}

/// Attempts until one succeeds or there is no further one.
pub(crate) async fn retried<T>(mut attempt: impl AsyncFnMut() -> Result<T, Failed>) -> Result<T, Error> {
    let mut retries = Retries::new();
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(failed) => retries.pause(failed).await?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count};
    use crate::model::show_duration;
    use tokio::time::Instant;

    fn again(after: Option<u64>) -> Failed {
        let silent = Error::Silent { origin: "o".to_owned(), what: "is silent".to_owned() };
        Failed::Again(silent, after.map(Duration::from_secs))
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_end_with_the_first_success_or_the_bound() {
        let start = Instant::now();
        let mut failures = 3;
        let done = retried(async || {
            failures -= 1;
            if failures < 0 { Ok(()) } else { Err(again(None)) }
        });
        assert!(done.await.is_ok());
        assert_eq!(start.elapsed(), FIRST_PAUSE * 7);
        let mut attempts = 0;
        let failed: Result<(), _> = retried(async || {
            attempts += 1;
            Err(again(None))
        })
        .await;
        assert!(failed.is_err());
        assert_eq!(attempts, MAX_ATTEMPTS);
    }

    #[tokio::test(start_paused = true)]
    async fn servers_choose_the_pause_up_to_a_bound() {
        let start = Instant::now();
        let mut retries = Retries::new();
        retries.pause(again(Some(7))).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 7);
        assert!(retries.pause(again(Some(31))).await.is_err());
        assert!(retries.pause(Failed::ForGood(Error::Offline)).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn progress_allows_more_attempts() {
        let mut retries = Retries::new();
        for _ in 0..20 {
            retries.pause(again(None)).await.unwrap();
            retries.reset();
        }
    }

    #[test]
    fn manual_names_the_limits_of_this_file() {
        let host = |limit| Page::of("limits").section("Limits of a host").line(limit).cell(1);
        host("attempts to fetch a component").says(&count(MAX_ATTEMPTS));
        host("pause that a server may ask for").says(&show_duration(MAX_PAUSE));
    }
}
