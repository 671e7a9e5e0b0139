//! Reads what a task is given: `args`, and `stdin`, `env` and `files` of a command.
//! `graph` resolves the references; `plan` types them.

use crate::manifest::Expr;
use crate::manifest::entries::{bounded, path_fault};
use crate::manifest::program::Feed;
use crate::manifest::reader::Reader;
use crate::manifest::reference::value;
use crate::manifest::table::{Slot, Table};
use crate::manifest::value::{KINDS, kinds};
use crate::model::{Datum, Fault, FilePath, Span, Spanned};
use indexmap::IndexMap;
use std::collections::HashMap;
use toml::de::DeValue;

/// Values by parameter, each with the span of its key.
pub(crate) type Args = IndexMap<String, (Span, Spanned<Expr>)>;

/// What a program is given: each value by its name in messages, and what it becomes.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) args: Args,
    pub(crate) feeds: Vec<Feed>,
}

impl Given {
    fn add(&mut self, name: String, value: (Span, Spanned<Expr>), feed: Feed) {
        self.args.insert(name, value);
        self.feeds.push(feed);
    }
}

/// Reads `args` of a function or a pipeline: names and values.
pub(crate) fn named_arguments(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Args> {
    let DeValue::Table(table) = slot.value else {
        let fault = slot.mismatch("a table of parameter names and values");
        return reader.fault(fault.help("write for example `args.text = { param = \"text\" }`"));
    };
    let arg = |entry: Slot<'_>| (entry.name.to_owned(), (entry.key.clone(), value(reader, &entry)));
    Some(Slot::entries(table).map(arg).collect())
}

/// Reads what a program is given.
pub(crate) fn given(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Given {
    let mut given = Given::default();
    table.optional(reader, "args", |reader, slot| arguments(reader, slot, &mut given));
    table.optional(reader, "stdin", |reader, slot| {
        let value = content(reader, slot);
        given.add("stdin".to_owned(), (slot.key.clone(), value), Feed::Stdin);
        Some(())
    });
    table.optional(reader, "env", |reader, slot| variables(reader, slot, &mut given));
    table.optional(reader, "files", |reader, slot| files(reader, slot, &mut given));
    given
}

/// Reads `args`: a list of values.
fn arguments(reader: &mut Reader<'_>, slot: &Slot<'_>, given: &mut Given) -> Option<()> {
    let DeValue::Array(array) = slot.value else {
        let fault = slot.mismatch("a list beside `command`");
        return reader.fault(fault.help("write `args = [\"-v\", { param = \"text\" }]`"));
    };
    bounded(reader, slot, array.len())?;
    for (index, element) in slot.elements(array).enumerate() {
        let value = argument(reader, &element);
        given.add(format!("args[{index}]"), (element.key, value), Feed::Arg);
    }
    Some(())
}

fn argument(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Spanned<Expr> {
    let value = value(reader, slot);
    let fault = match &value.value {
        Expr::Literal(Datum::Text(text)) if text.contains('\0') => {
            slot.fault("cannot contain a NUL character")
        }
        Expr::Literal(Datum::Array(_)) | Expr::Array(_) => slot
            .fault("must be a string, a number, a bool or a reference, not an array")
            .help("write each of its elements as an argument of its own"),
        Expr::Literal(Datum::Table(_)) | Expr::Table(_) => {
            slot.fault("must be a string, a number, a bool or a reference, not a table").note(references())
        }
        Expr::Literal(_) | Expr::Reference(_) | Expr::Faulty(_) => return value,
    };
    reader.fault::<()>(fault);
    faulty(value)
}

/// Reads `env`: names and values.
fn variables(reader: &mut Reader<'_>, slot: &Slot<'_>, given: &mut Given) -> Option<()> {
    let entries = entries(reader, slot, "env.LANG = \"C\"")?;
    for entry in sorted(entries) {
        if entry.name.is_empty() || entry.name.contains(['=', '\0']) {
            let message = "the name of a variable is not empty, and has neither `=` nor NUL";
            let fault =
                Fault::spanned(entry.key.clone(), message).help("write for example `env.LANG = \"C\"`");
            reader.fault::<()>(fault);
            continue;
        }
        let mark = reader.mark();
        let value = variable(reader, &entry);
        reader.hide_since(mark); // a value may be a secret
        given.add(format!("env.{}", key(entry.name)), (entry.key, value), Feed::Env(entry.name.to_owned()));
    }
    Some(())
}

fn variable(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Spanned<Expr> {
    let value = value(reader, slot);
    let fault = match &value.value {
        Expr::Literal(Datum::Text(text)) if text.contains('\0') => {
            slot.fault("cannot contain a NUL character")
        }
        Expr::Literal(Datum::Text(_)) | Expr::Reference(_) | Expr::Faulty(_) => return value,
        Expr::Literal(Datum::Int(_) | Datum::Float(_) | Datum::Bool(_)) => {
            let name = key(slot.name);
            slot.mismatch("a string").help(format!("write it in quotes: `env.{name} = \"…\"`"))
        }
        Expr::Literal(_) | Expr::Array(_) | Expr::Table(_) => {
            slot.mismatch("a string or a reference to one").note(references())
        }
    };
    reader.fault::<()>(fault);
    faulty(value)
}

/// Reads `files`: paths and contents.
fn files(reader: &mut Reader<'_>, slot: &Slot<'_>, given: &mut Given) -> Option<()> {
    let entries = entries(reader, slot, "files.\"in/style.css\" = { file = \"style.css\" }")?;
    let mut found: Vec<(FilePath, Slot<'_>)> = Vec::new();
    for entry in entries {
        match FilePath::parse(entry.name) {
            Ok(path) if is_taken(&path) => {
                let message = format!("`{}` is a private folder or device of every command", path.as_str());
                let fault = Fault::spanned(entry.key.clone(), message);
                reader.fault::<()>(fault.help("give the file another path; files in `tmp` are allowed"));
            }
            Ok(path) => found.push((path, entry)),
            Err(fault) => reader.fault::<()>(path_fault(&entry.key, entry.name, &fault)).unwrap_or_default(),
        }
    }
    found.sort_by(|(left, _), (right, _)| left.cmp(right));
    reject_conflicts(reader, &found);
    for (path, entry) in found {
        let value = content(reader, &entry);
        given.add(format!("files.{}", key(path.as_str())), (entry.key, value), Feed::File(path));
    }
    Some(())
}

/// Returns whether the sandbox has something else at the path: its scratch folder, or its devices.
fn is_taken(path: &FilePath) -> bool {
    let path = path.as_str();
    matches!(path, "tmp" | "dev") || path.starts_with("dev/")
}

/// Reports files of one path, and files that lie in another file.
fn reject_conflicts(reader: &mut Reader<'_>, files: &[(FilePath, Slot<'_>)]) {
    let mut first: HashMap<&str, &Slot<'_>> = HashMap::new();
    for (path, slot) in files {
        if let Some(earlier) = first.insert(path.as_str(), slot) {
            let fault =
                Fault::spanned(slot.key.clone(), format!("two files have the path `{}`", path.as_str()));
            reader.fault::<()>(fault.related(earlier.key.clone(), "first here").help("keep one of the two"));
        }
    }
    for (path, slot) in files {
        if let Some(outer) = path.folders().find_map(|folder| first.get(folder)) {
            let message = format!("`{}` lies in a path that is a file too", path.as_str());
            let fault = Fault::spanned(slot.key.clone(), message);
            reader.fault::<()>(
                fault.related(outer.key.clone(), "this file").help("give one of the two another path"),
            );
        }
    }
}

/// Reads a value that becomes the content of a file or of standard input.
fn content(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Spanned<Expr> {
    let value = value(reader, slot);
    match &value.value {
        Expr::Literal(Datum::Text(_)) | Expr::Reference(_) | Expr::Faulty(_) => value,
        Expr::Literal(_) | Expr::Array(_) | Expr::Table(_) => {
            let fault = slot.mismatch("a string, or a reference to a `string` or `list<u8>`");
            reader.fault::<()>(fault.note(references()));
            faulty(value)
        }
    }
}

/// Returns the entries of a table of names that the author chooses.
fn entries<'t>(reader: &mut Reader<'_>, slot: &Slot<'t>, example: &str) -> Option<Vec<Slot<'t>>> {
    let DeValue::Table(table) = slot.value else {
        return reader.fault(slot.mismatch("a table").help(format!("write `{example}`")));
    };
    let entries: Vec<Slot<'t>> = Slot::entries(table).collect();
    if let [only] = entries.as_slice()
        && kinds(reader)(only.name)
        && matches!(only.value, DeValue::String(_))
    {
        let message = format!("`{}` needs a name before the reference", slot.name);
        return reader.fault(Fault::spanned(only.key.clone(), message).help(format!("write `{example}`")));
    }
    bounded(reader, slot, entries.len())?;
    Some(entries)
}

/// Sorts entries by name. The order of a table does not count, so that another order is the same command.
fn sorted(mut entries: Vec<Slot<'_>>) -> Vec<Slot<'_>> {
    entries.sort_by_key(|entry| entry.name);
    entries
}

/// Returns a key as TOML writes it: in quotes unless it is a bare one.
fn key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.chars().all(is_bare) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.escape_debug())
    }
}

fn references() -> String {
    let kinds: Vec<String> = KINDS.iter().map(|kind| format!("`{kind}`")).collect();
    format!("a reference is a table with one of the keys {}", kinds.join(", "))
}

/// Marks a value as faulty; names in it are still resolved.
fn faulty(value: Spanned<Expr>) -> Spanned<Expr> {
    let span = value.span.clone();
    Spanned::new(Expr::Faulty(vec![value]), span)
}
