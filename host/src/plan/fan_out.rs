//! Advice for an argument whose value is a list of what its parameter takes: one call per element.
//! `binding` reports the misfit; `lists` types the lists of `for-each`.

use crate::graph::Expr;
use crate::model::{Name, Path, Spanned, TaskName};
use crate::plan::scope::{OutputType, Scope};
use crate::value::{Type, assign, type_at};
use std::sync::Arc;

/// Returns the lines that call the function once per element, if the elements of the value fit the parameter.
pub(crate) fn advice(scope: &Scope<'_>, param: &str, arg: &Spanned<Expr>, ty: &Type) -> Option<String> {
    let (reference, element) = list(scope, arg)?;
    assign(&element, ty).ok()?;
    let item = Name::new(param).map_or_else(|_| "item".to_owned(), |name| name.to_string());
    Some(format!(
        "call the function once per element:\nfor-each.{item} = {{ {reference} }}\nargs.{param} = {{ item = \"{item}\" }}"
    ))
}

/// Returns the keys of a reference to a list.
pub(crate) fn reference(scope: &Scope<'_>, arg: &Spanned<Expr>) -> Option<String> {
    list(scope, arg).map(|(reference, _)| reference)
}

/// Returns the keys of a reference to a list, and the type of its elements.
fn list(scope: &Scope<'_>, arg: &Spanned<Expr>) -> Option<(String, Arc<Type>)> {
    let (reference, whole, path) = match &arg.value {
        // An output of a pipeline is written with another name and path.
        Expr::Task { task, .. } if scope.task_name(*task, &arg.span).contains(TaskName::SEPARATOR) => {
            return None;
        }
        Expr::Task { task, path, .. } => match scope.outputs.get(task.index())? {
            OutputType::Known(whole) => {
                (format!("task = \"{}\"", scope.task_name(*task, &arg.span)), whole, path)
            }
            OutputType::Unknown | OutputType::Nothing => return None,
        },
        Expr::Param { param, path } => {
            let (name, _) = scope.graph.manifests().root().params.get_index(*param)?;
            (format!("param = \"{name}\""), scope.inputs.ty(*param)?, path)
        }
        // The elements of an item have no list of their own, and nothing else is a list of unknown length.
        _ => return None,
    };
    match type_at(whole, path).ok()?.ty {
        Type::List(element) => Some((reference + &path_key(path), element)),
        _ => None, // no other type has elements of one type
    }
}

/// Formats the key `path` of a reference; empty for the whole value.
fn path_key(path: &Path) -> String {
    if path.steps().is_empty() {
        return String::new();
    }
    format!(", path = \"{}\"", path.to_string().trim_start_matches('.'))
}
