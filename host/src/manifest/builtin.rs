//! Reads the keys of a task that calls a built-in task, and reports those that mean nothing to one.
//! `plan` knows which built-in tasks there are, and their types.

use crate::manifest::command::reject_command_keys;
use crate::manifest::reader::Reader;
use crate::manifest::scalar::filled;
use crate::manifest::table::{Slot, Table};
use crate::manifest::{Action, BuiltinCall, Call, Unread};
use crate::model::{Fault, STD, Spanned};
use toml::de::DeValue;

/// Limits of guests alone.
const OF_GUESTS: [(&str, &str); 4] = [
    ("fuel", "fuel counts the instructions of a guest"),
    ("logs", "a built-in task writes no logs"),
    ("stack", "the stack is that of a guest"),
    ("disk", "the disk is that of a guest"),
];

/// Reads the call of a built-in task. Reports the other keys that it cannot have.
pub(crate) fn builtin(
    reader: &mut Reader<'_>,
    table: &mut Table<'_>,
    (call, unread): (Spanned<Call>, &mut Vec<Unread>),
) -> Option<Spanned<Action>> {
    let ty_slot = table.slot("type");
    let ty = table.optional(reader, "type", filled);
    if ty_slot.is_some() && ty.is_none() {
        unread.push(Unread::Output);
    }
    reject_command_keys(reader, table, &["type"]);
    reject(reader, table);
    let Spanned { value: Call { interface, function, .. }, span } = call;
    if interface.is_some() {
        let fault = Fault::spanned(span, "built-in tasks have no interface");
        return reader.fault(fault.help(format!("write `call = \"{STD}.{function}\"`")));
    }
    Some(Spanned::new(Action::Builtin(BuiltinCall { function, ty }), span))
}

fn reject(reader: &mut Reader<'_>, table: &Table<'_>) {
    let fault = |slot: &Slot<'_>, message: &str| Fault::spanned(slot.key.clone(), message.to_owned());
    if let Some(slot) = table.slot("grants") {
        let fault = fault(&slot, "a built-in task has no grants: it is no guest, and touches nothing");
        reader.fault::<()>(fault.help("remove it"));
    }
    if let Some(slot) = table.slot("cache").filter(|slot| !matches!(slot.value, DeValue::Boolean(false))) {
        let fault = fault(&slot, "results of built-in tasks are not cached: to compute one is as quick");
        reader.fault::<()>(fault.help("remove it"));
    }
    let Some(limits) = table.slot("limits") else { return };
    let DeValue::Table(limits) = limits.value else { return };
    for slot in Slot::entries(limits) {
        if let Some((name, why)) = OF_GUESTS.iter().find(|(name, _)| *name == slot.name) {
            let fault = fault(&slot, &format!("a built-in task has no `limits.{name}`: {why}"));
            reader.fault::<()>(fault.help("its limits are `memory`, `output` and the task's `timeout`"));
        }
    }
}

/// Reports a component with the name of the built-in tasks.
pub(crate) fn reject_component(reader: &mut Reader<'_>, slot: &Slot<'_>) {
    if slot.name == STD {
        let fault = Fault::spanned(slot.key.clone(), format!("a component cannot be named `{STD}`"));
        reader.fault::<()>(fault.note("that is the name of the built-in tasks").help("choose another name"));
    }
}
