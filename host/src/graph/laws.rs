//! What holds for every graph: random ones, with and without cycles.
//! Single rules stand in `tests`.

use crate::graph::Demand;
use crate::graph::Graph;
use crate::graph::Resolved;
use crate::graph::resolve;
use crate::graph::sample::sample;
use crate::graph::uses;
use crate::model::TaskIdx;
use proptest::prelude::*;
use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;

/// How one task refers to another.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Read,
    After,
    /// In a case; the number says which task selects.
    Case(usize),
}

/// For every task how it refers to others, by position. References that a test does not want are passed over.
type Edges = Vec<Vec<(usize, Kind)>>;

/// Most tasks of a random graph.
const MOST: usize = 12;

fn edges() -> impl Strategy<Value = Edges> {
    (2..MOST).prop_flat_map(|len| {
        let case = (0..len).prop_map(Kind::Case);
        let kind = prop_oneof![1 => Just(Kind::Read), 1 => Just(Kind::After), 2 => case];
        prop::collection::vec(prop::collection::vec((0..len, kind), 0..4), len)
    })
}

/// The text of a graph in a shuffled `order`, with those references that `is_wanted` allows from one to another.
fn text(edges: &Edges, order: &[usize], is_wanted: fn(usize, usize) -> bool) -> String {
    let mut text = String::new();
    for at in order.iter().copied().filter(|at| *at < edges.len()) {
        write!(text, "t{at}:").unwrap();
        for (to, kind) in edges[at].iter().filter(|(to, _)| is_wanted(at, *to)) {
            match kind {
                Kind::After => write!(text, " >t{to}").unwrap(),
                Kind::Case(by) if is_wanted(at, *by) => write!(text, " (t{by} ? x=t{to})").unwrap(),
                Kind::Read | Kind::Case(_) => write!(text, " t{to}").unwrap(),
            }
        }
        text.push('\n');
    }
    text
}

/// Only to tasks with a smaller number: no cycles.
fn acyclic(from: usize, to: usize) -> bool {
    to < from
}

/// To any other task.
fn any_other(from: usize, to: usize) -> bool {
    to != from
}

fn shuffled() -> impl Strategy<Value = Vec<usize>> {
    Just((0..MOST).collect::<Vec<_>>()).prop_shuffle()
}

fn may_read(graph: &Graph, at: usize) -> HashSet<TaskIdx> {
    let node = &graph.nodes()[at];
    let mut reads = HashSet::new();
    for (_, arg) in &node.args {
        uses::each_task(&arg.value, &mut |task| {
            reads.insert(task);
        });
    }
    reads
}

fn deciders(demand: &Demand, into: &mut HashSet<TaskIdx>) {
    for clause in &demand.any {
        for gate in &clause.gates {
            uses::each_task(&gate.selector.value, &mut |task| {
                into.insert(task);
            });
        }
        if let Some(consumer) = &clause.consumer {
            deciders(consumer, into);
        }
    }
}

/// Whether a task is run if every selector chooses as `chosen` says of its task.
fn is_needed(demand: &Demand, chosen: &dyn Fn(TaskIdx) -> bool) -> bool {
    demand.any.iter().any(|clause| {
        clause.gates.iter().all(|gate| {
            let mut is_open = true;
            uses::each_task(&gate.selector.value, &mut |task| is_open &= chosen(task));
            is_open
        }) && clause.consumer.as_ref().is_none_or(|consumer| is_needed(consumer, chosen))
    })
}

proptest! {
    #[test]
    fn graph_without_cycles_resolves_in_order(edges in edges(), order in shuffled()) {
        let Resolved { graph, faults } = resolve(sample(&text(&edges, &order, acyclic)));
        prop_assert!(faults.is_empty(), "{}", faults);
        prop_assert_eq!(graph.nodes().len(), edges.len());
        let mut place = vec![usize::MAX; edges.len()];
        graph.order().iter().enumerate().for_each(|(nth, task)| place[task.index()] = nth);
        prop_assert!(place.iter().all(|place| *place < edges.len()));
        for (at, node) in graph.nodes().iter().enumerate() {
            prop_assert!(node.waits_for.is_sorted_by(|some, other| some < other));
            for before in may_read(&graph, at).iter().chain(&node.waits_for).chain(&node.after) {
                prop_assert!(place[before.index()] < place[at]);
                prop_assert!(graph.nodes()[before.index()].height > node.height);
            }
        }
    }

    #[test]
    fn lazy_task_waits_for_all_that_decides_about_it(edges in edges(), order in shuffled()) {
        let Resolved { graph, .. } = resolve(sample(&text(&edges, &order, acyclic)));
        for node in graph.nodes() {
            let mut needed = HashSet::new();
            node.demand.iter().for_each(|demand| deciders(demand, &mut needed));
            prop_assert!(needed.iter().all(|task| node.waits_for.contains(task)));
        }
    }

    #[test]
    fn what_a_needed_task_reads_is_needed(edges in edges(), order in shuffled(), chosen in any::<u16>()) {
        let Resolved { graph, .. } = resolve(sample(&text(&edges, &order, acyclic)));
        let chosen = |task: TaskIdx| chosen >> task.index() & 1 == 1;
        let needed = |demand: &Option<Arc<Demand>>| demand.as_ref().is_none_or(|demand| is_needed(demand, &chosen));
        for (at, node) in (0..).map(TaskIdx::new).zip(graph.nodes()).filter(|(_, node)| needed(&node.demand)) {
            for (_, arg) in &node.args {
                uses::each_use(&arg.value, Some(at), &mut |task, gates| {
                    let is_read = gates.iter().all(|gate| {
                        let mut is_open = true;
                        uses::each_task(&gate.selector.value, &mut |task| is_open &= chosen(task));
                        is_open
                    });
                    assert!(!is_read || needed(&graph.nodes()[task.index()].demand), "{at} reads {task}");
                });
            }
        }
    }

    #[test]
    fn reported_cycles_are_real_and_found_whenever_there_is_one(edges in edges(), order in shuffled()) {
        let written = text(&edges, &order, any_other);
        let parsed = sample(&written);
        let references = |task: &str| -> Vec<String> {
            let line = written.lines().find(|line| line.starts_with(&format!("{task}:"))).unwrap();
            let words = line.split(|c: char| !c.is_ascii_alphanumeric()).skip(1);
            words.filter(|word| word.starts_with('t')).map(str::to_owned).collect()
        };
        let is_cyclic = (0..edges.len()).any(|at| reaches(&references, &format!("t{at}")));
        let Resolved { graph, faults } = resolve(parsed);
        prop_assert_eq!(is_cyclic, !faults.is_empty());
        for fault in &faults.list {
            let path = fault.message.rsplit(": ").next().unwrap();
            let names: Vec<&str> = path.split(" -> ").collect();
            prop_assert_eq!(names.first(), names.last());
            for pair in names.windows(2) {
                prop_assert!(references(pair[0]).iter().any(|name| name == pair[1]), "{}", path);
            }
        }
        prop_assert_eq!(graph.order().len(), graph.nodes().len());
        prop_assert_eq!(graph.manifest().tasks.len(), graph.nodes().len());
    }
}

fn reaches(references: &dyn Fn(&str) -> Vec<String>, start: &str) -> bool {
    let mut seen = HashSet::new();
    let mut open = references(start);
    while let Some(task) = open.pop() {
        if task == start {
            return true;
        }
        if seen.insert(task.clone()) {
            open.extend(references(&task));
        }
    }
    false
}
