//! Typing of an expression against its target: gives a [`Binding`].
//! The natural type of an expression is found in `infer`. Every misfit is reported with both types and its span.

use crate::graph::Expr;
use crate::manifest::RunValue;
use crate::model::{Datum, Fault, InputPattern, Path, Span, Spanned, nearest, shortlist};
use crate::plan::infer::{examine, infer, part_type};
use crate::plan::scope::{Reported, Scope};
use crate::plan::{Binding, files, intended, part, type_of};
use crate::value::{Conversion, Field, MapType, Type, assign, encode_all, encode_key};
use bytes::Bytes;
use std::sync::Arc;

/// Target of a value: its type, and its words in messages.
pub(crate) struct Target<'a> {
    /// Words for messages: the parameter and its name, the key, ….
    pub(crate) name: &'a str,
    /// Type that the value must have.
    pub(crate) ty: &'a Type,
}

/// Types an expression; returns none if a fault was reported.
pub(crate) fn bind(scope: &mut Scope<'_>, expr: &Spanned<Expr>, to: &Target<'_>) -> Option<Binding> {
    let span = &expr.span;
    match &expr.value {
        Expr::Literal(datum) => constant(scope, datum, span, to).map(Binding::Constant),
        Expr::Array(parts) => array(scope, parts, span, to),
        Expr::Table(entries) => table(scope, entries, span, to),
        Expr::Task { task, path, default } => {
            let default = optional(scope, default.as_ref(), to);
            let ty = scope.output_of(*task, span)?;
            let from = format!("the output of task `{}`", scope.task_name(*task, span));
            let conversion = fit(scope, &Origin { name: &from, ty: &ty, path, span }, to)?;
            Some(Binding::Task { task: *task, path: path.clone(), conversion, default: default.ok()?, ty })
        }
        Expr::Param { param, path } => {
            let ty = scope.inputs.ty(*param)?.clone();
            let manifest = scope.graph.manifests().root(); // no other has params of the run
            let name =
                manifest.params.get_index(*param).map_or_else(String::new, |(name, _)| name.to_string());
            let from = format!("param `{name}`");
            let conversion = fit(scope, &Origin { name: &from, ty: &ty, path, span }, to)?;
            Some(Binding::Input { input: *param, path: path.clone(), conversion })
        }
        Expr::Item { of, item, path } => {
            let (level, ty) = scope.item(*of, *item)?;
            let conversion = fit(scope, &Origin { name: "the item", ty: &ty, path, span }, to)?;
            Some(Binding::Item { level, item: *item, path: path.clone(), ty, conversion })
        }
        Expr::Run(value) => of_run(scope, (*value, span), to),
        Expr::Env { name, default, is_secret } => {
            let origin = Origin { name: "a variable", ty: &Type::String, path: &Path::root(), span };
            let conversion = fit(scope, &origin, to);
            let string = Target { name: to.name, ty: &Type::String };
            let default = optional(scope, default.as_ref(), &string).ok()?;
            let input = scope.inputs.env(name, default, span);
            if *is_secret {
                scope.inputs.hide(input);
            }
            Some(Binding::Input { input, path: Path::root(), conversion: conversion? })
        }
        Expr::File { path } => {
            let ty = files::file_type(to.ty);
            let origin = Origin { name: "a file", ty: &ty, path: &Path::root(), span };
            let conversion = fit(scope, &origin, to);
            let input = scope.inputs.file(path, ty, span);
            Some(Binding::Input { input, path: Path::root(), conversion: conversion? })
        }
        Expr::Files { folder, pattern } => list_of_files(scope, (folder, pattern, span), to),
        Expr::Range { from, to } => {
            let [from, to] = [from, to].map(|end| end_of_range(scope, end));
            Some(Binding::Range { from: Box::new(from?), to: Box::new(to?) })
        }
        Expr::Select { selector, cases, default } => {
            let selector = self::selector(scope, selector, cases);
            let cases: Vec<Option<(String, Binding)>> = cases
                .iter()
                .map(|(key, case)| bind(scope, case, to).map(|case| (key.value.clone(), case)))
                .collect();
            let default = optional(scope, default.as_ref(), to).ok()?;
            let cases = cases.into_iter().collect::<Option<Vec<_>>>()?;
            let (selector, ty) = selector?;
            Some(Binding::Select { selector: Box::new(selector), ty, cases, default })
        }
        Expr::Crossing { crossing, path, default } => {
            let default = optional(scope, default.as_ref(), to);
            let (ty, value) = scope.crossed(crossing, span)?;
            let from = scope.crossing_name(crossing);
            let conversion = fit(scope, &Origin { name: &from, ty: &ty, path, span }, to)?;
            let part = part::Part { value: &value, ty: &ty, path, conversion, default: default.ok()? };
            Some(part::of(scope, part))
        }
        Expr::Each { .. } | Expr::Faulty => None, // `crossings` types what pipelines give for each element
    }
}

/// Types what is read of the run.
fn of_run(scope: &mut Scope<'_>, (value, span): (RunValue, &Span), to: &Target<'_>) -> Option<Binding> {
    let from = format!("`{{ run = \"{}\" }}`", value.as_str());
    let origin = Origin { name: &from, ty: &type_of(value), path: &Path::root(), span };
    let conversion = fit(scope, &origin, to)?;
    Some(Binding::Run { value, conversion })
}

/// Types the files that match a pattern.
fn list_of_files(
    scope: &mut Scope<'_>,
    (folder, pattern, span): (&std::path::Path, &InputPattern, &Span),
    to: &Target<'_>,
) -> Option<Binding> {
    let ty = files::list_type(to.ty);
    let origin = Origin { name: "a list of files", ty: &ty, path: &Path::root(), span };
    let conversion = fit(scope, &origin, to);
    if conversion.is_none() {
        files::advise(scope, span, to.ty);
    }
    let input = scope.inputs.files(folder, pattern, ty, span);
    Some(Binding::Input { input, path: Path::root(), conversion: conversion? })
}

/// Types an end of a range: a literal is a `u32`, and a reference has any integer type.
fn end_of_range(scope: &mut Scope<'_>, end: &Spanned<Expr>) -> Option<(Binding, Type)> {
    let ty = match &end.value {
        Expr::Literal(_) => Type::U32,
        _ => infer(scope, end)?,
    };
    if !ty.is_integer() {
        let fault = Fault::spanned(end.span.clone(), "a range runs over integers");
        let fault = fault.note(format!("this has the type `{ty}`"));
        scope.fault(
            fault.help("an end is an integer, or a reference to a value of an integer type, as a param"),
        );
        return None;
    }
    let before = scope.faults.list.len();
    let binding = bind(scope, end, &Target { name: "an end of the range", ty: &ty });
    if let (Expr::Literal(_), Some(fault)) = (&end.value, scope.faults.list.get_mut(before)) {
        fault.helps.push(format!("a range runs over numbers from 0 to {}", u32::MAX));
    }
    Some((binding?, ty))
}

/// Types a selector: a string, or an enum that has every named case.
pub(crate) fn selector(
    scope: &mut Scope<'_>,
    expr: &Spanned<Expr>,
    cases: &[(Spanned<String>, Spanned<Expr>)],
) -> Option<(Binding, Type)> {
    let ty = infer(scope, expr)?;
    match &ty {
        Type::String => {}
        Type::Enum(names) => {
            for (key, _) in cases {
                if !names.iter().any(|name| **name == *key.value) {
                    scope.fault(
                        Fault::spanned(
                            key.span.clone(),
                            format!("`{}` is not a case of the selector", key.value),
                        )
                        .note(format!("the selector has the type `{ty}`"))
                        .suggest(&key.value, names.iter().map(AsRef::as_ref)),
                    );
                }
            }
        }
        other => {
            scope.fault(
                Fault::spanned(expr.span.clone(), "a selector is a string or an enum")
                    .note(format!("the selector has the type `{other}`")),
            );
            return None;
        }
    }
    let binding = bind(scope, expr, &Target { name: "the selector", ty: &ty })?;
    Some((binding, ty))
}

/// Value to fit to a target.
struct Origin<'a> {
    name: &'a str,
    ty: &'a Type,
    path: &'a Path,
    span: &'a Span,
}

fn fit(scope: &mut Scope<'_>, from: &Origin<'_>, to: &Target<'_>) -> Option<Conversion> {
    let part = part_type(scope, from.ty, from.path, from.span)?;
    match assign(&part, to.ty) {
        Ok(conversion) => Some(conversion),
        Err(mismatch) => {
            let (name, path) = (from.name, from.path);
            let source =
                if path.steps().is_empty() { name.to_owned() } else { format!("`{path}` of {name}") };
            scope.fault(
                Fault::spanned(from.span.clone(), format!("{source} does not fit {}", to.name))
                    .label(mismatch.to_string())
                    .note(format!("{source} has the type `{part}`"))
                    .note(format!("{} has the type `{}`", to.name, to.ty)),
            );
            None
        }
    }
}

fn constant(scope: &mut Scope<'_>, datum: &Datum, span: &Span, to: &Target<'_>) -> Option<Bytes> {
    match encode_all(to.ty, datum) {
        Ok(bytes) => Some(bytes),
        Err(faults) => {
            let before = scope.faults.list.len();
            scope.misfit(span, to.name, to.ty, &faults);
            let advice = intended::advice(scope, span, datum);
            if let (Some(advice), Some(fault)) = (advice, scope.faults.list.get_mut(before)) {
                fault.helps.push(advice);
            }
            None
        }
    }
}

/// Encodes a default, if there is one.
fn optional(
    scope: &mut Scope<'_>,
    default: Option<&Spanned<Datum>>,
    to: &Target<'_>,
) -> Result<Option<Bytes>, Reported> {
    match default {
        None => Ok(None),
        Some(datum) => constant(scope, &datum.value, &datum.span, to).map(Some).ok_or(Reported),
    }
}

fn array(scope: &mut Scope<'_>, parts: &[Spanned<Expr>], span: &Span, to: &Target<'_>) -> Option<Binding> {
    match to.ty {
        Type::List(element) => {
            let bound = bind_all(scope, parts.iter().map(|part| (part, &**element)), to.name)?;
            Some(Binding::List((**element).clone(), bound))
        }
        Type::Map(types) => {
            let pair = Type::Tuple([types.key.clone(), types.value.clone()].into());
            bind_all(scope, parts.iter().map(|part| (part, &pair)), to.name).map(Binding::Map)
        }
        Type::Tuple(types) if types.len() == parts.len() => {
            bind_all(scope, parts.iter().zip(types.iter()), to.name).map(Binding::Tuple)
        }
        Type::Option(inner) if inner.admits_nil() => match parts {
            [part] => wrapped(scope, part, &Target { name: to.name, ty: inner }),
            _ => misfit(scope, ("an array", span), parts.iter(), to),
        },
        Type::Option(inner) => array(scope, parts, span, &Target { name: to.name, ty: inner }),
        // No other type is an array.
        _ => misfit(scope, (&format!("an array of {}", parts.len()), span), parts.iter(), to),
    }
}

fn wrapped(scope: &mut Scope<'_>, part: &Spanned<Expr>, to: &Target<'_>) -> Option<Binding> {
    bind(scope, part, to).map(|part| Binding::Wrapped(Box::new(part)))
}

fn bind_all<'e>(
    scope: &mut Scope<'_>,
    parts: impl Iterator<Item = (&'e Spanned<Expr>, &'e Type)>,
    name: &str,
) -> Option<Vec<Binding>> {
    let bound: Vec<Option<Binding>> =
        parts.map(|(part, ty)| bind(scope, part, &Target { name, ty })).collect();
    bound.into_iter().collect()
}

type Entries = [(Spanned<String>, Spanned<Expr>)];

fn table(scope: &mut Scope<'_>, entries: &Entries, span: &Span, to: &Target<'_>) -> Option<Binding> {
    match to.ty {
        Type::Record(fields) => record(scope, entries, span, fields),
        Type::Map(types) => map(scope, entries, types, to),
        Type::Option(inner) if !inner.admits_nil() => {
            table(scope, entries, span, &Target { name: to.name, ty: inner })
        }
        Type::Variant(cases) => {
            let payloads: Vec<_> = cases.iter().map(|case| (&case.name, case.ty.as_ref())).collect();
            case(scope, entries, span, &payloads, to)
        }
        Type::Result(sides) => {
            let (ok, err) = (Arc::from("ok"), Arc::from("err"));
            case(scope, entries, span, &[(&ok, sides.ok.as_ref()), (&err, sides.err.as_ref())], to)
        }
        // No other type is a table.
        _ => misfit(scope, ("a table", span), entries.iter().map(|(_, part)| part), to),
    }
}

/// Binds the entries of a map. Keys of a table are literals.
fn map(scope: &mut Scope<'_>, entries: &Entries, types: &MapType, to: &Target<'_>) -> Option<Binding> {
    let mut entry = |(key, part): &(Spanned<String>, Spanned<Expr>)| {
        let value = bind(scope, part, &Target { name: to.name, ty: &types.value });
        match encode_key(&types.key, &key.value) {
            Ok(encoded) => Some(Binding::Tuple(vec![Binding::Constant(encoded.into()), value?])),
            Err(_) => {
                let message = format!("`{}` is no key of the type `{}`", key.value, types.key);
                let fault = Fault::spanned(key.span.clone(), message);
                scope.fault(fault.note(format!("{} has the type `{}`", to.name, to.ty)));
                None
            }
        }
    };
    let bound: Vec<Option<Binding>> = entries.iter().map(&mut entry).collect();
    bound.into_iter().collect::<Option<Vec<_>>>().map(Binding::Map)
}

fn record(scope: &mut Scope<'_>, entries: &Entries, span: &Span, fields: &Arc<[Field]>) -> Option<Binding> {
    let names = || fields.iter().map(|field| &*field.name);
    let mut suggested: Vec<&str> = Vec::new();
    for (key, part) in entries {
        if !names().any(|name| name == key.value) {
            scope.fault(
                Fault::spanned(key.span.clone(), format!("the record has no field `{}`", key.value))
                    .suggest(&key.value, names())
                    .note(format!("its fields are {}", shortlist(&key.value, names()))),
            );
            suggested.extend(nearest(&key.value, names()));
            examine(scope, part);
        }
    }
    let bound: Vec<Option<(Arc<str>, Binding)>> = fields
        .iter()
        .map(|field| {
            let written = entries.iter().find(|(key, _)| *key.value == *field.name);
            let label = format!("field `{}`", field.name);
            let binding = match written {
                Some((_, part)) => bind(scope, part, &Target { name: &label, ty: &field.ty }),
                None if matches!(field.ty, Type::Option(_)) => {
                    constant(scope, &Datum::Null, span, &Target { name: &label, ty: &field.ty })
                        .map(Binding::Constant)
                }
                // A misspelt field is not reported as missing too.
                None if suggested.contains(&&*field.name) => None,
                None => {
                    scope.fault(Fault::spanned(span.clone(), format!("field `{}` is missing", field.name)));
                    None
                }
            };
            binding.map(|binding| (Arc::clone(&field.name), binding))
        })
        .collect();
    bound.into_iter().collect::<Option<Vec<_>>>().map(Binding::Record)
}

fn case(
    scope: &mut Scope<'_>,
    entries: &Entries,
    span: &Span,
    cases: &[(&Arc<str>, Option<&Type>)],
    to: &Target<'_>,
) -> Option<Binding> {
    let [(key, part)] = entries else {
        let written = format!("a table with {} keys", entries.len());
        return misfit(scope, (&written, span), entries.iter().map(|(_, part)| part), to);
    };
    let Some((name, Some(ty))) = cases.iter().find(|(name, _)| ***name == *key.value) else {
        scope.fault(
            Fault::spanned(key.span.clone(), format!("no case `{}` with a payload", key.value))
                .suggest(&key.value, cases.iter().map(|(name, _)| &***name))
                .note(format!("{} has the type `{}`", to.name, to.ty)),
        );
        examine(scope, part);
        return None;
    };
    let binding = bind(scope, part, &Target { name: to.name, ty })?;
    Some(Binding::Case(Arc::clone(name), Box::new(binding)))
}

/// Reports a value that does not fit, and checks its parts nevertheless.
fn misfit<'e>(
    scope: &mut Scope<'_>,
    (written, span): (&str, &Span),
    parts: impl Iterator<Item = &'e Spanned<Expr>>,
    to: &Target<'_>,
) -> Option<Binding> {
    parts.for_each(|part| examine(scope, part));
    scope.fault(
        Fault::spanned(span.clone(), format!("{written} does not fit {}", to.name))
            .note(format!("{} has the type `{}`", to.name, to.ty)),
    );
    None
}
