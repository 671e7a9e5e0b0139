//! Kinds of engines: what compiled code depends on, and what only the engine that runs it does.
//! `engine` turns a kind into a configuration.

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
}

/// Kind of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct EngineKind {
    /// Code that it runs.
    pub(crate) code: CodeKind,
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

impl CodeKind {
    /// Code without a fuel limit and without further features, as most components have it.
    pub(crate) const PLAIN: Self = Self { metering: Metering::Time, features: Features { gc: false } };

    /// Returns the engines of this kind of code that allocate from a pool.
    pub(crate) const fn pooled(self) -> EngineKind {
        EngineKind { code: self, allocation: Allocation::Pooling }
    }

    /// Returns the words that name the kind, such as `fuel` or `time-gc`: in names of files, and for compilers.
    pub(crate) fn words(self) -> String {
        let Self { metering, features: Features { gc } } = self;
        let metering = match metering {
            Metering::Time => "time",
            Metering::Fuel => "fuel",
        };
        format!("{metering}{}", if gc { "-gc" } else { "" })
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
                _ => return None, // no other feature exists
            }
        }
        Some(Self { metering, features })
    }
}

impl EngineKind {
    /// Returns the same kind with memory from the system.
    pub(crate) const fn on_demand(self) -> Self {
        Self { allocation: Allocation::OnDemand, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_code_has_a_name_of_its_own() {
        let kinds = [Metering::Time, Metering::Fuel]
            .map(|metering| [false, true].map(|gc| CodeKind { metering, features: Features { gc } }));
        for kind in kinds.into_iter().flatten() {
            assert_eq!(CodeKind::from_words(&kind.words()), Some(kind), "{}", kind.words());
        }
        for words in ["", "gc", "time-", "time-async-gc", "fuel gc"] {
            assert_eq!(CodeKind::from_words(words), None, "{words}");
        }
    }
}
