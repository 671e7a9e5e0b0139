//! The limits of compiling one component, from variables, the settings file, or defaults.
//! `sandbox/compile` enforces them.

use crate::config::setting_source::Sources;
use crate::config::{SettingsFault, memory_budget};
use crate::model::Size;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Allowed component sizes. A component is read into memory, so the maximum bounds it.
const COMPONENT: RangeInclusive<Size> = Size::bytes(1 << 10)..=Size::bytes(4 << 30);

/// Allowed memory limits: from enough to test the limit, to more than any machine has.
const MEMORY: RangeInclusive<Size> = Size::bytes(1 << 20)..=Size::bytes(1 << 46);

/// Allowed time limits: from enough to test the limit, to a day.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(24);

/// The limits that the user has set; `None` for those left at their default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CompileSettings {
    /// Maximum size of a component in bytes.
    pub component: Option<Size>,
    /// Maximum memory of a compiler.
    pub memory: Option<Size>,
    /// Maximum time of a compiler.
    pub timeout: Option<Duration>,
}

impl CompileSettings {
    pub(crate) fn new(sources: &Sources<'_>) -> Result<Self, SettingsFault> {
        Ok(Self {
            component: sources.size("component-size", None, COMPONENT)?,
            memory: sources.size("compile-memory", None, MEMORY)?,
            timeout: sources.duration("compile-timeout", TIMEOUT)?,
        })
    }

    /// Returns the memory limit of a compiler. The default is `default`, capped at the memory budget of guests.
    #[must_use]
    pub(crate) fn memory(&self, default: Size) -> Size {
        self.memory.unwrap_or_else(|| default.min(memory_budget()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::Page;
    use crate::model::show_duration;

    #[test]
    fn manual_states_the_bounds_of_this_file() {
        let bounds = |key| Page::of("limits").section("Limits of a host").row_by(2, key).cell(2);
        for (key, range) in [("component-size", COMPONENT), ("compile-memory", MEMORY)] {
            bounds(key).says(&format!("({} to {})", range.start(), range.end()));
        }
        let (min, max) = (show_duration(*TIMEOUT.start()), show_duration(*TIMEOUT.end()));
        bounds("compile-timeout").says(&format!("({min} to {max})"));
    }
}
