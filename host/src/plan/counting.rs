//! Faults of lists that are known to have too many elements for a `for-each`, before anything runs.
//! `engine` counts the others.

use crate::model::{Fault, TaskIdx};
use crate::plan::known::Known;
use crate::plan::{Binding, FanOut, ForEach, Plan};

/// Maximum number of elements of one `for-each`. Each costs its host or the backend about 85 bytes besides its
/// result. A list of bytes within `limits.output` could have a hundred million.
pub const MAX_ELEMENTS: u32 = 10_000_000;

/// Returns the fault of lists that are known to have too many elements.
pub(crate) fn excess(known: &Known<'_>, (lists, product): (&[ForEach], bool)) -> Option<Fault> {
    let lengths: Vec<Option<u64>> = lists.iter().map(|list| known.length(&list.list, &list.ty)).collect();
    let max = u64::from(MAX_ELEMENTS);
    let (list, subject, count) = if product && lists.len() > 1 {
        let all: Vec<u64> = lengths.iter().copied().collect::<Option<_>>()?;
        if all.contains(&0) {
            return None;
        }
        // `None` stands for more than 64 bits hold.
        let count = all.iter().try_fold(1_u64, |product, length| product.checked_mul(*length));
        (lists.first()?, "the lists combine to", count)
    } else {
        // Lists of one length: whichever is known says how many there are.
        let of_list = |(list, length): (_, &Option<u64>)| Some((list, (*length)?));
        let (list, length) =
            lists.iter().zip(&lengths).filter_map(of_list).find(|(_, length)| *length > max)?;
        let is_range = matches!(list.list, Binding::Range { .. });
        (list, if is_range { "the range has" } else { "the list has" }, Some(length))
    };
    if count.is_some_and(|count| count <= max) {
        return None;
    }
    let count = count.map_or_else(|| "too many".to_owned(), |count| count.to_string());
    let fault = Fault::spanned(list.span.clone(), format!("{subject} {count} elements"))
        .note(format!("a `for-each` takes at most {MAX_ELEMENTS}"))
        .help("let one element do the work of several");
    Some(fault)
}

/// Returns the faults of all lists of a plan.
pub(crate) fn all_excesses<'p>(plan: &'p Plan, known: &'p Known<'p>) -> impl Iterator<Item = Fault> + 'p {
    let tasks = (0..).map(TaskIdx::new).take(plan.tasks().len()).map(FanOut::Task);
    let all = tasks.chain((0..plan.pipelines().len()).map(FanOut::Pipeline));
    all.filter_map(|of| {
        let lists = plan.lists(of)?;
        excess(known, (lists.lists, lists.product))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count};

    #[test]
    fn manual_names_the_limits_of_this_file() {
        Page::of("limits")
            .section("Limits of a call")
            .line("elements of a")
            .cell(1)
            .says(&count(MAX_ELEMENTS));
        Page::of("manifest").section("for-each").says(&count(MAX_ELEMENTS));
    }
}
