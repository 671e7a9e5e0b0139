//! Solves the type variables of a built-in task by the values that it is given.
//! `builtin` knows the tasks and checks what their types must be; `binding` types the values afterwards.

use crate::builtin::Generic;
use crate::graph::Expr;
use crate::model::{Datum, Spanned};
use crate::plan::infer::{Unknown, literal, natural, wider};
use crate::plan::scope::Scope;
use crate::value::{Field, Type, assign};
use std::sync::Arc;

/// The values that variables are solved by. A literal only decides where nothing else does: it takes any type that it
/// fits, and the others have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// Everything but literals.
    References,
    /// Literals.
    Literals,
}

/// The variables that are solved so far.
#[derive(Debug, Default)]
pub(crate) struct Solution(Vec<Solved>);

#[derive(Debug)]
struct Solved {
    variable: &'static str,
    ty: Type,
    by: Pass,
}

/// Reason why a value does not fit.
pub(crate) enum Misfit {
    /// Its type has another form. It is given here.
    Type(Type),
    /// A fault was reported already.
    Reported,
}

impl Solution {
    /// Returns the type of a variable.
    pub(crate) fn get(&self, variable: &str) -> Option<&Type> {
        self.0.iter().find(|solved| solved.variable == variable).map(|solved| &solved.ty)
    }

    /// Sets or widens a variable.
    pub(crate) fn learn(&mut self, variable: &'static str, ty: &Type, by: Pass) {
        match self.0.iter_mut().find(|solved| solved.variable == variable) {
            None => self.0.push(Solved { variable, ty: ty.clone(), by }),
            Some(solved) if solved.by != by => {}
            Some(solved) => {
                let is_number = |ty: &Type| matches!(ty, Type::S64 | Type::U64);
                solved.ty = match (by, ty) {
                    // Whole numbers of a literal list of floats.
                    (Pass::Literals, Type::F64) if is_number(&solved.ty) => Type::F64,
                    _ => wider(solved.ty.clone(), ty.clone()),
                };
            }
        }
    }

    /// Returns a type with its variables replaced; none if one is not solved.
    pub(crate) fn apply(&self, generic: &Generic) -> Option<Type> {
        Some(match generic {
            Generic::Any(variable) => self.get(variable)?.clone(),
            Generic::Bool => Type::Bool,
            Generic::U32 => Type::U32,
            Generic::String => Type::String,
            Generic::List(element) => Type::List(Arc::new(self.apply(element)?)),
            Generic::Option(some) => Type::Option(Arc::new(self.apply(some)?)),
            Generic::Pair(first, second) => Type::Tuple([self.apply(first)?, self.apply(second)?].into()),
            Generic::Record(fields) => {
                let field =
                    |(name, ty): &(&str, Generic)| Some(Field { name: (*name).into(), ty: self.apply(ty)? });
                Type::Record(fields.iter().map(field).collect::<Option<Vec<_>>>()?.into())
            }
        })
    }

    /// Solves the variables of a parameter's type by the value that it is given.
    pub(crate) fn fit(
        &mut self,
        scope: &mut Scope<'_>,
        (generic, expr): (&Generic, &Spanned<Expr>),
        pass: Pass,
    ) -> Result<(), Misfit> {
        if self.apply(generic).is_some() && pass == Pass::Literals {
            return Ok(());
        }
        match (generic, &expr.value) {
            (Generic::List(element), Expr::Array(parts)) => {
                parts.iter().try_for_each(|part| self.fit(scope, (element, part), pass))
            }
            (Generic::List(element), Expr::Literal(Datum::Array(items))) => {
                self.fit_all(element, items, pass)
            }
            (_, Expr::Literal(datum)) => self.fit_literal(generic, datum, pass),
            _ if pass == Pass::Literals => Ok(()),
            _ => match natural_of(scope, expr) {
                Ok(ty) => self.unify(generic, &ty, pass),
                Err(Unknown::Ambiguous) => Ok(()),
                Err(Unknown::Reported) => Err(Misfit::Reported),
            },
        }
    }

    fn fit_all(&mut self, element: &Generic, items: &[Datum], pass: Pass) -> Result<(), Misfit> {
        items.iter().try_for_each(|item| match (element, item) {
            (Generic::List(element), Datum::Array(items)) => self.fit_all(element, items, pass),
            _ => self.fit_literal(element, item, pass),
        })
    }

    fn fit_literal(&mut self, generic: &Generic, datum: &Datum, pass: Pass) -> Result<(), Misfit> {
        match literal(datum) {
            Some(ty) if pass == Pass::Literals => self.unify(generic, &ty, pass),
            _ => Ok(()), // not its turn, or without a type of its own
        }
    }

    /// Solves the variables of `generic` so that it takes values of type `ty`.
    pub(crate) fn unify(&mut self, generic: &Generic, ty: &Type, by: Pass) -> Result<(), Misfit> {
        match (generic, ty) {
            (Generic::Any(variable), ty) => {
                self.learn(variable, ty, by);
                Ok(())
            }
            (Generic::List(element), Type::List(ty)) => self.unify(element, ty, by),
            (Generic::Option(some), Type::Option(ty)) => self.unify(some, ty, by),
            (Generic::Option(some), ty) => self.unify(some, ty, by), // a value is assignable to its option
            (Generic::Bool | Generic::U32 | Generic::String, _) => Ok(()), // has no variable
            (Generic::List(_) | Generic::Pair(..) | Generic::Record(_), ty) => Err(Misfit::Type(ty.clone())),
        }
    }
}

/// Returns the natural type of a value. An array of references is a list if its parts fit one type.
fn natural_of(scope: &mut Scope<'_>, expr: &Spanned<Expr>) -> Result<Type, Unknown> {
    match &expr.value {
        Expr::Array(parts) => {
            let types: Vec<Result<Type, Unknown>> =
                parts.iter().map(|part| natural_of(scope, part)).collect();
            let types = types.into_iter().collect::<Result<Vec<Type>, Unknown>>()?;
            let widest = types.iter().cloned().reduce(wider);
            let fitting = widest.filter(|widest| types.iter().all(|ty| assign(ty, widest).is_ok()));
            Ok(fitting.map_or_else(|| Type::Tuple(types.into()), |element| Type::List(Arc::new(element))))
        }
        Expr::Table(entries) => {
            let field = |(key, part): &(Spanned<String>, Spanned<Expr>)| {
                natural_of(scope, part).map(|ty| Field { name: key.value.as_str().into(), ty })
            };
            let fields: Vec<Result<Field, Unknown>> = entries.iter().map(field).collect();
            Ok(Type::Record(fields.into_iter().collect::<Result<Vec<Field>, Unknown>>()?.into()))
        }
        _ => natural(scope, expr), // has no parts
    }
}
