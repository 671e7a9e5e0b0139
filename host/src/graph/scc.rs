//! Strongly connected components of a graph, by Tarjan's algorithm.
//! `cycle` finds the cycles in them and reports those.

/// Number that no node has.
const NONE: usize = usize::MAX;

/// Returns the strongly connected component of each node: two nodes share a number if each reaches the other.
///
/// `edges` lists the successors of every node. The stack of Tarjan's algorithm is on the heap, because a chain of
/// 100,000 nodes would overflow the call stack.
pub(crate) fn strongly_connected_components(edges: &[Vec<usize>]) -> Vec<usize> {
    let unknown = || vec![NONE; edges.len()];
    let mut search =
        Tarjan { edges, seen: unknown(), low: unknown(), group: unknown(), open: Vec::new(), count: 0 };
    for node in 0..edges.len() {
        if number(&search.seen, node) == NONE {
            search.run(node);
        }
    }
    search.group
}

/// Returns the number of nodes of each component, by its number.
pub(crate) fn component_sizes(groups: &[usize]) -> Vec<usize> {
    let mut sizes = vec![0; groups.len()];
    for size in groups.iter().copied() {
        if let Some(size) = sizes.get_mut(size) {
            *size += 1;
        }
    }
    sizes
}

struct Tarjan<'e> {
    edges: &'e [Vec<usize>],
    /// Order in which a node was first visited.
    seen: Vec<usize>,
    /// Earliest open node that a node reaches.
    low: Vec<usize>,
    group: Vec<usize>,
    /// Nodes whose component is not known yet, in the order of their visits.
    open: Vec<usize>,
    count: usize,
}

impl Tarjan<'_> {
    fn run(&mut self, root: usize) {
        let mut path = vec![self.visit(root)];
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            match self.edges.get(node).and_then(|edges| edges.get(*next)) {
                // A node not visited yet: descend into it.
                Some(to) if number(&self.seen, *to) == NONE => {
                    *next += 1;
                    let entered = self.visit(*to);
                    path.push(entered);
                }
                // A visited node counts only while it is open; a closed component is not part of this one.
                Some(to) => {
                    *next += 1;
                    if number(&self.group, *to) == NONE {
                        self.lower(node, number(&self.seen, *to));
                    }
                }
                // All successors are done: close the component if this is its root, and pass `low` to the parent.
                None => {
                    path.pop();
                    self.leave(node);
                    if let Some((parent, _)) = path.last() {
                        self.lower(*parent, number(&self.low, node));
                    }
                }
            }
        }
    }

    fn visit(&mut self, node: usize) -> (usize, usize) {
        set(&mut self.seen, node, self.count);
        set(&mut self.low, node, self.count);
        self.count += 1;
        self.open.push(node);
        (node, 0)
    }

    fn lower(&mut self, node: usize, to: usize) {
        let low = number(&self.low, node).min(to);
        set(&mut self.low, node, low);
    }

    /// Closes the component of a node that reaches no node visited before it.
    fn leave(&mut self, node: usize) {
        if number(&self.low, node) != number(&self.seen, node) {
            return;
        }
        while let Some(member) = self.open.pop() {
            set(&mut self.group, member, node);
            if member == node {
                break;
            }
        }
    }
}

fn number(list: &[usize], index: usize) -> usize {
    list.get(index).copied().unwrap_or(NONE)
}

fn set(list: &mut [usize], index: usize, number: usize) {
    if let Some(slot) = list.get_mut(index) {
        *slot = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_reach_each_other_share_a_component() {
        let edges = [vec![1], vec![2], vec![0, 3], vec![4], vec![], vec![6], vec![5, 4]];
        let groups = strongly_connected_components(&edges);
        assert!(groups[0] == groups[1] && groups[1] == groups[2]);
        assert_eq!(groups[5], groups[6]);
        let mut distinct = groups.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 4);
        assert_eq!(component_sizes(&groups)[groups[0]], 3);
    }

    #[test]
    fn long_chain_and_long_ring_do_not_overflow_the_stack() {
        let len = 200_000;
        let chain: Vec<Vec<usize>> =
            (0..len).map(|at| if at + 1 < len { vec![at + 1] } else { vec![] }).collect();
        assert!(component_sizes(&strongly_connected_components(&chain)).iter().all(|size| *size <= 1));
        let ring: Vec<Vec<usize>> = (0..len).map(|at| vec![(at + 1) % len]).collect();
        assert!(component_sizes(&strongly_connected_components(&ring)).contains(&len));
    }
}
