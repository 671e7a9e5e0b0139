//! Reads `[tasks.NAME]`: a call, its arguments, and how it runs.
//! `graph` resolves the names; `command` reads a program, `pipeline` an included manifest, and `policy` the keys that
//! `[defaults]` shares.

use crate::manifest::builtin::builtin;
use crate::manifest::call::call;
use crate::manifest::command::{Parts, command, is_command, reject_command_keys};
use crate::manifest::given::named_arguments;
use crate::manifest::grants::grants;
use crate::manifest::keys::TASK;
use crate::manifest::pipeline::{is_pipeline, no_grants, pipeline};
use crate::manifest::policy::policy;
use crate::manifest::reader::Reader;
use crate::manifest::reference::{value, value_beside};
use crate::manifest::repeat;
use crate::manifest::scalar::{boolean, duration, filled, integer_within, key_name, list, word};
use crate::manifest::table::{Slot, Table, Unknown};
use crate::manifest::value::{kinds, literal};
use crate::manifest::{Action, Expr, OnError, Policy, Reference, Task, Unread, When};
use crate::model::{Datum, Fault, Name, STD, Spanned};
use std::num::NonZeroU32;
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

/// Reads the task in `slot`; `None` if it is not a table.
///
/// A task with a fault is kept, with defaults for its faulty keys, so that its other names and values are checked too.
pub(crate) fn task(reader: &mut Reader<'_>, slot: &Slot<'_>, defaults: &Arc<Policy>) -> Option<Task> {
    let owner = format!("task `{}`", slot.name);
    let section = if reader.is_finally { "finally" } else { "tasks" };
    let example = format!("`[{section}.{}]` and below it `call = \"component.function\"`", slot.name);
    let mut table = Table::open(reader, slot, TASK, (&owner, &example))?;
    let is_pipeline = is_pipeline(&table);
    let Parts { action, args, mut unread } = if is_pipeline {
        pipeline(reader, &mut table)
    } else if is_command(&table) {
        command(reader, &mut table)
    } else {
        function(reader, &mut table)
    };
    let for_each_slot = table.slot("for-each");
    let lists = for_each_slot.as_ref().map(|slot| for_each(reader, slot));
    if lists.iter().flatten().any(Option::is_none) {
        unread.push(Unread::ForEach);
    }
    let product =
        table.optional(reader, "product", |reader, slot| product(reader, slot, for_each_slot.as_ref()));
    let repeat = table.slot("repeat").filter(|_| !is_pipeline);
    let repeat = repeat.and_then(|slot| repeat::repeat(reader, &slot, for_each_slot.as_ref()));
    let on_error = table.slot("on-error").map(|slot| {
        let read = on_error(reader, &slot, (is_pipeline, for_each_slot.is_some()));
        or_unread(read, (&mut unread, Unread::OnError)).unwrap_or_default()
    });
    let after = table.optional(reader, "after", |reader, slot| list(reader, slot, task_name));
    let when = table.optional(reader, "when", when);
    let max_parallel = table.optional(reader, "max-parallel", |reader, slot| match for_each_slot {
        Some(_) => integer_within(reader, slot, 1..=u32::MAX),
        None => reader.fault(
            Fault::spanned(
                slot.key.clone(),
                "`max-parallel` limits the elements of a `for-each`, and the task has none",
            )
            .help(
                "remove it; `-j` limits parallel tasks, and `resources` limits tasks that share a resource",
            ),
        ),
    });
    // The tasks of an included manifest have policies of their own, and `pipeline` has reported others.
    let policy = if is_pipeline { Arc::default() } else { policy(reader, &mut table, defaults) };
    let priority =
        table.optional(reader, "priority", |reader, slot| integer_within(reader, slot, -100..=100));
    let deadline = table.optional(reader, "deadline", duration);
    let grants = table
        .slot("grants")
        .map(|slot| if is_pipeline { no_grants(reader, &slot) } else { grants(reader, &slot) });
    table.close(reader).iter().for_each(|unknown| unread.extend(meant(unknown)));
    Some(Task {
        span: slot.key.clone(),
        action,
        args,
        after: after.unwrap_or_default(),
        when: when.map(Box::new),
        for_each: lists.into_iter().flatten().flatten().collect(),
        product: product.unwrap_or_default(),
        repeat: repeat.map(Box::new),
        max_parallel: max_parallel.and_then(NonZeroU32::new),
        policy,
        priority: priority.unwrap_or_default(),
        deadline,
        grants: grants.map(Box::new),
        on_error: on_error.unwrap_or_default(),
        is_finally: reader.is_finally,
        unread,
    })
}

/// Reads the keys of a task that calls a function.
fn function(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Parts {
    if table.slot("call").is_none() {
        table.require("call", &["command", "manifest"], "call = \"component.function\"");
    }
    let call = table.optional(reader, "call", call);
    let mut unread = Vec::new();
    let args =
        table.slot("args").map(|slot| or_unread(named_arguments(reader, &slot), (&mut unread, Unread::Args)));
    let action = match call {
        Some(call) if call.value.component == STD => builtin(reader, table, (call, &mut unread)),
        call => {
            reject_command_keys(reader, table, &[]);
            call.map(|call| call.map(Action::Call))
        }
    };
    Parts { action, args: args.flatten().unwrap_or_default(), unread }
}

/// Reads `on-error` of a task that includes a manifest or not, and has a `for-each` or not.
fn on_error(
    reader: &mut Reader<'_>,
    slot: &Slot<'_>,
    (is_pipeline, is_for_each): (bool, bool),
) -> Option<OnError> {
    let read = word(reader, slot, &ON_ERROR)?;
    if is_pipeline && read != OnError::Skip {
        let fault = slot.fault("of a task with `manifest` can only be `\"skip\"`");
        return reader.fault(fault.help("write it in the tasks of the included manifest"));
    }
    if read == OnError::Skip && !is_for_each {
        let message = "`on-error = \"skip\"` leaves elements of a `for-each` out, and the task has none";
        let help = "remove it; `on-error = \"failure\"` makes a failure of the task its output";
        let help = if is_pipeline { "remove it, or add `for-each`" } else { help };
        return reader.fault(Fault::spanned(slot.span.clone(), message).help(help));
    }
    Some(read)
}

/// Passes a value on, or records its key as unread if there is none.
fn or_unread<T>(value: Option<T>, (unread, key): (&mut Vec<Unread>, Unread)) -> Option<T> {
    if value.is_none() {
        unread.push(key);
    }
    value
}

/// Returns the keys that an unknown key may be a misspelling of: the most similar one, or all with values like its own.
fn meant(unknown: &Unknown<'_>) -> Vec<Unread> {
    match unknown.meant {
        Some("args") => vec![Unread::Args],
        Some("for-each") => vec![Unread::ForEach],
        Some("on-error") => vec![Unread::OnError],
        Some("grants") => vec![Unread::Grants],
        Some("output" | "outputs") => vec![Unread::Output],
        None if unknown.slot.has_parts() => vec![Unread::Args, Unread::ForEach],
        Some(_) | None => Vec::new(),
    }
}

/// Reads an element of `after`.
fn task_name(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<String>> {
    if let DeValue::Table(_) = slot.value {
        return reader
            .fault(slot.mismatch("a string").help("write the task's name alone, as `after = [\"split\"]`"));
    }
    filled(reader, slot)
}

pub(crate) const ON_ERROR: [(&str, OnError); 4] = [
    ("fail", OnError::Fail),
    ("value", OnError::Value),
    ("failure", OnError::Failure),
    ("skip", OnError::Skip),
];

/// Help for what is no list.
const LISTS: &str = "write a list, `{ range = 10 }`, or a reference to a list, as `{ task = \"…\" }`";

/// Reads the items of a `for-each` and their lists; `None` for an item without a valid name.
fn for_each(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Vec<Option<(Name, Spanned<Expr>)>> {
    let help = "write `for-each.NAME = { task = \"…\" }`, and `{ item = \"NAME\" }` in `args`";
    match slot.value {
        DeValue::Table(table) if !table.is_empty() => {
            Slot::entries(table).map(|entry| list_of(reader, &entry)).collect()
        }
        DeValue::Table(_) => {
            vec![reader.fault(Fault::spanned(slot.span.clone(), "`for-each` has no list").help(help))]
        }
        // No other kind has items.
        _ => vec![reader.fault(slot.mismatch("a table of item names and lists").help(help))],
    }
}

/// Reads `product`.
fn product(reader: &mut Reader<'_>, slot: &Slot<'_>, lists: Option<&Slot<'_>>) -> Option<bool> {
    let help = "write `product = true`, and the lists as `for-each.NAME = …`";
    match slot.value {
        _ if lists.is_none() => {
            let message = "`product` combines the lists of a `for-each`, and the task has none";
            reader.fault(Fault::spanned(slot.key.clone(), message).help(format!("remove it, or {help}")))
        }
        DeValue::Boolean(true) if lists.is_some_and(|lists| is_single(lists)) => {
            let message = "`product` combines several lists, and the `for-each` has one";
            let help = "remove it, or add another list, as `for-each.NAME = …`";
            reader.fault(Fault::spanned(slot.key.clone(), message).help(help))
        }
        DeValue::Boolean(_) | DeValue::String(_) => boolean(reader, slot),
        _ => reader.fault(slot.mismatch("`true` or `false`").help(help)), // looks like lists
    }
}

/// Returns whether a `for-each` has one list.
fn is_single(lists: &Slot<'_>) -> bool {
    match lists.value {
        DeValue::Table(table) => table.len() == 1,
        _ => false, // was reported
    }
}

/// Reads one item of `for-each` with its list.
fn list_of(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<(Name, Spanned<Expr>)> {
    if let DeValue::String(written) = slot.value {
        let written = written.escape_debug();
        if kinds(reader)(slot.name) {
            let kind = slot.name;
            let help = format!(
                "write `for-each.x = {{ {kind} = \"{written}\" }}`, and `{{ item = \"x\" }}` in `args`"
            );
            let message = "`for-each` needs an item name before the reference";
            return reader.fault(Fault::spanned(slot.key.clone(), message).help(help));
        }
        let fault = Fault::spanned(slot.span.clone(), "`for-each` runs over a list, not over a string");
        let help = format!("for the output of a task write `{{ task = \"{written}\" }}`");
        let help = if Name::new(&written.to_string()).is_ok() { help } else { LISTS.to_owned() };
        reader.fault::<()>(fault.help(help));
        return Some((key_name(reader, slot)?, faulty(slot)));
    }
    if slot.name == "range"
        && let DeValue::Integer(written) = slot.value
    {
        let help =
            format!("write `for-each.x = {{ range = {written} }}`, and `{{ item = \"x\" }}` in `args`");
        let message = "`for-each` needs an item name before the range";
        return reader.fault(Fault::spanned(slot.key.clone(), message).help(help));
    }
    let name = key_name(reader, slot);
    let list = match range(reader, slot) {
        Some((table, bound)) => Spanned::new(range_of(reader, table, &bound), slot.span.clone()),
        None => value(reader, slot),
    };
    if let Expr::Literal(datum) = &list.value
        && !matches!(datum, Datum::Array(_))
    {
        let message = format!("`for-each` runs over a list, not over {}", datum.kind());
        let help = match datum {
            Datum::Int(number @ 0..) => {
                format!("for the {number} numbers from 0, write `{{ range = {number} }}`")
            }
            Datum::Bool(_) if slot.name == "product" => {
                "write it beside `for-each`, not inside of it".to_owned()
            }
            _ => LISTS.to_owned(), // is meant in another way
        };
        reader.fault::<()>(Fault::spanned(slot.span.clone(), message).help(help));
        return Some((name?, faulty(slot)));
    }
    Some((name?, list))
}

/// Returns the table of a range, and its bound.
fn range<'t>(reader: &Reader<'_>, slot: &Slot<'t>) -> Option<(&'t DeTable<'t>, Slot<'t>)> {
    let DeValue::Table(table) = slot.value else { return None };
    let is_kind = kinds(reader);
    let is_reference = Slot::entries(table).any(|entry| is_kind(entry.name));
    Slot::entries(table).find(|entry| entry.name == "range" && !is_reference).map(|bound| (table, bound))
}

/// Reads `{ range = n }` or `{ range = [from, to] }`.
fn range_of(reader: &mut Reader<'_>, table: &DeTable<'_>, bound: &Slot<'_>) -> Expr {
    for entry in Slot::entries(table).filter(|entry| entry.name != "range") {
        let message = format!("unknown key `{}` beside `range`", entry.name);
        reader.fault::<()>(Fault::spanned(entry.key, message).help("a range has no other key"));
    }
    let help =
        "write `{ range = 10 }`, `{ range = [1, 11] }`, or references to integers in place of the numbers";
    let is_kind = kinds(reader);
    let mut number = |slot: &Slot<'_>| match slot.value {
        DeValue::Integer(_) => value(reader, slot),
        DeValue::Table(table) if Slot::entries(table).any(|entry| is_kind(entry.name)) => value(reader, slot),
        _ => {
            reader.fault::<()>(slot.mismatch("an integer, or a reference to one").help(help));
            faulty(slot)
        }
    };
    let (from, to) = match bound.value {
        DeValue::Array(array) => {
            let numbers: Vec<Spanned<Expr>> = bound.elements(array).map(|slot| number(&slot)).collect();
            let Ok([from, to]) = <[Spanned<Expr>; 2]>::try_from(numbers) else {
                reader.fault::<()>(
                    Fault::spanned(
                        bound.span.clone(),
                        "a range has two ends: the first number, and one past the last",
                    )
                    .help(help),
                );
                return Expr::Faulty(Vec::new());
            };
            if let (Expr::Literal(Datum::Int(first)), Expr::Literal(Datum::Int(end))) =
                (&from.value, &to.value)
                && first > end
            {
                let message = format!("the range ends at {end}, before {first}");
                let help = "the second number is one past the last; equal numbers are an empty range";
                reader.fault::<()>(Fault::spanned(bound.span.clone(), message).help(help));
                return Expr::Faulty(Vec::new());
            }
            (from, to)
        }
        _ => (Spanned::new(Expr::Literal(Datum::Int(0)), bound.span.clone()), number(bound)),
    };
    Expr::Reference(Box::new(Reference::Range { from, to }))
}

/// Returns a list without any readable part.
fn faulty(slot: &Slot<'_>) -> Spanned<Expr> {
    Spanned::new(Expr::Faulty(Vec::new()), slot.span.clone())
}

/// The keys that are allowed beside a reference in `when`.
pub(crate) const CONDITION: [&str; 2] = ["equals", "not"];

/// Reads a reference with the keys of [`CONDITION`] beside it.
fn when(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<When> {
    let forms = "write `when = { task = \"…\" }`, with `equals = …` or `not = true` beside it";
    let is_kind = kinds(reader);
    let (equals, is_negated) = match slot.value {
        DeValue::Table(table) if Slot::entries(table).any(|entry| is_kind(entry.name)) => {
            let beside = |key: &str| Slot::entries(table).find(|entry| entry.name == key);
            let equals = beside("equals").map_or(Some(None), |slot| literal(reader, &slot).map(Some));
            let is_negated = beside("not").map_or(Some(false), |slot| boolean(reader, &slot));
            (equals, is_negated)
        }
        DeValue::Table(_) => {
            return reader.fault(Fault::spanned(slot.span.clone(), "`when` has no reference").help(forms));
        }
        DeValue::Boolean(_) => (Some(None), Some(false)),
        _ => return reader.fault(slot.mismatch("a reference to a `bool`").help(forms)), // other kinds are never true or false
    };
    let subject = value_beside(reader, slot, &CONDITION);
    let is_complete = equals.is_some() && is_negated.is_some();
    Some(When {
        span: slot.span.clone(),
        subject,
        equals: equals.flatten(),
        is_complete,
        is_negated: is_negated.unwrap_or_default(),
    })
}
