//! The pace of a rate: when the next attempt may begin, by the generic cell rate algorithm, in whole numbers.
//! `resource_line` decides whose turn it is.

use crate::model::Rate;

/// The time up to which a rate is used up, if nothing more is taken: `whole` microseconds and `part` parts of one, of which
/// a microsecond has as many as the rate counts. So no fraction is ever rounded, and the pace does not drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Pace {
    whole: u64,
    part: u64,
}

impl Pace {
    /// Returns whether less than a full burst is available.
    pub(crate) const fn is_used(self, now: u64) -> bool {
        self.whole > now || (self.whole == now && self.part > 0)
    }

    /// Returns the time until `amount` can be taken, in microseconds.
    pub(crate) fn wait(self, rate: Rate, (amount, now): (u64, u64)) -> u64 {
        let (count, unit) = (u64::from(rate.count()), rate.unit_micros());
        let from = self.from(now);
        let needed = (from.whole - now) * count + from.part + amount * unit;
        // Parts of a microsecond are not waited for: then later turns would be later too.
        needed.saturating_sub(u64::from(rate.burst()) * unit) / count
    }

    /// Takes an amount.
    #[must_use]
    pub(crate) fn take(self, rate: Rate, (amount, now): (u64, u64)) -> Self {
        let (count, from) = (u64::from(rate.count()), self.from(now));
        let parts = from.part + amount * rate.unit_micros();
        Self { whole: from.whole + parts / count, part: parts % count }
    }

    /// Takes an amount back.
    #[must_use]
    pub(crate) fn put_back(self, rate: Rate, amount: u64) -> Self {
        let (count, parts) = (u64::from(rate.count()), amount * rate.unit_micros());
        let (whole, part) = (parts / count, parts % count);
        if self.part >= part {
            Self { whole: self.whole.saturating_sub(whole), part: self.part - part }
        } else {
            Self { whole: self.whole.saturating_sub(whole + 1), part: self.part + count - part }
        }
    }

    const fn from(self, now: u64) -> Self {
        if self.whole < now { Self { whole: now, part: 0 } } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Capacity, Random};

    fn rate(text: &str) -> Rate {
        match Capacity::decode(text) {
            Some(Capacity::Rate(rate)) => rate,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn burst_is_available_at_once_and_the_rest_in_even_steps() {
        let (rate, mut pace, now) = (rate("10/s+3"), Pace::default(), 7_000_000);
        let mut begins = Vec::new();
        for _ in 0..6 {
            let wait = pace.wait(rate, (1, now));
            begins.push(wait);
            pace = pace.take(rate, (1, now + wait));
        }
        assert_eq!(begins, [0, 0, 0, 100_000, 200_000, 300_000]);
    }

    #[test]
    fn pace_of_a_rate_that_divides_no_second_does_not_drift() {
        let rate = rate("7/s+1");
        let (mut pace, mut now) = (Pace::default(), 0);
        for _ in 0..=700_000 {
            now += pace.wait(rate, (1, now));
            pace = pace.take(rate, (1, now));
        }
        assert_eq!(now, 100_000 * 1_000_000);
    }

    #[test]
    fn what_is_put_back_can_be_taken_at_once() {
        let (rate, mut random) = (rate("7/m+5"), Random::seeded(5));
        let mut pace = Pace::default();
        for step in 1..1000 {
            let (now, amount) = (step * 3_000_000, 1 + random.below(5));
            let wait = pace.wait(rate, (amount, now));
            let taken = pace.take(rate, (amount, now + wait));
            assert_eq!(taken.put_back(rate, amount).wait(rate, (amount, now + wait)), 0);
            pace = if random.below(2) == 0 { taken } else { pace };
        }
    }
}
