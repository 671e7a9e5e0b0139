//! Random numbers determined by a seed, the same on every machine.
//! `graph` and `schedule` make their choices with them.

/// A sequence of random numbers.
pub(crate) struct Random(u64);

impl Random {
    /// Creates the sequence of a seed for one purpose; sequences of different purposes are independent.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        for byte in purpose.bytes() {
            random.0 ^= u64::from(byte);
            random.next();
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number from `low` to `high`, inclusive.
    pub(crate) fn within(&mut self, low: u32, high: u32) -> u32 {
        let span = u64::from(high - low) + 1;
        low + u32::try_from(self.next() % span).expect("it is below a u32")
    }

    /// Returns true with this probability in percent.
    pub(crate) fn percent(&mut self, percent: u32) -> bool {
        self.within(0, 99) < percent
    }

    /// Returns one of several values.
    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let last = u32::try_from(all.len()).expect("a list is short") - 1;
        &all[self.within(0, last) as usize]
    }
}
