//! Faults of lists that are known to have too many elements for a `for-each`, before anything runs.
//! `engine` counts the others.

use crate::model::{Fault, TaskIdx};
use crate::plan::known::Known;
use crate::plan::{Binding, FanOut, ForEach, Plan};
use std::collections::HashMap;
use std::fmt;

/// Maximum number of elements of one `for-each`, those of the elements around it included. Each costs its host or the
/// backend about 40 bytes besides its result. A list of bytes within `limits.output` could have a hundred million.
pub const MAX_ELEMENTS: u32 = 10_000_000;

/// A number of elements.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Count {
    Of(u64),
    /// More than 64 bits hold.
    Endless,
}

impl Count {
    fn is_excessive(self) -> bool {
        self > Self::Of(MAX_ELEMENTS.into())
    }

    fn times(self, other: Self) -> Self {
        match (self, other) {
            (Self::Of(0), _) | (_, Self::Of(0)) => Self::Of(0),
            (Self::Of(one), Self::Of(other)) => one.checked_mul(other).map_or(Self::Endless, Self::Of),
            (Self::Endless, _) | (_, Self::Endless) => Self::Endless,
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(count) => count.fmt(f),
            Self::Endless => f.write_str("too many"),
        }
    }
}

/// Returns the fault of lists that are known to have too many elements.
pub(crate) fn excess(known: &Known<'_>, (lists, product): (&[ForEach], bool)) -> Option<Fault> {
    let (list, count) = count(known, (lists, product))?;
    let subject = match &list.list {
        _ if product && lists.len() > 1 => "the lists combine to",
        Binding::Range { .. } => "the range has",
        _ => "the list has",
    };
    count.is_excessive().then(|| fault(list, &format!("{subject} {count} elements")))
}

/// Returns how many elements lists have, and the list that says so; none if that is not known.
fn count<'l>(known: &Known<'_>, (lists, product): (&'l [ForEach], bool)) -> Option<(&'l ForEach, Count)> {
    let length = |list: &ForEach| known.length(&list.list, &list.ty).map(Count::Of);
    if product {
        let lengths: Vec<Count> = lists.iter().map(length).collect::<Option<_>>()?;
        return Some((lists.first()?, lengths.into_iter().fold(Count::Of(1), Count::times)));
    }
    // Lists of one length: the longest that is known says how many there are.
    lists.iter().filter_map(|list| Some((list, length(list)?))).max_by_key(|(_, length)| *length)
}

fn fault(list: &ForEach, message: &str) -> Fault {
    Fault::spanned(list.span.clone(), message.to_owned())
        .note(format!("a `for-each` takes at most {MAX_ELEMENTS}"))
        .help("let one element do the work of several")
}

/// Returns the faults of all lists of a plan: of each alone, and of those that have too many elements together with the
/// elements around them.
pub(crate) fn all_excesses(plan: &Plan, known: &Known<'_>) -> Vec<Fault> {
    let tasks = (0..).map(TaskIdx::new).take(plan.tasks().len()).map(FanOut::Task);
    let all = tasks.chain((0..plan.pipelines().len()).map(FanOut::Pipeline));
    let mut counts = HashMap::new();
    let excess = |of| {
        let lists = plan.lists(of)?;
        excess(known, (lists.lists, lists.product)).or_else(|| nested_excess((plan, known), &mut counts, of))
    };
    all.filter_map(excess).collect()
}

/// Returns the fault of lists in elements that have too many elements in all.
fn nested_excess(of_plan: (&Plan, &Known<'_>), counts: &mut Counts, of: FanOut) -> Option<Fault> {
    let lists = of_plan.0.lists(of)?;
    let list = lists.lists.first().filter(|_| !lists.around.is_empty())?;
    let own = of_fan_out(of_plan, counts, of)?;
    let around = lists.around.iter().map(|pipeline| of_fan_out(of_plan, counts, FanOut::Pipeline(*pipeline)));
    let outside = around.collect::<Option<Vec<_>>>()?.into_iter().fold(Count::Of(1), Count::times);
    let all = outside.times(own);
    // What has too many elements around it already is reported there.
    let is_first = all.is_excessive() && !own.is_excessive() && !outside.is_excessive();
    is_first.then(|| fault(list, &format!("{own} elements in each of {outside} elements are {all}")))
}

/// The known numbers of elements, each of which is counted once.
type Counts = HashMap<FanOut, Option<Count>>;

/// Returns how many elements a task or a pipeline has in each element around it. One that flows has those of the lists at
/// the start.
fn of_fan_out((plan, known): (&Plan, &Known<'_>), counts: &mut Counts, of: FanOut) -> Option<Count> {
    let of = plan.lists(of)?.flow.map_or(of, |flow| flow.root);
    let counted = counts.entry(of).or_insert_with(|| {
        let lists = plan.lists(of)?;
        Some(count(known, (lists.lists, lists.product))?.1)
    });
    *counted
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
