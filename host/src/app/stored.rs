//! Reads stored results of a run, as bytes.
//! `cli/print` formats them.

use crate::app::Error;
use crate::app::archive::{task_details, without_result};
use crate::app::assembled::{Count, assemble, places};
use crate::app::iterations;
use crate::app::name_fault;
use crate::app::node_name::{Named, Names, no_run};
use crate::model::{IndexPath, RunId, TaskIdx};
use crate::plan::{Assembly, NotPut, PipelineRecord};
use crate::state::{Backend, Hole, NodeId, split_iteration_name};
use crate::value::{Type, compose_list, compose_record};
use bytes::Bytes;
use std::sync::Arc;

/// Stored results, and what they lack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The results.
    pub results: Vec<StoredResult>,
    /// What is left out, each with the reason.
    pub left_out: Vec<String>,
}

/// A stored result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredResult {
    /// Name of the node, or of a pipeline.
    pub name: String,
    /// The value as MessagePack.
    pub value: Bytes,
}

/// Returns stored results of a run: of one task or element, of every task that has one, or the outputs of a pipeline, put
/// together from the results of its tasks. Those of a pipeline that runs over lists are a list.
pub(crate) async fn stored_results(
    backend: &dyn Backend,
    run: &RunId,
    name: Option<&str>,
) -> Result<Stored, Error> {
    let Some(name) = name.map(str::to_owned) else {
        return all_results(&Names::of(backend, run).await?).await;
    };
    // The result of a node is readable without the plan.
    let values = backend.results(run, std::slice::from_ref(&name)).await;
    let value = values.map_err(|error| no_run(run, error))?.into_iter().next().flatten();
    if let Some(value) = value.filter(|value| Hole::decode(value).is_none()) {
        return Ok(Stored { results: vec![StoredResult { name, value }], left_out: Vec::new() });
    }
    let names = Names::of(backend, run).await?;
    if let Some((node, iteration)) = split_iteration_name(&name) {
        return Err(iterations::missing(&names, node, iteration).await?);
    }
    match names.resolve(&name).await? {
        Named::Node(node) => Err(no_result(&names, node, &name).await?),
        Named::Pipeline { pipeline, at } => of_pipeline(&names, (pipeline, at), name).await,
    }
}

/// Returns the results of every task, of each element of pipelines around it.
async fn all_results(names: &Names<'_>) -> Result<Stored, Error> {
    let missing = |error| no_run(names.run, error);
    let tasks = (0..).map(TaskIdx::new).take(names.record.task_names().count());
    let tasks: Vec<(TaskIdx, Vec<usize>)> = tasks.map(|task| (task, names.record.around(task))).collect();
    let places = |outermost: &Assembly<'_, NodeId>| {
        let places = tasks.iter().map(|(_, around)| places(outermost, around));
        places.collect::<Vec<_>>()
    };
    let places = assemble(names.backend, names.run, &names.record, places).await.map_err(missing)?;
    let mut nodes: Vec<NodeId> = Vec::with_capacity(tasks.len());
    let mut left_out = Vec::new();
    for ((task, _), places) in tasks.iter().zip(places) {
        match places {
            Ok(places) => nodes.extend(places.into_iter().map(|at| NodeId { task: *task, at })),
            Err(NotPut::NotStored) => {
                let name = names.node_name(NodeId::of_task(*task));
                left_out.push(format!("the results of `{name}`: how many elements it has is not stored"));
            }
            Err(NotPut::Missing(_) | NotPut::LeftOut(_)) => {} // nothing has run there
        }
    }
    let stored: Vec<String> = nodes.into_iter().map(|node| names.node_name(node)).collect();
    let values = names.backend.results(names.run, &stored).await.map_err(missing)?;
    let values = values.into_iter().map(|value| value.filter(|value| Hole::decode(value).is_none()));
    let results = stored.into_iter().zip(values);
    let results = results.filter_map(|(name, value)| Some(StoredResult { name, value: value? })).collect();
    Ok(Stored { results, left_out })
}

/// An output of an element of a pipeline: its value, none if it was skipped.
type Put = Result<Option<Bytes>, NotPut<NodeId>>;

/// Puts the outputs of a pipeline together: of one element, or of all within the elements around it.
async fn of_pipeline(
    names: &Names<'_>,
    (pipeline, at): (usize, IndexPath),
    name: String,
) -> Result<Stored, Error> {
    let Some(PipelineRecord { name: bare, outputs, elements, .. }) = names.record.pipelines().get(pipeline)
    else {
        return Ok(Stored::default()); // was found by its name
    };
    let indexed = names.record.indexed_of_pipeline(pipeline);
    let around = indexed.len() - usize::from(elements.is_some()).min(indexed.len());
    if at.level() < around {
        return Err(names.per_element(&name, (bare, &indexed), at.level()).await?);
    }
    let is_list = elements.is_some() && at.level() == around;
    if elements.is_some() {
        let (outside, index) = if is_list { (at, None) } else { (at.prefix(around), at.last()) };
        let count = names.count_of(pipeline, &outside).await?;
        if let Some(index) = index {
            names.check_index(index, count, (&name, &names.pipeline_name(bare, &outside)))?;
        }
        match count {
            Count::Skipped => return Err(name_fault::without_outputs(names.run, &name, "it was skipped")),
            Count::Incomplete => return Err(name_fault::not_yet(names.run, &name, &name)),
            Count::NotStored if is_list => {
                let reason = "how many elements it has is not stored";
                return Err(name_fault::without_outputs(names.run, &name, reason));
            }
            Count::Known(_) | Count::NotStored => {}
        }
    }
    let inside = names.record.inside(pipeline);
    let put = |outermost: &Assembly<'_, NodeId>| {
        let place = outermost.within(&inside, &at);
        let put = |place: Assembly<'_, NodeId>| -> Vec<Put> {
            outputs.iter().map(|(_, recipe)| place.put(recipe)).collect()
        };
        match is_list.then(|| place.count(pipeline)) {
            Some(Ok(Some(count))) => {
                let records = place.elements(pipeline, (0..).take(count)).map(put);
                let is_left_out = |record: &Vec<Put>| record.iter().any(|value| place.is_left_out(value));
                records.filter(|record| !is_left_out(record)).collect()
            }
            Some(Ok(None) | Err(_)) => Vec::new(), // was asked for before
            None => vec![put(place)],
        }
    };
    let values = assemble(names.backend, names.run, &names.record, put).await;
    let values: Vec<Vec<Put>> = values.map_err(|error| no_run(names.run, error))?;
    let mut parts = Parts::new(outputs.iter().map(|(name, _)| name.as_str()).collect());
    for (item, values) in (0..).zip(values) {
        let element = is_list.then(|| names.pipeline_name(bare, &at.child(item)));
        if let Err(node) = parts.add(element.as_deref(), values) {
            return Err(no_result(names, node, &names.node_name(node)).await?);
        }
    }
    let Parts { records, left_out, is_empty, .. } = parts;
    let left_out: Vec<String> = left_out.into_iter().flatten().collect();
    if is_empty && !(is_list && records.is_empty()) {
        let reason = if left_out.is_empty() { "it has no outputs".to_owned() } else { left_out.join(", ") };
        return Err(name_fault::without_outputs(names.run, &name, &reason));
    }
    let value = match records.as_slice() {
        [record] if !is_list => record.clone(),
        // A record is no byte, so that the type of the elements makes no difference.
        records => compose_list(&Type::String, records).unwrap_or_default(),
    };
    let left_out = left_out.into_iter().map(|reason| format!("left out of `{name}`: {reason}")).collect();
    Ok(Stored { results: vec![StoredResult { name, value }], left_out })
}

/// The records of the outputs of elements, one after the other.
struct Parts<'n> {
    outputs: Vec<&'n str>,
    records: Vec<Bytes>,
    /// By output, the first reason why a record lacks it.
    left_out: Vec<Option<String>>,
    /// Whether no record has an output.
    is_empty: bool,
}

impl<'n> Parts<'n> {
    fn new(outputs: Vec<&'n str>) -> Self {
        Self { left_out: vec![None; outputs.len()], outputs, records: Vec::new(), is_empty: true }
    }

    /// Adds the record of an element. Fails with the node whose result is missing.
    fn add(&mut self, element: Option<&str>, values: Vec<Put>) -> Result<(), NodeId> {
        let mut fields: Vec<(Arc<str>, Bytes)> = Vec::with_capacity(values.len());
        for ((output, reason), value) in self.outputs.iter().zip(&mut self.left_out).zip(values) {
            let why = match value {
                Ok(Some(value)) => {
                    fields.push(((*output).into(), value));
                    continue;
                }
                Ok(None) => match element {
                    Some(element) => format!("`{output}` was skipped in `{element}`"),
                    None => format!("`{output}` was skipped"),
                },
                Err(NotPut::Missing(node)) => return Err(node),
                Err(NotPut::LeftOut(_)) => {
                    format!("`{output}` lies in an element that failed and is left out")
                }
                Err(NotPut::NotStored) => {
                    format!(
                        "`{output}` depends on a secret, a variable or a large value, and none of them is stored"
                    )
                }
            };
            reason.get_or_insert(why);
        }
        self.is_empty = self.is_empty && fields.is_empty();
        self.records.push(compose_record(&fields));
        Ok(())
    }
}

/// Returns the error that explains why a task or element has no result.
async fn no_result(names: &Names<'_>, node: NodeId, name: &str) -> Result<Error, Error> {
    let view = names.find(node, name).await?;
    let around = names.record.around(node.task).len();
    if node.at.level() < around {
        let bare = names.node_name(NodeId::of_task(node.task));
        return names.per_element(name, (&bare, &names.record.indexed(node.task)), node.at.level()).await;
    }
    let summary = names.backend.run(names.run).await.map_err(|error| no_run(names.run, error))?;
    let details = task_details(name.to_owned(), view, &summary);
    let run = names.run;
    Ok(Error::Missing {
        message: format!("run `{run}` has no result of `{name}`: {}", without_result(&details)),
        help: format!("`cascade-host output {run}` shows the existing results"),
    })
}
