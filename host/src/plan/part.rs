//! A reference to a part of what crosses the border of a pipeline, in the simplest form that has the same value.
//! `binding` types the reference, `crossings` what crosses.

use crate::model::Path;
use crate::plan::Binding;
use crate::plan::scope::Scope;
use crate::value::{Conversion, Type, pick, type_at};
use bytes::Bytes;
use std::sync::Arc;

/// Maximum length of a literal of which a part is taken beforehand.
const MAX_LITERAL: usize = 1 << 20;

/// A part of a value, and its conversion to the type of its target.
pub(crate) struct Part<'a> {
    pub(crate) value: &'a Arc<Binding>,
    /// Type of the whole value.
    pub(crate) ty: &'a Type,
    pub(crate) path: &'a Path,
    pub(crate) conversion: Conversion,
    pub(crate) default: Option<Bytes>,
}

/// Returns a binding for a part: a reference of its own where that is the same.
pub(crate) fn of(scope: &Scope<'_>, part: Part<'_>) -> Binding {
    simple(scope, &part).unwrap_or_else(|| {
        let Part { value, ty, path, conversion, default } = part;
        Binding::Part { value: Arc::clone(value), ty: ty.clone(), path: path.clone(), conversion, default }
    })
}

fn simple(scope: &Scope<'_>, part: &Part<'_>) -> Option<Binding> {
    let Part { value, ty, path, conversion, default } = part;
    let is_whole = path.steps().is_empty();
    // The conversion to the type of the border must have changed nothing, or the path leads elsewhere.
    let is_at = |whole: &Type, inner: &Path, first: &Conversion| {
        first.is_identity() && (is_whole || type_at(whole, inner).is_ok_and(|found| found.ty == **ty))
    };
    match &***value {
        Binding::Constant(bytes) if bytes.len() <= MAX_LITERAL => {
            let picked = if is_whole { Some(bytes.clone()) } else { pick(ty, bytes, path).ok()? };
            let found = match picked {
                Some(bytes) => conversion.apply(&bytes, MAX_LITERAL).ok()?,
                None => default.clone()?,
            };
            Some(Binding::Constant(found))
        }
        Binding::Input { input, path: inner, conversion: first }
            if default.is_none() && is_at(scope.inputs.ty(*input)?, inner, first) =>
        {
            let path = inner.followed_by(path);
            Some(Binding::Input { input: *input, path, conversion: conversion.clone() })
        }
        Binding::Item { level, item, path: inner, ty: whole, conversion: first }
            if default.is_none() && is_at(whole, inner, first) =>
        {
            let (path, ty) = (inner.followed_by(path), whole.clone());
            Some(Binding::Item { level: *level, item: *item, path, ty, conversion: conversion.clone() })
        }
        Binding::Task { task, path: inner, ty: whole, conversion: first, default: None }
            if is_at(whole, inner, first) =>
        {
            let (path, ty) = (inner.followed_by(path), whole.clone());
            let (conversion, default) = (conversion.clone(), default.clone());
            Some(Binding::Task { task: *task, path, ty, conversion, default })
        }
        // What crosses several borders unchanged.
        Binding::Part { .. } if is_whole && conversion.is_identity() && default.is_none() => {
            Some(Binding::clone(value))
        }
        _ => None, // is composed, and shared; or has a default of its own
    }
}
