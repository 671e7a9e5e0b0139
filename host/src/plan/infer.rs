//! The type that an expression has by itself, where no parameter says which it must have.
//! Needed for `for-each`, `when`, selectors and outputs; arguments are typed by their parameters.

use crate::graph::Expr;
use crate::model::Datum;
use crate::model::Path;
use crate::model::Span;
use crate::model::Spanned;
use crate::plan::scope::Scope;
use crate::value::Field;
use crate::value::Type;
use crate::value::type_at;
use crate::model::Fault;
use std::sync::Arc;

/// The natural type of `expr`; none where it was reported as faulty or cannot be told.
pub(crate) fn infer(scope: &mut Scope<'_>, expr: &Spanned<Expr>) -> Option<Type> {
    match &expr.value {
        Expr::Literal(datum) => literal(datum),
        Expr::Array(parts) => {
            let types: Option<Vec<Type>> = parts.iter().map(|part| infer(scope, part)).collect();
            types.map(|types| Type::Tuple(types.into()))
        }
        Expr::Table(entries) => {
            let fields: Option<Vec<Field>> = entries
                .iter()
                .map(|(key, part)| {
                    let name: Arc<str> = Arc::from(key.value.as_str());
                    infer(scope, part).map(|ty| Field { name, ty })
                })
                .collect();
            fields.map(|fields| Type::Record(fields.into()))
        }
        Expr::Task { task, path, .. } => {
            let ty = scope.output_of(*task, &expr.span)?;
            part_type(scope, &ty, path, &expr.span)
        }
        Expr::Param { param, path } => {
            let ty = scope.inputs.ty(*param)?.clone();
            part_type(scope, &ty, path, &expr.span)
        }
        Expr::Item { item, path } => {
            let ty = scope.items.get(*item)?.ty.clone()?;
            part_type(scope, &ty, path, &expr.span)
        }
        Expr::Env { .. } | Expr::File { .. } => Some(Type::String),
        Expr::Select { cases, .. } => cases.iter().find_map(|(_, case)| infer(scope, case)),
    }
}

/// The type of the part of `ty` at `path`; reports a path that no value of the type has.
pub(crate) fn part_type(scope: &mut Scope<'_>, ty: &Type, path: &Path, span: &Span) -> Option<Type> {
    match type_at(ty, path) {
        Ok(part) => Some(part.ty),
        Err(fault) => {
            scope.fault(
                Fault::at(span.clone(), format!("no such part: {fault}"))
                    .note(format!("the whole has the type `{ty}`")),
            );
            None
        }
    }
}

fn literal(datum: &Datum) -> Option<Type> {
    match datum {
        Datum::Bool(_) => Some(Type::Bool),
        Datum::Int(_) => Some(Type::S64),
        Datum::Float(_) => Some(Type::F64),
        Datum::Text(_) => Some(Type::String),
        Datum::Array(items) => {
            let mut types = items.iter().map(literal);
            let first = types.next()??;
            types
                .all(|ty| ty.as_ref() == Some(&first))
                .then(|| Type::List(Arc::new(first)))
        }
        Datum::Null | Datum::Table(_) => None,
    }
}
