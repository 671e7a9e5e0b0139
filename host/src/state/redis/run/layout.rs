//! The layout of a plan's shape for the scripts: fixed-width records, edges, and classes.
//! Reading what a run has stored before is left to `open.rs`.

use crate::model::{IndexPath, TaskIdx};
use crate::state::redis::run::clocks;
use crate::state::redis::run::ending::{Ending, Phases};
use crate::state::redis::run::formats::{
    BROKEN, CLAIMED, DONE, DROPPED, EDGES_LEFT, ELASTIC, FLAG_LAPSED, FLAG_TAINTED, FLAG_TIMED, KIND_CLOSING,
    KIND_FOLLOWS, KIND_KEPT, KIND_LEADS, KIND_OFFERS, KIND_REPEATS, KIND_SHARES, KIND_WANTED, ON_ENDED,
    ON_EXPANDED, OWN, RECORD_BYTES, SHARED, WAITING,
};
use crate::state::redis::run::offers::SetAside;
use crate::state::redis::run::prints::{has_print, read_prints};
use crate::state::{
    Dependent, Milestone, NodeId, ResourceScope, ResourceShape, RunShape, TaskShape, split_iteration_name,
    split_node_name,
};
use std::collections::{HashMap, HashSet};

/// Bound of ranks: half of the integers that Lua computes exactly. Ranks beyond it are treated as equal.
const RANKS: i64 = 1 << 51;

/// Data that a new life of a run keeps.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Tasks with a result.
    pub(crate) tasks: HashSet<TaskIdx>,
    /// Tasks with results of elements.
    pub(crate) elements: HashSet<TaskIdx>,
    /// The number of stored iterations of each open node that has some, counted from the first one without a gap.
    pub(crate) iterations: HashMap<NodeId, u32>,
    /// Result fields that are no longer valid.
    pub(crate) stale: Vec<String>,
    /// Hosts that lost the task in a row, without a settlement between.
    pub(crate) takeovers: HashMap<TaskIdx, u16>,
    /// How many elements are stored under nodes with a list of them, by task and number of indexes of these nodes.
    pub(crate) together: HashMap<(TaskIdx, usize), u32>,
    /// Results that nodes of a changed plan may have again.
    pub(crate) set_aside: Vec<SetAside>,
    /// Tasks whose nodes are offered results.
    pub(crate) offered: HashSet<TaskIdx>,
    /// Which calls the kept results are of, if the tasks have other numbers than before.
    pub(crate) calls: Option<Vec<Vec<u8>>>,
    /// The ending with which the life goes on.
    pub(crate) ending: Option<Ending>,
}

/// The changing part of a record.
struct MutablePart {
    phase: u8,
    flags: u8,
    takeovers: u16,
    left: u32,
}

/// The fixed part of a record.
struct FixedPart {
    kind: u8,
    /// The number of levels of elements.
    depth: u8,
    class: u16,
    rank: i64,
    /// The first edge, and the number of edges.
    edges: (u32, u32),
}

/// The initial data of a life of a run.
pub(crate) struct Layout {
    /// Records of the tasks, in task order.
    pub(crate) tasks: Vec<u8>,
    /// Dependents, four bytes each. The list of tasks without dependencies comes last.
    pub(crate) edges: Vec<u8>,
    /// Pending propagation for the first steps, as MessagePack.
    pub(crate) props: Vec<u8>,
    /// Resource requirements of classes, as MessagePack.
    pub(crate) classes: Vec<Vec<u8>>,
    /// Names and edges of tasks with elements, and numbers of iterations: fields of `coord` with their values.
    pub(crate) fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// Wanted tasks.
    pub(crate) total: u32,
    /// Wanted tasks without a result.
    pub(crate) open: u32,
    /// Wanted tasks with a result, in ascending order.
    pub(crate) stored: Vec<TaskIdx>,
    /// Wanted tasks that have failed, and that were skipped, before a life that goes on with an ending.
    pub(crate) failures: u32,
    pub(crate) skips: u32,
    /// Finally tasks that have not ended.
    pub(crate) finally: Vec<TaskIdx>,
}

impl Layout {
    /// Lays out a shape.
    pub(crate) fn new(shape: &RunShape, kept: &Kept) -> Self {
        let indexed = || (0..).map(TaskIdx::new).zip(&shape.tasks);
        let phases = Phases { shape, ending: kept.ending.as_ref(), done: &kept.tasks };
        let is_open = |idx: TaskIdx, task: &TaskShape| task.is_included && phases.is_to_run(idx);
        // Count open dependencies: tasks with a result block no others.
        let mut left = vec![0_u32; shape.tasks.len()];
        for (_, task) in indexed().filter(|(idx, task)| is_open(*idx, task)) {
            for dependent in task.dependents.iter().filter(|dependent| dependent.level == 0) {
                left.get_mut(dependent.task.index()).into_iter().for_each(|left| *left += 1);
            }
        }
        // Tasks without open dependencies are queued by propagation, best rank first. They get a count of one, as if
        // they waited for one virtual task whose edges are appended at the end; so beginning a run of any size is a
        // bounded step.
        // Finally tasks wait for the ending, unless the life goes on with one.
        let waits_for_ending = |idx: TaskIdx| shape.is_finally(idx) && kept.ending.is_none();
        let is_root =
            |idx: TaskIdx| left.get(idx.index()).is_some_and(|left| *left == 0) && !waits_for_ending(idx);
        let mut roots: Vec<(TaskIdx, &TaskShape)> =
            indexed().filter(|(idx, task)| is_open(*idx, task) && is_root(*idx)).collect();
        roots.sort_by_key(|(_, task)| std::cmp::Reverse(task.rank));
        for (idx, _) in &roots {
            left.get_mut(idx.index()).into_iter().for_each(|left| *left = 1);
        }
        let finally: Vec<TaskIdx> = shape.finally().filter(|idx| phases.is_to_run(*idx)).collect();
        for idx in finally.iter().filter(|idx| waits_for_ending(**idx)) {
            left.get_mut(idx.index()).into_iter().for_each(|left| *left += 1);
        }
        let tainted = phases.tainted();

        let mut layout = Self {
            tasks: Vec::with_capacity(shape.tasks.len() * RECORD_BYTES),
            edges: Vec::new(),
            props: Vec::new(),
            classes: classes(shape),
            fields: Vec::new(),
            total: 0,
            open: 0,
            stored: Vec::new(),
            failures: 0,
            skips: 0,
            finally,
        };
        // The records, in task order.
        let sources = element_sources(shape);
        for ((idx, task), left) in indexed().zip(&left) {
            let sources = sources.get(&idx).map_or(&[][..], Vec::as_slice);
            let kind = kind(shape, task)
                | (u8::from(kept.elements.contains(&idx)) * KIND_KEPT)
                | (u8::from(!sources.is_empty()) * KIND_FOLLOWS)
                | (u8::from(kept.offered.contains(&idx)) * KIND_OFFERS);
            if task.depth() > 0 || kept.offered.contains(&idx) {
                layout.add_fields(idx, task, sources);
            }
            let phase = phases.of(idx);
            if task.is_included && phase == DONE {
                layout.stored.push(idx);
            }
            let takeovers = kept.takeovers.get(&idx).copied().unwrap_or(0);
            let flags = if task.deadlines.is_empty() { 0 } else { FLAG_TIMED }
                | (u8::from(tainted.contains(&idx)) * FLAG_TAINTED);
            layout.push(task, kind, &MutablePart { phase, flags, takeovers, left: *left });
        }
        if shape.has_closing {
            let mutable = MutablePart { phase: WAITING, flags: 0, takeovers: 0, left: 0 };
            layout.record(
                &mutable,
                &FixedPart { kind: KIND_CLOSING, depth: 0, class: 0, rank: 0, edges: (layout.edge(), 0) },
            );
        }
        layout.queue_roots(&roots);
        layout.add_finally(shape);
        layout.fields.extend(kept.iterations.iter().map(|(node, count)| {
            let field = [b"v:".as_slice(), &node_key(node)].concat();
            (field, count.to_string().into_bytes())
        }));
        layout.fields.extend(kept.together.iter().map(|((task, level), count)| {
            (format!("m:{}:{level}", task.get()).into_bytes(), count.to_string().into_bytes())
        }));
        layout.fields.extend(clocks::fields(shape));
        if shape.tasks.iter().any(|task| !task.is_included) {
            layout.fields.push((b"partial".to_vec(), b"1".to_vec()));
        }
        layout
    }

    fn push(&mut self, task: &TaskShape, kind: u8, mutable: &MutablePart) {
        self.total += u32::from(task.is_included);
        self.open += u32::from(task.is_included && mutable.phase == WAITING);
        self.failures += u32::from(task.is_included && mutable.phase == BROKEN);
        self.skips += u32::from(task.is_included && mutable.phase == DROPPED);
        let edge = self.edge();
        let whole = task.dependents.iter().filter(|dependent| !is_lead(**dependent));
        self.edges.extend(whole.flat_map(|dependent| dependent.task.get().to_be_bytes()));
        let count = self.edge() - edge;
        let depth = u8::try_from(task.depth()).unwrap_or(u8::MAX);
        self.record(
            mutable,
            &FixedPart { kind, depth, class: task.class, rank: task.rank, edges: (edge, count) },
        );
    }

    /// Adds the name of a task with elements, in parts between which the indexes stand, and the edges of its elements.
    fn add_fields(&mut self, idx: TaskIdx, task: &TaskShape, sources: &[Dependent]) {
        self.fields.push((format!("p:{}", idx.get()).into_bytes(), name_parts(task).join("\0").into_bytes()));
        let leads: Vec<Dependent> = task.dependents.iter().copied().filter(|edge| is_lead(*edge)).collect();
        for (field, edges) in [("e", &leads[..]), ("i", sources)] {
            if !edges.is_empty() {
                let field = format!("{field}:{}", idx.get()).into_bytes();
                self.fields.push((field, edges.iter().copied().flat_map(lead).collect()));
            }
        }
    }

    fn record(&mut self, mutable: &MutablePart, fixed: &FixedPart) {
        let (edge, count) = fixed.edges;
        let record = &mut self.tasks;
        record.extend([mutable.phase, mutable.flags]);
        record.extend(mutable.takeovers.to_be_bytes());
        record.extend(mutable.left.to_be_bytes());
        record.extend(1_u32.to_be_bytes());
        record.extend([fixed.kind, fixed.depth]);
        record.extend(fixed.class.to_be_bytes());
        record.extend(order(fixed.rank).to_be_bytes());
        record.extend(edge.to_be_bytes());
        record.extend(count.to_be_bytes());
    }

    // Appends the edges of the virtual task, and the propagation that follows them.
    fn queue_roots(&mut self, roots: &[(TaskIdx, &TaskShape)]) {
        if roots.is_empty() {
            return;
        }
        let edge = self.edge();
        self.edges.extend(roots.iter().flat_map(|(idx, _)| idx.get().to_be_bytes()));
        let count = self.edge() - edge;
        self.props = packed(&[(EDGES_LEFT, edge, count, 1_u8)]);
    }

    // Appends the edges of the ending, and says where they are.
    fn add_finally(&mut self, shape: &RunShape) {
        let Some(first) = shape.first_finally else { return };
        let edge = self.edge();
        self.edges.extend(self.finally.iter().flat_map(|idx| idx.get().to_be_bytes()));
        let text = format!("{} {edge} {}", first.get(), self.edge() - edge);
        self.fields.push((b"finally".to_vec(), text.into_bytes()));
    }

    fn edge(&self) -> u32 {
        u32::try_from(self.edges.len() / 4).unwrap_or(u32::MAX)
    }
}

/// Returns how many hosts in a row have lost each task, from the records of a life without hosts. A claim that is still
/// held then counts as lost too.
pub(crate) fn takeovers(records: &[u8]) -> HashMap<TaskIdx, u16> {
    let records = (0..).map(TaskIdx::new).zip(records.chunks_exact(RECORD_BYTES));
    let lost = records.filter_map(|(idx, record)| {
        let [phase, flags, high, low, ..] = record else { return None };
        let is_lost = *phase == CLAIMED || flags & FLAG_LAPSED != 0;
        let takeovers = u16::from_be_bytes([*high, *low]).saturating_add(u16::from(is_lost));
        (takeovers > 0).then_some((idx, takeovers))
    });
    lost.collect()
}

/// Returns the constant bits of a task.
fn kind(shape: &RunShape, task: &TaskShape) -> u8 {
    let requirements = shape.classes.get(usize::from(task.class)).into_iter().flatten();
    let resources = requirements.filter_map(|(resource, _)| shape.resources.get(*resource));
    let shares = resources.into_iter().any(|resource| resource.scope == ResourceScope::Shared);
    let leads = task.dependents.iter().copied().any(is_lead);
    let flags = [
        (task.is_included, KIND_WANTED),
        (leads, KIND_LEADS),
        (shares, KIND_SHARES),
        (task.is_repeated, KIND_REPEATS),
    ];
    flags.into_iter().map(|(is_set, flag)| u8::from(is_set) * flag).sum()
}

/// Encodes a node as scripts do: its task, the length of its path, and its indexes.
fn node_key(node: &NodeId) -> Vec<u8> {
    let path: Vec<u8> = node.at.as_slice().iter().flat_map(|index| index.to_be_bytes()).collect();
    let len = u8::try_from(path.len()).unwrap_or(u8::MAX);
    [node.task.get().to_be_bytes().as_slice(), &[len], &path].concat()
}

/// Returns whether an edge is one between elements, or one that waits for an expansion. The others are in `edges`.
const fn is_lead(edge: Dependent) -> bool {
    edge.level > 0 || matches!(edge.on, Milestone::Expanded)
}

/// Encodes an edge between elements: the other task, the number of indexes, and what is waited for.
fn lead(edge: Dependent) -> Vec<u8> {
    let on = match edge.on {
        Milestone::Ended => ON_ENDED,
        Milestone::Expanded => ON_EXPANDED,
    };
    edge.task.get().to_be_bytes().into_iter().chain([edge.level, on]).collect()
}

/// Returns the edges that lead to elements, by the task that waits. Each names the task that is waited for.
fn element_sources(shape: &RunShape) -> HashMap<TaskIdx, Vec<Dependent>> {
    let mut sources: HashMap<TaskIdx, Vec<Dependent>> = HashMap::new();
    for (task, of) in (0..).map(TaskIdx::new).zip(&shape.tasks).filter(|(_, of)| of.is_included) {
        for edge in of.dependents.iter().filter(|edge| edge.level > 0) {
            sources.entry(edge.task).or_default().push(Dependent { task, ..*edge });
        }
    }
    sources
}

/// Splits the name of a task where the indexes of its elements stand.
fn name_parts(task: &TaskShape) -> Vec<String> {
    let segments: Vec<&str> = task.name.as_str().split('/').collect();
    let mut parts = Vec::with_capacity(task.depth() + 1);
    let mut from = 0;
    for after in &task.indexed {
        let to = usize::from(*after).min(segments.len());
        let slash = if from > 0 && to > from { "/" } else { "" };
        parts.push(format!("{slash}{}", segments.get(from..to).unwrap_or_default().join("/")));
        from = to;
    }
    let rest = segments.get(from..).unwrap_or_default().join("/");
    parts.push(if rest.is_empty() || from == 0 { rest } else { format!("/{rest}") });
    parts
}

/// Converts a rank to a sort key: higher ranks become smaller numbers.
fn order(rank: i64) -> u64 {
    u64::try_from(RANKS - rank.clamp(-RANKS, RANKS)).unwrap_or(0)
}

fn classes(shape: &RunShape) -> Vec<Vec<u8>> {
    let requirements = |(number, class): (usize, &Vec<(usize, u32)>)| {
        let larger = shape.larger.get(number).filter(|larger| !larger.is_empty());
        let requirements = class.iter().map(|(idx, amount)| match shape.resources.get(*idx) {
            Some(ResourceShape { scope: ResourceScope::Shared, amount: total, .. }) => {
                packed(&(*idx, *amount, SHARED, *total))
            }
            Some(ResourceShape { scope: ResourceScope::Elastic, .. }) => match larger {
                Some(larger) => packed(&(*idx, *amount, ELASTIC, 0, larger)),
                None => packed(&(*idx, *amount, ELASTIC, 0)),
            },
            Some(ResourceShape { scope: ResourceScope::Own, .. }) | None => packed(&(*idx, *amount, OWN, 0)),
        });
        list_of(&requirements.collect::<Vec<_>>())
    };
    shape.classes.iter().enumerate().map(requirements).collect()
}

/// Returns the list of values that are packed already. There are fewer than 65,536.
fn list_of(values: &[Vec<u8>]) -> Vec<u8> {
    let count = u16::try_from(values.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[0xdc][..], &count, &values.concat()].concat()
}

fn packed<T: serde::Serialize>(value: &T) -> Vec<u8> {
    // Numbers and lists always serialize.
    rmp_serde::to_vec(value).unwrap_or_default()
}

/// Returns the included tasks with a result, according to the records of a life.
pub(crate) fn done(records: &[u8], shape: &RunShape) -> Vec<TaskIdx> {
    let phases = records.chunks_exact(RECORD_BYTES).map(|record| record.first() == Some(&DONE));
    let tasks = (0..).map(TaskIdx::new).zip(&shape.tasks).zip(phases);
    tasks.filter(|((_, task), is_done)| task.is_included && *is_done).map(|((idx, _), _)| idx).collect()
}

/// The plan under which results were stored.
pub(crate) enum Stored<'a> {
    /// Records of an unchanged plan.
    Same,
    /// Another plan, with these fingerprints.
    Other(&'a [u8]),
}

/// Returns which of the stored fields are valid under a shape.
pub(crate) fn kept(shape: &RunShape, fields: &[String], stored: &Stored<'_>) -> Kept {
    let tasks = (0..).map(TaskIdx::new).zip(&shape.tasks);
    let names: HashMap<&str, (TaskIdx, &TaskShape)> =
        tasks.map(|(idx, task)| (task.name.as_str(), (idx, task))).collect();
    let prints = match stored {
        Stored::Same => HashMap::new(),
        Stored::Other(prints) => read_prints(prints).into_iter().collect(),
    };
    let holds = |task: &TaskShape| match stored {
        Stored::Same => true,
        Stored::Other(_) => has_print(task, prints.get(task.name.as_str().as_bytes()).copied()),
    };
    let mut kept = Kept::default();
    let mut iterations: HashMap<NodeId, Vec<(u32, &String)>> = HashMap::new();
    // The lists of elements, and the elements of elements that may be in one.
    let (mut lists, mut nested): (HashSet<&str>, Vec<(&str, TaskIdx, usize)>) = Default::default();
    // Elements are stored with indexes in their names; they are valid if their task is.
    for field in fields {
        let iteration = split_iteration_name(field);
        let node = iteration.map_or(field.as_str(), |(node, _)| node);
        let (name, indexes) = split_node_name(node).unwrap_or_else(|| (node.to_owned(), Vec::new()));
        match names.get(name.as_str()).filter(|(_, task)| holds(task)) {
            Some((task, _)) if let Some((_, number)) = iteration => {
                let indexes: Vec<u32> = indexes.into_iter().map(|(_, index)| index).collect();
                if let Some(at) = IndexPath::new(&indexes) {
                    iterations.entry(NodeId { task: *task, at }).or_default().push((number, field));
                }
                false
            }
            Some((idx, task)) if !indexes.is_empty() => {
                if indexes.len() < task.depth() {
                    lists.insert(field);
                } else if let (Some((list, "")), 2..) = (split_last_index(field), indexes.len()) {
                    nested.push((list, *idx, indexes.len() - 1));
                }
                kept.elements.insert(*idx)
            }
            Some((idx, _)) => kept.tasks.insert(*idx),
            None => {
                // Under the same plan, unknown fields are foreign and left alone.
                if matches!(stored, Stored::Other(_)) {
                    kept.stale.push(field.clone());
                }
                false
            }
        };
    }
    let done: HashSet<&str> = fields.iter().map(String::as_str).collect();
    for (_, task, level) in nested.into_iter().filter(|(list, ..)| lists.contains(list)) {
        *kept.together.entry((task, level)).or_default() += 1;
    }
    for (node, mut stored) in iterations {
        stored.sort_unstable();
        let whole = (0..).zip(&stored).take_while(|(at, (number, _))| at == number).count();
        // What follows a gap would be computed again, and is not to be counted twice.
        kept.stale.extend(stored.split_off(whole).into_iter().map(|(_, field)| field.clone()));
        // The number is part of the work on a node, which has ended with the node's result.
        let name = stored.first().and_then(|(_, field)| split_iteration_name(field)).map(|(node, _)| node);
        if name.is_some_and(|name| !done.contains(name)) {
            kept.iterations.insert(node, u32::try_from(whole).unwrap_or(u32::MAX));
        }
    }
    kept
}

/// Splits the name of a node before its last index. Returns also what follows this index.
fn split_last_index(name: &str) -> Option<(&str, &str)> {
    let (before, index) = name.rsplit_once('[')?;
    Some((before, index.split_once(']')?.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, TaskName};

    fn shape(indexed: Vec<u8>) -> RunShape {
        let task = TaskShape {
            name: TaskName::new("a/t").unwrap(),
            fingerprint: Digest::of_bytes(b"call"),
            waits_for: Vec::new(),
            dependents: Vec::new(),
            rank: 0,
            class: 0,
            indexed,
            is_repeated: true,
            is_included: true,
            deadlines: Vec::new(),
        };
        RunShape {
            tasks: vec![task],
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
    fn stored_elements_of_elements_are_counted_under_lists() {
        let shape = shape(vec![1, 2]);
        let fields = ["a[1]/t", "a[1]/t[0]", "a[1]/t[1]", "a[2]/t[0]"].map(str::to_owned);
        let kept = kept(&shape, &fields, &Stored::Same);
        assert_eq!(kept.together, HashMap::from([((TaskIdx::new(0), 1), 2)]));
        assert!(Layout::new(&shape, &kept).fields.contains(&(b"m:0:1".to_vec(), b"2".to_vec())));
    }

    #[test]
    fn iterations_after_a_gap_are_dropped() {
        let shape = shape(vec![1]);
        let fields = ["a[1]/t@0", "a[1]/t@1", "a[1]/t@3", "a[2]/t@0", "a[2]/t@10", "a[2]/t", "foreign@0"]
            .map(str::to_owned);
        let kept = kept(&shape, &fields, &Stored::Same);
        let node = NodeId::element(TaskIdx::new(0), 1);
        assert_eq!(kept.iterations, HashMap::from([(node, 2)]));
        let stale: HashSet<&str> = kept.stale.iter().map(String::as_str).collect();
        assert_eq!(stale, HashSet::from(["a[1]/t@3", "a[2]/t@10"]));
        assert_eq!((kept.tasks.len(), kept.elements.len()), (0, 1));
        let field = [b"v:".as_slice(), &[0, 0, 0, 0, 4, 0, 0, 0, 1]].concat();
        assert!(Layout::new(&shape, &kept).fields.contains(&(field, b"2".to_vec())));
    }
}
