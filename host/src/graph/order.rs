//! Topological order of tasks, with manifest order where dependencies leave a choice.
//! Callers pass the dependencies, which must be acyclic.

use crate::model::TaskIdx;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Returns every task after those that it `needs`; among several ready tasks, the first in the manifest comes first.
pub(crate) fn topological(needs: &[Vec<TaskIdx>]) -> Vec<TaskIdx> {
    let dependents = dependents(needs);
    let mut open: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut ready: BinaryHeap<Reverse<TaskIdx>> = (0..)
        .map(TaskIdx::new)
        .zip(&open)
        .filter(|(_, open)| **open == 0)
        .map(|(task, _)| Reverse(task))
        .collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(Reverse(task)) = ready.pop() {
        order.push(task);
        for dependent in dependents.get(task.index()).into_iter().flatten() {
            if let Some(open) = open.get_mut(dependent.index()) {
                *open -= 1;
                if *open == 0 {
                    ready.push(Reverse(*dependent));
                }
            }
        }
    }
    order
}

/// Returns, for each task, the number of tasks on the longest path to an end of the graph, itself included.
pub(crate) fn heights(needs: &[Vec<TaskIdx>], order: &[TaskIdx]) -> Vec<u32> {
    let mut heights = vec![1_u32; needs.len()];
    for task in order.iter().rev() {
        let height_of_need = heights.get(task.index()).map_or(1, |height| height.saturating_add(1));
        for need in needs.get(task.index()).into_iter().flatten() {
            if let Some(height) = heights.get_mut(need.index()) {
                *height = height_of_need.max(*height);
            }
        }
    }
    heights
}

fn dependents(needs: &[Vec<TaskIdx>]) -> Vec<Vec<TaskIdx>> {
    let mut dependents = vec![Vec::new(); needs.len()];
    for (task, needs) in (0..).map(TaskIdx::new).zip(needs) {
        for need in needs {
            if let Some(dependents) = dependents.get_mut(need.index()) {
                dependents.push(task);
            }
        }
    }
    dependents
}
