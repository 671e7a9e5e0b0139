//! Typing of the lists of `for-each`, before anything that refers to their items.
//! `binding` types the values inside a list.

use crate::graph::{Expr, Node};
use crate::manifest;
use crate::manifest::{Action, Feed};
use crate::model::{Fault, Path, Spanned};
use crate::plan::binding::{Target, bind};
use crate::plan::callee::Callee;
use crate::plan::command::bytes;
use crate::plan::infer::{infer, infer_element};
use crate::plan::scope::{ItemType, Lists, Scope};
use crate::plan::{ForEach, builtin, files};
use crate::value::{Signature, Type, assign};
use std::sync::Arc;

/// Types the lists of a task.
pub(crate) fn lists(
    scope: &mut Scope<'_>,
    (task, node): (&manifest::Task, &Node),
    callee: Option<&Callee<'_>>,
) -> Lists {
    (scope.items, scope.level) = (Vec::new(), node.around.len() + 1);
    let mut items = Vec::with_capacity(node.for_each.len());
    let mut lists = Vec::with_capacity(node.for_each.len());
    for (position, (item, list)) in node.for_each.iter().enumerate() {
        let ty = match &list.value {
            Expr::Literal(_) | Expr::Array(_) | Expr::Files { .. } | Expr::Select { .. }
                if is_literal(&list.value) =>
            {
                match (task.action.as_ref().map(|action| &action.value), callee) {
                    (Some(Action::Command(command)), _) => of_command(scope, node, (position, list), command),
                    (Some(Action::Builtin(call)), _) => {
                        literal(scope, node, (position, list), &builtin::plain_params(call))
                    }
                    (_, Some(callee)) => literal(scope, node, (position, list), &callee.signature),
                    (Some(Action::Call(_) | Action::Manifest(_)) | None, None) => None,
                }
            }
            _ => reference(scope, list), // has a type of its own
        };
        items.push(ItemType { ty: ty.clone() });
        lists.push(ty.and_then(|element| for_each(scope, (item, list), element)));
    }
    Lists { lists: lists.into_iter().collect(), items }
}

/// Binds the list of an item to the type of its elements.
fn for_each(
    scope: &mut Scope<'_>,
    (item, list): (&String, &Spanned<Expr>),
    element: Type,
) -> Option<ForEach> {
    let ty = Type::List(Arc::new(element));
    let (name, span) = (format!("`for-each.{item}`"), list.span.clone());
    let list = bind(scope, list, &Target { name: &name, ty: &ty })?;
    Some(ForEach { item: item.clone(), span, list, ty })
}

/// Types the lists of a pipeline, unless that is done. A literal list is typed by the params that its elements go to.
pub(crate) fn of_pipeline(scope: &mut Scope<'_>, position: usize) {
    let graph = scope.graph;
    let Some(pipeline) = graph.pipelines().get(position) else { return };
    if scope.fan_outs.get(position).is_none_or(Option::is_some) {
        return;
    }
    let (mut items, mut lists) = (Vec::new(), Vec::new());
    for (index, (item, list)) in pipeline.for_each.iter().enumerate() {
        let element = if is_literal(&list.value) {
            let params = scope.params.get(pipeline.manifest);
            let arguments = pipeline.arguments.iter().enumerate();
            let typed = arguments
                .filter_map(|(param, argument)| Some((&argument.as_ref()?.value.value, params?.ty(param)?)));
            of_uses(scope, list, &uses((Some(position), index), typed))
        } else {
            reference(scope, list)
        };
        items.push(ItemType { ty: element.clone() });
        lists.push(element.and_then(|element| for_each(scope, (item, list), element)));
    }
    let typed = Lists { lists: lists.into_iter().collect(), items };
    scope.fan_outs.get_mut(position).into_iter().for_each(|slot| *slot = Some(typed.clone()));
}

/// Returns whether a list is a literal, files, or a choice of these. Its elements then have no type of their own.
fn is_literal(list: &Expr) -> bool {
    match list {
        Expr::Literal(_) | Expr::Array(_) | Expr::Files { .. } => true,
        Expr::Select { cases, .. } => cases.iter().all(|(_, case)| is_literal(&case.value)),
        Expr::Table(_)
        | Expr::Task { .. }
        | Expr::Param { .. }
        | Expr::Item { .. }
        | Expr::Env { .. }
        | Expr::File { .. }
        | Expr::Range { .. }
        | Expr::Run(_)
        | Expr::Crossing { .. }
        | Expr::Each { .. }
        | Expr::Faulty => false,
    }
}

/// Returns the element type of an expression that must be a list.
fn reference(scope: &mut Scope<'_>, list: &Spanned<Expr>) -> Option<Type> {
    match infer(scope, list)? {
        Type::List(element) => Some((*element).clone()),
        other => {
            let fault = Fault::spanned(list.span.clone(), "`for-each` runs over a list");
            let fault = fault.note(format!("this has the type `{other}`"));
            scope.fault(match other {
                other if is_integer(&other) => {
                    fault.help("to run once per number from 0, write this as `{ range = … }`")
                }
                Type::String => fault.help(
                    "to run once per line, run over a task with `call = \"std.lines\"` and this as `args.text`",
                ),
                _ => fault, // no built-in task makes a list of it
            });
            None
        }
    }
}

/// Returns whether values of the type can be the end of a range.
const fn is_integer(ty: &Type) -> bool {
    matches!(ty, Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::S8 | Type::S16 | Type::S32 | Type::S64)
}

/// Returns the element type of a literal list.
///
/// The type is that of the parameter that receives the item unchanged; of several parameters, the narrowest type.
/// Without such a parameter, the elements are typed on their own.
fn literal(
    scope: &mut Scope<'_>,
    node: &Node,
    (position, list): (usize, &Spanned<Expr>),
    signature: &Signature,
) -> Option<Type> {
    let typed = node.args.iter().filter_map(|(name, arg)| {
        let (_, ty) = signature.params.iter().find(|(param, _)| **param == *name.value)?;
        Some((&arg.value, ty))
    });
    let mut uses = uses((None, position), typed);
    // A parameter of a built-in task that takes any type asks for none.
    let is_typed = |name: &str| signature.params.iter().any(|(param, _)| **param == *name);
    for (_, arg) in node.args.iter().filter(|(name, _)| !is_typed(&name.value)) {
        each_untyped(&arg.value, position, &mut |path| uses.push((path.clone(), Type::String)));
    }
    of_uses(scope, list, &uses)
}

/// Calls `visit` with every part of an item of the task that is used, where no type is known.
fn each_untyped(expr: &Expr, of: usize, visit: &mut dyn FnMut(&Path)) {
    match expr {
        Expr::Item { of: None, item, path } if *item == of && !path.steps().is_empty() => visit(path),
        _ => expr.each_part(&mut |part| each_untyped(part, of, visit)),
    }
}

/// Returns the parts of an item that are used, each with the type that it has to fit. The item is given by the pipeline
/// that runs over its list, none for the task itself, and its position.
fn uses<'a>(
    item: (Option<usize>, usize),
    values: impl Iterator<Item = (&'a Expr, &'a Type)>,
) -> Vec<(Path, Type)> {
    let mut uses = Vec::new();
    values.for_each(|(value, ty)| {
        each_use(value, ty, item, &mut |path, ty| uses.push((path.clone(), ty.clone())));
    });
    uses
}

/// Returns the element type of a list by the uses of its item: the narrowest of the types that take it unchanged.
fn of_uses(scope: &mut Scope<'_>, list: &Spanned<Expr>, uses: &[(Path, Type)]) -> Option<Type> {
    let unchanged = uses.iter().filter(|(path, _)| path.steps().is_empty()).map(|(_, ty)| ty);
    let narrowest = unchanged.reduce(|known, ty| if assign(ty, known).is_ok() { ty } else { known });
    match narrowest {
        Some(ty) => Some(ty.clone()),
        None if has_files(&list.value) => Some(files::element_of_uses(uses)),
        None => infer_element(scope, list),
    }
}

/// Returns whether a list may be one of files.
fn has_files(list: &Expr) -> bool {
    match list {
        Expr::Files { .. } => true,
        Expr::Select { cases, .. } => cases.iter().any(|(_, case)| has_files(&case.value)),
        _ => false,
    }
}

/// Returns the element type of a literal list that a command runs over. Its parameters have the types of their values,
/// so the elements are typed on their own, but files that become content alone: these are bytes.
fn of_command(
    scope: &mut Scope<'_>,
    node: &Node,
    (position, list): (usize, &Spanned<Expr>),
    command: &manifest::Command,
) -> Option<Type> {
    let (mut is_content, mut used) = (Vec::new(), Vec::new());
    for ((_, value), feed) in node.args.iter().zip(&command.feeds) {
        let takes_bytes = matches!(feed, Feed::Stdin | Feed::File(_));
        let ty = if takes_bytes { bytes() } else { Type::String };
        each_use(&value.value, &ty, (None, position), &mut |path, ty| {
            if path.steps().is_empty() {
                is_content.push(takes_bytes);
            }
            used.push((path.clone(), ty.clone()));
        });
    }
    if has_files(&list.value) {
        return of_uses(scope, list, &used);
    }
    let is_file = |part: &Spanned<Expr>| matches!(part.value, Expr::File { .. });
    let is_files = matches!(&list.value, Expr::Array(parts) if parts.iter().all(is_file));
    if is_files && !is_content.is_empty() && is_content.into_iter().all(|takes_bytes| takes_bytes) {
        return Some(bytes());
    }
    infer_element(scope, list)
}

/// Calls `visit` with every part of an item that is used and the type that it has to fit, inside literals too.
fn each_use(expr: &Expr, ty: &Type, of: (Option<usize>, usize), visit: &mut dyn FnMut(&Path, &Type)) {
    match (expr, ty) {
        (Expr::Item { of: pipeline, item, path }, _) if (*pipeline, *item) == of => visit(path, ty),
        (Expr::Select { cases, .. }, _) => {
            cases.iter().for_each(|(_, case)| each_use(&case.value, ty, of, visit));
        }
        (Expr::Array(_) | Expr::Table(_), Type::Option(inner)) => each_use(expr, inner, of, visit),
        (Expr::Array(parts), Type::List(element)) => {
            parts.iter().for_each(|part| each_use(&part.value, element, of, visit));
        }
        (Expr::Array(parts), Type::Tuple(types)) => {
            parts.iter().zip(types.iter()).for_each(|(part, ty)| each_use(&part.value, ty, of, visit));
        }
        (Expr::Array(pairs), Type::Map(types)) => {
            let pair = Type::Tuple([types.key.clone(), types.value.clone()].into());
            pairs.iter().for_each(|part| each_use(&part.value, &pair, of, visit));
        }
        (Expr::Table(entries), Type::Map(types)) => {
            entries.iter().for_each(|(_, part)| each_use(&part.value, &types.value, of, visit));
        }
        (Expr::Table(entries), Type::Record(fields)) => {
            for (key, part) in entries {
                if let Some(field) = fields.iter().find(|field| *field.name == *key.value) {
                    each_use(&part.value, &field.ty, of, visit);
                }
            }
        }
        _ => {} // a literal, another reference, or a misfit that `binding` reports
    }
}
