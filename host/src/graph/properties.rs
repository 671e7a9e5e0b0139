//! Properties of every graph: random ones, with and without cycles.
//! Single rules are tested in `tests`.

use crate::graph::sample::sample;
use crate::graph::{Gate, Graph, NeededIf, Resolved, resolve, uses};
use crate::model::TaskIdx;
use proptest::prelude::*;
use std::collections::HashMap;
use std::collections::HashSet;
use std::fmt::Write;

/// Kind of a reference between tasks.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Read,
    After,
    /// In a case; the number is the selecting task.
    Case(usize),
}

/// References of every task, by position. Each test filters them.
type Edges = Vec<Vec<(usize, Kind)>>;

/// Maximum number of tasks in a random graph.
const MAX_TASKS: usize = 12;

fn edges() -> impl Strategy<Value = Edges> {
    (2..MAX_TASKS).prop_flat_map(|len| {
        let case = (0..len).prop_map(Kind::Case);
        let kind = prop_oneof![1 => Just(Kind::Read), 1 => Just(Kind::After), 2 => case];
        prop::collection::vec(prop::collection::vec((0..len, kind), 0..4), len)
    })
}

/// Returns the text of a graph in a shuffled `order`, with the references that `is_allowed` allows.
fn text(edges: &Edges, order: &[usize], is_allowed: fn(usize, usize) -> bool) -> String {
    let mut text = String::new();
    for task in order.iter().copied().filter(|task| *task < edges.len()) {
        write!(text, "t{task}:").unwrap();
        for (to, kind) in edges[task].iter().filter(|(to, _)| is_allowed(task, *to)) {
            match kind {
                Kind::After => write!(text, " >t{to}").unwrap(),
                Kind::Case(selector) if is_allowed(task, *selector) => {
                    write!(text, " (t{selector} ? x=t{to})").unwrap();
                }
                Kind::Read | Kind::Case(_) => write!(text, " t{to}").unwrap(),
            }
        }
        text.push('\n');
    }
    text
}

/// Allows only references to tasks with a smaller number: no cycles.
fn acyclic(from: usize, to: usize) -> bool {
    to < from
}

/// Allows references to any other task.
fn any_other(from: usize, to: usize) -> bool {
    to != from
}

fn shuffled() -> impl Strategy<Value = Vec<usize>> {
    Just((0..MAX_TASKS).collect::<Vec<_>>()).prop_shuffle()
}

fn may_read(graph: &Graph, index: usize) -> HashSet<TaskIdx> {
    let node = &graph.nodes()[index];
    let mut reads = HashSet::new();
    for (_, arg) in &node.args {
        uses::each_task(&arg.value, &mut |task| {
            reads.insert(task);
        });
    }
    reads
}

fn deciders(needed_if: &NeededIf, into: &mut HashSet<TaskIdx>) {
    for clause in &needed_if.any {
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

/// Tasks of a run that have ended, and whether they were executed.
type Ended = HashMap<TaskIdx, bool>;

/// Returns whether a gate is open, or the tasks that must end before that is known.
///
/// A selector chooses the gate's case if `chosen` has its task's bit; a pruned selector chooses none.
fn is_open(gate: &Gate, ended: &Ended, chosen: u16) -> Result<bool, Vec<TaskIdx>> {
    let mut tasks = Vec::new();
    uses::each_task(&gate.selector.value, &mut |task| tasks.push(task));
    let missing: Vec<TaskIdx> = tasks.iter().copied().filter(|task| !ended.contains_key(task)).collect();
    if !missing.is_empty() {
        return Err(missing);
    }
    Ok(tasks.iter().all(|task| ended[task] && chosen >> task.index() & 1 == 1))
}

fn are_open(gates: &[Gate], ended: &Ended, chosen: u16) -> Result<bool, Vec<TaskIdx>> {
    for gate in gates {
        if !is_open(gate, ended, chosen)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_needed(needed_if: &NeededIf, ended: &Ended, chosen: u16) -> Result<bool, Vec<TaskIdx>> {
    let mut missing = Vec::new();
    for clause in &needed_if.any {
        let rest = |is_open| match &clause.consumer {
            Some(consumer) if is_open => is_needed(consumer, ended, chosen),
            _ => Ok(is_open),
        };
        match are_open(&clause.gates, ended, chosen).and_then(rest) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(more) => missing.extend(more),
        }
    }
    if missing.is_empty() { Ok(false) } else { Err(missing) }
}

/// Returns whether a task is executed, or all tasks that it must wait for, as the engine determines it.
fn evaluate(graph: &Graph, index: TaskIdx, ended: &Ended, chosen: u16) -> Result<bool, Vec<TaskIdx>> {
    let node = &graph.nodes()[index.index()];
    if let Some(needed_if) = &node.needed_if
        && !is_needed(needed_if, ended, chosen)?
    {
        return Ok(false);
    }
    let mut missing = Vec::new();
    for (_, arg) in &node.args {
        uses::each_use(&arg.value, Some(index), &mut |task, gates| match are_open(gates, ended, chosen) {
            Ok(true) if !ended.contains_key(&task) => missing.push(task),
            Ok(_) => {}
            Err(more) => missing.extend(more),
        });
    }
    if missing.is_empty() { Ok(true) } else { Err(missing) }
}

/// Runs the graph in one of many orders. Returns the tasks that ended: all, unless some wait forever.
fn run(graph: &Graph, chosen: u16) -> Ended {
    let mut ended = Ended::new();
    let mut awaited: Vec<Vec<TaskIdx>> = graph.nodes().iter().map(|node| node.waits_for.clone()).collect();
    loop {
        let before = ended.len();
        for at in (0..).map(TaskIdx::new).take(awaited.len()) {
            let is_due = awaited[at.index()].iter().all(|task| ended.contains_key(task));
            if is_due && !ended.contains_key(&at) {
                match evaluate(graph, at, &ended, chosen) {
                    Ok(is_run) => drop(ended.insert(at, is_run)),
                    Err(missing) => awaited[at.index()] = missing,
                }
            }
        }
        if ended.len() == before {
            return ended;
        }
    }
}

proptest! {
    #[test]
    fn graph_without_cycles_resolves_in_order(edges in edges(), order in shuffled()) {
        let Resolved { graph, faults } = resolve(sample(&text(&edges, &order, acyclic)));
        prop_assert!(faults.is_empty(), "{}", faults);
        prop_assert_eq!(graph.nodes().len(), edges.len());
        let mut position = vec![usize::MAX; edges.len()];
        graph.order().iter().enumerate().for_each(|(nth, task)| position[task.index()] = nth);
        prop_assert!(position.iter().all(|position| *position < edges.len()));
        for (at, node) in graph.nodes().iter().enumerate() {
            prop_assert!(node.waits_for.is_sorted_by(|left, right| left < right));
            for before in may_read(&graph, at).iter().chain(&node.waits_for).chain(&node.after) {
                prop_assert!(position[before.index()] < position[at]);
                prop_assert!(graph.nodes()[before.index()].height > node.height);
            }
        }
    }

    #[test]
    fn lazy_task_waits_for_all_its_deciders(edges in edges(), order in shuffled()) {
        let Resolved { graph, .. } = resolve(sample(&text(&edges, &order, acyclic)));
        for node in graph.nodes() {
            let mut needed = HashSet::new();
            node.needed_if.iter().for_each(|needed_if| deciders(needed_if, &mut needed));
            prop_assert!(needed.iter().all(|task| node.waits_for.contains(task)));
        }
    }

    #[test]
    fn no_task_waits_forever_and_read_tasks_are_run(edges in edges(), order in shuffled(), chosen in any::<u16>()) {
        let Resolved { graph, .. } = resolve(sample(&text(&edges, &order, acyclic)));
        let ended = run(&graph, chosen);
        prop_assert_eq!(ended.len(), graph.nodes().len());
        for (at, node) in (0..).map(TaskIdx::new).zip(graph.nodes()).filter(|(at, _)| ended[at]) {
            for (_, arg) in &node.args {
                uses::each_use(&arg.value, Some(at), &mut |task, gates| {
                    assert!(are_open(gates, &ended, chosen) != Ok(true) || ended[&task], "{at} reads {task}");
                });
            }
        }
    }

    #[test]
    fn unneeded_lazy_tasks_are_not_run(edges in edges(), order in shuffled(), chosen in any::<u16>()) {
        let Resolved { graph, .. } = resolve(sample(&text(&edges, &order, acyclic)));
        let ended = run(&graph, chosen);
        let mut is_read = HashSet::new();
        for (at, node) in (0..).map(TaskIdx::new).zip(graph.nodes()).filter(|(at, _)| ended[at]) {
            for (_, arg) in &node.args {
                uses::each_use(&arg.value, Some(at), &mut |task, gates| {
                    if are_open(gates, &ended, chosen) == Ok(true) {
                        is_read.insert(task);
                    }
                });
            }
        }
        for (task, is_run) in ended {
            let is_lazy = graph.nodes()[task.index()].needed_if.is_some();
            prop_assert!(!is_lazy || is_run == is_read.contains(&task), "{}", task);
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
        prop_assert_eq!(graph.manifests().root().tasks.len(), graph.nodes().len());
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
