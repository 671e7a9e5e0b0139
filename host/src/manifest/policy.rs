//! The task keys that `[defaults]` may set: `retry`, `max-lost-hosts`, `timeout`, `limits`, `cache`, `resources`.
//!
//! A task's own key replaces the default. Only `limits` and `retry` are merged field by field:
//! a task with `limits = { fuel = 1 }` keeps the default memory, and `retry = 5` keeps the default delay.

use crate::manifest::keys::{DEFAULTS, LIMITS, RETRY};
use crate::manifest::reader::Reader;
use crate::manifest::scalar::{
    boolean, duration, duration_or_zero, filled, integer_within, key_name, list, size, word,
};
use crate::manifest::table::{Slot, Table};
use crate::manifest::{Backoff, CachePolicy, Policy, Retry, RetryClass};
use crate::model::{Fault, Limits, MAX_BY_ATTEMPT, Name, Size, Spanned, Stack};
use indexmap::IndexMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use toml::de::DeValue;

/// Maximum of `max-lost-hosts`, beyond any realistic number; ledgers count further.
pub(crate) const MAX_LOST_HOSTS: u32 = 1000;

/// The table that contains a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Site {
    /// In `[defaults]`, which tasks may override.
    Defaults,
    /// In a task, which nothing overrides.
    Task,
}

/// Reads the policy of a task. Tasks without keys of their own share the defaults.
pub(crate) fn policy(reader: &mut Reader<'_>, table: &mut Table<'_>, defaults: &Arc<Policy>) -> Arc<Policy> {
    if DEFAULTS.keys().iter().all(|key| table.slot(key).is_none()) {
        return Arc::clone(defaults);
    }
    Arc::new(read_policy(reader, table, (Site::Task, defaults)))
}

/// Reads the policy keys of `table` on top of `base`; a faulty key keeps the value of `base`.
pub(crate) fn read_policy(
    reader: &mut Reader<'_>,
    table: &mut Table<'_>,
    (site, base): (Site, &Policy),
) -> Policy {
    let (timeout, longer_timeouts) = table
        .optional(reader, "timeout", |reader, slot| by_attempt(reader, slot, duration))
        .unwrap_or_else(|| (base.timeout, base.longer_timeouts.clone()));
    let (limits, larger_memory) = table
        .optional(reader, "limits", |reader, slot| limits(reader, slot, base))
        .unwrap_or_else(|| (base.limits, base.larger_memory.clone()));
    let has_lists = !longer_timeouts.is_empty() || !larger_memory.is_empty();
    Policy {
        retry: table
            .optional(reader, "retry", |reader, slot| {
                let retry = retry(reader, slot, &base.retry)?;
                // A list of limits has attempts of its own, which the table may delay.
                let is_complete = site == Site::Defaults || has_lists;
                if is_complete { Some(retry) } else { require_attempts(reader, slot, retry) }
            })
            .unwrap_or_else(|| base.retry.clone()),
        max_lost_hosts: table
            .optional(reader, "max-lost-hosts", |reader, slot| {
                integer_within(reader, slot, 0..=MAX_LOST_HOSTS)
            })
            .unwrap_or(base.max_lost_hosts),
        timeout,
        longer_timeouts,
        limits,
        larger_memory,
        resources: table.optional(reader, "resources", resources).unwrap_or_else(|| base.resources.clone()),
        cache: table.optional(reader, "cache", cache).unwrap_or(base.cache),
    }
}

fn retry(reader: &mut Reader<'_>, slot: &Slot<'_>, base: &Retry) -> Option<Retry> {
    if let DeValue::Table(_) = slot.value {
        return retry_table(reader, slot, base);
    }
    if !matches!(slot.value, DeValue::Integer(_)) {
        let fault = slot.mismatch("a number of attempts or a table");
        return reader
            .fault(fault.help("write `retry = 3` or `retry = { attempts = 3, delay = \"100ms\" }`"));
    }
    Some(Retry { attempts: attempts(reader, slot)?, ..base.clone() })
}

/// Rejects a task's `retry` table without a number of attempts, since it would silently have no effect.
fn require_attempts(reader: &mut Reader<'_>, slot: &Slot<'_>, retry: Retry) -> Option<Retry> {
    match slot.value {
        DeValue::Table(table) if retry.attempts == NonZeroU32::MIN && table.get("attempts").is_none() => {
            reader.fault(
                Fault::spanned(slot.span.clone(), "`retry` has no number of attempts")
                    .help("write for example `attempts = 3`; the number includes the first attempt"),
            )
        }
        _ => Some(retry), // has attempts, or needs none
    }
}

fn retry_table(reader: &mut Reader<'_>, slot: &Slot<'_>, base: &Retry) -> Option<Retry> {
    let mut table = Table::open(reader, slot, RETRY, ("`retry`", "`retry = { attempts = 3 }`"))?;
    let attempts = table.optional(reader, "attempts", attempts);
    let delay = table.optional(reader, "delay", duration_or_zero);
    let backoff = table.optional(reader, "backoff", |reader, slot| word(reader, slot, &BACKOFFS));
    let max_delay = table.optional(reader, "max-delay", duration_or_zero);
    let jitter = table.optional(reader, "jitter", boolean);
    let on = table.optional(reader, "on", classes);
    let permanent = table.optional(reader, "permanent", |reader, slot| list(reader, slot, filled));
    table.close(reader);
    if let (Some(delay), Some(max_delay)) = (delay, max_delay)
        && max_delay < delay
    {
        reader.fault::<()>(Fault::spanned(slot.span.clone(), "`max-delay` is shorter than `delay`"));
    }
    let on = on.unwrap_or_else(|| base.on.clone());
    if permanent.as_ref().is_some_and(|cases| !cases.is_empty()) && !on.contains(&RetryClass::Error) {
        let message = "`permanent` names cases of errors, but `on` retries no errors";
        let fault = Fault::spanned(slot.span.clone(), message);
        reader.fault::<()>(fault.help("add `\"error\"` to `on`, or remove `permanent`"));
    }
    let delay = delay.unwrap_or(base.delay);
    Some(Retry {
        attempts: attempts.unwrap_or(base.attempts),
        delay,
        backoff: backoff.unwrap_or(base.backoff),
        max_delay: max_delay.unwrap_or_else(|| base.max_delay.max(delay)),
        jitter: jitter.unwrap_or(base.jitter),
        on,
        inherits_permanent: permanent.is_none(),
        permanent: permanent.unwrap_or_else(|| base.permanent.clone()),
    })
}

pub(crate) const BACKOFFS: [(&str, Backoff); 2] =
    [("exponential", Backoff::Exponential), ("fixed", Backoff::Fixed)];

pub(crate) const CLASSES: [(&str, RetryClass); 4] = [
    ("error", RetryClass::Error),
    ("trap", RetryClass::Trap),
    ("timeout", RetryClass::Timeout),
    ("limit", RetryClass::Limit),
];

/// Reads the failure classes to retry: at least one.
fn classes(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Vec<RetryClass>> {
    if matches!(slot.value, DeValue::Array(classes) if classes.is_empty()) {
        return reader.fault(
            slot.fault("has no failure class")
                .help("write `attempts = 1` to disable retries, or omit `on` to retry every class"),
        );
    }
    list(reader, slot, |reader, class| word(reader, class, &CLASSES))
}

/// Reads a number of attempts.
fn attempts(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<NonZeroU32> {
    if let DeValue::Integer(number) = slot.value
        && number.as_str() == "0"
    {
        let fault = Fault::spanned(
            slot.span.clone(),
            format!("`{}` counts the first attempt, so it is at least 1", slot.name),
        );
        return reader.fault(fault.help("write 1 to disable retries"));
    }
    integer_within(reader, slot, 1..=u32::MAX).and_then(NonZeroU32::new)
}

/// Reads a limit: one value for all attempts, or a list with an entry an attempt. Returns the first one and the others.
fn by_attempt<T: Copy + Ord>(
    reader: &mut Reader<'_>,
    slot: &Slot<'_>,
    read: impl Fn(&mut Reader<'_>, &Slot<'_>) -> Option<T>,
) -> Option<(T, Vec<T>)> {
    let DeValue::Array(array) = slot.value else {
        return read(reader, slot).map(|value| (value, Vec::new()));
    };
    let name = slot.name;
    let mut values: Vec<T> = Vec::with_capacity(array.len());
    for element in slot.elements(array) {
        let value = read(reader, &element)?;
        if values.last().is_some_and(|before| *before >= value) {
            let fault = Fault::spanned(element.span.clone(), format!("`{name}` does not grow here"));
            return reader.fault(fault.help(
                "each entry is for an attempt after one that needed more, so it is larger than the one before it",
            ));
        }
        values.push(value);
    }
    if values.len() > MAX_BY_ATTEMPT {
        return reader.fault(slot.fault(&format!("has more than {MAX_BY_ATTEMPT} entries")));
    }
    let Some((first, further)) = values.split_first() else {
        let fault = slot.fault("has no entry");
        return reader.fault(fault.help("write one value, or one for each attempt, the smallest first"));
    };
    Some((*first, further.to_vec()))
}

/// Reads limits, and the further entries of a list of memory limits.
fn limits(reader: &mut Reader<'_>, slot: &Slot<'_>, base: &Policy) -> Option<(Limits, Vec<Size>)> {
    let (base, larger_memory) = (base.limits, &base.larger_memory);
    let mut table = Table::open(reader, slot, LIMITS, ("`limits`", "`limits = { memory = \"256MiB\" }`"))?;
    let (memory, larger_memory) = table
        .optional(reader, "memory", |reader, slot| by_attempt(reader, slot, size))
        .unwrap_or_else(|| (base.memory, larger_memory.clone()));
    let limits = Limits {
        memory,
        fuel: table
            .optional(reader, "fuel", |reader, slot| integer_within(reader, slot, 1..=u64::MAX))
            .or(base.fuel),
        output: table.optional(reader, "output", size).unwrap_or(base.output),
        logs: table.optional(reader, "logs", size).unwrap_or(base.logs),
        stack: table.optional(reader, "stack", stack).unwrap_or(base.stack),
        disk: table.optional(reader, "disk", size).unwrap_or(base.disk),
    };
    table.close(reader);
    Some((limits, larger_memory))
}

/// Reads the size of a stack, and rounds it up to one that there is.
fn stack(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Stack> {
    let written = size(reader, slot)?;
    let stack = Stack::at_least(written);
    if stack.is_none() {
        let max = Stack::Large.size();
        let fault = slot.fault(&format!("must be at most {max}, not {written}"));
        reader.fault::<()>(
            fault.help(format!("write `stack = \"{max}\"`, or let the guest recurse less deeply")),
        );
    }
    stack
}

fn cache(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<CachePolicy> {
    match slot.value {
        DeValue::Boolean(true) => Some(CachePolicy::Always),
        DeValue::Boolean(false) => Some(CachePolicy::Never),
        DeValue::String(text) if text.starts_with(|c: char| c.is_ascii_digit()) => {
            duration(reader, slot).map(CachePolicy::For)
        }
        DeValue::String(text) => reader.fault(
            Fault::spanned(
                slot.span.clone(),
                format!("`cache` must be `true`, `false` or a duration, not `{text}`"),
            )
            .help("write `true` and `false` without quotes, and a duration as `cache = \"7d\"`"),
        ),
        // No other kind is valid.
        _ => reader
            .fault(slot.mismatch("`true`, `false` or a duration").help("write for example `cache = \"7d\"`")),
    }
}

/// Reads a task's resources by name, each with the span of its entry.
fn resources(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<IndexMap<Name, Spanned<u32>>> {
    let DeValue::Table(table) = slot.value else {
        let fault = slot.mismatch("a table of amounts");
        return reader.fault(fault.help("write for example `resources = { gpu = 1 }`"));
    };
    let amounts = Slot::entries(table).filter_map(|entry| {
        let name = key_name(reader, &entry)?;
        let amount = integer_within(reader, &entry, 0..=u32::MAX)?;
        Some((name, Spanned::new(amount, entry.key.start..entry.span.end)))
    });
    Some(amounts.collect())
}
