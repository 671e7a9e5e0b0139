//! The built-in tasks: one row each, with its generic signature and a line for users.
//! Lookup, typing in `plan`, `inspect std` and the tests of the manual are folds over the rows.

use crate::model::STD;
use std::fmt;

/// A built-in task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Builtin {
    /// `std.flatten`
    Flatten,
    /// `std.zip`
    Zip,
    /// `std.chunk`
    Chunk,
    /// `std.first`
    First,
    /// `std.last`
    Last,
    /// `std.length`
    Length,
    /// `std.sort-by`
    SortBy,
    /// `std.unique-by`
    UniqueBy,
    /// `std.group-by`
    GroupBy,
    /// `std.filter`
    Filter,
    /// `std.filter-by`
    FilterBy,
    /// `std.map-path`
    MapPath,
    /// `std.compact`
    Compact,
    /// `std.unwrap-or`
    UnwrapOr,
    /// `std.lines`
    Lines,
    /// `std.join`
    Join,
    /// `std.template`
    Template,
    /// `std.template-html`
    TemplateHtml,
    /// `std.to-json`
    ToJson,
    /// `std.to-csv`
    ToCsv,
    /// `std.from-json`
    FromJson,
    /// `std.from-csv`
    FromCsv,
}

/// What is known of a built-in task before its types.
#[derive(Debug)]
pub struct Row {
    /// Name after `std.`.
    pub name: &'static str,
    /// Version of its behaviour, a part of the digest of a run.
    pub version: u32,
    /// Parameters in order.
    pub params: &'static [Param],
    /// Type of the result.
    pub result: Generic,
    /// Description for users, a noun phrase.
    pub doc: &'static str,
}

/// A parameter of a built-in task.
#[derive(Debug)]
pub struct Param {
    /// Name.
    pub name: &'static str,
    /// Type.
    pub ty: Generic,
    /// Value of a parameter that may be left out.
    pub default: Option<bool>,
}

/// A type with variables, which the plan solves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generic {
    /// A variable: any type, the same wherever it occurs.
    Any(&'static str),
    /// `bool`
    Bool,
    /// `u32`
    U32,
    /// `string`
    String,
    /// `list<…>`
    List(&'static Self),
    /// `option<…>`
    Option(&'static Self),
    /// `tuple<…, …>`
    Pair(&'static Self, &'static Self),
    /// `record { … }`
    Record(&'static [(&'static str, Self)]),
}

const T: Generic = Generic::Any("T");
const LIST: Generic = Generic::List(&T);
const LISTS: Generic = Generic::List(&LIST);
const MAYBE: Generic = Generic::Option(&T);
const A: Generic = Generic::Any("A");
const B: Generic = Generic::Any("B");
const PAIR: Generic = Generic::Pair(&A, &B);
const GROUP: Generic = Generic::Record(&[("key", Generic::Any("K")), ("items", LIST)]);
const TEXTS: Generic = Generic::List(&Generic::String);

const fn param(name: &'static str, ty: Generic) -> Param {
    Param { name, ty, default: None }
}

const ITEMS: Param = param("items", LIST);
const PATH: Param = param("path", Generic::String);
const TEXT: Param = param("text", Generic::String);
const TEMPLATE: [Param; 2] = [param("template", Generic::String), param("values", T)];

const fn row(name: &'static str, params: &'static [Param], result: Generic, doc: &'static str) -> Row {
    Row { name, version: 1, params, result, doc }
}

static FLATTEN: Row =
    row("flatten", &[param("lists", LISTS)], LIST, "the elements of all lists, one list after the other");
static ZIP: Row = row(
    "zip",
    &[param("a", Generic::List(&A)), param("b", Generic::List(&B))],
    Generic::List(&PAIR),
    "pairs of the elements of two lists, which must be equally long",
);
static CHUNK: Row = row(
    "chunk",
    &[ITEMS, param("size", Generic::U32)],
    LISTS,
    "lists of `size` elements each; the last one may be shorter",
);
static FIRST: Row = row("first", &[ITEMS], MAYBE, "the first element; none of an empty list");
static LAST: Row = row("last", &[ITEMS], MAYBE, "the last element; none of an empty list");
static LENGTH: Row = row("length", &[ITEMS], Generic::U32, "the number of elements");
static SORT_BY: Row = row(
    "sort-by",
    &[ITEMS, PATH, Param { name: "descending", ty: Generic::Bool, default: Some(false) }],
    LIST,
    "the elements in the order of the part at `path`; equal ones keep their order",
);
static UNIQUE_BY: Row =
    row("unique-by", &[ITEMS, PATH], LIST, "the first of the elements with the same part at `path`");
static GROUP_BY: Row = row(
    "group-by",
    &[ITEMS, PATH],
    Generic::List(&GROUP),
    "the elements by their part at `path`, in the order of its first occurrences",
);
static FILTER: Row = row(
    "filter",
    &[ITEMS, param("keep", Generic::List(&Generic::Bool))],
    LIST,
    "the elements whose bool in `keep` is true; both lists must be equally long",
);
static FILTER_BY: Row =
    row("filter-by", &[ITEMS, PATH], LIST, "the elements whose part at `path`, a bool, is true");
static MAP_PATH: Row =
    row("map-path", &[ITEMS, PATH], Generic::List(&Generic::Any("U")), "the part at `path` of each element");
static COMPACT: Row =
    row("compact", &[param("items", Generic::List(&MAYBE))], LIST, "the elements that are not none");
static UNWRAP_OR: Row = row(
    "unwrap-or",
    &[param("value", MAYBE), param("default", T)],
    T,
    "the value of an option, or else the default",
);
static LINES: Row = row("lines", &[TEXT], TEXTS, "the lines of a text, without their ends");
static JOIN: Row = row(
    "join",
    &[param("items", TEXTS), param("separator", Generic::String)],
    Generic::String,
    "one text of several, with a separator between them",
);
static TEMPLATE_ROW: Row =
    row("template", &TEMPLATE, Generic::String, "a text with values, by a template without logic");
static TEMPLATE_HTML: Row =
    row("template-html", &TEMPLATE, Generic::String, "the same, with every value escaped for HTML");
static TO_JSON: Row = row("to-json", &[param("value", T)], Generic::String, "a value as JSON on one line");
static TO_CSV: Row =
    row("to-csv", &[ITEMS], Generic::String, "a list of records of scalars as CSV with a header");
static FROM_JSON: Row = row("from-json", &[TEXT], T, "JSON as a value of the task's `type`");
static FROM_CSV: Row =
    row("from-csv", &[TEXT], LIST, "CSV with a header as the task's `type`, a list of records of scalars");

impl Builtin {
    /// All built-in tasks, in the order of the manual.
    pub const ALL: [Self; 22] = [
        Self::Flatten,
        Self::Zip,
        Self::Chunk,
        Self::First,
        Self::Last,
        Self::Length,
        Self::SortBy,
        Self::UniqueBy,
        Self::GroupBy,
        Self::Filter,
        Self::FilterBy,
        Self::MapPath,
        Self::Compact,
        Self::UnwrapOr,
        Self::Lines,
        Self::Join,
        Self::Template,
        Self::TemplateHtml,
        Self::ToJson,
        Self::ToCsv,
        Self::FromJson,
        Self::FromCsv,
    ];

    /// Finds the task with a name, without `std.`.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|builtin| builtin.row().name == name)
    }

    /// Returns its row.
    #[must_use]
    pub const fn row(self) -> &'static Row {
        match self {
            Self::Flatten => &FLATTEN,
            Self::Zip => &ZIP,
            Self::Chunk => &CHUNK,
            Self::First => &FIRST,
            Self::Last => &LAST,
            Self::Length => &LENGTH,
            Self::SortBy => &SORT_BY,
            Self::UniqueBy => &UNIQUE_BY,
            Self::GroupBy => &GROUP_BY,
            Self::Filter => &FILTER,
            Self::FilterBy => &FILTER_BY,
            Self::MapPath => &MAP_PATH,
            Self::Compact => &COMPACT,
            Self::UnwrapOr => &UNWRAP_OR,
            Self::Lines => &LINES,
            Self::Join => &JOIN,
            Self::Template => &TEMPLATE_ROW,
            Self::TemplateHtml => &TEMPLATE_HTML,
            Self::ToJson => &TO_JSON,
            Self::ToCsv => &TO_CSV,
            Self::FromJson => &FROM_JSON,
            Self::FromCsv => &FROM_CSV,
        }
    }

    /// Returns whether the task's key `type` is the type of the result.
    #[must_use]
    pub const fn has_type_key(self) -> bool {
        matches!(self, Self::FromJson | Self::FromCsv)
    }
}

/// The call: `std.flatten`.
impl fmt::Display for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STD}.{}", self.row().name)
    }
}

/// The signature: `func(items: list<T>) -> u32`.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("func(")?;
        for (nth, Param { name, ty, default }) in self.params.iter().enumerate() {
            let comma = if nth > 0 { ", " } else { "" };
            write!(f, "{comma}{name}: {ty}")?;
            if let Some(default) = default {
                write!(f, " = {default}")?;
            }
        }
        write!(f, ") -> {}", self.result)
    }
}

impl fmt::Display for Generic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any(variable) => f.write_str(variable),
            Self::Bool => f.write_str("bool"),
            Self::U32 => f.write_str("u32"),
            Self::String => f.write_str("string"),
            Self::List(element) => write!(f, "list<{element}>"),
            Self::Option(some) => write!(f, "option<{some}>"),
            Self::Pair(first, second) => write!(f, "tuple<{first}, {second}>"),
            Self::Record(fields) => {
                let fields: Vec<String> = fields.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
                write!(f, "record {{ {} }}", fields.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::Page;

    #[test]
    fn names_are_unique_and_signatures_are_shown() {
        for builtin in Builtin::ALL {
            assert_eq!(Builtin::find(builtin.row().name), Some(builtin));
        }
        assert_eq!(
            Builtin::SortBy.row().to_string(),
            "func(items: list<T>, path: string, descending: bool = false) -> list<T>"
        );
        assert_eq!(
            Builtin::GroupBy.row().to_string(),
            "func(items: list<T>, path: string) -> list<record { key: K, items: list<T> }>"
        );
        assert_eq!(Builtin::Zip.to_string(), "std.zip");
    }

    #[test]
    fn the_manual_lists_every_task_with_its_signature() {
        let section = Page::of("builtins").section("All tasks");
        for builtin in Builtin::ALL {
            let row = section.row(&builtin.to_string());
            row.cell(1).says(&builtin.row().to_string());
            row.cell(2).says(&builtin.row().doc.replace('`', ""));
        }
    }
}
