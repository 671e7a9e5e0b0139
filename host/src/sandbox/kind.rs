//! Kinds of engines: what compiled code depends on, and what only the engine that runs it does.
//! `engine` turns a kind into a configuration.

use crate::model::{Limits, Stack};
use crate::sandbox::metering::Metering;

/// What compiled code depends on: code of one kind runs on every engine of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CodeKind {
    /// Bounds on a guest's time, which the code checks.
    pub(crate) metering: Metering,
    /// Features beyond those of every engine.
    pub(crate) features: Features,
}

/// Features of WebAssembly that cost all code of an engine something: only components that need them run on such an
/// engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Features {
    /// Exceptions and garbage collection, of WebAssembly 3.0.
    pub(crate) gc: bool,
    /// Async functions, streams and futures, of the component model: calls take twice as long on such an engine.
    pub(crate) concurrency: bool,
}

/// What a guest needs of its engine because of its task's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuestKind {
    /// Bounds on its time.
    pub metering: Metering,
    /// Its stack.
    pub stack: Stack,
}

/// Kind of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct EngineKind {
    /// Code that it runs.
    pub(crate) code: CodeKind,
    /// Stack of its guests. Code is the same for each.
    pub(crate) stack: Stack,
    /// Allocation of its guests' memory.
    pub(crate) allocation: Allocation,
}

/// Allocation of a guest's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Allocation {
    /// From a pool of slots that are reserved once and reused.
    Pooling,
    /// From the system for each call: for guests that need more than the pool's share of one guest.
    OnDemand,
}

impl Features {
    /// No features beyond those of every engine.
    pub(crate) const NONE: Self = Self { gc: false, concurrency: false };
}

impl CodeKind {
    /// Code without a fuel limit and without further features, as most components have it.
    pub(crate) const PLAIN: Self = Self { metering: Metering::Time, features: Features::NONE };

    /// Returns the words that name the kind, such as `fuel` or `time-gc-async`: in names of files, and for compilers.
    pub(crate) fn words(self) -> String {
        let Self { metering, features: Features { gc, concurrency } } = self;
        let metering = match metering {
            Metering::Time => "time",
            Metering::Fuel => "fuel",
        };
        let word = |is_set: bool, word: &'static str| if is_set { word } else { "" };
        format!("{metering}{}{}", word(gc, "-gc"), word(concurrency, "-async"))
    }

    /// Returns the kind with that name.
    pub(crate) fn from_words(words: &str) -> Option<Self> {
        let mut words = words.split('-');
        let metering = match words.next()? {
            "time" => Metering::Time,
            "fuel" => Metering::Fuel,
            _ => return None, // no other metering exists
        };
        let mut features = Features::default();
        for word in words {
            match word {
                "gc" => features.gc = true,
                "async" => features.concurrency = true,
                _ => return None, // no other feature exists
            }
        }
        Some(Self { metering, features })
    }
}

impl GuestKind {
    /// The kind of a guest with default limits.
    pub const PLAIN: Self = Self { metering: Metering::Time, stack: Stack::Small };

    /// Returns the kind of a guest with these limits.
    #[must_use]
    pub const fn of(limits: &Limits) -> Self {
        let metering = if limits.fuel.is_some() { Metering::Fuel } else { Metering::Time };
        Self { metering, stack: limits.stack }
    }
}

impl EngineKind {
    /// The kind for most components: the default limits, no further features, a pool.
    pub(crate) const PLAIN: Self = Self::pooled(GuestKind::PLAIN, Features::NONE);

    /// Returns the kind for guests of a kind, with memory from a pool.
    pub(crate) const fn pooled(guest: GuestKind, features: Features) -> Self {
        let code = CodeKind { metering: guest.metering, features };
        Self { code, stack: guest.stack, allocation: Allocation::Pooling }
    }

    /// Returns the kind of its guests.
    pub(crate) const fn guest(self) -> GuestKind {
        GuestKind { metering: self.code.metering, stack: self.stack }
    }

    /// Returns the kind with memory from the system.
    pub(crate) const fn on_demand(self) -> Self {
        Self { allocation: Allocation::OnDemand, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const FEATURES: [Features; 4] = [
        Features { gc: false, concurrency: false },
        Features { gc: false, concurrency: true },
        Features { gc: true, concurrency: false },
        Features { gc: true, concurrency: true },
    ];

    #[test]
    fn every_kind_of_code_has_a_name_of_its_own() {
        let kinds = [Metering::Time, Metering::Fuel]
            .map(|metering| FEATURES.map(|features| CodeKind { metering, features }));
        let words: HashSet<String> = kinds.iter().flatten().map(|kind| kind.words()).collect();
        assert_eq!(words.len(), 8);
        for kind in kinds.into_iter().flatten() {
            assert_eq!(CodeKind::from_words(&kind.words()), Some(kind), "{}", kind.words());
        }
        for words in ["", "gc", "time-", "time-threads", "fuel gc"] {
            assert_eq!(CodeKind::from_words(words), None, "{words}");
        }
    }
}
