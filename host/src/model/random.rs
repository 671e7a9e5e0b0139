//! Randomness of the host: run ids, host ids, jitter and secrets. The only place that reads the system's entropy.
//! Guests draw from a generator in `sandbox`, seeded from the call.

use std::time::Duration;

/// A small pseudorandom generator (SplitMix64, Steele et al. 2014); unfit for secrets.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Creates a generator that yields the same numbers for the same seed.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// Creates a generator seeded by the operating system.
    ///
    /// The seed is a constant if the system has no entropy, which Linux reports only during boot.
    #[must_use]
    pub fn from_system() -> Self {
        Self(getrandom::u64().unwrap_or(0x9e37_79b9_7f4a_7c15))
    }

    /// Returns the next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a delay between half of `full` and all of it, evenly distributed, so that hosts do not act in
    /// lockstep.
    pub fn jittered(&mut self, full: Duration) -> Duration {
        let half = full / 2;
        let spread = u64::try_from(full.saturating_sub(half).as_micros()).unwrap_or(u64::MAX);
        half + Duration::from_micros(self.below(spread.saturating_add(1)))
    }

    /// Returns a number below `bound`; zero if `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }
}

/// Returns unpredictable bytes from the operating system; `None` if it has no entropy.
#[must_use]
pub fn secret() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok().map(|()| bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_yields_the_same_numbers_below_the_bound() {
        let draw = |seed| {
            let mut random = Random::seeded(seed);
            (0..100).map(|_| random.below(10)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert!(draw(3).iter().all(|number| *number < 10));
    }
}
