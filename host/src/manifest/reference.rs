//! Reads values: literals, references, and arrays and tables of both.
//! `graph` resolves the names in references.

use crate::manifest::reader::Reader;
use crate::manifest::scalar::filled;
use crate::manifest::table::Slot;
use crate::manifest::value::{KINDS, MAX_DEPTH, literal, raw, scalar, too_deep};
use crate::manifest::{Expr, Reference};
use crate::model::{Datum, Fault, Path, Spanned};
use toml::de::DeTable;
use toml::de::DeValue;

/// A value: literal, reference, or a mixture. What is faulty in it is reported, and marked.
pub(crate) fn value(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Spanned<Expr> {
    nested(reader, slot, 0)
}

/// A value that stands among other keys, `allowed`, which somebody else reads.
pub(crate) fn value_beside(reader: &mut Reader<'_>, slot: &Slot<'_>, allowed: &[&str]) -> Spanned<Expr> {
    if let DeValue::Table(table) = slot.value
        && let Some(kind) = Slot::entries(table).find(|entry| KINDS.contains(&entry.name))
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
    let expr = match slot.value {
        _ if depth > MAX_DEPTH => {
            reader.fault::<()>(too_deep(slot));
            NOTHING
        }
        DeValue::Array(array) => {
            array_of(slot.elements(array).map(|element| nested(reader, &element, depth + 1)).collect())
        }
        DeValue::Table(table) => match Slot::entries(table).find(|entry| KINDS.contains(&entry.name)) {
            Some(kind) => reference(reader, &kind, &Form { table, allowed: &[], depth }),
            None => table_of(parts_of(reader, table, depth)),
        },
        _ => scalar(reader, slot).map_or(NOTHING, Expr::Literal), // the kinds without parts
    };
    Spanned::new(expr, slot.span.clone())
}

/// A value of which nothing could be read.
const NOTHING: Expr = Expr::Faulty(Vec::new());

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

/// The keys that may stand beside each kind.
pub(crate) fn companions(kind: &str) -> &'static [&'static str] {
    match kind {
        "task" => &["path", "default"],
        "param" | "item" => &["path"],
        "env" => &["default"],
        "select" => &["cases", "default"],
        _ => &[], // `file` and `value` stand alone
    }
}

fn reference(reader: &mut Reader<'_>, kind: &Slot<'_>, form: &Form<'_, '_>) -> Expr {
    let mark = reader.mark();
    refuse_foreign_keys(reader, kind, form);
    let is_alone = reader.is_sound_since(mark);
    let expr = match kind.name {
        "value" => raw(reader, kind, form.depth + 1).map_or(NOTHING, Expr::Literal),
        "select" => select(reader, kind, form),
        // The other five of `KINDS` say all in one string.
        _ => simple(reader, kind, form),
    };
    // With a key that means nothing here, it is not known what was meant.
    if is_alone { expr } else { marked(expr, kind) }
}

/// A value that is not what was meant: the names in it are looked up, and nothing else is said of it.
fn marked(expr: Expr, kind: &Slot<'_>) -> Expr {
    Expr::Faulty(vec![Spanned::new(expr, kind.span.clone())])
}

fn refuse_foreign_keys(reader: &mut Reader<'_>, kind: &Slot<'_>, form: &Form<'_, '_>) {
    let companions = companions(kind.name);
    let is_known =
        |name: &str| name == kind.name || companions.contains(&name) || form.allowed.contains(&name);
    for entry in Slot::entries(form.table).filter(|entry| !is_known(entry.name)) {
        let as_it_is = "for a table with these keys as it is, write `{ value = { … } }`";
        let fault = if KINDS.contains(&entry.name) {
            let message = format!("`{}` and `{}` cannot stand in one reference", kind.name, entry.name);
            Fault::spanned(entry.key, message)
                .related(kind.key.clone(), "the first of them")
                .help("keep one of the two")
        } else {
            let known: Vec<&str> = companions.iter().chain(form.allowed).copied().collect();
            let message = format!("`{}` cannot stand beside `{}` in a reference", entry.name, kind.name);
            Fault::spanned(entry.key, message).suggest(entry.name, known)
        };
        reader.fault::<()>(fault.help(as_it_is));
    }
}

/// The references whose kind says what they refer to in one string.
fn simple(reader: &mut Reader<'_>, kind: &Slot<'_>, form: &Form<'_, '_>) -> Expr {
    let name = filled(reader, kind);
    let path = companion(form, "path").map_or(Some(Path::root()), |slot| path(reader, &slot));
    let default = companion(form, "default").map_or(Some(None), |slot| literal(reader, &slot).map(Some));
    let Some(name) = name else {
        return NOTHING;
    };
    let is_whole = path.is_some() && default.is_some();
    let (path, default) = (path.unwrap_or_default(), default.unwrap_or_default());
    let reference = match kind.name {
        "task" => Some(Reference::Task { task: name, path, default }),
        "param" => Some(Reference::Param { param: name, path }),
        "item" => Some(Reference::Item { item: name, path }),
        "env" => variable(reader, name).map(|name| Reference::Env { name, default }),
        _ => Some(Reference::File { path: name.map(|path| reader.join(&path)) }), // the only one left
    };
    let expr = reference.map_or(NOTHING, |reference| Expr::Reference(Box::new(reference)));
    if is_whole { expr } else { marked(expr, kind) }
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
    let is_whole = cases.is_some() && default.is_some();
    let (cases, default) = (cases.unwrap_or_default(), default.unwrap_or_default());
    let expr = Expr::Reference(Box::new(Reference::Select { selector, cases, default }));
    if is_whole { expr } else { marked(expr, kind) }
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
    Spanned::new(NOTHING, slot.span.clone())
}

fn cases_of(reader: &mut Reader<'_>, slot: &Slot<'_>, depth: usize) -> Option<Parts> {
    let DeValue::Table(table) = slot.value else {
        return reader.fault(slot.mismatch("a table").help("write `cases = { a = …, b = … }`"));
    };
    if table.is_empty() {
        return reader.fault(Fault::spanned(slot.span.clone(), "`cases` names no case"));
    }
    Some(parts_of(reader, table, depth))
}

fn path(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Path> {
    let text = filled(reader, slot)?;
    match Path::parse(&text.value) {
        Ok(path) => Some(path),
        Err(fault) => reader.fault(
            Fault::spanned(text.span, fault.to_string()).help("write steps as in `path = \"items[0].name\"`"),
        ),
    }
}

fn variable(reader: &mut Reader<'_>, name: Spanned<String>) -> Option<Spanned<String>> {
    if name.value.contains('=') {
        return reader.fault(
            Fault::spanned(name.span, "the name of a variable has no `=`")
                .help("for a fallback, write `default` beside `env`"),
        );
    }
    Some(name)
}

fn companion<'t>(form: &Form<'t, '_>, key: &str) -> Option<Slot<'t>> {
    let (written, value) = form.table.get_key_value(key)?;
    Some(Slot::new(written, value))
}
