//! What a component may cost before it has run at all: bytes, definitions, and what compiling it takes.
//! Bounds of calls stand in `limits`; they are enforced where things are read, counted and compiled.

use crate::model::{Size, show_duration};
use std::time::Duration;

/// Modules and components inside of each other. Tools that compose components nest them a few deep.
pub(crate) const MOST_DEPTH: usize = 64;

/// Modules and components in a component, at all depths. Each costs an engine some kilobytes, whatever is in it.
pub(crate) const MOST_PARTS: u64 = 2_000;

/// Functions in all modules. Interpreters that were compiled to WebAssembly have some ten thousand.
pub(crate) const MOST_FUNCTIONS: u64 = 500_000;

/// Types, imports, exports, aliases, segments and the like, in all modules and components together.
pub(crate) const MOST_DEFINITIONS: u64 = 2_000_000;

/// Types, functions and names of an interface, written out: a tuple of the same tuple twice, some dozen deep, is a short
/// text for more types than there is memory. Each takes some hundred bytes.
pub(crate) const MOST_TYPES: u32 = 500_000;

/// The code of a component. That of an interpreter with its library has some 40 MB.
pub(crate) const MOST_CODE: Size = Size::bytes(1 << 30);

/// What the host takes upon itself for one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The component itself.
    pub component: Size,
    /// Memory of the process that compiles it.
    pub memory: Size,
    /// How long that process may run.
    pub time: Duration,
}

/// What an honest component of an interpreter needs, several times over: 35 MB, and a minute of a slow core.
impl Default for Bounds {
    fn default() -> Self {
        Self { component: Size::bytes(256 << 20), memory: Size::bytes(2 << 30), time: Duration::from_mins(5) }
    }
}

/// A bound that a component has passed. The names in backquotes are settings of the host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// Bytes.
    #[error("the component is larger than `component-size` = {0}")]
    Component(Size),
    /// Something that is counted.
    #[error("the component has more than {most} {what}, and no host takes more")]
    Count {
        /// What is counted.
        what: &'static str,
        /// How many may be there.
        most: u64,
    },
    /// Memory of the compiler.
    #[error("compiling the component takes more memory than `compile-memory` = {0}")]
    Memory(Size),
    /// Time of the compiler.
    #[error("compiling the component takes longer than `compile-timeout` = {}", show_duration(*.0))]
    Time(Duration),
    /// What the compiler makes of it.
    #[error("the code of the component would be larger than {0}, and no host takes more")]
    Code(Size),
}

impl Exceeded {
    /// What would help, a sentence.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Component(_) => {
                "If you trust it, raise `component-size` in the settings file, or `CASCADE_COMPONENT_SIZE`."
            }
            Self::Memory(_) => {
                "If you trust it, raise `compile-memory` in the settings file, or `CASCADE_COMPILE_MEMORY`."
            }
            Self::Time(_) => {
                "If you trust it, raise `compile-timeout` in the settings file, or `CASCADE_COMPILE_TIMEOUT`."
            }
            Self::Count { .. } | Self::Code(_) => {
                "Build it smaller: with optimisation for size, without debug information, or as several components."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count, has_no_other_limits};

    #[test]
    fn the_manual_has_the_bounds_of_this_file() {
        let host = |limit| Page::of("limits").section("Limits of a host").line(limit).cell(1);
        host("compiled code of one").says(&MOST_CODE.to_string());
        host("functions of a component").says(&count(MOST_FUNCTIONS));
        host("definitions of a component").says(&count(MOST_DEFINITIONS));
        host("modules and components in").says(&count(MOST_PARTS));
        host("modules and components in").says(&count(MOST_DEPTH));
        host("types, functions and names").says(&count(MOST_TYPES));
        let Bounds { component, memory, time } = Bounds::default();
        for (bound, default) in [("component-size", component), ("compile-memory", memory)] {
            Page::of("limits")
                .section("Limits of a host")
                .row_by(2, bound)
                .cell(1)
                .says(&default.to_string());
            Page::of("cli").section("Settings").row_by(2, bound).cell(3).says(&default.to_string());
        }
        Page::of("limits")
            .section("Limits of a host")
            .row_by(2, "compile-timeout")
            .cell(1)
            .says(&show_duration(time));
        Page::of("cli").section("Settings").row_by(2, "compile-timeout").cell(3).says(&show_duration(time));
        has_no_other_limits(file!(), &[]);
    }
}
