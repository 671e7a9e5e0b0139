//! Fits the values that the creating host found for a run's inputs to their types.
//! The application reads params, variables and files.

use crate::model::{Datum, Fault, other_encoding};
use crate::plan::{Input, InputKind};
use crate::value::{Type, encode_all, wire};
use bytes::Bytes;

/// Value that the creating host found for one input.
#[derive(Debug, Clone)]
pub enum Supplied {
    /// A param's value, or a variable as text.
    Datum(Datum),
    /// A file's content.
    Content(Vec<u8>),
    /// A list of files, encoded by [`FileList`](crate::plan::FileList).
    Encoded(Bytes),
}

/// Fits the value of an input to its type, or returns all its faults.
pub fn fit(input: &Input, supplied: Option<Supplied>) -> Result<Bytes, Vec<Fault>> {
    let fault_at = |message: String| {
        let fault = Fault::spanned(input.span.clone(), message);
        if input.is_secret { fault.secret() } else { fault } // its default may be on that line
    };
    match (&input.kind, supplied) {
        (_, Some(Supplied::Datum(datum))) => encode_all(&input.ty, &datum).map_err(|faults| {
            let shown: Vec<String> = if input.is_secret {
                vec!["its value does not fit its type".to_owned()]
            } else {
                faults.iter().map(ToString::to_string).collect()
            };
            let fault = |shown: &String| fault_at(format!("{}: {shown}", name_of(&input.kind)));
            let ty = format!("its type is `{}`", input.ty);
            shown.iter().map(|shown| fault(shown).note(ty.clone())).collect()
        }),
        (_, Some(Supplied::Content(content))) => file(&input.ty, &content).ok_or_else(|| {
            let fault = fault_at(format!("{} is not UTF-8 text", name_of(&input.kind)));
            vec![match other_encoding(&content) {
                Some(encoding) => fault.note(format!("it is {encoding}")).help("save it as UTF-8"),
                None => fault.help("use the type `list<u8>` for binary data"),
            }]
        }),
        (_, Some(Supplied::Encoded(bytes))) => Ok(bytes),
        (
            InputKind::Param { default: Some(default), .. } | InputKind::Env { default: Some(default), .. },
            None,
        ) => Ok(default.clone()),
        (InputKind::Param { name, .. }, None) => Err(vec![
            fault_at(format!("param `{name}` has no value"))
                .note(format!("its type is `{}`", input.ty))
                .help(format!("pass `-p {name}=…`, or add a `default` to the manifest")),
        ]),
        (InputKind::Env { name, .. }, None) => Err(vec![
            fault_at(format!("the environment variable `{name}` is not set"))
                .help("set it, or add a `default` beside `env`"),
        ]),
        (InputKind::Literal { value, .. }, None) => Ok(value.clone()),
        (InputKind::File(path), None) => {
            Err(vec![fault_at(format!("the file `{}` was not read", path.display()))])
        }
        (InputKind::Files { pattern, .. }, None) => {
            Err(vec![fault_at(format!("the files `{pattern}` were not read"))])
        }
    }
}

fn name_of(kind: &InputKind) -> String {
    match kind {
        InputKind::Param { name, .. } => format!("param `{name}`"),
        InputKind::Env { name, .. } => format!("the environment variable `{name}`"),
        InputKind::File(path) => format!("the file `{}`", path.display()),
        InputKind::Files { pattern, .. } => format!("the files `{pattern}`"),
        InputKind::Literal { name, .. } => format!("the value of param `{name}`"),
    }
}

fn file(ty: &Type, content: &[u8]) -> Option<Bytes> {
    let mut out = Vec::with_capacity(content.len() + 5);
    match ty {
        Type::String => wire::put_str(&mut out, std::str::from_utf8(content).ok()?),
        _ => wire::put_bin(&mut out, content), // the only other type of a file input
    }
    Some(out.into())
}
