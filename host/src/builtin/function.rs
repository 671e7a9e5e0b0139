//! A built-in task with solved types, and one call of it: from its arguments to its result.
//! `invoker` runs calls on threads of their own and keeps the time.

use crate::builtin::budget::{Budget, Stop};
use crate::builtin::keyed::{Direction, Keyed, filter_by, group_by, map_path, sort_by, unique_by};
use crate::builtin::lists::{Argument, End, chunk, compact, end, filter, flatten, length, unwrap_or, zip};
use crate::builtin::show::Escape;
use crate::builtin::table::Builtin;
use crate::builtin::text::{from_json, join, lines, text, to_json};
use crate::builtin::{csv, template};
use crate::model::Path;
use crate::value::wire::Reader;
use crate::value::{Signature, Type};
use bytes::Bytes;

/// Message instead of one that could show a part of a secret.
const DISCREET: &str =
    "the arguments allow no result; the reason is left out, because it could show a part of a secret";

/// What the messages of failures may tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Messages {
    /// Everything: a key of JSON, a column of CSV, a name of a template.
    Full,
    /// Nothing of the arguments, because they may come from secrets.
    Discreet,
}

/// A built-in task with solved types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The task.
    pub builtin: Builtin,
    /// Its parameters in the order of its row, and its result, without variables.
    pub signature: Signature,
    /// What its failures may tell.
    pub messages: Messages,
}

impl Function {
    /// Computes the result of a call.
    pub(crate) fn call(&self, args: &[Bytes], budget: &Budget<'_>) -> Result<Bytes, Stop> {
        self.compute(args, budget).map_err(|stop| match (stop, self.messages) {
            (Stop::Input(_), Messages::Discreet) => Stop::Input(DISCREET.to_owned()),
            (stop, Messages::Full | Messages::Discreet) => stop,
        })
    }

    fn compute(&self, args: &[Bytes], budget: &Budget<'_>) -> Result<Bytes, Stop> {
        let result = self.signature.result.as_ref().unwrap_or(&Type::Bool); // every row has a result
        let arg = |nth| self.argument(args, nth);
        let keyed = |path| Ok(Keyed { items: arg(0)?, path });
        match self.builtin {
            Builtin::Flatten => flatten(arg(0)?, budget),
            Builtin::Zip => zip([arg(0)?, arg(1)?], result, budget),
            Builtin::Chunk => chunk(arg(0)?, (result, number(arg(1)?)?), budget),
            Builtin::First => end(arg(0)?, End::First, budget),
            Builtin::Last => end(arg(0)?, End::Last, budget),
            Builtin::Length => length(arg(0)?, budget),
            Builtin::SortBy => {
                let direction = if flag(arg(2)?)? { Direction::Descending } else { Direction::Ascending };
                sort_by(keyed(&path(arg(1)?)?)?, direction, budget)
            }
            Builtin::UniqueBy => unique_by(keyed(&path(arg(1)?)?)?, budget),
            Builtin::GroupBy => group_by(keyed(&path(arg(1)?)?)?, result, budget),
            Builtin::Filter => filter([arg(0)?, arg(1)?], budget),
            Builtin::FilterBy => filter_by(keyed(&path(arg(1)?)?)?, budget),
            Builtin::MapPath => map_path(keyed(&path(arg(1)?)?)?, budget),
            Builtin::Compact => compact(arg(0)?, budget),
            Builtin::UnwrapOr => unwrap_or([arg(0)?, arg(1)?], budget),
            Builtin::Lines => lines(arg(0)?, budget),
            Builtin::Join => join(arg(0)?, arg(1)?, budget),
            Builtin::Template => template::render((text(arg(0)?)?, arg(1)?), Escape::None, budget),
            Builtin::TemplateHtml => template::render((text(arg(0)?)?, arg(1)?), Escape::Html, budget),
            Builtin::ToJson => to_json(arg(0)?, budget),
            Builtin::ToCsv => csv::to_csv(arg(0)?, budget),
            Builtin::FromJson => from_json(arg(0)?, result, budget),
            Builtin::FromCsv => csv::from_csv(arg(0)?, result, budget),
        }
    }

    fn argument<'a>(&'a self, args: &'a [Bytes], nth: usize) -> Result<Argument<'a>, Stop> {
        let param = self.builtin.row().params.get(nth);
        match (param, self.signature.params.get(nth), args.get(nth)) {
            (Some(param), Some((_, ty)), Some(value)) => Ok((param.name, ty, value)),
            _ => Err(Stop::Input(format!("the call has {} arguments", args.len()))), // of another function
        }
    }
}

fn number((name, _, value): Argument<'_>) -> Result<u32, Stop> {
    let number = Reader::new(value).int();
    let number = number.map_err(|malformed| Stop::of_argument(name, &malformed.into()))?;
    u32::try_from(number).map_err(|_| Stop::Input(format!("argument `{name}` is no u32")))
}

fn flag((name, _, value): Argument<'_>) -> Result<bool, Stop> {
    Reader::new(value).bool().map_err(|malformed| Stop::of_argument(name, &malformed.into()))
}

/// Reads a path, as the plan has read it too. An empty one leads to the whole element.
fn path(argument: Argument<'_>) -> Result<Path, Stop> {
    match text(argument)? {
        "" => Ok(Path::root()),
        text => Path::parse(text).map_err(|fault| Stop::Input(format!("argument `path`: {fault}"))),
    }
}
