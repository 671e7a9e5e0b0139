//! Reads `repeat`: which parameter the output is fed to, what ends the repetition, and how often there is one at most.
//! `plan` compares the parameter and the path with the types of the function.

use crate::manifest::keys::REPEAT;
use crate::manifest::reader::Reader;
use crate::manifest::reference::path;
use crate::manifest::repetition::Repeat;
use crate::manifest::scalar::{filled, integer_within};
use crate::manifest::table::{Slot, Table};
use crate::model::{Fault, Spanned};

/// Maximum of `max`: each iteration is stored, so an endless task must not fill the backend.
pub(crate) const MAX_ITERATIONS: u32 = 1_000_000;

/// `max` if it is absent.
pub(crate) const DEFAULT_ITERATIONS: u32 = 100;

/// Reads `repeat`; `for_each` is the key that it cannot stand beside.
pub(crate) fn repeat(
    reader: &mut Reader<'_>,
    slot: &Slot<'_>,
    for_each: Option<&Slot<'_>>,
) -> Option<Repeat> {
    const FORM: &str = "`repeat = { feed = \"state\", until = \"done\", max = 100 }`";
    if let Some(lists) = for_each {
        let message = "`repeat` feeds one call from the one before, and `for-each` has one per element";
        let fault =
            Fault::spanned(slot.key.clone(), message).related(lists.key.clone(), "one call per element");
        let help = "to repeat for each element, write the task into a manifest of its own, and `for-each` beside `manifest`";
        reader.fault::<()>(fault.help("remove one of the two").help(help));
    }
    let mut table = Table::open(reader, slot, REPEAT, ("`repeat`", FORM))?;
    let feed = table.required(reader, ("feed", "feed = \"state\""), filled);
    let until = table.required(reader, ("until", "until = \"done\""), |reader, slot| {
        Some(Spanned::new(path(reader, slot)?, slot.span.clone()))
    });
    let written = table.slot("max");
    let max = table.optional(reader, "max", |reader, slot| integer_within(reader, slot, 1..=MAX_ITERATIONS));
    let is_sound = table.close(reader).is_empty() && (max.is_some() || written.is_none());
    let repeat =
        Repeat { span: slot.key.clone(), feed: feed?, until: until?, max: max.unwrap_or(DEFAULT_ITERATIONS) };
    (is_sound && for_each.is_none()).then_some(repeat)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count};

    #[test]
    fn manual_names_the_bounds_of_this_file() {
        let section = Page::of("manifest").section("repeat");
        section.says(&count(MAX_ITERATIONS));
        section.says(&count(DEFAULT_ITERATIONS));
        let limit = Page::of("limits").section("Limits of a call").line("iterations of a");
        limit.cell(1).says(&count(DEFAULT_ITERATIONS));
        limit.says(&count(MAX_ITERATIONS));
    }
}
