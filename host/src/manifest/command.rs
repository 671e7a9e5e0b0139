//! Reads a task that runs a program: `command`, what the program is given, and its `ok-status`.
//! `collected` reads what it gives back; `graph` resolves the references.

use crate::manifest::collected::output;
use crate::manifest::program::{Action, Command, Feed};
use crate::manifest::reader::Reader;
use crate::manifest::reference::value;
use crate::manifest::scalar::{filled, integer_within, list};
use crate::manifest::table::{Slot, Table};
use crate::manifest::value::KINDS;
use crate::manifest::{Collected, CommandOutput, Expr, Unread};
use crate::model::{Datum, Fault, FilePath, FilePathFault, Name, Span, Spanned};
use indexmap::IndexMap;
use std::collections::HashMap;
use toml::de::DeValue;

/// The keys of a task that only a command has. `args` is a list beside `command`.
const OWN: [&str; 7] = ["stdin", "env", "files", "output", "type", "outputs", "ok-status"];

/// Maximum number of entries in each of `args`, `env`, `files` and `outputs`. Each is a parameter of the task's
/// function or a field of its result.
pub(crate) const MAX_ENTRIES: usize = 1_000;

/// The parts of a task that differ between a command and a call.
pub(crate) struct Parts {
    pub(crate) action: Option<Spanned<Action>>,
    pub(crate) args: Args,
    pub(crate) unread: Vec<Unread>,
}

/// Values by parameter, each with the span of its key.
pub(crate) type Args = IndexMap<String, (Span, Spanned<Expr>)>;

/// Returns whether the task in `table` is written as a command.
pub(crate) fn is_command(table: &Table<'_>) -> bool {
    let has_list = || table.slot("args").is_some_and(|args| matches!(args.value, DeValue::Array(_)));
    let has_own = || OWN.iter().any(|key| table.slot(key).is_some());
    table.slot("command").is_some() || table.slot("call").is_none() && (has_list() || has_own())
}

/// Reports the keys of commands in a task that calls a function.
pub(crate) fn reject_own_keys(reader: &mut Reader<'_>, table: &Table<'_>) {
    let Some(call) = table.slot("call") else { return };
    let component = match call.value {
        DeValue::String(text) => text.split(['.', '#']).next().unwrap_or_default().to_owned(),
        _ => "component".to_owned(), // the fault of the call is reported
    };
    for slot in OWN.iter().filter_map(|key| table.slot(key)) {
        let message = format!("`{}` is a key of commands, and this task has `call`", slot.name);
        let fault = Fault::spanned(slot.key.clone(), message).related(call.key.clone(), "a function");
        let fault = match slot.name {
            "env" => {
                fault.help("to set variables of a function, write `grants = { env = [\"NAME=value\"] }`")
            }
            _ => fault, // no other key has a counterpart among those of a call
        };
        let help =
            format!("to run the component as a program, write `command = \"{component}\"` instead of `call`");
        reader.fault::<()>(fault.help(help));
    }
}

/// Reads the keys of a command.
pub(crate) fn command(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Parts {
    if table.slot("command").is_none() {
        table.require("command", "call", "command = \"component\"");
    }
    let component = table.optional(reader, "command", component);
    if let (Some(call), Some(command)) = (table.slot("call"), table.slot("command")) {
        let fault = Fault::spanned(command.key, "a task has `call` or `command`, not both");
        let help = "keep `command` to run the component as a program, or `call` to call a function";
        reader.fault::<()>(fault.related(call.key, "the other one").help(help));
    }
    let mut feeds = Feeds { args: Args::new(), list: Vec::new() };
    table.optional(reader, "args", |reader, slot| arguments(reader, slot, &mut feeds));
    table.optional(reader, "stdin", |reader, slot| {
        let value = content(reader, slot);
        feeds.add("stdin".to_owned(), (slot.key.clone(), value), Feed::Stdin);
        Some(())
    });
    table.optional(reader, "env", |reader, slot| variables(reader, slot, &mut feeds));
    table.optional(reader, "files", |reader, slot| files(reader, slot, &mut feeds));
    let ok_status = table.optional(reader, "ok-status", ok_status).unwrap_or_else(|| vec![0]);
    let (output, unread) = match output(reader, table) {
        Some(output) => (output, Vec::new()),
        None => (CommandOutput::One(Collected::Text), vec![Unread::Output]),
    };
    let Feeds { args, list: feeds } = feeds;
    let action = component.map(|Spanned { value: component, span }| {
        Spanned::new(Action::Command(Command { component, feeds, output, ok_status }), span)
    });
    Parts { action, args, unread }
}

/// What a program is given, so far: each value by its name in messages.
struct Feeds {
    args: Args,
    list: Vec<Feed>,
}

impl Feeds {
    fn add(&mut self, name: String, value: (Span, Spanned<Expr>), feed: Feed) {
        self.args.insert(name, value);
        self.list.push(feed);
    }
}

/// Reads `command`: the name of a component.
fn component(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<String>> {
    const FORM: &str = "write `command = \"component\"`, and what follows it on a command line in `args`";
    if !matches!(slot.value, DeValue::String(_)) {
        return reader.fault(slot.mismatch("a string").help(FORM));
    }
    let text = filled(reader, slot)?;
    let Err(fault) = Name::new(&text.value) else {
        return Some(text);
    };
    let fault = Fault::spanned(text.span.clone(), format!("`command` names a component: {fault}"));
    let mut words = text.value.split_whitespace();
    let fault = match (words.next(), words.collect::<Vec<_>>()) {
        (Some(first), rest) if Name::new(first).is_ok() && !rest.is_empty() => {
            let rest: Vec<String> = rest.iter().map(|word| format!("\"{}\"", word.escape_debug())).collect();
            fault.help(format!("write `command = \"{first}\"` and `args = [{}]`", rest.join(", ")))
        }
        _ => match text.value.split_once(['.', '#']) {
            Some((component, _)) if Name::new(component).is_ok() => fault.help(format!(
                "write `command = \"{component}\"` to run it, or `call` to call one of its functions"
            )),
            _ => fault.help(FORM), // neither arguments nor a call
        },
    };
    reader.fault(fault)
}

/// Reads `args`: a list of values.
fn arguments(reader: &mut Reader<'_>, slot: &Slot<'_>, feeds: &mut Feeds) -> Option<()> {
    let DeValue::Array(array) = slot.value else {
        let fault = slot.mismatch("a list beside `command`");
        return reader.fault(fault.help("write `args = [\"-v\", { param = \"text\" }]`"));
    };
    bounded(reader, slot, array.len())?;
    for (index, element) in slot.elements(array).enumerate() {
        let value = argument(reader, &element);
        feeds.add(format!("args[{index}]"), (element.key, value), Feed::Arg);
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
fn variables(reader: &mut Reader<'_>, slot: &Slot<'_>, feeds: &mut Feeds) -> Option<()> {
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
        feeds.add(format!("env.{}", key(entry.name)), (entry.key, value), Feed::Env(entry.name.to_owned()));
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
fn files(reader: &mut Reader<'_>, slot: &Slot<'_>, feeds: &mut Feeds) -> Option<()> {
    let entries = entries(reader, slot, "files.\"in/style.css\" = { file = \"style.css\" }")?;
    let mut found: Vec<(FilePath, Slot<'_>)> = Vec::new();
    for entry in entries {
        match FilePath::parse(entry.name) {
            Ok(path) => found.push((path, entry)),
            Err(fault) => reader.fault::<()>(path_fault(&entry.key, entry.name, &fault)).unwrap_or_default(),
        }
    }
    found.sort_by(|(left, _), (right, _)| left.cmp(right));
    reject_conflicts(reader, &found);
    for (path, entry) in found {
        let value = content(reader, &entry);
        feeds.add(format!("files.{}", key(path.as_str())), (entry.key, value), Feed::File(path));
    }
    Some(())
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

/// Returns the fault of a path in the working directory of a command.
pub(crate) fn path_fault(span: &Span, written: &str, fault: &FilePathFault) -> Fault {
    let shown = Fault::spanned(span.clone(), fault.to_string());
    match (fault, written.trim_start_matches('/')) {
        (FilePathFault::Absolute, rest) if !rest.is_empty() => {
            shown.help(format!("write `\"{}\"`", rest.escape_debug()))
        }
        _ => shown, // the message says what to change
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

fn ok_status(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Vec<u8>> {
    if let DeValue::Integer(number) = slot.value {
        let fault = slot.mismatch("a list").help(format!("write `ok-status = [{number}]`"));
        return reader.fault(fault);
    }
    let mut statuses = list(reader, slot, |reader, slot| integer_within(reader, slot, 0..=u8::MAX))?;
    if statuses.is_empty() && matches!(slot.value, DeValue::Array(array) if array.is_empty()) {
        let fault = slot.fault("cannot be empty: no status would mean success");
        return reader.fault(fault.help("write `ok-status = [0]`, which is the default"));
    }
    statuses.sort_unstable();
    statuses.dedup();
    Some(statuses)
}

/// Returns the entries of a table of names that the author chooses.
fn entries<'t>(reader: &mut Reader<'_>, slot: &Slot<'t>, example: &str) -> Option<Vec<Slot<'t>>> {
    let DeValue::Table(table) = slot.value else {
        return reader.fault(slot.mismatch("a table").help(format!("write `{example}`")));
    };
    let entries: Vec<Slot<'t>> = Slot::entries(table).collect();
    if let [only] = entries.as_slice()
        && KINDS.contains(&only.name)
        && matches!(only.value, DeValue::String(_))
    {
        let message = format!("`{}` needs a name before the reference", slot.name);
        return reader.fault(Fault::spanned(only.key.clone(), message).help(format!("write `{example}`")));
    }
    bounded(reader, slot, entries.len())?;
    Some(entries)
}

/// Reports a list or a table with too many entries.
pub(crate) fn bounded(reader: &mut Reader<'_>, slot: &Slot<'_>, entries: usize) -> Option<()> {
    if entries > MAX_ENTRIES {
        let message = format!("`{}` has at most {MAX_ENTRIES} entries, not {entries}", slot.name);
        return reader.fault(Fault::spanned(slot.span.clone(), message));
    }
    Some(())
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
