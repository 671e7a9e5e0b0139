//! Inputs of a plan: params, variables and files, which are read once when a run is created and listed once each.
//! The application reads them, and `bound` fits them to their types.

use crate::manifest::Param;
use crate::model::{Datum, Fault, Faults, InputPattern, Name, Span};
use crate::plan::{Input, InputKind};
use crate::value::{Conversion, Type, assign, encode, encode_all};
use bytes::Bytes;
use indexmap::IndexMap;
use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;

/// Inputs of a plan during compilation. Params come first, in manifest order.
pub(crate) struct Inputs {
    list: Vec<Option<Input>>,
    env: HashMap<(String, Option<Bytes>), usize>,
    files: HashMap<(PathBuf, bool), usize>,
    lists: HashMap<(PathBuf, Type), usize>,
}

impl Inputs {
    /// Creates the inputs from the params of a manifest. A param with a faulty type is reported and has no type.
    pub(crate) fn of_params(params: &IndexMap<Name, Param>, faults: &mut Faults) -> Self {
        let list = params.iter().map(|(name, param)| param_input(name, param, faults)).collect();
        Self { list, env: HashMap::new(), files: HashMap::new(), lists: HashMap::new() }
    }

    /// Returns the type of an input, if it is known.
    pub(crate) fn ty(&self, input: usize) -> Option<&Type> {
        self.list.get(input)?.as_ref().map(|input| &input.ty)
    }

    /// Returns the position of a variable, adding it if it is new.
    pub(crate) fn env(&mut self, name: &str, default: Option<Bytes>, span: &Span) -> usize {
        let list = &mut self.list;
        *self.env.entry((name.to_owned(), default)).or_insert_with_key(|(name, default)| {
            let kind = InputKind::Env { name: name.clone(), default: default.clone() };
            push(list, kind, Type::String, span)
        })
    }

    /// Returns the position of a file read as bytes or as text, adding it if it is new.
    pub(crate) fn file(&mut self, path: &Path, ty: Type, span: &Span) -> usize {
        let list = &mut self.list;
        let is_text = ty == Type::String;
        *self
            .files
            .entry((path.to_path_buf(), is_text))
            .or_insert_with_key(|(path, _)| push(list, InputKind::File(path.clone()), ty, span))
    }

    /// Returns the position of a list of files, adding it if it is new.
    pub(crate) fn files(&mut self, folder: &Path, pattern: &InputPattern, ty: Type, span: &Span) -> usize {
        let list = &mut self.list;
        let key = (folder.join(pattern.to_string()), ty);
        *self.lists.entry(key).or_insert_with_key(|(_, ty)| {
            let kind = InputKind::Files { folder: folder.to_owned(), pattern: pattern.clone() };
            push(list, kind, ty.clone(), span)
        })
    }

    /// Makes an input secret.
    pub(crate) fn hide(&mut self, input: usize) {
        if let Some(Some(input)) = self.list.get_mut(input) {
            input.is_secret = true;
        }
    }

    /// Adds a literal for a secret param, and returns the reference to it.
    pub(crate) fn literal(
        &mut self,
        (name, span): (&Name, &Span),
        value: Bytes,
        ty: &Type,
    ) -> Option<(usize, Conversion)> {
        let conversion = assign(ty, ty).ok()?;
        let input = push(&mut self.list, InputKind::Literal { name: name.clone(), value }, ty.clone(), span);
        self.hide(input);
        Some((input, conversion))
    }

    /// Returns the inputs, if none of them was faulty.
    pub(crate) fn finish(self) -> Vec<Input> {
        self.list.into_iter().flatten().collect()
    }
}

fn push(list: &mut Vec<Option<Input>>, kind: InputKind, ty: Type, span: &Span) -> usize {
    list.push(Some(Input { kind, ty, is_secret: false, span: span.clone() }));
    list.len() - 1
}

fn param_input(name: &Name, param: &Param, faults: &mut Faults) -> Option<Input> {
    let ty = match Type::parse(&param.ty.value) {
        Ok(ty) => ty,
        Err(fault) => {
            let message = format!("the type of param `{name}` is not a WIT type");
            let fault = Fault::spanned(param.ty.span.clone(), message).label(fault.message.clone());
            faults.push(if param.secret { fault.secret() } else { fault }); // its default may be on that line
            return None;
        }
    };
    let default = match &param.default {
        None if matches!(ty, Type::Option(_)) => encode(&ty, &Datum::Null).ok(),
        None => None,
        Some(datum) => match encode_all(&ty, &datum.value) {
            Ok(bytes) => Some(bytes),
            Err(found) => {
                let fault_at = |shown: String| {
                    Fault::spanned(datum.span.clone(), shown)
                        .note(format!("param `{name}` has the type `{ty}`"))
                };
                if param.secret {
                    faults.push(fault_at("the default does not fit".to_owned()).secret());
                } else {
                    faults.list.extend(found.iter().map(|fault| fault_at(fault.to_string())));
                }
                // Keep the type, so that references to the param are still checked.
                None
            }
        },
    };
    Some(Input {
        kind: InputKind::Param { name: name.clone(), default, description: param.description.clone() },
        ty,
        is_secret: param.secret,
        span: param.span.clone(),
    })
}
