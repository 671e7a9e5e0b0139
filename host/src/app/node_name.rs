//! Looks up the names of tasks, pipelines and elements that users type in a stored run, and lists the existing ones on a
//! mismatch.
//! `archive`, `node_log` and `stored` interpret the stored data.

use crate::app::Error;
use crate::app::assembled::{Count, count};
use crate::app::name_fault;
use crate::model::{IndexFault, IndexPath, RunId, TaskName, parse_index, to_usize};
use crate::plan::PlanRecord;
use crate::state;
use crate::state::{Backend, End, ErrorKind, Hole, NodeId, NodeView, split_iteration_name, split_node_name};
use crate::value::wire::{Kind, Reader};
use bytes::Bytes;

/// Names of elements whose states are read at once.
const PAGE: u32 = 1000;

/// A stored run, whose names are looked up.
pub(crate) struct Names<'a> {
    pub(crate) backend: &'a dyn Backend,
    pub(crate) run: &'a RunId,
    pub(crate) record: PlanRecord,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// A node.
    Node(NodeId),
    /// A pipeline, or its elements within other elements, or one element.
    Pipeline {
        /// Its position in the plan.
        pipeline: usize,
        /// The indexes.
        at: IndexPath,
    },
}

/// Reads the stored plan of a run.
pub(crate) async fn plan_record(backend: &dyn Backend, run: &RunId, help: &str) -> Result<PlanRecord, Error> {
    let record = backend.record(run).await.map_err(|error| no_run(run, error))?;
    PlanRecord::decode(&record).ok_or_else(|| {
        let doing = format!("reading the plan of run `{run}`, which is damaged or of a later version");
        state::Error::new(ErrorKind::Damaged, doing).hint(help).into()
    })
}

/// Advice for a run whose plan this version cannot read.
pub(crate) const NEWER: &str = "Use the version of cascade-host that created the run.";

impl<'a> Names<'a> {
    /// Reads the plan of a run.
    pub(crate) async fn of(backend: &'a dyn Backend, run: &'a RunId) -> Result<Self, Error> {
        Ok(Self { backend, run, record: plan_record(backend, run, NEWER).await? })
    }

    /// Returns what a name stands for. Whether there are elements with its indexes is not looked up.
    pub(crate) async fn resolve(&self, name: &str) -> Result<Named, Error> {
        let Some(Parts { name: bare, indexes }) = Parts::of(name) else {
            return Err(match index_fault(name) {
                Some(fault) => name_fault::no_index(self.run, name, &fault),
                None => name_fault::unknown(self.run, &self.record, name),
            });
        };
        let (places, at): (Vec<u8>, Vec<u32>) = indexes.into_iter().unzip();
        let at = IndexPath::new(&at);
        let (named, indexed) = match self.record.task(&bare) {
            Some(task) => (at.map(|at| Named::Node(NodeId { task, at })), self.record.indexed(task)),
            None => match self.record.pipeline(&bare) {
                Some(pipeline) => {
                    let named = at.map(|at| Named::Pipeline { pipeline, at });
                    (named, self.record.indexed_of_pipeline(pipeline))
                }
                None => return Err(name_fault::unknown(self.run, &self.record, name)),
            },
        };
        match named.filter(|_| indexed.starts_with(&places)) {
            Some(named) => Ok(named),
            None => Err(self.misplaced(name, (&bare, &indexed), &places).await?),
        }
    }

    /// Returns the error of a name with an index where none belongs, or without one where one is needed.
    async fn misplaced(
        &self,
        name: &str,
        (bare, indexed): (&str, &[u8]),
        places: &[u8],
    ) -> Result<Error, Error> {
        let missing = (0..).zip(indexed).find(|(level, place)| places.get(*level) != Some(place));
        match missing {
            Some((level, place)) if places.get(level).is_some_and(|given| given > place) => {
                self.per_element(name, (bare, indexed), level).await
            }
            _ => Ok(name_fault::superfluous(self.run, name, (bare, indexed))),
        }
    }

    /// Returns the error of a name that needs an index behind the element of this level, from 0.
    pub(crate) async fn per_element(
        &self,
        name: &str,
        (bare, indexed): (&str, &[u8]),
        level: usize,
    ) -> Result<Error, Error> {
        let place = indexed.get(level).copied().unwrap_or_default();
        let around = name_fault::segments(bare, place);
        let node = split_iteration_name(name).map_or(name, |(node, _)| node);
        let at =
            Parts::of(node).map(|parts| parts.indexes.iter().map(|(_, index)| *index).collect::<Vec<u32>>());
        let at = IndexPath::new(&at.unwrap_or_default()).unwrap_or_default().prefix(level);
        let pipeline = self.record.pipeline(around);
        let count = match pipeline {
            Some(pipeline) => self.count_of(pipeline, &at).await?,
            None => Count::NotStored,
        };
        let known = match count {
            Count::Known(count) => Some((self.pipeline_name(around, &at), count)),
            Count::Skipped | Count::Incomplete | Count::NotStored => None,
        };
        Ok(name_fault::per_element(self.run, name, (bare, indexed, around), known))
    }

    /// Finds a node. Fails if the run has no such element.
    pub(crate) async fn find(&self, node: NodeId, name: &str) -> Result<NodeView, Error> {
        let view = self.view(node).await?;
        // A note may be of an element that an earlier plan had.
        if view.end == End::Open {
            self.check_indexes(node, name).await?;
        }
        Ok(view)
    }

    /// Fails if the run has no such element. Those of a list that is not complete are known by their stored state, or by
    /// a note of an earlier result.
    pub(crate) async fn find_known(&self, node: NodeId, name: &str) -> Result<(), Error> {
        let view = self.view(node).await?;
        if view.end != End::Open {
            return Ok(());
        }
        for (level, index) in node.at.as_slice().iter().enumerate() {
            let (of, count) = self.elements_of(NodeId { at: node.at.prefix(level), ..node }).await?;
            match count {
                Count::Incomplete if view.note.is_some() => {}
                Count::Incomplete => return Err(name_fault::not_computed(self.run, name, &of)),
                count => self.check_index(*index, count, (name, &of))?,
            }
        }
        Ok(())
    }

    /// Fails if one of the indexes in the name of a pipeline is not below the number of elements there.
    pub(crate) async fn check_pipeline(
        &self,
        pipeline: usize,
        at: &IndexPath,
        name: &str,
    ) -> Result<(), Error> {
        let Some(found) = self.record.pipelines().get(pipeline) else { return Ok(()) };
        let inside = self.record.task_names().find(|task| found.contains(task));
        let task = inside.and_then(|task| self.record.task(task));
        match task {
            Some(task) => self.check_indexes(NodeId { task, at: *at }, name).await,
            None => Ok(()), // a pipeline without tasks has no elements to count
        }
    }

    /// Returns the name of the element that has failed and for which a node is left out; none for any other node.
    pub(crate) async fn left_out_by(&self, node: NodeId) -> Result<Option<String>, Error> {
        let stored = self.backend.results(self.run, &[self.node_name(node)]).await;
        let stored = stored.map_err(|error| no_run(self.run, error))?.into_iter().next().flatten();
        let hole = stored.and_then(|stored| Hole::decode(&stored));
        Ok(hole.filter(|hole| hole.failure.is_none()).map(|hole| hole.cause))
    }

    /// Returns the stored state of a node. One that was skipped with what is around it is skipped, too.
    async fn view(&self, node: NodeId) -> Result<NodeView, Error> {
        let nodes = std::iter::successors(Some(node), |node| node.parent());
        let names: Vec<String> = nodes.map(|node| self.node_name(node)).collect();
        let views = self.backend.nodes(self.run, &names).await.map_err(|error| no_run(self.run, error))?;
        let mut views = views.into_iter();
        let mut own = views.next().unwrap_or(NodeView { end: End::Open, note: None });
        if own.end == End::Open
            && let Some(skip) = views.map(|view| view.end).find(|end| matches!(end, End::Skipped(_)))
        {
            own.end = skip;
        }
        Ok(own)
    }

    /// Fails if one of the indexes of a node is not below the number of elements there.
    async fn check_indexes(&self, node: NodeId, name: &str) -> Result<(), Error> {
        for (level, index) in node.at.as_slice().iter().enumerate() {
            let (of, count) = self.elements_of(NodeId { at: node.at.prefix(level), ..node }).await?;
            self.check_index(*index, count, (name, &of))?;
        }
        Ok(())
    }

    /// Fails if an index of a name is not below the number of elements of `of`.
    pub(crate) fn check_index(
        &self,
        index: u32,
        count: Count,
        (name, of): (&str, &str),
    ) -> Result<(), Error> {
        match count {
            Count::Known(count) if u32::try_from(count).is_ok_and(|count| index >= count) => {
                Err(name_fault::out_of_range(self.run, name, &name_fault::range(of, count)))
            }
            Count::Incomplete | Count::Skipped => Err(name_fault::not_yet(self.run, name, of)),
            Count::Known(_) | Count::NotStored => Ok(()),
        }
    }

    /// Returns the number of elements of a pipeline within the elements around it that have these indexes.
    pub(crate) async fn count_of(&self, pipeline: usize, at: &IndexPath) -> Result<Count, Error> {
        let count = count(self.backend, self.run, &self.record, (pipeline, at)).await;
        count.map_err(|error| no_run(self.run, error))
    }

    /// Returns the length of the list that a node of a `for-each` task has as its result.
    pub(crate) async fn list_len(&self, node: NodeId) -> Result<Count, Error> {
        let list = self.backend.results(self.run, &[self.node_name(node)]).await;
        let list = list.map_err(|error| no_run(self.run, error))?.into_iter().next().flatten();
        let len = |list: Bytes| match Reader::new(&list).peek().ok()? {
            Kind::Bin => Some(Reader::new(&list).bin().ok()?.len()),
            _ => Reader::new(&list).array_len().ok(), // or no list, which only others can have stored
        };
        let Some(len) = list.and_then(len) else { return Ok(Count::Incomplete) };
        Ok(Count::Known(len + self.ended_from(node, len).await?))
    }

    /// Returns how many elements of a node that has ended follow a number of them. The list of a node is shorter than that
    /// by the elements that are left out of it.
    async fn ended_from(&self, node: NodeId, from: usize) -> Result<usize, Error> {
        let first = u32::try_from(from).unwrap_or(u32::MAX);
        let (mut found, mut page) = (0_u32, 1_u32);
        loop {
            let start = first.saturating_add(found);
            let names = (start..start.saturating_add(page)).map(|item| self.node_name(node.child(item)));
            let names: Vec<String> = names.collect();
            let views =
                self.backend.nodes(self.run, &names).await.map_err(|error| no_run(self.run, error))?;
            let ended = views.iter().take_while(|view| view.end != End::Open).count();
            found = found.saturating_add(u32::try_from(ended).unwrap_or(u32::MAX));
            if ended < names.len() {
                return Ok(to_usize(found));
            }
            page = PAGE;
        }
    }

    /// Returns what the elements of a node are elements of, and their number.
    pub(crate) async fn elements_of(&self, node: NodeId) -> Result<(String, Count), Error> {
        let around = self.record.around(node.task);
        match around.get(node.at.level()) {
            Some(pipeline) => {
                let name = self.record.pipelines().get(*pipeline).map_or("", |found| found.name.as_str());
                Ok((self.pipeline_name(name, &node.at), self.count_of(*pipeline, &node.at).await?))
            }
            None => Ok((self.node_name(node), self.list_len(node).await?)),
        }
    }

    /// Returns the names of the tasks in a pipeline, within the elements that have these indexes.
    pub(crate) fn tasks_in(&self, pipeline: usize, at: &IndexPath) -> Vec<String> {
        let Some(pipeline) = self.record.pipelines().get(pipeline) else { return Vec::new() };
        let inside = self.record.task_names().filter(|task| pipeline.contains(task));
        let tasks = inside.filter_map(|task| self.record.task(task));
        tasks.map(|task| self.node_name(NodeId { task, at: *at })).collect()
    }

    /// Returns the name of a node.
    pub(crate) fn node_name(&self, node: NodeId) -> String {
        self.record.node_name(node.task, &node.at).unwrap_or_default()
    }

    /// Returns the name of a pipeline in the elements that have these indexes.
    pub(crate) fn pipeline_name(&self, pipeline: &str, at: &IndexPath) -> String {
        let position = self.record.pipeline(pipeline);
        let places = position.map_or_else(Vec::new, |at| self.record.indexed_of_pipeline(at));
        let mut indexes = places.into_iter().zip(at.as_slice().iter().copied());
        TaskName::new(pipeline)
            .map_or_else(|_| pipeline.to_owned(), |name| name.with_indexes(&mut indexes).to_string())
    }
}

/// A name taken apart.
struct Parts {
    /// The name of a task or a pipeline.
    name: String,
    /// The indexes, each with the number of segments before it.
    indexes: Vec<(u8, u32)>,
}

impl Parts {
    /// Takes a name apart. None for a text that cannot be one.
    fn of(text: &str) -> Option<Self> {
        let (name, indexes) = split_node_name(text)?;
        Some(Self { name, indexes })
    }
}

/// Returns why the number between two brackets of a name is no index; none if all of them are.
fn index_fault(text: &str) -> Option<IndexFault> {
    let mut inside = text.split('[').skip(1).filter_map(|part| part.split_once(']'));
    inside.find_map(|(digits, _)| parse_index(digits)?.err())
}

/// Converts a backend error; a missing run gets a hint to the right backend.
pub(crate) fn no_run(run: &RunId, error: crate::state::Error) -> Error {
    match error.kind {
        ErrorKind::NoRun => Error::Missing {
            message: format!("there is no run `{run}` in this state backend"),
            help:
                "select the backend of the run by `--state URI` or CASCADE_STATE; `memory:` stores nothing \
                   beyond its process"
                    .to_owned(),
        },
        _ => Error::Backend(error), // all others are failures of the backend
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        for (name, task, indexes) in [
            ("count[10]", "count", &[(1, 10)][..]),
            ("count", "count", &[]),
            ("clean[3]/count", "clean/count", &[(1, 3)]),
            ("clean[3]/count[7]", "clean/count", &[(1, 3), (2, 7)]),
            ("count[4294967295]", "count", &[(1, u32::MAX)]),
        ] {
            let parts = Parts::of(name).unwrap();
            assert_eq!((parts.name.as_str(), parts.indexes.as_slice()), (task, indexes), "{name}");
        }
        for name in
            ["count[]", "count[-1]", "count[1", "count[1]]", "count[ 1]", "count[+1]", "a[x]/b", "a]/b[1]x"]
        {
            assert!(Parts::of(name).is_none() && index_fault(name).is_none(), "{name}");
        }
        for name in ["count[99999999999999999999]", "clean[3]/count[007]", "count[00]", "count[00][1]"] {
            assert!(Parts::of(name).is_none() && index_fault(name).is_some(), "{name}");
        }
    }
}
