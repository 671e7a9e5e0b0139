//! Reads a task that runs a program: `command` and `ok-status`.
//! `given` reads what the program is given, and `collected` what it gives back.

use crate::manifest::collected::output;
use crate::manifest::given::{Args, Given, given};
use crate::manifest::program::{Action, Command};
use crate::manifest::reader::Reader;
use crate::manifest::scalar::{filled, integer_within, list};
use crate::manifest::table::{Slot, Table};
use crate::manifest::{Collected, CommandOutput, Unread};
use crate::model::{Fault, Name, STD, Spanned};
use toml::de::DeValue;

/// The keys of a task that only a command has. `args` is a list beside `command`.
pub(crate) const OWN: [&str; 7] = ["stdin", "env", "files", "output", "type", "outputs", "ok-status"];

/// The parts of a task that differ between a command and a call.
pub(crate) struct Parts {
    pub(crate) action: Option<Spanned<Action>>,
    pub(crate) args: Args,
    pub(crate) unread: Vec<Unread>,
}

/// Returns whether the task in `table` is written as a command.
pub(crate) fn is_command(table: &Table<'_>) -> bool {
    let has_list = || table.slot("args").is_some_and(|args| matches!(args.value, DeValue::Array(_)));
    let has_own = || OWN.iter().any(|key| table.slot(key).is_some());
    table.slot("command").is_some() || table.slot("call").is_none() && (has_list() || has_own())
}

/// Reports the keys of commands in a task that calls a function, but those that the function has too.
pub(crate) fn reject_command_keys(reader: &mut Reader<'_>, table: &Table<'_>, shared: &[&str]) {
    let Some(call) = table.slot("call") else { return };
    let component = match call.value {
        DeValue::String(text) => text.split(['.', '#']).next().unwrap_or_default().to_owned(),
        _ => "component".to_owned(), // the fault of the call is reported
    };
    for slot in OWN.iter().filter(|key| !shared.contains(key)).filter_map(|key| table.slot(key)) {
        let message = format!("`{}` is a key of commands, and this task has `call`", slot.name);
        let fault = Fault::spanned(slot.key.clone(), message).related(call.key.clone(), "a function");
        let fault = match slot.name {
            "env" => {
                fault.help("to set variables of a function, write `grants = { env = [\"NAME=value\"] }`")
            }
            _ => fault, // no other key has a counterpart among those of a call
        };
        let help = if component == STD {
            "remove it".to_owned()
        } else {
            format!("to run the component as a program, write `command = \"{component}\"` instead of `call`")
        };
        reader.fault::<()>(fault.help(help));
    }
}

/// Reads the keys of a command.
pub(crate) fn command(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Parts {
    if table.slot("command").is_none() {
        table.require("command", &["call", "manifest"], "command = \"component\"");
    }
    let component = table.optional(reader, "command", component);
    if let (Some(call), Some(command)) = (table.slot("call"), table.slot("command")) {
        let fault = Fault::spanned(command.key, "a task has `call` or `command`, not both");
        let help = "keep `command` to run the component as a program, or `call` to call a function";
        reader.fault::<()>(fault.related(call.key, "the other one").help(help));
    }
    let Given { args, feeds } = given(reader, table);
    let ok_status = table.optional(reader, "ok-status", ok_status).unwrap_or_else(|| vec![0]);
    let (output, unread) = match output(reader, table) {
        Some(output) => (output, Vec::new()),
        None => (CommandOutput::One(Collected::Text), vec![Unread::Output]),
    };
    let action = component.map(|Spanned { value: component, span }| {
        Spanned::new(Action::Command(Box::new(Command { component, feeds, output, ok_status })), span)
    });
    Parts { action, args, unread }
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
