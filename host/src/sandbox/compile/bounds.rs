//! Bounds on a component before it runs: size, number of definitions, and the cost of compiling it.
//! `guest/limits` bounds the calls; `load`, `precheck` and `worker` enforce what is defined here.

use crate::model::{Size, show_duration};
use std::time::Duration;

/// Maximum nesting of modules and components. Tools that compose components nest them a few levels deep.
pub(crate) const MAX_NESTING: usize = 64;

/// Maximum number of modules and components, at all depths. Each costs an engine some kilobytes, even if empty.
pub(crate) const MAX_MODULES: u64 = 2_000;

/// Maximum number of functions in all modules. Interpreters compiled to WebAssembly have some ten thousand.
pub(crate) const MAX_FUNCTIONS: u64 = 1_000_000;

/// Maximum number of types, imports, exports, aliases, segments and the like, in all modules and components.
pub(crate) const MAX_DEFINITIONS: u64 = 2_000_000;

/// Maximum number of types, functions and names in an interface, fully expanded. Each takes some hundred bytes.
///
/// Threat: tuples of the same tuple twice, a few dozen levels deep, expand from a short text to more than all memory.
pub(crate) const MAX_TYPES: u32 = 500_000;

/// Maximum size of a component's compiled code. An interpreter with its library has some 40 MB.
pub(crate) const MAX_CODE_SIZE: Size = Size::bytes(1 << 30);

/// Bounds on one component that the host's settings control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Maximum size of the component.
    pub component: Size,
    /// Maximum memory of the process that compiles it.
    pub memory: Size,
    /// Maximum time that this process may run, by the clock.
    pub time: Duration,
}

/// Several times what the component of an interpreter needs: 35 MB, and a minute on a slow core.
impl Default for Bounds {
    fn default() -> Self {
        Self { component: Size::bytes(256 << 20), memory: Size::bytes(2 << 30), time: Duration::from_mins(5) }
    }
}

/// Error: a component exceeds a bound. Names in backquotes are settings of the host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// The component has too many bytes.
    #[error("the component is larger than `component-size` = {0}")]
    Component(Size),
    /// The component has too many of something.
    #[error("the component has more than {max} {items}, the maximum on every host")]
    Count {
        /// Counted items, in the plural.
        items: &'static str,
        /// Maximum number of them.
        max: u64,
    },
    /// The compiler needs too much memory.
    #[error("compiling the component takes more memory than `compile-memory` = {0}")]
    Memory(Size),
    /// The compiler needs too much time.
    #[error("compiling the component takes longer than `compile-timeout` = {}", show_duration(*.0))]
    Time(Duration),
    /// The compiled code is too large.
    #[error("the compiled code would exceed {0}, the maximum on every host")]
    Code(Size),
}

impl Exceeded {
    /// Returns a hint for the user, as one sentence.
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
    fn manual_names_the_limits_of_this_file() {
        let host = |limit| Page::of("limits").section("Limits of a host").line(limit).cell(1);
        host("compiled code of one").says(&MAX_CODE_SIZE.to_string());
        host("functions of a component").says(&count(MAX_FUNCTIONS));
        host("definitions of a component").says(&count(MAX_DEFINITIONS));
        host("modules and components in").says(&count(MAX_MODULES));
        host("modules and components in").says(&count(MAX_NESTING));
        host("types, functions and names").says(&count(MAX_TYPES));
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
