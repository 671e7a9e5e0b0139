//! Typing of what crosses the borders of pipelines: an argument by the type of its param, an output by its own.
//! References to them are typed in `binding`. Each crossing is typed once, whatever refers to it.

use crate::graph::{Border, Crossing, Expr, Origin, Pipeline};
use crate::manifest::{Param, Unread};
use crate::model::{Datum, Fault, Location, Name, Spanned, nearest};
use crate::plan::Binding;
use crate::plan::binding::{Target, bind};
use crate::plan::infer::infer;
use crate::plan::scope::{Crossed, ItemType, OutputType, Scope};
use crate::plan::secrecy;
use crate::value::{Type, encode};
use std::sync::Arc;

/// Types all crossings of the graph.
pub(crate) fn crossings(scope: &mut Scope<'_>) {
    let graph = scope.graph;
    scope.crossed = Vec::with_capacity(graph.crossings().len());
    for crossing in graph.crossings() {
        let crossed = match &crossing.border {
            Border::Argument { pipeline, param, origin } => {
                let pipeline = graph.pipelines().get(*pipeline);
                pipeline.and_then(|pipeline| argument(scope, pipeline, (*param, *origin), &crossing.value))
            }
            Border::Output { .. } => output(scope, &crossing.value),
            Border::Record { pipeline } => {
                let pipeline = graph.pipelines().get(*pipeline);
                pipeline.and_then(|pipeline| record(scope, pipeline, crossing))
            }
        };
        scope.crossed.push(crossed.unwrap_or(Crossed::Unknown));
    }
    scope.items = Vec::new();
}

fn argument(
    scope: &mut Scope<'_>,
    pipeline: &Pipeline,
    (param, origin): (usize, Origin),
    value: &Spanned<Expr>,
) -> Option<Crossed> {
    let manifest = scope.graph.manifests().get(pipeline.manifest)?;
    let (name, declared) = manifest.params.get_index(param)?;
    let ty = scope.params.get(pipeline.manifest)?.ty(param)?.clone();
    // An argument is a value of the including task, and may refer to its items.
    scope.items = pipeline.for_each.iter().map(|_| ItemType { ty: None }).collect();
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
    let bound = if declared.secret { secrecy::hidden(scope, (name, &value.span), bound, &ty) } else { bound };
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
    scope.items = Vec::new();
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
    scope.items = Vec::new();
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

/// Reports lists of tasks that include a manifest.
///
/// This is the only place that refuses them: the lists are resolved, and arguments are values of the including task.
pub(crate) fn reject_fan_outs(scope: &mut Scope<'_>) {
    let graph = scope.graph;
    for pipeline in graph.pipelines().iter().filter(|pipeline| !pipeline.for_each.is_empty()) {
        let Some((name, task)) = graph.manifests().task(pipeline.place) else { continue };
        let message = format!("task `{name}` has both `for-each` and `manifest`");
        let fault = Fault::spanned(task.span.clone(), message);
        scope.fault(
            fault.help(
                "pass the list on in `args`, and write `for-each` in the tasks of the included manifest",
            ),
        );
    }
}
