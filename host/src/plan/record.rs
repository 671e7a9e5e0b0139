//! Stored description of a plan: one digest per key of each task, enough to name a difference without revealing a
//! value.
//! The state backend and the user decide whether a difference is accepted.

use crate::model::{Digest, IndexPath, TaskIdx, TaskName};
use crate::plan::lineage::Lineage;
use crate::plan::nesting::ElementsRecord;
use crate::plan::recipe::Recipe;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fmt;

/// The version of the stored form. Version 1 had no `read`, version 2 neither `pipelines` nor `repeats`, version 3 no
/// `indexed` and no pipelines that run over lists, version 4 no values that are converted, version 5 did not tell whether
/// elements flow, version 6 had no tasks of `[finally]`, version 7 no lineage.
const VERSION: u32 = 8;

/// Digests of the parts of a plan, by task and key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRecord {
    v: u32,
    tasks: Vec<(String, BTreeMap<String, u64>)>,
    /// Digests of the values that the creating host has read, by name, keyed by the run.
    #[serde(default)]
    read: BTreeMap<String, u64>,
    /// The pipelines that tasks include.
    #[serde(default)]
    pipelines: Vec<PipelineRecord>,
    /// The maximum number of iterations of each task that repeats.
    #[serde(default)]
    repeats: BTreeMap<String, u32>,
    /// Per task, the place of each index in the name of a node: the number of segments before it. Outermost first.
    #[serde(default)]
    indexed: Vec<Vec<u8>>,
    /// Position of the first task of `[finally]`; none if there is none.
    #[serde(default)]
    finally: Option<u32>,
    /// What the tasks call and read.
    #[serde(default)]
    lineage: Lineage,
}

/// A pipeline, whose including task is no task of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineRecord {
    /// Full name of the including task.
    pub name: String,
    /// Digests of its arguments, by name of the param.
    args: BTreeMap<String, u64>,
    /// Its outputs, of one element if it runs over lists.
    pub outputs: Vec<(String, Recipe)>,
    /// Its elements; none if it runs once.
    #[serde(default)]
    pub elements: Option<ElementsRecord>,
}

impl PipelineRecord {
    pub(crate) fn new(
        name: String,
        args: Vec<(String, Digest)>,
        outputs: Vec<(String, Recipe)>,
        elements: Option<ElementsRecord>,
    ) -> Self {
        let args = args.into_iter().map(|(param, digest)| (param, digest.prefix())).collect();
        Self { name, args, outputs, elements }
    }

    /// Returns whether a task or a pipeline lies in this one.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        is_in(name, &self.name)
    }
}

/// A difference between two plans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The task is new.
    Added(String),
    /// The task is gone.
    Removed(String),
    /// A key of the task has changed.
    Changed {
        /// Name of the task.
        task: String,
        /// The key: `call`, `args.x`, `when`, ….
        key: String,
        /// The changed inputs that the key reads: ``param `p` ``, ….
        inputs: Vec<String>,
    },
    /// The tasks are the same in another order, and their numbers follow that order.
    Reordered,
}

impl PlanRecord {
    pub(crate) fn new(
        tasks: impl Iterator<Item = (String, Vec<(String, Digest)>)>,
        read: BTreeMap<String, Digest>,
    ) -> Self {
        let tasks = tasks
            .map(|(name, keys)| {
                (name, keys.into_iter().map(|(key, digest)| (key, digest.prefix())).collect())
            })
            .collect();
        let read = read.into_iter().map(|(name, digest)| (name, digest.prefix())).collect();
        let (pipelines, repeats, indexed, finally, lineage) = Default::default();
        Self { v: VERSION, tasks, read, pipelines, repeats, indexed, finally, lineage }
    }

    /// Adds the places of the indexes in names of nodes, per task.
    #[must_use]
    pub(crate) fn with_indexed(self, indexed: Vec<Vec<u8>>) -> Self {
        Self { indexed, ..self }
    }

    /// Adds where the tasks of `[finally]` begin.
    #[must_use]
    pub(crate) fn with_finally(self, first: Option<TaskIdx>) -> Self {
        Self { finally: first.map(TaskIdx::get), ..self }
    }

    /// Adds what the tasks call and read.
    #[must_use]
    pub(crate) fn with_lineage(self, lineage: Lineage) -> Self {
        Self { lineage, ..self }
    }

    /// Returns what the tasks call and read; empty if an earlier version stored the plan.
    #[must_use]
    pub const fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// Returns the name of a task.
    #[must_use]
    pub fn task_name(&self, task: TaskIdx) -> Option<&str> {
        self.tasks.get(task.index()).map(|(name, _)| name.as_str())
    }

    /// Returns the keys of a task whose digests differ between two plans, or that only one of them has.
    #[must_use]
    pub fn changed_keys(&self, before: &Self, name: &str) -> Option<Vec<&str>> {
        let keys = |record: &'_ Self| record.tasks.iter().position(|(task, _)| task == name);
        let (_, now) = self.tasks.get(keys(self)?)?;
        let (_, stored) = before.tasks.get(keys(before)?)?;
        let altered = now.iter().filter(|(key, digest)| stored.get(*key) != Some(digest));
        Some(altered.map(|(key, _)| key.as_str()).collect())
    }

    /// Returns whether a task is one of `[finally]`.
    #[must_use]
    pub fn is_finally(&self, task: TaskIdx) -> bool {
        self.finally.is_some_and(|first| first <= task.get())
    }

    /// Adds the pipelines.
    #[must_use]
    pub(crate) fn with_pipelines(self, pipelines: Vec<PipelineRecord>) -> Self {
        Self { pipelines, ..self }
    }

    /// Adds the tasks that repeat, with their maximum number of iterations.
    #[must_use]
    pub(crate) fn with_repeats(self, repeats: BTreeMap<String, u32>) -> Self {
        Self { repeats, ..self }
    }

    /// Encodes the stored form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        rmp_serde::to_vec(self).unwrap_or_default()
    }

    /// Decodes the stored form. Returns none if it is damaged or of an unknown version.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes).ok().filter(|record: &Self| (1..=VERSION).contains(&record.v))
    }

    /// Returns whether both plans have read the input with this name, with different values.
    pub(crate) fn has_changed(&self, name: &str, stored: &Self) -> bool {
        matches!((self.read.get(name), stored.read.get(name)), (Some(now), Some(before)) if now != before)
    }

    /// Returns the pipelines, each before those in it.
    #[must_use]
    pub fn pipelines(&self) -> &[PipelineRecord] {
        &self.pipelines
    }

    /// Returns the position of the pipeline of a name.
    #[must_use]
    pub fn pipeline(&self, name: &str) -> Option<usize> {
        self.pipelines.iter().position(|pipeline| pipeline.name == name)
    }

    /// Returns the names of the tasks, in the plan's order.
    pub fn task_names(&self) -> impl Iterator<Item = &str> {
        self.tasks.iter().map(|(name, _)| name.as_str())
    }

    /// Returns the task of a name.
    #[must_use]
    pub fn task(&self, name: &str) -> Option<TaskIdx> {
        let position = self.tasks.iter().position(|(task, _)| task == name)?;
        u32::try_from(position).ok().map(TaskIdx::new)
    }

    /// Returns, per level of a task's elements, how many segments of its name stand before the index.
    #[must_use]
    pub fn indexed(&self, task: TaskIdx) -> Vec<u8> {
        if let Some(indexed) = self.indexed.get(task.index()) {
            return indexed.clone();
        }
        // An earlier version stored the plan, and had no elements but those of tasks.
        let Some((name, keys)) = self.tasks.get(task.index()) else { return Vec::new() };
        let is_for_each = keys.keys().any(|key| key.starts_with("for-each."));
        is_for_each.then(|| segments(name)).into_iter().collect()
    }

    /// Returns the same for the elements of a pipeline.
    #[must_use]
    pub fn indexed_of_pipeline(&self, pipeline: usize) -> Vec<u8> {
        let names = self.inside(pipeline).into_iter().filter_map(|around| self.pipelines.get(around));
        names.map(|around| segments(&around.name)).collect()
    }

    /// Returns the pipelines that run once per element around what lies in this one, outermost first: those around it, and
    /// itself if it runs over lists.
    #[must_use]
    pub fn inside(&self, pipeline: usize) -> Vec<usize> {
        let Some(own) = self.pipelines.get(pipeline) else { return Vec::new() };
        let itself = own.elements.as_ref().map(|_| pipeline);
        around(&self.pipelines, &own.name).chain(itself).collect()
    }

    /// Returns the pipelines that run once per element around a task, outermost first.
    #[must_use]
    pub fn around(&self, task: TaskIdx) -> Vec<usize> {
        let name = self.tasks.get(task.index()).map_or("", |(name, _)| name.as_str());
        around(&self.pipelines, name).collect()
    }

    /// Returns the name of a node; none for a task outside the plan.
    #[must_use]
    pub fn node_name(&self, task: TaskIdx, at: &IndexPath) -> Option<String> {
        let (name, _) = self.tasks.get(task.index())?;
        let mut indexes = self.indexed(task).into_iter().zip(at.as_slice().iter().copied());
        Some(TaskName::new(name).ok()?.with_indexes(&mut indexes).to_string())
    }

    /// Returns the maximum number of iterations of a task; none if it does not repeat.
    #[must_use]
    pub fn max_iterations(&self, task: &str) -> Option<u32> {
        self.repeats.get(task).copied()
    }

    /// Returns the differences from the `stored` plan, in the order of this one.
    #[must_use]
    pub fn differences(&self, stored: &Self) -> Vec<Difference> {
        let before: HashMap<&str, &BTreeMap<String, u64>> =
            stored.tasks.iter().map(|(name, keys)| (name.as_str(), keys)).collect();
        let now: HashMap<&str, &BTreeMap<String, u64>> =
            self.tasks.iter().map(|(name, keys)| (name.as_str(), keys)).collect();
        let mut found = Vec::new();
        for (name, keys) in &self.tasks {
            match before.get(name.as_str()) {
                None => found.push(Difference::Added(name.clone())),
                Some(stored) => found.extend(changed_keys(name, keys, stored)),
            }
        }
        let removed = stored.tasks.iter().filter(|(name, _)| !now.contains_key(name.as_str()));
        found.extend(removed.map(|(name, _)| Difference::Removed(name.clone())));
        let changed = self.changed_arguments(stored, &found);
        found.splice(0..0, changed);
        let is_reordered =
            self.tasks.iter().map(|(name, _)| name).ne(stored.tasks.iter().map(|(name, _)| name));
        if found.is_empty() && is_reordered {
            found.push(Difference::Reordered);
        }
        found
    }
}

impl PlanRecord {
    /// Returns the changed arguments of pipelines: the causes of changes in their tasks.
    fn changed_arguments(&self, stored: &Self, found: &[Difference]) -> Vec<Difference> {
        let before: HashMap<&str, &PipelineRecord> =
            stored.pipelines.iter().map(|pipeline| (pipeline.name.as_str(), pipeline)).collect();
        let mut changed = Vec::new();
        for now in &self.pipelines {
            let Some(before) = before.get(now.name.as_str()) else { continue };
            // An argument that no task reads changes nothing.
            let has_changed = found.iter().any(|difference| match difference {
                Difference::Changed { task, .. } => is_in(task, &now.name),
                Difference::Added(_) | Difference::Removed(_) | Difference::Reordered => false,
            });
            if has_changed {
                let differing =
                    now.args.iter().filter(|(param, digest)| before.args.get(*param) != Some(digest));
                changed.extend(differing.map(|(param, _)| Difference::Changed {
                    task: now.name.clone(),
                    key: format!("args.{param}"),
                    inputs: Vec::new(),
                }));
            }
        }
        changed
    }
}

/// Returns the pipelines that run once per element around a task or a pipeline, outermost first.
pub(crate) fn around<'r>(pipelines: &'r [PipelineRecord], name: &'r str) -> impl Iterator<Item = usize> + 'r {
    let all = pipelines.iter().enumerate();
    let around = all.filter(move |(_, other)| other.elements.is_some() && other.contains(name));
    around.map(|(position, _)| position)
}

fn segments(name: &str) -> u8 {
    u8::try_from(name.split(TaskName::SEPARATOR).count()).unwrap_or(u8::MAX)
}

/// Returns whether a task lies in a pipeline.
fn is_in(task: &str, pipeline: &str) -> bool {
    task.strip_prefix(pipeline).is_some_and(|rest| rest.starts_with(TaskName::SEPARATOR))
}

fn changed_keys<'a>(
    task: &'a str,
    now: &'a BTreeMap<String, u64>,
    stored: &'a BTreeMap<String, u64>,
) -> impl Iterator<Item = Difference> + 'a {
    let altered = now.iter().filter(|(key, digest)| stored.get(*key) != Some(digest));
    let gone = stored.iter().filter(|(key, _)| !now.contains_key(*key));
    let changed =
        |key: &String| Difference::Changed { task: task.to_owned(), key: key.clone(), inputs: Vec::new() };
    altered.chain(gone).map(move |(key, _)| changed(key))
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(task) => write!(f, "task `{task}` is new"),
            Self::Removed(task) => write!(f, "task `{task}` is gone"),
            Self::Reordered => f.write_str("the order of the tasks has changed"),
            Self::Changed { task, key, inputs } => {
                write!(f, "task `{task}`: `{key}` has changed")?;
                match inputs.as_slice() {
                    [] => Ok(()),
                    [input] => write!(f, ": {input} has another value"),
                    inputs => write!(f, ": {} have other values", inputs.join(", ")),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl PlanRecord {
        /// Returns a plan of these pipelines.
        pub(crate) fn of_pipelines(pipelines: Vec<PipelineRecord>) -> Self {
            Self::new(std::iter::empty(), BTreeMap::new()).with_pipelines(pipelines)
        }
    }

    impl PipelineRecord {
        /// Returns a pipeline without arguments and outputs.
        pub(crate) fn sample(name: &str, elements: Option<ElementsRecord>) -> Self {
            Self::new(name.to_owned(), Vec::new(), Vec::new(), elements)
        }
    }

    fn record(tasks: &[(&str, &[(&str, &str)])]) -> PlanRecord {
        let digest = |value: &str| Digest::of_bytes(value.as_bytes());
        let tasks = tasks.iter().map(|(name, keys)| {
            let keys = keys.iter().map(|(key, value)| ((*key).to_owned(), digest(value)));
            ((*name).to_owned(), keys.collect())
        });
        PlanRecord::new(tasks, BTreeMap::from([("param `p`".to_owned(), digest("v"))]))
    }

    #[test]
    fn differences_are_named() {
        let stored = record(&[("a", &[("call", "x"), ("when", "w")]), ("b", &[])]);
        let now = record(&[("a", &[("call", "y")]), ("c", &[])]);
        let shown: Vec<String> = now.differences(&stored).iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "task `a`: `call` has changed",
                "task `a`: `when` has changed",
                "task `c` is new",
                "task `b` is gone"
            ]
        );
        assert!(now.differences(&now).is_empty());
    }

    #[test]
    fn stored_form_round_trips_and_later_versions_are_rejected() {
        let now = record(&[("a", &[("call", "y")])]);
        assert_eq!(PlanRecord::decode(&now.encode()), Some(now.clone()));
        let later = PlanRecord { v: VERSION + 1, ..now.clone() };
        assert_eq!(PlanRecord::decode(&later.encode()), None);
        let second = rmp_serde::to_vec(&(2, &now.tasks, &now.read)).unwrap();
        assert_eq!(PlanRecord::decode(&second).unwrap().read, now.read);
        let task = BTreeMap::from([("Task", (1, [(); 0], None::<Vec<u8>>))]);
        let pipeline = ("p", BTreeMap::<String, u64>::new(), [("o", task)]);
        let third = rmp_serde::to_vec(&(3, &now.tasks, &now.read, [pipeline])).unwrap();
        let third = PlanRecord::decode(&third).unwrap();
        let output = Recipe::Task { task: 1, part: Vec::new(), default: None, level: 0 };
        assert_eq!(third.pipelines[0].outputs, [("o".to_owned(), output)]);
        assert_eq!(third.pipelines[0].elements, None);
        let converted = Recipe::Converted {
            of: Box::new(Recipe::NotStored),
            from: "u8".to_owned(),
            to: "f32".to_owned(),
            default: Some(vec![1]),
        };
        let fifth = PipelineRecord {
            outputs: vec![("o".to_owned(), converted)],
            ..PipelineRecord::sample("p", None)
        };
        let fifth = PlanRecord::of_pipelines(vec![fifth]);
        assert_eq!(PlanRecord::decode(&fifth.encode()), Some(fifth));
        let earlier = rmp_serde::to_vec(&(1, &now.tasks)).unwrap();
        let earlier = PlanRecord::decode(&earlier).unwrap();
        assert_eq!((&earlier.tasks, earlier.read.len()), (&now.tasks, 0));
        assert!(now.differences(&earlier).is_empty() && !now.has_changed("param `p`", &earlier));
    }
    #[test]
    fn nodes_have_indexes_behind_what_runs_per_element() {
        let elements =
            || Some(ElementsRecord { lists: Vec::new(), product: false, lengths: Vec::new(), flows: false });
        let pipelines = vec![
            PipelineRecord::sample("a", elements()),
            PipelineRecord::sample("a/b", None),
            PipelineRecord::sample("a/b/c", elements()),
            PipelineRecord::sample("a/bb", elements()),
        ];
        let tasks: &[(&str, &[(&str, &str)])] = &[("a/b/c/t", &[]), ("u", &[("for-each.x", "")]), ("v", &[])];
        let now = record(tasks).with_pipelines(pipelines).with_indexed(vec![vec![1, 3, 4]]);
        assert_eq!([0, 1, 2, 3].map(|pipeline| now.indexed_of_pipeline(pipeline).len()), [1, 1, 2, 2]);
        let name = |task: &str, at: &[u32]| {
            now.node_name(now.task(task).unwrap(), &IndexPath::new(at).unwrap()).unwrap()
        };
        assert_eq!(name("a/b/c/t", &[]), "a/b/c/t");
        assert_eq!(name("a/b/c/t", &[5, 6]), "a[5]/b/c[6]/t");
        assert_eq!(name("a/b/c/t", &[5, 6, 7]), "a[5]/b/c[6]/t[7]");
        // As an earlier version stored them.
        assert_eq!(name("u", &[8]), "u[8]");
        assert_eq!((name("v", &[]), now.task("w")), ("v".to_owned(), None));
    }
}
