//! Commands as functions: the shape of a program, and the types of what it is given.
//! `binding` types the values themselves, `identity` has the digests, and the sandbox runs the program.

use crate::graph::{Expr, Node};
use crate::manifest;
use crate::manifest::{Feed as WrittenFeed, Grants, Preopen};
use crate::model::{Fault, Name, Span, Spanned, shortlist};
use crate::plan::Binding;
use crate::plan::binding::{Target, bind};
use crate::plan::fan_out;
use crate::plan::infer::infer;
use crate::plan::scope::Scope;
use crate::value::{Collected, Command, CommandOutput, Export, Feed, Type};
use std::sync::Arc;

/// The interface that a program exports, of any version of WASI 0.2.
const RUN: &str = "wasi:cli/run@0.2.";

/// Returns whether an export is what runs a program.
#[must_use]
pub fn is_program(export: &Export) -> bool {
    export.interface.as_deref().is_some_and(|interface| interface.starts_with(RUN))
        && &*export.function == "run"
}

/// Finds the export that runs a component as a program, or explains why there is none.
pub(crate) fn find<'e>(
    component: &str,
    span: &Span,
    exports: &'e [Export],
) -> Result<&'e Export, Box<Fault>> {
    if let Some(export) = exports.iter().find(|export| is_program(export)) {
        return Ok(export);
    }
    let message =
        format!("component `{component}` is no program: it does not export `wasi:cli/run` of WASI 0.2");
    let fault = Fault::spanned(span.clone(), message);
    let names = || exports.iter().map(|export| &*export.function);
    let Some(first) = names().next() else {
        return Err(Box::new(fault.note("the component exports no functions")));
    };
    let fault = fault.note(format!("the component exports {}", shortlist(first, names())));
    Err(Box::new(
        fault.help(format!("to call a function, write for example `call = \"{component}.{first}\"`")),
    ))
}

/// Returns the fault of a granted folder that would hide the working directory of a command.
pub(crate) fn hidden_folder(grants: &Grants) -> Option<Fault> {
    let hides = |folder: &&Spanned<Preopen>| matches!(&*folder.value.guest, "/" | ".");
    let folder = grants.read.iter().chain(&grants.write).find(hides)?;
    let guest = &folder.value.guest;
    let message = format!("a folder is granted at `{guest}`, which is the working directory of a command");
    let fault = Fault::spanned(folder.span.clone(), message);
    Some(fault.help("grant it under another path, as `\"data:/data\"`"))
}

/// Returns the shape of a command, or all faults of its types.
pub(crate) fn shape(program: &Name, written: &manifest::Command) -> Result<Command, Vec<Fault>> {
    let manifest::Command { component: _, feeds, output, ok_status } = written;
    let output = match output {
        manifest::CommandOutput::One(one) => {
            collected(one).map(CommandOutput::One).map_err(|fault| vec![*fault])
        }
        manifest::CommandOutput::Several(named) => {
            let (mut several, mut faults) = (Vec::with_capacity(named.len()), Vec::new());
            for (name, part) in named {
                match collected(part) {
                    Ok(part) => several.push((name.as_str().into(), part)),
                    Err(fault) => faults.push(*fault),
                }
            }
            if faults.is_empty() { Ok(CommandOutput::Several(several)) } else { Err(faults) }
        }
    };
    Ok(Command {
        program: program.as_str().into(),
        feeds: feeds.iter().map(feed).collect(),
        output: output?,
        ok_status: ok_status.clone(),
    })
}

fn feed(written: &WrittenFeed) -> Feed {
    match written {
        WrittenFeed::Arg => Feed::Arg,
        WrittenFeed::Stdin => Feed::Stdin,
        WrittenFeed::Env(name) => Feed::Env(name.as_str().into()),
        WrittenFeed::File(path) => Feed::File(path.as_str().into()),
    }
}

fn collected(written: &manifest::Collected) -> Result<Collected, Box<Fault>> {
    Ok(match written {
        manifest::Collected::Text => Collected::Text,
        manifest::Collected::Bytes => Collected::Bytes,
        manifest::Collected::Json(ty) => Collected::Json(json_type(ty)?),
        manifest::Collected::File { path, is_text } => {
            Collected::File { path: path.as_str().into(), is_text: *is_text }
        }
        manifest::Collected::Files { pattern, is_text } => {
            Collected::Files { pattern: pattern.as_str().into(), is_text: *is_text }
        }
    })
}

fn json_type(written: &Spanned<String>) -> Result<Type, Box<Fault>> {
    Type::parse(&written.value).map_err(|fault| {
        let shown = Fault::spanned(written.span.clone(), "the type of the JSON output is not a WIT type");
        Box::new(shown.label(fault.message))
    })
}

/// The parameters of a command, and their values.
pub(crate) type Given = (Vec<(Arc<str>, Type)>, Vec<Binding>);

/// Types what a command is given. A parameter has the type of its value; none if a fault was reported.
pub(crate) fn given(scope: &mut Scope<'_>, node: &Node, feeds: &[WrittenFeed]) -> Option<Given> {
    let given = node.args.iter().zip(feeds).map(|((name, value), feed)| {
        let ty = parameter(scope, node, (&name.value, value), feed)?;
        let binding = bind(scope, value, &Target { name: &format!("`{}`", name.value), ty: &ty })?;
        Some(((Arc::from(name.value.as_str()), ty), binding))
    });
    let given: Vec<Option<_>> = given.collect(); // every value is typed, also after a fault
    Some(given.into_iter().collect::<Option<Vec<_>>>()?.into_iter().unzip())
}

fn parameter(
    scope: &mut Scope<'_>,
    node: &Node,
    (name, value): (&str, &Spanned<Expr>),
    feed: &WrittenFeed,
) -> Option<Type> {
    let (ty, is_fitting, what): (Type, fn(&Type) -> bool, &str) = match feed {
        WrittenFeed::Env(_) => return Some(Type::String),
        WrittenFeed::Arg => {
            (infer(scope, value)?, is_argument, "an argument is a string, a number or a bool")
        }
        WrittenFeed::Stdin => {
            (content(scope, value)?, is_content, "standard input is a `string` or a `list<u8>`")
        }
        WrittenFeed::File(_) => (content(scope, value)?, is_content, "a file is a `string` or a `list<u8>`"),
    };
    if is_fitting(&ty) {
        return Some(ty);
    }
    let message = format!("`{name}` cannot have the type `{ty}`");
    let fault = Fault::spanned(value.span.clone(), message).note(what);
    let fault = match help(scope, node, value, &ty, is_fitting) {
        Some(help) => fault.help(help),
        None => fault.help("give it a value of such a type, for example by a task that converts it"),
    };
    scope.fault(fault);
    None
}

/// Returns what to do with a value of a type that a program cannot be given.
fn help(
    scope: &Scope<'_>,
    node: &Node,
    value: &Spanned<Expr>,
    ty: &Type,
    is_fitting: fn(&Type) -> bool,
) -> Option<String> {
    match ty {
        Type::Enum(_) | Type::Char => Some("make it a `string` where it comes from".to_owned()),
        Type::Record(_) | Type::Tuple(_) => Some("reach into it with `path` beside the reference".to_owned()),
        Type::Option(inner) if is_fitting(inner) => Some(
            "write `path = \"some\"` beside the reference, and a `default` for none where it may have one"
                .to_owned(),
        ),
        Type::List(element) if node.for_each.is_empty() => {
            let (reference, part) = (fan_out::reference(scope, value)?, part(element, is_fitting)?);
            Some(format!(
                "run the program once per element:\nfor-each.item = {{ {reference} }}\nand write `{{ item = \"item\"{part} }}` here"
            ))
        }
        _ => None, // nothing better than the general advice
    }
}

/// Returns the key `path` to what a program can be given of an element; empty for all of it.
fn part(element: &Type, is_fitting: fn(&Type) -> bool) -> Option<String> {
    match element {
        fitting if is_fitting(fitting) => Some(String::new()),
        Type::Record(fields) => {
            let field = fields.iter().find(|field| is_fitting(&field.ty))?;
            Some(format!(", path = \"{}\"", field.name))
        }
        _ => None, // no other type has parts with names
    }
}

/// Returns whether a type can be that of an argument. A char is given as a string.
fn is_argument(ty: &Type) -> bool {
    ty.is_primitive() && *ty != Type::Char
}

fn is_content(ty: &Type) -> bool {
    *ty == Type::String || *ty == bytes()
}

/// Returns the type of bytes, which a file has wherever a program takes either.
pub(crate) fn bytes() -> Type {
    Type::List(Arc::new(Type::U8))
}

/// Returns the type of a value that may be text or bytes: a file has none of its own.
fn content(scope: &mut Scope<'_>, value: &Spanned<Expr>) -> Option<Type> {
    match &value.value {
        Expr::File { .. } => Some(bytes()),
        Expr::Select { cases, default, .. } => {
            let typed: Vec<Option<Type>> = cases
                .iter()
                .filter(|(_, case)| !matches!(case.value, Expr::File { .. }))
                .map(|(_, case)| content(scope, case))
                .collect();
            match typed.into_iter().collect::<Option<Vec<Type>>>()?.into_iter().next() {
                Some(first) => Some(first),
                None if default.is_some() => Some(Type::String), // which is written as text
                None => Some(bytes()),
            }
        }
        _ => infer(scope, value), // has a type of its own
    }
}
