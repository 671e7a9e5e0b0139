//! Typing of what crosses the borders of pipelines: an argument by the type of its param, an output by its own.
//! References to them are typed in `binding`. Each crossing is typed once, whatever refers to it.

use crate::graph::{Border, Crossing, Expr, Graph, Origin, Pipeline};
use crate::manifest::{Param, Unread};
use crate::model::{Datum, Fault, Location, Name, Spanned, nearest};
use crate::plan::Binding;
use crate::plan::binding::{Target, bind};
use crate::plan::infer::infer;
use crate::plan::scope::{Crossed, OutputType, Scope};
use crate::plan::secrecy::Secret;
use crate::plan::{lists, secrecy};
use crate::value::{Type, encode};
use std::sync::Arc;

/// The crossings that are not typed yet. Each is typed once the tasks that it reads are, and before those that read it.
pub(crate) struct Crossings {
    /// By the number of tasks of the topological order that are typed first: the crossings, by number.
    waiting: Vec<Vec<usize>>,
}

impl Crossings {
    pub(crate) fn new(graph: &Graph) -> Self {
        let mut earliest = Earliest::new(graph);
        let mut waiting = vec![Vec::new(); graph.order().len() + 1];
        for (id, crossing) in graph.crossings().iter().enumerate() {
            let lists =
                graph.pipelines().get(crossing.border.pipeline()).map_or(&[][..], |one| &one.for_each);
            let lists = lists.iter().map(|(_, list)| earliest.of(&list.value)).max();
            let at = earliest.of(&crossing.value.value).max(lists.unwrap_or_default());
            earliest.of_crossings.push(at);
            waiting.get_mut(at).into_iter().for_each(|waiting| waiting.push(id));
        }
        Self { waiting }
    }

    /// Types the crossings that can be typed once `typed` tasks of the topological order are.
    pub(crate) fn type_ready(&mut self, scope: &mut Scope<'_>, typed: usize) {
        let graph = scope.graph;
        for id in self.waiting.get_mut(typed).map(std::mem::take).into_iter().flatten() {
            let Some(crossing) = graph.crossings().get(id) else { continue };
            lists::of_pipeline(scope, crossing.border.pipeline());
            let crossed = type_crossing(scope, crossing).unwrap_or(Crossed::Unknown);
            scope.crossed.get_mut(id).into_iter().for_each(|slot| *slot = crossed.clone());
        }
    }
}

/// The numbers of tasks of the topological order after which values can be typed.
struct Earliest {
    of_tasks: Vec<usize>,
    of_crossings: Vec<usize>,
}

impl Earliest {
    fn new(graph: &Graph) -> Self {
        let mut of_tasks = vec![0; graph.nodes().len()];
        for (position, task) in graph.order().iter().enumerate() {
            of_tasks.get_mut(task.index()).into_iter().for_each(|slot| *slot = position + 1);
        }
        Self { of_tasks, of_crossings: Vec::with_capacity(graph.crossings().len()) }
    }

    fn of(&self, value: &Expr) -> usize {
        match value {
            Expr::Task { task, .. } => self.of_tasks.get(task.index()).copied().unwrap_or_default(),
            Expr::Crossing { crossing, .. } => {
                self.of_crossings.get(crossing.id).copied().unwrap_or_default()
            }
            _ => {
                let mut latest = 0;
                value.each_part(&mut |part| latest = latest.max(self.of(part)));
                latest
            }
        }
    }
}

fn type_crossing(scope: &mut Scope<'_>, crossing: &Crossing) -> Option<Crossed> {
    let pipeline = scope.graph.pipelines().get(crossing.border.pipeline())?;
    match &crossing.border {
        Border::Argument { param, origin, .. } => {
            argument(scope, crossing.border.pipeline(), (*param, *origin), &crossing.value)
        }
        Border::Output { .. } => output(scope, &crossing.value),
        Border::Record { .. } => record(scope, pipeline, crossing),
        Border::List { pipeline } => list(scope, *pipeline, &crossing.value),
    }
}

/// Types the list of the records of all elements of a pipeline.
fn list(scope: &mut Scope<'_>, pipeline: usize, value: &Spanned<Expr>) -> Option<Crossed> {
    let Expr::Each { value, .. } = &value.value else { return None };
    if returns_nothing(scope, &value.value) {
        return Some(Crossed::Nothing);
    }
    let ty = infer(scope, value)?;
    let bound = bind(scope, value, &Target { name: "the outputs", ty: &ty })?;
    let each = each(scope, pipeline, (Arc::new(bound), &ty));
    Some(Crossed::Known(Type::List(Arc::new(ty)), Arc::new(each)))
}

/// Returns the values of all elements of a pipeline as a list.
pub(crate) fn each(scope: &Scope<'_>, pipeline: usize, (value, element): (Arc<Binding>, &Type)) -> Binding {
    let fan_out = scope.fan_outs.get(pipeline).and_then(Option::as_ref);
    let lists = fan_out.into_iter().flat_map(|fan_out| fan_out.lists.iter().flatten());
    let lists = lists.map(|list| list.list.clone()).collect();
    Binding::Each { pipeline, lists, element: element.clone(), value }
}

fn argument(
    scope: &mut Scope<'_>,
    position: usize,
    (param, origin): (usize, Origin),
    value: &Spanned<Expr>,
) -> Option<Crossed> {
    let pipeline = scope.graph.pipelines().get(position)?;
    let manifest = scope.graph.manifests().get(pipeline.manifest)?;
    let (name, declared) = manifest.params.get_index(param)?;
    let ty = scope.params.get(pipeline.manifest)?.ty(param)?.clone();
    let before = scope.faults.list.len();
    let bound = match origin {
        Origin::Nothing if matches!(ty, Type::Option(_)) => {
            encode(&ty, &Datum::Null).ok().map(Binding::Constant)
        }
        Origin::Nothing => {
            if !may_be_misspelt(scope, pipeline, name) {
                scope.fault(missing(scope, pipeline, (name, declared), &ty, value));
            }
            None
        }
        // The param's own default is checked with the param.
        Origin::Default => match &value.value {
            Expr::Literal(datum) => encode(&ty, datum).ok().map(Binding::Constant),
            _ => None, // a default is a literal
        },
        Origin::Args => bind(scope, value, &Target { name: &format!("param `{name}`"), ty: &ty }),
    };
    if let Origin::Args = origin {
        for fault in scope.faults.list.iter_mut().skip(before) {
            if fault.location.as_ref().is_some_and(|location| location.span == value.span) {
                fault.related.push(Location { span: declared.span.clone(), label: "the param".to_owned() });
            }
            if declared.secret {
                secrecy::hide_fault(fault, name);
            }
        }
    }
    let bound = bound?;
    let bound = if declared.secret {
        let levels = secrecy::levels(scope, position);
        let secret = Secret { name, span: &value.span, levels: &levels };
        secrecy::hidden(scope, secret, bound, &ty)
    } else {
        bound
    };
    Some(Crossed::Known(ty, Arc::new(bound)))
}

/// Returns whether an unreadable or unknown argument may be that of a param: it is not reported as missing too.
fn may_be_misspelt(scope: &Scope<'_>, pipeline: &Pipeline, param: &Name) -> bool {
    let manifests = scope.graph.manifests();
    let (Some((_, task)), Some(manifest)) =
        (manifests.task(pipeline.place), manifests.get(pipeline.manifest))
    else {
        return false;
    };
    let params = || manifest.params.keys().map(Name::as_str);
    let unknown = task.args.keys().filter(|arg| !manifest.params.contains_key(arg.as_str()));
    let mut meant = unknown.filter_map(|arg| nearest(arg, params()));
    task.is_unread(Unread::Args) || meant.any(|meant| meant == param.as_str())
}

fn missing(
    scope: &Scope<'_>,
    pipeline: &Pipeline,
    (name, declared): (&Name, &Param),
    ty: &Type,
    place: &Spanned<Expr>,
) -> Fault {
    let file = scope.graph.manifests().included_name(pipeline.manifest).unwrap_or_default();
    let fault = Fault::spanned(place.span.clone(), format!("param `{name}` of `{file}` gets no value"));
    fault
        .related(declared.span.clone(), "declared here")
        .help(format!("add `args.{name} = …` of type `{ty}`, or a `default` to the param"))
}

fn output(scope: &mut Scope<'_>, value: &Spanned<Expr>) -> Option<Crossed> {
    // A task of a manifest without `[outputs]` may return nothing, and then is no output.
    if returns_nothing(scope, &value.value) {
        return Some(Crossed::Nothing);
    }
    let ty = infer(scope, value)?;
    let bound = bind(scope, value, &Target { name: "the output", ty: &ty })?;
    Some(Crossed::Known(ty, Arc::new(bound)))
}

/// Types the record of all outputs. Tasks that return nothing have no field in that of a manifest without `[outputs]`.
fn record(scope: &mut Scope<'_>, pipeline: &Pipeline, crossing: &Crossing) -> Option<Crossed> {
    let Spanned { value: Expr::Table(entries), span } = &crossing.value else { return None };
    let is_explicit = scope.graph.manifests().get(pipeline.manifest)?.outputs.is_some();
    let mut known = entries.clone();
    if !is_explicit {
        known.retain(|(_, value)| !returns_nothing(scope, &value.value));
    }
    if known.is_empty() {
        return Some(Crossed::Nothing);
    }
    // Faults of outputs were reported at the outputs.
    let reported = scope.faults.list.len();
    let value = Spanned::new(Expr::Table(known), span.clone());
    let ty = infer(scope, &value);
    let bound = ty.and_then(|ty| {
        let bound = bind(scope, &value, &Target { name: "the outputs", ty: &ty })?;
        Some(Crossed::Known(ty, Arc::new(bound)))
    });
    scope.faults.list.truncate(reported);
    bound
}

/// Returns whether a value is the whole output of a task or a pipeline that has none.
fn returns_nothing(scope: &Scope<'_>, value: &Expr) -> bool {
    match value {
        Expr::Task { task, path, .. } => {
            path.steps().is_empty() && matches!(scope.outputs.get(task.index()), Some(OutputType::Nothing))
        }
        Expr::Crossing { crossing, .. } => matches!(scope.crossed.get(crossing.id), Some(Crossed::Nothing)),
        _ => false, // is composed, or a value that exists
    }
}
