//! Retry policy: whether and when a failed attempt is repeated, as a pure function with randomness as a parameter.
//! The ledger waits for the delay and hands the node out again.

use crate::model::{FailureClass, Random};
use crate::plan::{Backoff, Retry, RetryClass};
use std::time::Duration;

/// A failed attempt, as the policy sees it.
pub(crate) struct Attempted<'a> {
    /// Attempt number, from one.
    pub(crate) number: u32,
    /// Class of the failure.
    pub(crate) class: FailureClass,
    /// Case of the returned error, if its type has cases.
    pub(crate) case: Option<&'a str>,
}

/// Returns the delay before the next attempt; none if the policy allows no other.
pub(crate) fn next_delay(retry: &Retry, attempted: &Attempted<'_>, random: &mut Random) -> Option<Duration> {
    let class = match attempted.class {
        FailureClass::Error => RetryClass::Error,
        FailureClass::Trap => RetryClass::Trap,
        FailureClass::Timeout => RetryClass::Timeout,
        FailureClass::Limit => RetryClass::Limit,
        FailureClass::Input | FailureClass::Lost | FailureClass::Cancelled => {
            return None;
        }
    };
    let is_permanent =
        attempted.case.is_some_and(|case| retry.permanent.iter().any(|permanent| permanent.value == case));
    if is_permanent || !retry.on.contains(&class) || attempted.number >= retry.attempts.get() {
        return None;
    }
    Some(delay_after(retry, attempted.number, random))
}

/// Returns the delay after an attempt.
pub(crate) fn delay_after(retry: &Retry, number: u32, random: &mut Random) -> Duration {
    let full = match retry.backoff {
        Backoff::Fixed => retry.delay,
        Backoff::Exponential => {
            let doublings = number.saturating_sub(1).min(31);
            retry.delay.saturating_mul(1 << doublings)
        }
    };
    let full = full.min(retry.max_delay);
    if retry.jitter { whole_millis(random.jittered(full)) } else { full }
}

/// Rounds up to milliseconds, in which events and backends count. A delay remains one.
fn whole_millis(delay: Duration) -> Duration {
    let millis = delay.as_micros().div_ceil(1000);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Spanned;
    use std::num::NonZeroU32;

    fn policy() -> Retry {
        Retry {
            attempts: NonZeroU32::new(5).unwrap(),
            delay: Duration::from_millis(100),
            max_delay: Duration::from_millis(300),
            jitter: false,
            permanent: vec![Spanned::new("gone".into(), 0..0)],
            ..Retry::default()
        }
    }

    fn delay(retry: &Retry, number: u32, class: FailureClass, case: Option<&str>) -> Option<u128> {
        let attempted = Attempted { number, class, case };
        next_delay(retry, &attempted, &mut Random::seeded(1)).map(|delay| delay.as_millis())
    }

    #[test]
    fn delays_double_up_to_the_maximum_until_attempts_are_used_up() {
        let waits: Vec<_> =
            (1..=5).map(|number| delay(&policy(), number, FailureClass::Error, None)).collect();
        assert_eq!(waits, [Some(100), Some(200), Some(300), Some(300), None]);
    }

    #[test]
    fn fixed_delays_stay_the_same() {
        let retry = Retry { backoff: Backoff::Fixed, ..policy() };
        assert_eq!(delay(&retry, 4, FailureClass::Trap, None), Some(100));
    }

    #[test]
    fn only_listed_classes_and_no_permanent_cases_are_retried() {
        let retry = Retry { on: vec![RetryClass::Timeout, RetryClass::Error], ..policy() };
        assert_eq!(delay(&retry, 1, FailureClass::Timeout, None), Some(100));
        assert_eq!(delay(&retry, 1, FailureClass::Trap, None), None);
        assert_eq!(delay(&retry, 1, FailureClass::Error, Some("gone")), None);
        assert_eq!(delay(&retry, 1, FailureClass::Error, Some("busy")), Some(100));
        assert_eq!(delay(&retry, 1, FailureClass::Limit, None), None);
        let retry = Retry { on: vec![RetryClass::Limit], ..policy() };
        assert_eq!(delay(&retry, 1, FailureClass::Limit, None), Some(100));
        assert!(!Retry::default().on.contains(&RetryClass::Limit));
    }

    #[test]
    fn jitter_stays_between_half_and_full_delay() {
        let retry = Retry { jitter: true, ..policy() };
        let mut random = Random::seeded(9);
        let attempted = Attempted { number: 2, class: FailureClass::Error, case: None };
        for _ in 0..1000 {
            let wait = next_delay(&retry, &attempted, &mut random).unwrap().as_millis();
            assert!((100..=200).contains(&wait), "{wait}");
        }
        let brief = Retry { delay: Duration::from_millis(1), ..retry };
        let attempted = Attempted { number: 1, class: FailureClass::Error, case: None };
        for _ in 0..100 {
            assert_eq!(next_delay(&brief, &attempted, &mut random), Some(Duration::from_millis(1)));
        }
    }
}
