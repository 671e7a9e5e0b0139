//! Reads `[resources]`: each an amount or a rate, and who shares it.
//! `graph` checks what tasks request.

use crate::manifest::keys::RESOURCE;
use crate::manifest::reader::Reader;
use crate::manifest::scalar::{filled, integer_within, word};
use crate::manifest::table::{Slot, Table};
use crate::manifest::{Resource, Scope};
use crate::model::{Capacity, Fault, MAX_RATE, Rate, RateFault};

pub(crate) const SCOPES: [(&str, Scope); 3] =
    [("host", Scope::Host), ("run", Scope::Run), ("backend", Scope::Backend)];

/// Reads `[resources] NAME = …`.
pub(crate) fn resource(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Resource> {
    let span = slot.key.clone();
    if !matches!(slot.value, toml::de::DeValue::Table(_)) {
        let amount = integer_within(reader, slot, 0..=u32::MAX)?;
        return Some(Resource { span, capacity: Capacity::Amount(amount), scope: Scope::Host });
    }
    let owner = format!("resource `{}`", slot.name);
    let mut table = Table::open(reader, slot, RESOURCE, (&owner, "`{ amount = 1 }`"))?;
    let capacity = if table.slot("rate").is_some() || table.slot("burst").is_some() {
        rate(reader, slot, &mut table).map(Capacity::Rate)
    } else {
        let amount = table.required(reader, ("amount", "amount = 3"), |reader, slot| {
            integer_within(reader, slot, 0..=u32::MAX)
        });
        amount.map(Capacity::Amount)
    };
    let scope = table.optional(reader, "scope", |reader, slot| word(reader, slot, &SCOPES));
    table.close(reader);
    Some(Resource { span, capacity: capacity?, scope: scope.unwrap_or_default() })
}

/// Reads `rate` and `burst`, which exclude `amount`.
fn rate(reader: &mut Reader<'_>, slot: &Slot<'_>, table: &mut Table<'_>) -> Option<Rate> {
    let rate = table.required(reader, ("rate", "rate = \"10/s\""), number_and_unit);
    let burst =
        table.optional(reader, "burst", |reader, slot| integer_within(reader, slot, 1..=MAX_RATE)).or_else(
            || table.slot("burst").is_none().then_some(1), // a faulty one has no default
        );
    if let Some(amount) = table.slot("amount") {
        let message = format!("resource `{}` has both a rate and an amount", slot.name);
        let fault = Fault::spanned(amount.key.clone(), message);
        return reader.fault(fault.help(
            "declare two resources, and have tasks take both: an amount is given back, a rate is not",
        ));
    }
    let (count, per) = rate?;
    Rate::new(count, per, burst?)
}

/// Reads the text of a rate.
fn number_and_unit(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<(u32, crate::model::Per)> {
    let text = filled(reader, slot)?;
    Rate::parse(&text.value).map_or_else(
        |fault| {
            let help = match fault {
                RateFault::Number => "write another number, or another unit of time as in `rate = \"1/m\"`",
                RateFault::Form | RateFault::Unit(_) => "write for example `rate = \"10/s\"`",
            };
            reader.fault(Fault::spanned(slot.span.clone(), fault.to_string()).help(help))
        },
        Some,
    )
}
