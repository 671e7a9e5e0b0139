//! The capacity of a resource: an amount that tasks hold together, or a rate at which their attempts begin.
//! `engine` and `state` count what is taken.

use std::fmt;

/// Maximum number of attempts per unit of time, and of a burst, so that times in microseconds stay exact everywhere.
pub const MAX_RATE: u32 = 1_000_000;

/// How much of a resource there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Capacity {
    /// An amount. Who takes some of it gives it back.
    Amount(u32),
    /// A rate. Who takes some of it waits for its turn, and gives nothing back.
    Rate(Rate),
}

/// A number per unit of time, with bursts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    count: u32,
    per: Per,
    burst: u32,
}

/// A unit of time in a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Per {
    /// `/s`
    Second,
    /// `/m`
    Minute,
    /// `/h`
    Hour,
}

/// The error of parsing a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RateFault {
    /// The text has another form.
    #[error("a rate is a whole number, `/` and a unit of time")]
    Form,
    /// The number is zero or too large.
    #[error("a rate has a number from 1 to {MAX_RATE}")]
    Number,
    /// The unit is unknown.
    #[error("a rate is per s, m or h, not per `{0}`")]
    Unit(String),
}

impl Capacity {
    /// Returns how much one attempt can take at most.
    #[must_use]
    pub const fn max(self) -> u32 {
        match self {
            Self::Amount(amount) => amount,
            Self::Rate(rate) => rate.burst,
        }
    }

    /// Returns the form that is stored and sent: `3`, or `10/s+20`.
    #[must_use]
    pub fn encode(self) -> String {
        match self {
            Self::Amount(amount) => amount.to_string(),
            Self::Rate(rate) => format!("{}/{}+{}", rate.count, rate.per.unit(), rate.burst),
        }
    }

    /// Reads the form of [`Self::encode`].
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let Some((rate, burst)) = text.split_once('+') else {
            return text.parse().ok().map(Self::Amount);
        };
        let (count, per) = Rate::parse(rate).ok()?;
        Rate::new(count, per, burst.parse().ok()?).map(Self::Rate)
    }
}

/// `3`, `10/s`, or `10/s with bursts of 20`.
impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Amount(amount) => amount.fmt(f),
            Self::Rate(Rate { count, per, burst }) => {
                write!(f, "{count}/{}", per.unit())?;
                if *burst > 1 { write!(f, " with bursts of {burst}") } else { Ok(()) }
            }
        }
    }
}

impl Rate {
    /// Creates a rate; none if a number is zero or above 1,000,000.
    #[must_use]
    pub fn new(count: u32, per: Per, burst: u32) -> Option<Self> {
        let is_valid = |number: u32| (1..=MAX_RATE).contains(&number);
        (is_valid(count) && is_valid(burst)).then_some(Self { count, per, burst })
    }

    /// Parses the number and the unit of a rate: `10/s`.
    pub fn parse(text: &str) -> Result<(u32, Per), RateFault> {
        let (number, unit) = text.trim().split_once('/').ok_or(RateFault::Form)?;
        let (number, unit) = (number.trim_end(), unit.trim_start());
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(RateFault::Form);
        }
        let per = Per::ALL.into_iter().find(|per| per.unit() == unit);
        let per = per.ok_or_else(|| RateFault::Unit(unit.to_owned()))?;
        let number = number.parse().ok().filter(|number| (1..=MAX_RATE).contains(number));
        Ok((number.ok_or(RateFault::Number)?, per))
    }

    /// Returns the number per unit of time.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }

    /// Returns the unit of time in microseconds.
    #[must_use]
    pub const fn unit_micros(self) -> u64 {
        match self.per {
            Per::Second => 1_000_000,
            Per::Minute => 60_000_000,
            Per::Hour => 3_600_000_000,
        }
    }

    /// Returns how much can be taken at once after a pause.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }
}

impl Per {
    const ALL: [Self; 3] = [Self::Second, Self::Minute, Self::Hour];

    const fn unit(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "m",
            Self::Hour => "h",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_a_number_and_a_unit() {
        for (text, micros) in [("10/s", 1_000_000), ("10 / m", 60_000_000), (" 10/h ", 3_600_000_000)] {
            let (count, per) = Rate::parse(text).unwrap();
            assert_eq!((count, Rate::new(count, per, 1).unwrap().unit_micros()), (10, micros), "{text}");
        }
        let fault = |text| Rate::parse(text).unwrap_err();
        assert_eq!(["10", "/s", "1.5/s", "-1/s"].map(fault), [const { RateFault::Form }; 4]);
        assert_eq!(["0/s", "1000001/s", "99999999999/s"].map(fault), [const { RateFault::Number }; 3]);
        assert_eq!(fault("10/d"), RateFault::Unit("d".to_owned()));
    }

    #[test]
    fn encoded_capacities_are_read_back() {
        let rate = |burst| Capacity::Rate(Rate::new(10, Per::Minute, burst).unwrap());
        for (capacity, encoded, shown) in [
            (Capacity::Amount(3), "3", "3"),
            (rate(1), "10/m+1", "10/m"),
            (rate(20), "10/m+20", "10/m with bursts of 20"),
        ] {
            assert_eq!((capacity.encode(), capacity.to_string()), (encoded.to_owned(), shown.to_owned()));
            assert_eq!(Capacity::decode(encoded), Some(capacity));
        }
        for damaged in ["", "x", "-1", "10/s+0", "0/s+1", "10/s+x"] {
            assert_eq!(Capacity::decode(damaged), None, "{damaged}");
        }
    }
}
