//! What this host takes upon itself for one component, by variables, the settings file, or as it is by default.
//! How the bounds hold is for the sandbox.

use crate::config::setting_source::Sources;
use crate::config::{SettingsFault, memory_budget};
use crate::model::Size;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A component is read into memory and counted: more than this is none.
const COMPONENT: RangeInclusive<Size> = Size::bytes(1 << 10)..=Size::bytes(4 << 30);

/// From what shows that the bound holds to what no machine has.
const MEMORY: RangeInclusive<Size> = Size::bytes(1 << 20)..=Size::bytes(1 << 46);

/// Likewise; a compiler that takes a day is not going to end.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(24);

/// The bounds that a user has set; none where nobody has said anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CompileSettings {
    /// The most bytes of a component.
    pub component: Option<Size>,
    /// The most memory of a compiler.
    pub memory: Option<Size>,
    /// The most time of a compiler.
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

    /// What a compiler may have where `usual` is enough on most machines: not more than there is for guests.
    #[must_use]
    pub fn memory(&self, usual: Size) -> Size {
        self.memory.unwrap_or_else(|| usual.min(memory_budget()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::Page;
    use crate::model::show_duration;

    #[test]
    fn the_manual_has_the_bounds_of_this_file() {
        let bounds = |key| Page::of("limits").section("Limits of a host").row_by(2, key).cell(2);
        for (key, range) in [("component-size", COMPONENT), ("compile-memory", MEMORY)] {
            bounds(key).says(&format!("({} to {})", range.start(), range.end()));
        }
        let (least, most) = (show_duration(*TIMEOUT.start()), show_duration(*TIMEOUT.end()));
        bounds("compile-timeout").says(&format!("({least} to {most})"));
    }
}
