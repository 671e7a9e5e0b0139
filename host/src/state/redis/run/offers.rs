//! Results that a changed plan may have again: which are set aside, to be offered to the same nodes.
//! `layout` decides which results are valid in any case; the scripts hand out the offers.

use crate::model::{IndexPath, TaskIdx};
use crate::state::redis::run::calls;
use crate::state::redis::run::prints::{has_print, read_prints};
use crate::state::{
    CallDigest, NodeId, NodeMap, Rerun, RunShape, TaskShape, split_iteration_name, split_node_name,
};
use std::collections::{HashMap, HashSet};

/// The results of a node that is offered them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SetAside {
    /// The name of the node.
    pub(crate) name: String,
    /// The names of its iterations, in order.
    pub(crate) iterations: Vec<String>,
    call: CallDigest,
}

impl SetAside {
    /// Returns what its offer begins with: the call, and the number of iterations.
    pub(crate) fn head(&self) -> Vec<u8> {
        let count = u32::try_from(self.iterations.len()).unwrap_or(u32::MAX);
        [&self.call.0[..], &count.to_be_bytes()].concat()
    }
}

/// The tasks of a shape by name.
pub(crate) struct Names<'s> {
    tasks: HashMap<&'s str, (TaskIdx, &'s TaskShape)>,
}

impl<'s> Names<'s> {
    pub(crate) fn new(shape: &'s RunShape) -> Self {
        let tasks = (0..).map(TaskIdx::new).zip(&shape.tasks);
        Self { tasks: tasks.map(|(idx, task)| (task.name.as_str(), (idx, task))).collect() }
    }

    /// Returns the node of a name that can be called, and its iteration if it is the name of one.
    fn called(&self, name: &str) -> Option<(NodeId, Option<u32>)> {
        let (node, iteration) = match split_iteration_name(name) {
            Some((node, number)) => (node, Some(number)),
            None => (name, None),
        };
        let (task, indexes) = split_node_name(node)?;
        let (task, shape) = *self.tasks.get(task.as_str())?;
        let (places, indexes): (Vec<u8>, Vec<u32>) = indexes.into_iter().unzip();
        let at = IndexPath::new(&indexes).filter(|_| places == shape.indexed)?;
        (iteration.is_none() || shape.is_repeated).then_some((NodeId { task, at }, iteration))
    }

    /// Returns the tasks whose nodes are offered results, by the names of these.
    pub(crate) fn offered(&self, names: &[String]) -> HashSet<TaskIdx> {
        names.iter().filter_map(|name| Some(self.called(name)?.0.task)).collect()
    }

    /// Splits stored names into those of nodes that run again, with their iterations, and all others.
    pub(crate) fn split(&self, names: Vec<String>, rerun: &Rerun) -> (Vec<String>, Vec<String>) {
        if rerun.is_empty() {
            return (Vec::new(), names);
        }
        names.into_iter().partition(|name| {
            let node = split_iteration_name(name).map_or(name.as_str(), |(node, _)| node);
            self.node(node).is_some_and(|node| rerun.discards(node))
        })
    }

    /// Returns the node of a name.
    fn node(&self, name: &str) -> Option<NodeId> {
        let (task, indexes) = split_node_name(name)?;
        let (task, shape) = *self.tasks.get(task.as_str())?;
        let (places, indexes): (Vec<u8>, Vec<u32>) = indexes.into_iter().unzip();
        let at = IndexPath::new(&indexes).filter(|_| shape.indexed.starts_with(&places))?;
        Some(NodeId { task, at })
    }

    /// Splits results that are not valid into those that are set aside and those that are removed.
    pub(crate) fn set_aside(
        &self,
        invalid: Vec<String>,
        calls: &NodeMap<CallDigest>,
    ) -> (Vec<SetAside>, Vec<String>) {
        let (mut set_aside, mut removed) = (Vec::new(), Vec::new());
        let mut iterations: HashMap<NodeId, Vec<(u32, String)>> = HashMap::new();
        let mut results = Vec::new();
        for name in invalid {
            match self.called(&name).filter(|(node, _)| calls.get(*node).is_some()) {
                Some((node, Some(number))) => iterations.entry(node).or_default().push((number, name)),
                Some((node, None)) => results.push((node, name)),
                None => removed.push(name),
            }
        }
        // What follows a gap is worth nothing.
        for list in iterations.values_mut() {
            list.sort_unstable();
            let whole = (0..).zip(list.iter()).take_while(|(at, (number, _))| at == number).count();
            removed.extend(list.split_off(whole).into_iter().map(|(_, name)| name));
        }
        iterations.retain(|_, list| !list.is_empty());
        let names = |list: Vec<(u32, String)>| list.into_iter().map(|(_, name)| name).collect();
        for (node, name) in results {
            let iterations = iterations.remove(&node).map(names).unwrap_or_default();
            set_aside.extend(calls.get(node).map(|call| SetAside { name, iterations, call: *call }));
        }
        for (node, list) in iterations {
            let name = list
                .first()
                .and_then(|(_, name)| split_iteration_name(name))
                .map(|(name, _)| name.to_owned());
            let call = calls.get(node).copied();
            set_aside.extend(name.zip(call).map(|(name, call)| SetAside {
                name,
                iterations: names(list),
                call,
            }));
        }
        (set_aside, removed)
    }
}

/// The calls that stored results are of, by the nodes of a changed plan.
pub(crate) struct Calls<'a> {
    /// Per task of the stored plan: the task of this plan that has its name.
    tasks: Vec<Option<TaskIdx>>,
    /// Tasks of this plan with the fingerprint that is stored.
    unchanged: HashSet<TaskIdx>,
    pub(crate) nodes: NodeMap<CallDigest>,
    names: &'a Names<'a>,
}

impl<'a> Calls<'a> {
    /// Creates the calls of a plan of which the fingerprints are stored.
    pub(crate) fn new(names: &'a Names<'a>, prints: &[u8]) -> Self {
        let mut calls =
            Self { tasks: Vec::new(), unchanged: HashSet::new(), nodes: NodeMap::default(), names };
        for (name, print) in read_prints(prints) {
            let name = std::str::from_utf8(name).unwrap_or_default();
            let task = calls.names.tasks.get(name);
            calls.tasks.push(task.map(|(idx, _)| *idx));
            calls
                .unchanged
                .extend(task.filter(|(_, task)| has_print(task, Some(print))).map(|(idx, _)| *idx));
        }
        calls
    }

    /// Adds a stored entry. Later ones take the place of earlier ones.
    pub(crate) fn add(&mut self, entry: &[u8]) {
        calls::decode(entry, &mut |node, call| {
            if let Some(Some(task)) = self.tasks.get(node.task.index()) {
                self.nodes.insert(NodeId { task: *task, ..node }, call);
            }
        });
    }

    /// Returns the entries for the tasks of which results are kept, by their numbers in this plan.
    pub(crate) fn unchanged(&self) -> Vec<Vec<u8>> {
        let kept = self.nodes.iter().filter(|(node, _)| self.unchanged.contains(&node.task));
        let (mut entries, mut page) = (Vec::new(), Vec::with_capacity(calls::PAGE));
        for (node, call) in kept {
            page.push((node, *call));
            if page.len() == calls::PAGE {
                entries.push(calls::encode(&page));
                page.clear();
            }
        }
        if !page.is_empty() {
            entries.push(calls::encode(&page));
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, TaskName};
    use crate::state::redis::run::prints::prints;

    fn task(name: &str, indexed: &[u8], print: &[u8]) -> TaskShape {
        TaskShape {
            name: TaskName::new(name).unwrap(),
            fingerprint: Digest::of_bytes(print),
            waits_for: Vec::new(),
            dependents: Vec::new(),
            rank: 0,
            class: 0,
            indexed: indexed.to_vec(),
            is_repeated: name.ends_with('r'),
            is_included: true,
            deadlines: Vec::new(),
        }
    }

    fn shape(tasks: Vec<TaskShape>) -> RunShape {
        RunShape {
            tasks,
            classes: vec![vec![]],
            resources: Vec::new(),
            larger: Vec::new(),
            has_closing: false,
            max_elements: 9,
            deadlines: Vec::new(),
            deadline: None,
            first_finally: None,
        }
    }

    #[test]
    fn results_with_a_call_are_set_aside_by_the_names_of_the_new_plan() {
        let before = shape(vec![
            task("gone", &[], b"1"),
            task("same", &[1], b"1"),
            task("p/t", &[1], b"1"),
            task("r", &[1], b"1"),
        ]);
        let now = shape(vec![task("r", &[1], b"2"), task("p/t", &[1], b"2"), task("same", &[1], b"1")]);
        let of = |task, item| NodeId::element(TaskIdx::new(task), item);
        let call = |number| CallDigest([number; 16]);
        let names = Names::new(&now);
        let mut calls = Calls::new(&names, &prints(&before));
        calls.add(&calls::encode(&[(NodeId::of_task(TaskIdx::new(0)), call(9)), (of(1, 5), call(1))]));
        calls.add(&calls::encode(&[(of(2, 0), call(8)), (of(3, 4), call(3)), (of(3, 5), call(4))]));
        calls.add(&calls::encode(&[(of(2, 0), call(2))]));
        assert_eq!(calls.nodes.get(of(1, 0)), Some(&call(2)));
        let kept = calls.unchanged();
        assert_eq!(kept, [calls::encode(&[(of(2, 5), call(1))])]);
        let invalid =
            ["gone", "p[0]/t", "p[1]/t", "p/t[0]", "p/t", "p[0]/t@0", "r[4]", "r[5]@1", "r[5]@0", "r[5]@3"];
        let (mut set_aside, mut removed) = names.set_aside(invalid.map(str::to_owned).to_vec(), &calls.nodes);
        set_aside.sort_by(|one, other| one.name.cmp(&other.name));
        let expected = |name: &str, number, iterations: &[&str]| SetAside {
            name: name.to_owned(),
            iterations: iterations.iter().map(|name| (*name).to_owned()).collect(),
            call: call(number),
        };
        assert_eq!(
            set_aside,
            [
                expected("p[0]/t", 2, &[]),
                expected("r[4]", 3, &[]),
                expected("r[5]", 4, &["r[5]@0", "r[5]@1"])
            ]
        );
        removed.sort();
        assert_eq!(removed, ["gone", "p/t", "p/t[0]", "p[0]/t@0", "p[1]/t", "r[5]@3"]);
        assert_eq!(set_aside[2].head(), [&[4_u8; 16][..], &[0, 0, 0, 2]].concat());
        let offered = names.offered(&["r[5]@0".to_owned(), "p/t[0]".to_owned(), "x".to_owned()]);
        assert_eq!(offered, HashSet::from([TaskIdx::new(0)]));
    }
}
