//! Inference of an expression's natural type, where no parameter dictates one.
//! Serves `for-each`, `when`, selectors and outputs; arguments are typed by their parameters in `binding`.

use crate::graph::Expr;
use crate::model::{Datum, Fault, Path, Span, Spanned, Step};
use crate::plan::scope::Scope;
use crate::plan::type_of;
use crate::value::{Field, Type, assign, type_at};
use std::sync::Arc;

/// Returns the natural type of `expr`; none if a fault was reported.
pub(crate) fn infer(scope: &mut Scope<'_>, expr: &Spanned<Expr>) -> Option<Type> {
    let natural = natural(scope, expr);
    reported(scope, natural, &expr.span)
}

/// Returns the natural element type of a literal list; none if a fault was reported.
pub(crate) fn infer_element(scope: &mut Scope<'_>, list: &Spanned<Expr>) -> Option<Type> {
    let natural = match &list.value {
        Expr::Array(parts) => common(scope, parts.iter()),
        Expr::Literal(Datum::Array(items)) => common_literal(items),
        _ => {
            // not a literal list
            scope.fault(Fault::spanned(list.span.clone(), "`for-each` runs over a list"));
            return None;
        }
    };
    reported(scope, natural, &list.span)
}

/// Returns the type of the part of `ty` at `path`. Reports a path that no value of the type has.
pub(crate) fn part_type(scope: &mut Scope<'_>, ty: &Type, path: &Path, span: &Span) -> Option<Type> {
    match type_at(ty, path) {
        Ok(part) => Some(part.ty),
        Err(fault) => {
            let fault = Fault::spanned(span.clone(), format!("no such part: {fault}"))
                .note(format!("the value has the type `{ty}`"));
            scope.fault(match of_each(ty, path) {
                Some(help) => fault.help(help),
                None => fault,
            });
            None
        }
    }
}

/// Returns how to write a path that was meant to reach into every element of a list.
fn of_each(ty: &Type, path: &Path) -> Option<String> {
    let steps = path.steps();
    let place = steps.iter().position(|step| matches!(step, Step::Field(_)))?;
    (place..steps.len()).find_map(|place| {
        let (before, after) = steps.split_at_checked(place)?;
        let (before, after) = (Path::from_steps(before), Path::from_steps(after));
        let Type::List(element) = type_at(ty, &before).ok()?.ty else { return None };
        type_at(&element, &after).ok()?;
        let first = before.followed_by(&Path::from_steps(&[Step::Index(0)])).followed_by(&after);
        let after = after.to_string();
        let after = after.trim_start_matches('.');
        Some(format!("the task `std.map-path` takes `{after}` of every element, and the path `{first}` that of the first"))
    })
}

/// Reason why an expression has no natural type.
pub(crate) enum Unknown {
    /// A fault that explains it was reported.
    Reported,
    /// A literal that may have many types.
    Ambiguous,
}

/// Collects the results of all parts. Every part is checked, even after a fault in an earlier one.
fn all<T>(parts: impl Iterator<Item = Result<T, Unknown>>) -> Result<Vec<T>, Unknown> {
    let parts: Vec<Result<T, Unknown>> = parts.collect();
    if parts.iter().any(|part| matches!(part, Err(Unknown::Reported))) {
        return Err(Unknown::Reported);
    }
    parts.into_iter().collect()
}

/// Reports the faults of an expression that do not depend on a target type: missing paths, and tasks without an output.
pub(crate) fn examine(scope: &mut Scope<'_>, expr: &Spanned<Expr>) {
    if let Expr::Select { selector, .. } = &expr.value {
        examine(scope, selector);
    }
    drop(natural(scope, expr));
}

fn reported(scope: &mut Scope<'_>, natural: Result<Type, Unknown>, span: &Span) -> Option<Type> {
    match natural {
        Ok(ty) => Some(ty),
        Err(Unknown::Reported) => None,
        Err(Unknown::Ambiguous) => {
            scope.fault(
                Fault::spanned(span.clone(), "the type of this value is unknown")
                    .help("make it the `default` of a param, which has a `type`"),
            );
            None
        }
    }
}

/// Returns the natural type of an expression, or why it has none.
pub(crate) fn natural(scope: &mut Scope<'_>, expr: &Spanned<Expr>) -> Result<Type, Unknown> {
    let (ty, path) = match &expr.value {
        Expr::Literal(datum) => return literal(datum).ok_or(Unknown::Ambiguous),
        Expr::Array(parts) => {
            return all(parts.iter().map(|part| natural(scope, part))).map(|types| Type::Tuple(types.into()));
        }
        Expr::Table(entries) => {
            let field = |(key, part): &(Spanned<String>, _)| {
                natural(scope, part).map(|ty| Field { name: key.value.as_str().into(), ty })
            };
            return all(entries.iter().map(field)).map(|fields| Type::Record(fields.into()));
        }
        Expr::Env { .. } | Expr::File { .. } => return Ok(Type::String),
        Expr::Run(value) => return Ok(type_of(*value)),
        Expr::Files { .. } => return Ok(Type::List(Arc::new(Type::String))),
        Expr::Range { .. } => return Ok(Type::List(Arc::new(Type::U32))),
        Expr::Each { .. } | Expr::Faulty => return Err(Unknown::Reported),
        Expr::Select { cases, .. } => return common(scope, cases.iter().map(|(_, case)| case)),
        Expr::Task { task, path, .. } => (scope.output_of(*task, &expr.span), path),
        Expr::Crossing { crossing, path, .. } => {
            (scope.crossed(crossing, &expr.span).map(|(ty, _)| ty), path)
        }
        Expr::Param { param, path } => (scope.inputs.ty(*param).cloned(), path),
        Expr::Item { of, item, path } => (scope.item(*of, *item).map(|(_, ty)| ty), path),
    };
    let ty = ty.ok_or(Unknown::Reported)?;
    part_type(scope, &ty, path, &expr.span).ok_or(Unknown::Reported)
}

/// Returns the type among the expressions that all others fit. If there is none, returns the first, and `binding`
/// reports the others against it.
fn common<'e>(
    scope: &mut Scope<'_>,
    exprs: impl Iterator<Item = &'e Spanned<Expr>>,
) -> Result<Type, Unknown> {
    let mut known = None;
    let mut is_reported = false;
    for expr in exprs {
        match natural(scope, expr) {
            Ok(ty) => known = Some(known.map_or(ty.clone(), |known| wider(known, ty))),
            Err(Unknown::Reported) => is_reported = true,
            Err(Unknown::Ambiguous) => {}
        }
    }
    match known {
        _ if is_reported => Err(Unknown::Reported),
        Some(ty) => Ok(ty),
        None => Err(Unknown::Ambiguous),
    }
}

fn common_literal(items: &[Datum]) -> Result<Type, Unknown> {
    items.iter().filter_map(literal).reduce(wider).ok_or(Unknown::Ambiguous)
}

/// Returns the one of two types that takes the values of both; the first if there is none.
pub(crate) fn wider(left: Type, right: Type) -> Type {
    if assign(&right, &left).is_err() && assign(&left, &right).is_ok() { right } else { left }
}

/// Returns the natural type of a literal.
pub(crate) fn literal(datum: &Datum) -> Option<Type> {
    match datum {
        Datum::Bool(_) => Some(Type::Bool),
        Datum::Int(number) if i64::try_from(*number).is_err() => Some(Type::U64),
        Datum::Int(_) => Some(Type::S64),
        Datum::Float(_) => Some(Type::F64),
        Datum::Text(_) => Some(Type::String),
        Datum::Array(items) => {
            let types = items.iter().map(literal).collect::<Option<Vec<_>>>()?;
            let (first, others) = types.split_first()?;
            let is_uniform = others.iter().all(|ty| ty == first);
            Some(if is_uniform { Type::List(Arc::new(first.clone())) } else { Type::Tuple(types.into()) })
        }
        Datum::Table(entries) => {
            let field = |(key, value): &(String, Datum)| {
                literal(value).map(|ty| Field { name: key.as_str().into(), ty })
            };
            entries.iter().map(field).collect::<Option<Vec<_>>>().map(|fields| Type::Record(fields.into()))
        }
        Datum::Null => None,
    }
}
