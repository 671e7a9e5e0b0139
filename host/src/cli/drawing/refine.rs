//! Joins boxes of a graph that is too large to be looked at: those that play the same part, and if that is not enough,
//! those of the same depth. The result is a number for each box; equal numbers are one.

use std::collections::HashMap;

/// Maximum number of refinements. Deeper differences between parts are not worth a box.
const MAX_ROUNDS: usize = 32;

/// The unjoined boxes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unjoined<'a> {
    /// Distance of each box from the beginning.
    pub(crate) depths: &'a [usize],
    /// Call of each box. Boxes with different calls are joined by depth alone.
    pub(crate) acts: &'a [String],
    /// Lines between boxes: the earlier and the later one.
    pub(crate) lines: &'a [(usize, usize)],
}

/// Bounds of the result.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) boxes: usize,
    pub(crate) lines: usize,
}

/// Returns the new box of each box, numbered from 0 in order of appearance.
///
/// Boxes share one if they do the same at the same depth, after and before boxes that again share one: the finest such
/// division that keeps the bounds.
pub(crate) fn join(all: Unjoined<'_>, bounds: Bounds) -> Vec<usize> {
    let fits = |boxes: &[usize]| {
        let number = boxes.iter().max().map_or(0, |last| last + 1);
        number <= bounds.boxes && distinct_lines(boxes, all.lines) <= bounds.lines
    };
    let each: Vec<usize> = (0..all.depths.len()).collect();
    if fits(&each) {
        return each;
    }
    let mut parts = numbered(all.depths.iter().zip(all.acts));
    if !fits(&parts) {
        return by_depth(all.depths, fits);
    }
    for _ in 0..MAX_ROUNDS {
        let finer = refined(&parts, all.lines);
        if finer == parts || !fits(&finer) {
            break;
        }
        parts = finer;
    }
    parts
}

/// Divides parts by the parts before and after each box.
fn refined(parts: &[usize], lines: &[(usize, usize)]) -> Vec<usize> {
    let mut beside: Vec<(Vec<usize>, Vec<usize>)> = vec![(Vec::new(), Vec::new()); parts.len()];
    for (from, to) in lines {
        let (Some(before), Some(after)) = (parts.get(*from), parts.get(*to)) else { continue };
        beside.get_mut(*to).into_iter().for_each(|(befores, _)| befores.push(*before));
        beside.get_mut(*from).into_iter().for_each(|(_, afters)| afters.push(*after));
    }
    for list in beside.iter_mut().flat_map(|(before, after)| [before, after]) {
        list.sort_unstable();
        list.dedup();
    }
    numbered(parts.iter().zip(&beside))
}

/// Divides the depths into as many ranges as fit; one always does.
fn by_depth(depths: &[usize], fits: impl Fn(&[usize]) -> bool) -> Vec<usize> {
    let levels = depths.iter().max().map_or(1, |deepest| deepest.saturating_add(1));
    let mut ranges = 256;
    loop {
        let width = levels.div_ceil(ranges).max(1);
        let parts = numbered(depths.iter().map(|depth| depth / width));
        if ranges == 1 || fits(&parts) {
            return parts;
        }
        ranges /= 2;
    }
}

/// Numbers keys in order of their first appearance.
fn numbered<K: Eq + std::hash::Hash>(keys: impl Iterator<Item = K>) -> Vec<usize> {
    let mut numbers: HashMap<K, usize> = HashMap::new();
    keys.map(|key| {
        let next = numbers.len();
        *numbers.entry(key).or_insert(next)
    })
    .collect()
}

fn distinct_lines(boxes: &[usize], lines: &[(usize, usize)]) -> usize {
    let ends = |(from, to): &(usize, usize)| Some((*boxes.get(*from)?, *boxes.get(*to)?));
    let distinct: std::collections::HashSet<(usize, usize)> =
        lines.iter().filter_map(ends).filter(|(from, to)| from != to).collect();
    distinct.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Bounds = Bounds { boxes: 8, lines: 12 };

    fn joined(depths: &[usize], acts: &[&str], lines: &[(usize, usize)]) -> Vec<usize> {
        let acts: Vec<String> = acts.iter().map(ToString::to_string).collect();
        join(Unjoined { depths, acts: &acts, lines }, SMALL)
    }

    #[test]
    fn small_graphs_stay_as_they_are() {
        assert_eq!(joined(&[0, 0, 1], &["a", "a", "b"], &[(0, 2), (1, 2)]), [0, 1, 2]);
    }

    #[test]
    fn parallel_chains_become_one_chain() {
        let chains = 20;
        let depths: Vec<usize> = (0..chains).flat_map(|_| [0, 1]).collect();
        let acts: Vec<&str> = (0..chains).flat_map(|_| ["load", "count"]).collect();
        let lines: Vec<(usize, usize)> = (0..chains).map(|chain| (2 * chain, 2 * chain + 1)).collect();
        let expected: Vec<usize> = (0..chains).flat_map(|_| [0, 1]).collect();
        assert_eq!(joined(&depths, &acts, &lines), expected);
    }

    #[test]
    fn different_parts_stay_apart_while_there_is_room() {
        // Of ten loads, the first is read by another task than the rest.
        let mut depths = vec![0; 10];
        depths.extend([1, 1]);
        let mut acts = vec!["load"; 10];
        acts.extend(["count", "sum"]);
        let mut lines: Vec<(usize, usize)> = (1..10).map(|load| (load, 11)).collect();
        lines.push((0, 10));
        let parts = joined(&depths, &acts, &lines);
        assert_eq!(parts[..3], [0, 1, 1]);
        assert_eq!(parts.iter().max(), Some(&3));
    }

    #[test]
    fn long_chains_of_different_tasks_are_bounded() {
        let depths: Vec<usize> = (0..1000).collect();
        let acts: Vec<String> = (0..1000).map(|task| task.to_string()).collect();
        let lines: Vec<(usize, usize)> = (1..1000).map(|task| (task - 1, task)).collect();
        let parts = join(Unjoined { depths: &depths, acts: &acts, lines: &lines }, SMALL);
        assert!(parts.iter().max().unwrap() < &8, "{parts:?}");
        assert!(parts.is_sorted());
    }
}
