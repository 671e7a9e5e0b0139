//! Reads values: literals, references, and arrays and tables of both.
//! `graph` resolves the names in references.

use crate::manifest::reader::Reader;
use crate::manifest::scalar::{boolean, filled, word};
use crate::manifest::table::Slot;
use crate::manifest::value::{MAX_DEPTH, RUN, kinds, literal, raw, scalar, too_deep};
use crate::manifest::{Expr, Reference, RunValue};
use crate::model::{Datum, Fault, FilePathFault, InputPattern, Path, Spanned};
use toml::de::DeTable;
use toml::de::DeValue;

/// Reads a value: a literal, a reference, or a mixture. Faulty parts are reported and marked.
pub(crate) fn value(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Spanned<Expr> {
    nested(reader, slot, 0)
}

/// Reads a value whose table may have the `allowed` keys too; the caller reads those.
pub(crate) fn value_beside(reader: &mut Reader<'_>, slot: &Slot<'_>, allowed: &[&str]) -> Spanned<Expr> {
    let is_kind = kinds(reader);
    if let DeValue::Table(table) = slot.value
        && let is_kind = (|entry: &Slot<'_>| is_kind(entry.name) && !allowed.contains(&entry.name))
        && let Some(kind) = Slot::entries(table).find(is_kind)
    {
        let expr = reference(reader, &kind, &Form { table, allowed, depth: 0 });
        return Spanned::new(expr, slot.span.clone());
    }
    value(reader, slot)
}

/// A reference table being read.
struct Form<'t, 'a> {
    table: &'t DeTable<'t>,
    allowed: &'a [&'a str],
    depth: usize,
}

fn nested(reader: &mut Reader<'_>, slot: &Slot<'_>, depth: usize) -> Spanned<Expr> {
    let is_kind = kinds(reader);
    let expr = match slot.value {
        _ if depth > MAX_DEPTH => {
            reader.fault::<()>(too_deep(slot));
            UNREADABLE
        }
        DeValue::Array(array) => {
            array_of(slot.elements(array).map(|element| nested(reader, &element, depth + 1)).collect())
        }
        DeValue::Table(table) => match Slot::entries(table).find(|entry| is_kind(entry.name)) {
            Some(kind) => reference(reader, &kind, &Form { table, allowed: &[], depth }),
            None => table_of(parts_of(reader, table, depth)),
        },
        _ => scalar(reader, slot).map_or(UNREADABLE, Expr::Literal), // the kinds without parts
    };
    Spanned::new(expr, slot.span.clone())
}

/// A value without any readable part.
const UNREADABLE: Expr = Expr::Faulty(Vec::new());

type Parts = Vec<(Spanned<String>, Spanned<Expr>)>;

fn parts_of(reader: &mut Reader<'_>, table: &DeTable<'_>, depth: usize) -> Parts {
    let part = |entry: Slot<'_>| {
        let part = nested(reader, &entry, depth + 1);
        (Spanned::new(entry.name.to_owned(), entry.key), part)
    };
    Slot::entries(table).map(part).collect()
}

/// Builds an array: a literal unless it contains a reference.
fn array_of(parts: Vec<Spanned<Expr>>) -> Expr {
    let is_literal = parts.iter().all(|part| matches!(part.value, Expr::Literal(_)));
    if !is_literal {
        return Expr::Array(parts);
    }
    Expr::Literal(Datum::Array(parts.into_iter().filter_map(|part| datum(part.value)).collect()))
}

/// Builds a table: a literal unless it contains a reference.
fn table_of(parts: Parts) -> Expr {
    let is_literal = parts.iter().all(|(_, part)| matches!(part.value, Expr::Literal(_)));
    if !is_literal {
        return Expr::Table(parts);
    }
    let entries = parts.into_iter().filter_map(|(key, part)| Some((key.value, datum(part.value)?)));
    Expr::Literal(Datum::Table(entries.collect()))
}

fn datum(expr: Expr) -> Option<Datum> {
    match expr {
        Expr::Literal(datum) => Some(datum),
        Expr::Array(_) | Expr::Table(_) | Expr::Reference(_) | Expr::Faulty(_) => None,
    }
}

/// Returns the keys that are allowed beside a kind.
pub(crate) fn companions(kind: &str) -> &'static [&'static str] {
    match kind {
        "task" => &["path", "default"],
        "param" | "item" => &["path"],
        "env" => &["default", "secret"],
        "select" => &["cases", "default"],
        _ => &[], // `file`, `files`, `run` and `value` allow none
    }
}

fn reference(reader: &mut Reader<'_>, kind: &Slot<'_>, form: &Form<'_, '_>) -> Expr {
    let mark = reader.mark();
    reject_unknown_keys(reader, kind, form);
    let has_known_keys = reader.is_sound_since(mark);
    let expr = match kind.name {
        "value" => raw(reader, kind, form.depth + 1).map_or(UNREADABLE, Expr::Literal),
        "select" => select(reader, kind, form),
        RUN => word(reader, kind, &RunValue::ALL)
            .map_or(UNREADABLE, |value| Expr::Reference(Box::new(Reference::Run(value)))),
        // The other six of `KINDS` have one string.
        _ => simple(reader, kind, form),
    };
    // With an unknown key, the intention is unknown.
    if has_known_keys { expr } else { faulty(expr, kind) }
}

/// Marks a value as faulty: later stages resolve its names, and check nothing else.
fn faulty(expr: Expr, kind: &Slot<'_>) -> Expr {
    Expr::Faulty(vec![Spanned::new(expr, kind.span.clone())])
}

fn reject_unknown_keys(reader: &mut Reader<'_>, kind: &Slot<'_>, form: &Form<'_, '_>) {
    let companions = companions(kind.name);
    let is_kind = kinds(reader);
    let is_known =
        |name: &str| name == kind.name || companions.contains(&name) || form.allowed.contains(&name);
    for entry in Slot::entries(form.table).filter(|entry| !is_known(entry.name)) {
        let literal_help = "for a literal table with these keys, write `{ value = { … } }`";
        let fault = if is_kind(entry.name) {
            let message = format!("a reference cannot have both `{}` and `{}`", kind.name, entry.name);
            Fault::spanned(entry.key, message)
                .related(kind.key.clone(), "first here")
                .help("keep one of the two")
        } else if entry.name == "range" {
            let message = format!("a `{}` reference cannot have the key `range`", kind.name);
            let form = format!("`{{ range = {{ {} = … }} }}`", kind.name);
            Fault::spanned(entry.key, message)
                .help(format!("for a range up to this value write {form}, in `for-each`"))
        } else {
            let known: Vec<&str> = companions.iter().chain(form.allowed).copied().collect();
            let message = format!("unknown key `{}` in a `{}` reference", entry.name, kind.name);
            Fault::spanned(entry.key, message).suggest(entry.name, known)
        };
        reader.fault::<()>(fault.help(literal_help));
    }
}

/// Reads a reference whose kind has one string.
fn simple(reader: &mut Reader<'_>, kind: &Slot<'_>, form: &Form<'_, '_>) -> Expr {
    let name = match kind.value {
        // A record may well have a field of this name.
        DeValue::Array(_) | DeValue::Table(_) if kind.name == "files" => {
            let help = "for a literal table with this key, write `{ value = { … } }`";
            reader.fault(kind.mismatch("a pattern, as \"data/*.csv\"").help(help))
        }
        _ => filled(reader, kind), // reports what is no string
    };
    let path = companion(form, "path").map_or(Some(Path::root()), |slot| path(reader, &slot));
    let default = companion(form, "default").map_or(Some(None), |slot| literal(reader, &slot).map(Some));
    let secret = companion(form, "secret").filter(|_| kind.name == "env");
    let secret = secret.map_or(Some(false), |slot| boolean(reader, &slot));
    let Some(name) = name else {
        return UNREADABLE;
    };
    let is_complete = path.is_some() && default.is_some() && secret.is_some();
    let (path, default) = (path.unwrap_or_default(), default.unwrap_or_default());
    let reference = match kind.name {
        "task" => Some(Reference::Task { task: name, path, default }),
        "param" => Some(Reference::Param { param: name, path }),
        "item" => Some(Reference::Item { item: name, path }),
        // What may be meant as a secret is hidden.
        "env" => variable(reader, name).map(|name| {
            let is_secret = secret.unwrap_or(true);
            Reference::Env { name, default, is_secret }
        }),
        "files" => files(reader, &name),
        _ => Some(Reference::File { path: name.map(|path| reader.join(&path)) }), // the only one left
    };
    let expr = reference.map_or(UNREADABLE, |reference| Expr::Reference(Box::new(reference)));
    if is_complete { expr } else { faulty(expr, kind) }
}

/// Reads the pattern of files.
fn files(reader: &mut Reader<'_>, written: &Spanned<String>) -> Option<Reference> {
    match InputPattern::parse(&written.value) {
        Ok(pattern) => Some(Reference::Files { folder: reader.join(""), pattern }),
        Err(fault) => {
            let shown = Fault::spanned(written.span.clone(), fault.to_string());
            reader.fault(match fault {
                FilePathFault::Parent => {
                    let message = "`..` cannot stand behind a wildcard, or at the end of a pattern";
                    Fault::spanned(written.span.clone(), message)
                        .help("write it in front, as in `../data/*.csv`")
                }
                FilePathFault::Folder => {
                    let pattern = written.value.escape_debug();
                    shown.help(format!("for all files in the folder write `{{ files = \"{pattern}*\" }}`"))
                }
                FilePathFault::Bracket => shown.help("write `?` or `*` in place of the brackets"),
                _ => shown, // the message says what to change
            })
        }
    }
}

fn select(reader: &mut Reader<'_>, kind: &Slot<'_>, form: &Form<'_, '_>) -> Expr {
    let selector = selector(reader, kind, form.depth + 1);
    let cases = companion(form, "cases");
    if cases.is_none() {
        let fault = Fault::spanned(kind.key.clone(), "a `select` has no `cases`");
        reader.missing(fault.help("write `{ select = { task = \"…\" }, cases = { a = …, b = … } }`"));
    }
    let cases = cases.and_then(|slot| cases_of(reader, &slot, form.depth + 1));
    let default = companion(form, "default").map_or(Some(None), |slot| literal(reader, &slot).map(Some));
    let is_complete = cases.is_some() && default.is_some();
    let (cases, default) = (cases.unwrap_or_default(), default.unwrap_or_default());
    let expr = Expr::Reference(Box::new(Reference::Select { selector, cases, default }));
    if is_complete { expr } else { faulty(expr, kind) }
}

fn selector(reader: &mut Reader<'_>, slot: &Slot<'_>, depth: usize) -> Spanned<Expr> {
    if let DeValue::Table(_) = slot.value {
        return nested(reader, slot, depth);
    }
    let fault = slot.mismatch("a reference");
    reader.fault::<()>(match slot.value {
        DeValue::String(text) => {
            fault.help(format!("write `select = {{ task = \"{}\" }}`", text.escape_debug()))
        }
        // No other kind suggests a correction.
        _ => fault.help("write `select = { task = \"…\" }`"),
    });
    Spanned::new(UNREADABLE, slot.span.clone())
}

fn cases_of(reader: &mut Reader<'_>, slot: &Slot<'_>, depth: usize) -> Option<Parts> {
    let DeValue::Table(table) = slot.value else {
        return reader.fault(slot.mismatch("a table").help("write `cases = { a = …, b = … }`"));
    };
    if table.is_empty() {
        return reader.fault(Fault::spanned(slot.span.clone(), "`cases` has no case"));
    }
    Some(parts_of(reader, table, depth))
}

/// Reads a path.
pub(crate) fn path(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Path> {
    let text = filled(reader, slot)?;
    match Path::parse(&text.value) {
        Ok(path) => Some(path),
        Err(fault) => {
            let help = if text.value.contains('*') || text.value.contains("[]") {
                "a path leads to one part; `std.map-path` takes a part of each element, and so does `for-each`"
                    .to_owned()
            } else {
                format!("write steps as in `{} = \"items[0].name\"`", slot.name)
            };
            reader.fault(Fault::spanned(text.span, fault.to_string()).help(help))
        }
    }
}

fn variable(reader: &mut Reader<'_>, name: Spanned<String>) -> Option<Spanned<String>> {
    if name.value.contains('=') {
        return reader.fault(
            Fault::spanned(name.span, "a variable name cannot contain `=`")
                .help("for a fallback, write `default` beside `env`"),
        );
    }
    Some(name)
}

fn companion<'t>(form: &Form<'t, '_>, key: &str) -> Option<Slot<'t>> {
    let (written, value) = form.table.get_key_value(key)?;
    Some(Slot::new(written, value))
}
