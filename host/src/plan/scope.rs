//! Scope of typing: the inputs, items and outputs that a value may refer to, and the faults found so far.
//! The compiler in `compile` sets the items of the current task's `for-each`; everything else serves all tasks.

use crate::graph::{Border, Crossing, Graph};
use crate::model::{Fault, Faults, Span, TaskIdx};
use crate::plan::inputs::Inputs;
use crate::plan::{Binding, ForEach};
use crate::value::{Type, ValueFault};
use std::sync::Arc;

/// Type of a task's output, as far as it is known.
#[derive(Debug, Clone)]
pub(crate) enum OutputType {
    /// A fault of the task was reported already: report nothing more.
    Unknown,
    /// The function returns nothing.
    Nothing,
    /// The output has this type.
    Known(Type),
}

/// An item of a `for-each`.
#[derive(Debug, Clone)]
pub(crate) struct ItemType {
    /// Element type; none if the list was faulty.
    pub(crate) ty: Option<Type>,
}

/// Lists that a task or a pipeline runs over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lists {
    /// The lists; none if a fault was reported.
    pub(crate) lists: Option<Vec<ForEach>>,
    /// Element types of the lists.
    pub(crate) items: Vec<ItemType>,
}

/// Marker that a fault was reported already.
pub(crate) struct Reported;

/// Everything that expressions are typed against.
pub(crate) struct Scope<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) outputs: Vec<OutputType>,
    pub(crate) inputs: Inputs,
    /// Items of the current task's own `for-each`.
    pub(crate) items: Vec<ItemType>,
    /// The level of elements of the current task's own `for-each`.
    pub(crate) level: usize,
    /// The lists that pipelines run over, by position; none before they are typed.
    pub(crate) fan_outs: Vec<Option<Lists>>,
    pub(crate) faults: Faults,
    /// Params of included manifests, by position of the manifest; none of the outermost.
    pub(crate) params: Vec<Inputs>,
    /// What crosses the borders of pipelines, by number.
    pub(crate) crossed: Vec<Crossed>,
}

/// A value that crosses the border of a pipeline, as far as it is known.
#[derive(Debug, Clone)]
pub(crate) enum Crossed {
    /// A fault was reported already: report nothing more.
    Unknown,
    /// A record without outputs: no task of the pipeline returns anything.
    Nothing,
    /// The value and its type.
    Known(Type, Arc<Binding>),
}

impl Scope<'_> {
    /// Returns the level and the type of an item: of the current task, or of a pipeline.
    pub(crate) fn item(&self, of: Option<usize>, item: usize) -> Option<(usize, Type)> {
        let (level, items) = match of {
            None => (self.level, &self.items),
            Some(pipeline) => {
                let level = self.graph.pipelines().get(pipeline)?.around.len() + 1;
                (level, &self.fan_outs.get(pipeline)?.as_ref()?.items)
            }
        };
        Some((level, items.get(item)?.ty.clone()?))
    }

    /// Reports a fault.
    pub(crate) fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Reports each fault of a literal that does not fit its target type.
    pub(crate) fn misfit(&mut self, span: &Span, name: &str, ty: &Type, faults: &[ValueFault]) {
        for fault in faults {
            let fault = Fault::spanned(span.clone(), format!("{name}: {fault}"));
            self.fault(fault.note(format!("the type here is `{ty}`")));
        }
    }

    /// Returns the output type of a task. Reports a function that returns nothing.
    pub(crate) fn output_of(&mut self, task: TaskIdx, span: &Span) -> Option<Type> {
        match self.outputs.get(task.index())?.clone() {
            OutputType::Unknown => None,
            OutputType::Known(ty) => Some(ty),
            OutputType::Nothing => {
                let name = self.task_name(task, span);
                self.fault(
                    Fault::spanned(span.clone(), format!("task `{name}` has no output"))
                        .note("the function returns nothing, or only an error")
                        .help(format!("to run after it without its data, write `after = [\"{name}\"]`")),
                );
                None
            }
        }
    }

    /// Returns the name of a task as the manifest at `span` knows it: without the pipelines around both.
    pub(crate) fn task_name(&self, task: TaskIdx, span: &Span) -> String {
        let Some(node) = self.graph.nodes().get(task.index()) else { return String::new() };
        match self.graph.manifests().task(node.place) {
            Some((name, _)) if self.is_in(node.place.manifest, span) => name.to_string(),
            _ => node.name.to_string(), // lies in a pipeline of that manifest
        }
    }

    /// Returns whether a span lies in the manifest at a position.
    pub(crate) fn is_in(&self, manifest: usize, span: &Span) -> bool {
        self.manifest_at(span) == manifest
    }

    /// Returns the position of the manifest in which a span lies.
    pub(crate) fn manifest_at(&self, span: &Span) -> usize {
        self.graph.manifests().sources().locate(span).map_or(0, |located| located.index)
    }

    /// Returns the value of a crossing and its type. Reports a record without outputs.
    pub(crate) fn crossed(&mut self, crossing: &Crossing, span: &Span) -> Option<(Type, Arc<Binding>)> {
        match self.crossed.get(crossing.id)?.clone() {
            Crossed::Unknown => None,
            Crossed::Known(ty, value) => Some((ty, value)),
            Crossed::Nothing => {
                let name = self.crossing_name(crossing);
                let fault = Fault::spanned(span.clone(), format!("{name} is empty"));
                self.fault(fault.note("its tasks return nothing, or their results are consumed in it"));
                None
            }
        }
    }

    /// Returns the words for a crossing as the manifest that refers to it knows it.
    pub(crate) fn crossing_name(&self, crossing: &Crossing) -> String {
        let pipelines = self.graph.pipelines();
        let own_name = |pipeline: usize| {
            let task = pipelines.get(pipeline).and_then(|found| self.graph.manifests().task(found.place));
            task.map_or_else(String::new, |(name, _)| name.to_string())
        };
        match &crossing.border {
            Border::Argument { pipeline, param, .. } => {
                let manifest =
                    pipelines.get(*pipeline).and_then(|found| self.graph.manifests().get(found.manifest));
                let param = manifest.and_then(|manifest| manifest.params.get_index(*param));
                format!("param `{}`", param.map_or("", |(name, _)| name.as_str()))
            }
            Border::Output { pipeline, name } => {
                format!("output `{name}` of pipeline `{}`", own_name(*pipeline))
            }
            Border::Record { pipeline } | Border::List { pipeline } => {
                format!("the output of pipeline `{}`", own_name(*pipeline))
            }
        }
    }
}
