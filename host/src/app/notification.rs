//! Tells of the end of a run: one signed POST of its summary, sent again within bounds if it fails.
//! Whatever becomes of it, the run is as it is: a failure is a warning.

use crate::app::hook::Hook;
use crate::app::journal::JournalWriter;
use crate::app::run_summary::run_summary;
use crate::app::{Error, Session};
use crate::engine::Interrupt;
use crate::events::{Fact, Recorder};
use crate::model::{RunStatus, show_duration};
use crate::sandbox::{Client, NoAnswer};
use crate::state::{Backend, HostId, Ledger};
use bytes::Bytes;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// Maximum time for all attempts together: a receiver that is down must not hold up the end of the command for long.
const MAX_TIME: Duration = Duration::from_secs(30);

/// Maximum time of one attempt.
const MAX_ATTEMPT: Duration = Duration::from_secs(10);

/// Pause after the first attempt. Each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The header with the signature.
const SIGNATURE: &str = "x-cascade-signature";

/// A notification that this host has to send.
pub(crate) struct Notification {
    hook: Arc<Hook>,
    body: Bytes,
}

impl Notification {
    /// Prepares the notification of an end; none if nobody is to be told, or another host tells.
    pub(crate) async fn prepare(
        (session, ledger, backend): (&Session, &dyn Ledger, &dyn Backend),
        end: (RunStatus, &HostId, f64),
        recorder: &Recorder,
    ) -> Result<Option<Self>, Error> {
        let Some(hook) = session.hook.as_ref().filter(|hook| hook.tells(end.0)) else { return Ok(None) };
        if !ledger.claim_end().await? {
            return Ok(None);
        }
        let body = run_summary((session, backend), end, recorder).await?;
        Ok(Some(Self { hook: Arc::clone(hook), body }))
    }

    /// Sends the notification. Fails with the reason; an interrupt ends the attempts.
    pub(crate) async fn send(
        &self,
        client: &Client,
        mut interrupt: watch::Receiver<Interrupt>,
    ) -> Result<(), String> {
        let attempt = || async {
            let signature = self.hook.signature(&self.body).map(|signature| (SIGNATURE, signature));
            outcome(client.post(&self.hook.url, signature, self.body.clone()).await)
        };
        // An interrupt from before has stopped the run, not its notification.
        interrupt.borrow_and_update();
        tokio::select! {
            sent = deliver(attempt) => sent,
            _ = interrupt.changed() => Err("this host was interrupted".to_owned()),
        }
    }

    /// Returns the warning of a notification that was not delivered.
    pub(crate) fn not_delivered(hook: &Hook, reason: &str) -> Fact {
        let message = format!("the notification to {} was not delivered: {reason}", hook.shown);
        Fact::Warning { code: "notify".into(), message }
    }
}

/// A notification on its way, once everything else about the run is recorded.
pub(crate) struct Delivery {
    pub(crate) notification: Notification,
    pub(crate) client: Client,
    pub(crate) interrupt: watch::Receiver<Interrupt>,
    pub(crate) recorder: Recorder,
    /// Takes the warning too, and is closed afterwards.
    pub(crate) journal: Option<JournalWriter>,
}

impl Delivery {
    /// Says that the command waits for the receiver.
    pub(crate) fn waiting(&self) -> String {
        format!(
            "the run has ended; waiting up to {} for {} to accept the notification. An interrupt ends the wait",
            show_duration(MAX_TIME),
            self.notification.hook.shown
        )
    }

    /// Sends the notification. If it is not accepted, a warning says so.
    pub(crate) async fn deliver(self) {
        if let Err(reason) = self.notification.send(&self.client, self.interrupt).await {
            self.recorder.run(Notification::not_delivered(&self.notification.hook, &reason));
        }
        if let Some(journal) = self.journal {
            journal.close().await;
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("to", &self.notification.hook.shown).finish_non_exhaustive()
    }
}

/// Why an attempt failed.
#[derive(Debug, PartialEq, Eq)]
enum Failed {
    /// Another attempt may succeed.
    Again(String),
    /// No other attempt would succeed.
    ForGood(String),
}

/// Reads what became of a request.
fn outcome(answer: Result<u16, NoAnswer>) -> Result<(), Failed> {
    match answer {
        Ok(200..=299) => Ok(()),
        Ok(status @ 300..=399) => {
            Err(Failed::ForGood(format!("the answer was {status}, and redirects are not followed")))
        }
        // Too early, too often, or the server's own fault.
        Ok(status @ (408 | 425 | 429 | 500..)) => Err(Failed::Again(format!("the answer was {status}"))),
        Ok(status) => Err(Failed::ForGood(format!("the answer was {status}"))),
        Err(NoAnswer::Exchange(error)) => Err(Failed::Again(error)),
        Err(NoAnswer::NoAddress) => Err(Failed::Again(NoAnswer::NoAddress.to_string())),
        Err(
            error
            @ (NoAnswer::Private(_) | NoAnswer::Certificate | NoAnswer::Refused(_) | NoAnswer::Proxy(_)),
        ) => Err(Failed::ForGood(error.to_string())),
    }
}

/// Attempts until one succeeds, fails for good, or the time is over.
async fn deliver<A: Future<Output = Result<(), Failed>>>(attempt: impl Fn() -> A) -> Result<(), String> {
    let start = Instant::now();
    let (mut tries, mut pause) = (0_u32, FIRST_PAUSE);
    loop {
        tries += 1;
        let limit = MAX_ATTEMPT.min(MAX_TIME.saturating_sub(start.elapsed()));
        let ended = timeout(limit, attempt()).await;
        let reason = match ended {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(Failed::ForGood(reason))) => return Err(reason),
            Ok(Err(Failed::Again(reason))) => reason,
            Err(_) => format!("no answer within {}", show_duration(limit)),
        };
        if start.elapsed() + pause >= MAX_TIME {
            let tries = if tries == 1 { "1 attempt".to_owned() } else { format!("{tries} attempts") };
            return Err(format!("{reason}; {tries} in {}s", start.elapsed().as_secs()));
        }
        sleep(pause).await;
        pause *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::Page;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn attempts_end_with_the_first_success() {
        let tries = AtomicU32::new(0);
        let start = Instant::now();
        let attempt = || async {
            let failed = Failed::Again("the answer was 500".to_owned());
            if tries.fetch_add(1, Ordering::SeqCst) < 3 { Err(failed) } else { Ok(()) }
        };
        assert_eq!(deliver(attempt).await, Ok(()));
        assert_eq!((tries.into_inner(), start.elapsed().as_secs()), (4, 7));
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_end_within_the_time_whatever_the_receiver_does() {
        let start = Instant::now();
        let hung = deliver(std::future::pending).await.unwrap_err();
        assert!(start.elapsed() <= MAX_TIME, "{:?}", start.elapsed());
        assert_eq!(hung, "no answer within 7s; 3 attempts in 30s");
        let refused = || async { Err(Failed::Again("connection refused".to_owned())) };
        assert_eq!(deliver(refused).await.unwrap_err(), "connection refused; 5 attempts in 15s");
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for status in [200, 202, 204] {
            assert_eq!(outcome(Ok(status)), Ok(()));
        }
        for status in [408, 425, 429, 500, 503] {
            assert!(matches!(outcome(Ok(status)), Err(Failed::Again(_))), "{status}");
        }
        for status in [301, 302, 400, 401, 404, 410] {
            assert!(matches!(outcome(Ok(status)), Err(Failed::ForGood(_))), "{status}");
        }
        let private = NoAnswer::Private([10, 0, 0, 1].into());
        let expected = "its name leads to the private address 10.0.0.1".to_owned();
        assert_eq!(outcome(Err(private)), Err(Failed::ForGood(expected)));
        assert!(matches!(outcome(Err(NoAnswer::Certificate)), Err(Failed::ForGood(_))));
        assert!(matches!(outcome(Err(NoAnswer::NoAddress)), Err(Failed::Again(_))));
    }

    #[test]
    fn manual_states_the_bounds_of_this_file() {
        let section = Page::of("manifest").section("[notify]");
        section.says(&format!("within {} seconds", MAX_TIME.as_secs()));
        section.says(&format!("after {} seconds", MAX_ATTEMPT.as_secs()));
        section.says("X-Cascade-Signature");
        assert!(SIGNATURE.eq_ignore_ascii_case("X-Cascade-Signature"));
    }
}
