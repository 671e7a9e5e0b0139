//! Compares a built-in task with its plain reading in `naive`, for any arguments.
//! `properties` generates values of types, `fuzzing` any bytes.

use crate::builtin::budget::{Budget, Stop};
use crate::builtin::function::{Function, Messages};
use crate::builtin::naive;
use crate::builtin::table::{Builtin, Generic};
use crate::model::{Datum, Limits, Path};
use crate::value::{Field, Signature, Type, canonical, encode, to_json_text, type_at, wire};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Types of the variables of a signature.
pub(crate) struct Variables<'a> {
    /// `T` and `A`.
    pub(crate) first: &'a Type,
    /// `B`.
    pub(crate) second: &'a Type,
    /// The path that `K` and `U` lie at.
    pub(crate) path: &'a Path,
}

/// Returns a task with solved types; none if the path leads nowhere, or to what the task cannot take.
pub(crate) fn function(builtin: Builtin, variables: &Variables<'_>) -> Option<Function> {
    let row = builtin.row();
    let part = type_at(variables.first, variables.path).ok()?.ty;
    if builtin == Builtin::FilterBy && part != Type::Bool {
        return None;
    }
    let solve = |generic: &Generic| solved(generic, variables, &part);
    let params = row.params.iter().map(|param| (Arc::from(param.name), solve(&param.ty)));
    let (params, result) = (params.collect(), Some(solve(&row.result)));
    Some(Function { builtin, signature: Signature { params, result }, messages: Messages::Full })
}

fn solved(generic: &Generic, variables: &Variables<'_>, part: &Type) -> Type {
    let solve = |generic: &Generic| solved(generic, variables, part);
    match generic {
        Generic::Any("T" | "A") => variables.first.clone(),
        Generic::Any("B") => variables.second.clone(),
        Generic::Any(_) => part.clone(),
        Generic::Bool => Type::Bool,
        Generic::U32 => Type::U32,
        Generic::String => Type::String,
        Generic::List(element) => Type::List(Arc::new(solve(element))),
        Generic::Option(some) => Type::Option(Arc::new(solve(some))),
        Generic::Pair(first, second) => Type::Tuple([solve(first), solve(second)].into()),
        Generic::Record(fields) => {
            let field = |(name, ty): &(&str, Generic)| Field { name: (*name).into(), ty: solve(ty) };
            Type::Record(fields.iter().map(field).collect())
        }
    }
}

/// Returns a text as a value.
pub(crate) fn text(text: &str) -> Bytes {
    let mut out = Vec::new();
    wire::put_str(&mut out, text);
    out.into()
}

/// Calls a task with the default limits.
pub(crate) fn call(function: &Function, args: &[Bytes]) -> Result<Bytes, Stop> {
    let is_stopped = AtomicBool::new(false);
    let budget = Budget::new(Limits::default(), &is_stopped);
    function.call(args, &budget)
}

/// Checks a call: its result is canonical and of its type, and for arguments that are values of their types it is what
/// the plain reading gives. Returns a description of the violation, if any.
pub(crate) fn check(function: &Function, args: &[Bytes]) -> Result<(), String> {
    let result = call(function, args);
    let Some(ty) = &function.signature.result else { return Err("a task has a result".to_owned()) };
    let violation =
        |what: &str| Err(format!("{} with {args:02x?} gave {result:02x?}: {what}", function.builtin));
    if let Ok(bytes) = &result
        && canonical(ty, bytes).ok().as_ref() != Some(bytes)
    {
        return violation("the result is no canonical value");
    }
    let params = function.signature.params.iter().zip(args);
    let sound = params.map(|((_, ty), arg)| canonical(ty, arg).ok()).collect::<Option<Vec<Bytes>>>();
    let Some(sound) = sound else { return Ok(()) }; // what is malformed and not read need not be found
    match function.builtin {
        Builtin::ToJson => to_json(ty_of_first(function)?, sound.first(), &result),
        Builtin::ToCsv => to_csv(ty_of_first(function)?, sound.first(), result),
        // What was read can be written and read again.
        Builtin::FromJson => match result {
            Ok(value) => {
                to_json(ty, Some(&value), &call(&writer(Builtin::ToJson, ty), std::slice::from_ref(&value)))
            }
            Err(_) => Ok(()),
        },
        Builtin::FromCsv => match result {
            Ok(value) => {
                to_csv(ty, Some(&value), call(&writer(Builtin::ToCsv, ty), std::slice::from_ref(&value)))
            }
            Err(_) => Ok(()),
        },
        Builtin::Template | Builtin::TemplateHtml => Ok(()),
        _ => {
            let params = function.signature.params.iter().zip(&sound);
            let trees = params.map(|((_, ty), arg)| tree(ty, arg)).collect::<Option<Vec<Datum>>>();
            let expected = trees.and_then(|trees| naive::expected(function, &trees));
            match (expected.map(|datum| encode(ty, &datum)), &result) {
                (Some(Ok(expected)), Ok(bytes)) if expected == *bytes => Ok(()),
                (None, Err(Stop::Input(_))) => Ok(()),
                (expected, _) => violation(&format!("expected {expected:02x?}")),
            }
        }
    }
}

fn tree(ty: &Type, value: &Bytes) -> Option<Datum> {
    serde_json::from_str(&to_json_text(ty, value).ok()?).ok()
}

fn ty_of_first(function: &Function) -> Result<&Type, String> {
    function.signature.params.first().map(|(_, ty)| ty).ok_or_else(|| "a task has a parameter".to_owned())
}

fn writer(builtin: Builtin, ty: &Type) -> Function {
    let params = builtin.row().params.iter().map(|param| (param.name.into(), ty.clone()));
    Function {
        builtin,
        signature: Signature { params: params.collect(), result: Some(Type::String) },
        messages: Messages::Full,
    }
}

/// JSON is what the host writes everywhere, and reads back to the same value.
fn to_json(ty: &Type, value: Option<&Bytes>, result: &Result<Bytes, Stop>) -> Result<(), String> {
    let value = value.ok_or("there is no value")?;
    let json = to_json_text(ty, value).map_err(|fault| fault.to_string())?;
    if *result != Ok(text(&json)) {
        return Err(format!("{json} came out as {result:02x?}"));
    }
    let back = Function {
        builtin: Builtin::FromJson,
        signature: Signature { params: vec![("text".into(), Type::String)], result: Some(ty.clone()) },
        messages: Messages::Full,
    };
    match call(&back, &[text(&json)]) {
        Ok(read) if read == *value => Ok(()),
        read => Err(format!("{json} of {ty} was read as {read:02x?}")),
    }
}

/// CSV reads back to the same list, but for options of an empty text, which it has no form for.
fn to_csv(ty: &Type, value: Option<&Bytes>, result: Result<Bytes, Stop>) -> Result<(), String> {
    let value = value.ok_or("there is no value")?;
    let csv = match result {
        Ok(csv) => csv,
        Err(Stop::Input(_)) => return Ok(()), // no columns
        Err(stop) => return Err(format!("{stop:?}")),
    };
    let back = Function {
        builtin: Builtin::FromCsv,
        signature: Signature { params: vec![("text".into(), Type::String)], result: Some(ty.clone()) },
        messages: Messages::Full,
    };
    let (Some(written), read) = (tree(ty, value), call(&back, &[csv])) else {
        return Err("the list is no tree".to_owned());
    };
    let read = read.map_err(|stop| format!("{stop:?}"))?;
    let expected = encode(ty, &without_empty_options(ty, written)).map_err(|fault| fault.to_string())?;
    if read == expected { Ok(()) } else { Err(format!("{expected:02x?} was read as {read:02x?}")) }
}

fn without_empty_options(ty: &Type, list: Datum) -> Datum {
    let (Type::List(element), Datum::Array(items)) = (ty, list) else { return Datum::Null };
    let Type::Record(fields) = &**element else { return Datum::Null };
    let field = |(name, value): (String, Datum)| {
        let is_option =
            fields.iter().any(|field| *field.name == *name && matches!(field.ty, Type::Option(_)));
        let is_empty = is_option && value == Datum::Text(String::new());
        (name, if is_empty { Datum::Null } else { value })
    };
    let item = |item| match item {
        Datum::Table(fields) => Datum::Table(fields.into_iter().map(field).collect()),
        other => other,
    };
    Datum::Array(items.into_iter().map(item).collect())
}
