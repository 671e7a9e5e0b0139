//! Order of a map's entries: sorts their positions by key, and looks at the deadline meanwhile.
//! `lower` and `lift` know what lies at a position; `value` defines the order of keys.

/// Number of positions that are sorted, or merged, between two checks of the deadline.
const RUN: usize = 1 << 10;

/// Sorts positions by their keys, and keeps the order of positions with equal keys. Stops with the error of `check`.
///
/// Threat: a guest returns millions of entries in the worst order, and the host sorts them past the end of its time.
pub(crate) fn sort_by_key<K: Ord, E>(
    positions: &mut Vec<u32>,
    key: impl Fn(u32) -> K,
    mut check: impl FnMut() -> Result<(), E>,
) -> Result<(), E> {
    for run in positions.chunks_mut(RUN) {
        check()?;
        run.sort_by_key(|position| key(*position));
    }
    // Sorted runs are merged in pairs, until there is one.
    let mut merged = Vec::with_capacity(positions.len());
    let mut width = RUN;
    while width < positions.len() {
        merged.clear();
        for pair in positions.chunks(width.saturating_mul(2)) {
            let (mut left, mut right) = pair.split_at(width.min(pair.len()));
            while let (Some((one, left_rest)), Some((two, right_rest))) =
                (left.split_first(), right.split_first())
            {
                if merged.len() % RUN == 0 {
                    check()?;
                }
                if key(*one) <= key(*two) {
                    merged.push(*one);
                    left = left_rest;
                } else {
                    merged.push(*two);
                    right = right_rest;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        std::mem::swap(positions, &mut merged);
        width = width.saturating_mul(2);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::guest::TimedOut;

    #[test]
    fn positions_are_sorted_and_equal_keys_keep_their_order() {
        for len in [0, 1, 2, 1023, 1024, 1025, 5000, 70_000] {
            let key = |position: u32| position.wrapping_mul(7919) % 1009;
            let mut positions: Vec<u32> = (0..len).collect();
            let mut expected = positions.clone();
            expected.sort_by_key(|position| key(*position));
            sort_by_key(&mut positions, key, || Ok::<_, TimedOut>(())).unwrap();
            assert_eq!(positions, expected, "{len}");
        }
    }

    #[test]
    fn sorting_stops_at_the_deadline() {
        for allowed in [0, 3, 100] {
            let mut left = allowed;
            let check = || {
                left -= 1;
                if left < 0 { Err(TimedOut) } else { Ok(()) }
            };
            let mut positions: Vec<u32> = (0..200_000).rev().collect();
            assert!(sort_by_key(&mut positions, |position| position, check).is_err(), "{allowed}");
        }
    }
}
