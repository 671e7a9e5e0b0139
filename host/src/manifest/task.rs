//! `[tasks.NAME]`: one call, where its arguments come from, and how it is run.
//! Names of other things are kept as they are written.

use crate::manifest::Expr;
use crate::manifest::OnError;
use crate::manifest::Policy;
use crate::manifest::Task;
use crate::manifest::When;
use crate::manifest::call::call;
use crate::manifest::grants::grants;
use crate::manifest::policy::Site;
use crate::manifest::policy::policy;
use crate::manifest::reader::Reader;
use crate::manifest::reference::KINDS;
use crate::manifest::reference::value;
use crate::manifest::reference::value_beside;
use crate::manifest::scalar::boolean;
use crate::manifest::scalar::filled;
use crate::manifest::scalar::key_name;
use crate::manifest::scalar::list;
use crate::manifest::scalar::whole;
use crate::manifest::scalar::word;
use crate::manifest::table::Slot;
use crate::manifest::table::Table;
use crate::manifest::value::literal;
use crate::model::Datum;
use crate::model::Fault;
use crate::model::Name;
use crate::model::Span;
use crate::model::Spanned;
use indexmap::IndexMap;
use std::num::NonZeroU32;
use toml::de::DeValue;

/// The task in `slot`; none where what it calls, and with what, is not known.
///
/// Faults of the other keys leave the task standing, with their defaults, so that its values are checked as well.
pub(crate) fn task(reader: &mut Reader<'_>, slot: &Slot<'_>, defaults: &Policy) -> Option<Task> {
    let owner = format!("task `{}`", slot.name);
    let example = format!("`[tasks.{}]` and below it `call = \"component.function\"`", slot.name);
    let mut table = Table::open(reader, slot, &owner, &example)?;
    let mark = reader.mark();
    let call = table.required(reader, ("call", "call = \"component.function\""), call);
    let args = table.optional(reader, "args", args);
    let over = table.slot("for-each");
    let for_each = over.as_ref().and_then(|slot| for_each(reader, slot));
    let on_error = table.optional(reader, "on-error", |reader, slot| word(reader, slot, &ON_ERROR));
    let is_sound = reader.is_sound_since(mark);
    let after = table.optional(reader, "after", |reader, slot| list(reader, slot, task_name));
    let when = table.optional(reader, "when", when);
    let max_parallel = table.optional(reader, "max-parallel", |reader, slot| match over {
        Some(_) => whole(reader, slot, 1..=u32::MAX),
        None => reader.fault(
            Fault::at(slot.key.clone(), "`max-parallel` bounds the elements of a `for-each`, and there is none")
                .help("leave it out; `-j` bounds the tasks at the same time, and `resources` those that share something"),
        ),
    });
    let policy = policy(reader, &mut table, (Site::Task, defaults));
    let priority = table.optional(reader, "priority", |reader, slot| whole(reader, slot, -100..=100));
    let grants = table.optional(reader, "grants", grants);
    let unknown = table.close(reader);
    let call = call.filter(|_| is_sound && unknown.is_empty())?;
    Some(Task {
        span: slot.key.clone(),
        call,
        args: args.unwrap_or_default(),
        after: after.unwrap_or_default(),
        when,
        for_each: for_each.unwrap_or_default(),
        max_parallel: max_parallel.and_then(NonZeroU32::new),
        policy,
        priority: priority.unwrap_or_default(),
        grants,
        on_error: on_error.unwrap_or_default(),
    })
}

/// An element of `after`.
fn task_name(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<String>> {
    if let DeValue::Table(_) = slot.value {
        return reader
            .fault(slot.mismatch("a string").help("write the task's name alone, as `after = [\"split\"]`"));
    }
    filled(reader, slot)
}

const ON_ERROR: [(&str, OnError); 2] = [("fail", OnError::Fail), ("value", OnError::Value)];

type Args = IndexMap<String, (Span, Spanned<Expr>)>;

fn args(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Args> {
    let DeValue::Table(table) = slot.value else {
        let fault = slot.mismatch("a table of parameter names and values");
        return reader.fault(fault.help("write for example `args.text = { param = \"text\" }`"));
    };
    let args: Vec<_> = Slot::entries(table)
        .map(|entry| Some((entry.name.to_owned(), (entry.key.clone(), value(reader, &entry)?))))
        .collect();
    args.into_iter().collect()
}

fn for_each(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<IndexMap<Name, Spanned<Expr>>> {
    let help = "write `for-each.NAME = { task = \"…\" }`, and `{ item = \"NAME\" }` in `args`";
    let DeValue::Table(table) = slot.value else {
        return reader.fault(slot.mismatch("a table of item names and lists").help(help));
    };
    if table.is_empty() {
        return reader.fault(Fault::at(slot.span.clone(), "`for-each` names no list").help(help));
    }
    let lists: Vec<_> = Slot::entries(table).map(|entry| list_of(reader, &entry)).collect();
    lists.into_iter().collect()
}

/// One item of `for-each` and the list that it runs over.
fn list_of(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<(Name, Spanned<Expr>)> {
    if let DeValue::String(written) = slot.value {
        let written = written.escape_debug();
        return reader.fault(if KINDS.contains(&slot.name) {
            Fault::at(slot.key.clone(), "`for-each` gives the item a name before the reference").help(
                format!(
                    "write `for-each.x = {{ {} = \"{written}\" }}`, and `{{ item = \"x\" }}` in `args`",
                    slot.name
                ),
            )
        } else {
            Fault::at(slot.span.clone(), "`for-each` runs over a list, not over a string")
                .help(format!("for the output of a task write `{{ task = \"{written}\" }}`"))
        });
    }
    let name = key_name(reader, slot);
    let list = value(reader, slot);
    if let Some(Expr::Literal(datum)) = list.as_ref().map(|list| &list.value)
        && !matches!(datum, Datum::Array(_))
    {
        return reader.fault(Fault::at(
            slot.span.clone(),
            format!("`for-each` runs over a list, not over {}", datum.kind()),
        ));
    }
    Some((name?, list?))
}

/// A reference with `equals` and `not` beside it.
fn when(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<When> {
    let forms = "write `when = { task = \"…\" }`, with `equals = …` or `not = true` beside it";
    let (equals, is_negated) = match slot.value {
        DeValue::Table(table) if Slot::entries(table).any(|entry| KINDS.contains(&entry.name)) => {
            let beside = |key: &str| Slot::entries(table).find(|entry| entry.name == key);
            let equals = beside("equals").map_or(Some(None), |slot| literal(reader, &slot).map(Some));
            let is_negated = beside("not").map_or(Some(false), |slot| boolean(reader, &slot));
            (equals, is_negated)
        }
        DeValue::Table(_) => {
            return reader.fault(Fault::at(slot.span.clone(), "`when` refers to nothing").help(forms));
        }
        DeValue::Boolean(_) => (Some(None), Some(false)),
        _ => return reader.fault(slot.mismatch("a reference to a `bool`").help(forms)), // nothing else is true or false
    };
    let subject = value_beside(reader, slot, &["equals", "not"])?;
    Some(When { span: slot.span.clone(), subject, equals: equals?, is_negated: is_negated? })
}
