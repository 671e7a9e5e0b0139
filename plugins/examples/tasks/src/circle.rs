//! Responsible for random points, and for what their counts say of pi.

use crate::Estimate;

/// Draws points in the unit square, and counts those at most 1 from its corner.
pub fn inside(seed: u32, draws: u32) -> u32 {
    let mut state = u64::from(seed);
    let mut count = 0;
    for _ in 0..draws {
        let (x, y) = (unit(&mut state), unit(&mut state));
        count += u32::from(x.mul_add(x, y * y) <= 1.0);
    }
    count
}

/// Returns the next number of SplitMix64 (Steele, Lea and Flood, 2014), from 0 to below 1.
fn unit(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let bits = ((mixed ^ (mixed >> 31)) >> 11) as f64;
    bits / 9_007_199_254_740_992.0
}

/// Puts counts together, each of `draws` points.
pub fn combine(counts: &[u32], draws: u32) -> Estimate {
    let total = u64::from(draws) * u64::try_from(counts.len()).unwrap_or(0);
    let inside: u64 = counts.iter().copied().map(u64::from).sum();
    #[expect(clippy::cast_precision_loss, reason = "an estimate is not exact")]
    let (share, draws) = (inside as f64 / total as f64, total as f64);
    Estimate { pi: 4.0 * share, error: 4.0 * (share * (1.0 - share) / draws).sqrt(), draws: total }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_points_give_pi() {
        let counts: Vec<u32> = (0..100).map(|seed| inside(seed, 1_000)).collect();
        let found = combine(&counts, 1_000);
        assert!((found.pi - std::f64::consts::PI).abs() < 4.0 * found.error, "{}", found.pi);
        assert!(found.error < 0.01 && found.draws == 100_000);
        assert_ne!(counts[0], counts[1]);
        assert_eq!(inside(7, 1_000), counts[7]);
    }
}
