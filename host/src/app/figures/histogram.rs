//! Percentiles of many numbers in bounded memory: a histogram with logarithmic buckets.
//! A percentile is the middle of its bucket, at most 3 % from the exact one; the smallest and the largest number are exact.

/// Buckets of each power of two.
const PER_OCTAVE: u32 = 16;

/// Numbers, counted by size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Histogram {
    /// By bucket; as long as the highest one needs.
    counts: Vec<u32>,
    count: u64,
    sum: u64,
    min: u64,
    max: u64,
}

impl Histogram {
    /// Adds a number.
    pub(crate) fn add(&mut self, value: u64) {
        let bucket = bucket(value);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts.get_mut(bucket).into_iter().for_each(|count| *count = count.saturating_add(1));
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = self.max.max(value);
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// Returns their sum.
    pub(crate) const fn sum(&self) -> u64 {
        self.sum
    }

    /// Returns their mean; none of no numbers.
    pub(crate) const fn mean(&self) -> Option<u64> {
        self.sum.checked_div(self.count)
    }

    /// Returns the largest number; none of no numbers.
    pub(crate) fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }

    /// Returns the number below which this share of all is, in percent; none of no numbers.
    pub(crate) fn percentile(&self, percent: u64) -> Option<u64> {
        let rank = (self.count * percent).div_ceil(100).max(1);
        let mut below = 0;
        let bucket = self.counts.iter().position(|count| {
            below += u64::from(*count);
            below >= rank
        })?;
        Some(middle(bucket).clamp(self.min, self.max))
    }
}

/// Returns the bucket of a number. Numbers below [`PER_OCTAVE`] have one each.
fn bucket(value: u64) -> usize {
    let octave = value.checked_ilog2().unwrap_or(0);
    let bits = PER_OCTAVE.ilog2();
    let bucket = if octave < bits {
        value
    } else {
        let within = value >> (octave - bits) & u64::from(PER_OCTAVE - 1);
        u64::from((octave - bits + 1) * PER_OCTAVE) + within
    };
    usize::try_from(bucket).unwrap_or(usize::MAX)
}

/// Returns the middle of a bucket.
fn middle(bucket: usize) -> u64 {
    let bucket = u64::try_from(bucket).unwrap_or(u64::MAX);
    let per_octave = u64::from(PER_OCTAVE);
    if bucket < per_octave {
        return bucket;
    }
    let shift = bucket / per_octave - 1;
    let low = (per_octave + bucket % per_octave) << shift;
    low + (1 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_close() {
        let mut numbers = Histogram::default();
        (1..=10_000_u64).rev().for_each(|number| numbers.add(number * 7));
        for percent in [1, 5, 50, 95, 99] {
            let (exact, found) = (percent * 700, numbers.percentile(percent).unwrap());
            assert!(found.abs_diff(exact) * 100 <= exact * 3, "{percent}: {found} for {exact}");
        }
        assert_eq!((numbers.percentile(0), numbers.percentile(100)), (Some(7), Some(70_000)));
        assert_eq!((numbers.count, numbers.max(), numbers.mean()), (10_000, Some(70_000), Some(35_003)));
    }

    #[test]
    fn small_and_huge_numbers_have_buckets() {
        for number in (0..40).chain([u64::MAX, u64::MAX / 3, 1 << 40]) {
            let mut one = Histogram::default();
            one.add(number);
            assert_eq!(one.percentile(50), Some(number));
            let middle = middle(bucket(number));
            assert!(middle.abs_diff(number) <= number / 32 + 1, "{number}: {middle}");
        }
        assert_eq!(Histogram::default().percentile(50), None);
    }
}
