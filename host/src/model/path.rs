//! A path into a value: `items[0].name`, as references and error messages write it.
//! `value` resolves the steps.

use crate::model::index_text::{IndexFault, parse_index};
use std::fmt;

/// Maximum number of steps. Bounds recursion over a path from a manifest.
const MAX_STEPS: usize = 64;

/// The steps from a value to a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Path(Vec<Step>);

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// A field of a record, or `ok`, `err`, `some`, or a case of a variant.
    Field(String),
    /// An element of a list or tuple.
    Index(u32),
}

/// The error of parsing a [`Path`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// The text is empty.
    #[error("a path cannot be empty")]
    Empty,
    /// A step is neither a name nor `[number]`.
    #[error("expected a field name or `[index]` at `{0}`")]
    Step(String),
    /// The number between brackets is no index.
    #[error(transparent)]
    Index(IndexFault),
    /// The path has too many steps.
    #[error("a path has at most {MAX_STEPS} steps")]
    Long,
}

impl Path {
    /// Returns the path of the value itself.
    #[must_use]
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// Parses `name`, `.name` and `[i]` steps.
    pub fn parse(text: &str) -> Result<Self, PathFault> {
        if text.is_empty() {
            return Err(PathFault::Empty);
        }
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (step, after) = next_step(rest, steps.len()).ok_or_else(|| invalid(rest))?;
            steps.push(step);
            rest = after;
            if steps.len() > MAX_STEPS {
                return Err(PathFault::Long);
            }
        }
        Ok(Self(steps))
    }

    /// Returns the path of these steps.
    #[must_use]
    pub(crate) fn from_steps(steps: &[Step]) -> Self {
        Self(steps.to_vec())
    }

    /// Returns the path to a part of the part that this one leads to.
    #[must_use]
    pub(crate) fn followed_by(&self, inner: &Self) -> Self {
        Self(self.0.iter().chain(&inner.0).cloned().collect())
    }

    /// Returns the steps, outermost first.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Appends a step.
    pub fn push(&mut self, step: Step) {
        self.0.push(step);
    }
}

/// Returns why a path cannot go on as `rest` does.
fn invalid(rest: &str) -> PathFault {
    let digits =
        rest.strip_prefix('[').and_then(|inner| inner.split_once(']')).map_or("", |(digits, _)| digits);
    match parse_index(digits) {
        Some(Err(fault)) => PathFault::Index(fault),
        Some(Ok(_)) | None => PathFault::Step(rest.to_owned()),
    }
}

fn next_step(rest: &str, position: usize) -> Option<(Step, &str)> {
    if let Some(inner) = rest.strip_prefix('[') {
        let (digits, after) = inner.split_once(']')?;
        return Some((Step::Index(parse_index(digits)?.ok()?), after));
    }
    let name = match rest.strip_prefix('.') {
        Some(name) => name,
        None if position == 0 => rest,
        None => return None,
    };
    let end =
        name.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')).unwrap_or(name.len());
    let (name, after) = name.split_at(end);
    (!name.is_empty()).then(|| (Step::Field(name.to_owned()), after))
}

/// `.items[3].name`; empty for the value itself.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| match step {
            Step::Field(name) => write!(f, ".{name}"),
            Step::Index(index) => write!(f, "[{index}]"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::Page;

    #[test]
    fn an_index_that_is_too_large_is_told_as_such() {
        for digits in ["4294967296", "18446744073709551616"] {
            let fault = PathFault::Index(IndexFault::TooLarge(digits.to_owned()));
            assert_eq!(Path::parse(&format!("a[{digits}].b")), Err(fault));
        }
        let message = Path::parse("a[00]").unwrap_err().to_string();
        assert_eq!(message, "the index 00 has leading zeros; write 0");
        let message = Path::parse("[99999999999]").unwrap_err().to_string();
        assert_eq!(message, "the index 99999999999 is too large; the largest is 4294967295");
        for text in ["[-1]", "[]", "[+1]", "[1x]"] {
            assert!(matches!(Path::parse(text), Err(PathFault::Step(_))), "{text}");
        }
    }

    #[test]
    fn field_names_and_indexes_parse() {
        for (text, shown) in
            [("a", ".a"), (".a.b", ".a.b"), ("items[0].some", ".items[0].some"), ("[2][3]", "[2][3]")]
        {
            assert_eq!(Path::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn invalid_paths_are_rejected() {
        for bad in ["", ".", "a..b", "a[", "a[x]", "a[-1]", "a[+1]", "a]", "[0]b", "a b"] {
            assert!(Path::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_manual_has_the_bounds_of_this_file() {
        Page::of("manifest").section("path").says(&format!("at most {MAX_STEPS} steps"));
    }
}
