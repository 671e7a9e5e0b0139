//! The id of a run: chosen by the user, or generated so that ids sort by time.
//! The state backend stores runs under their ids.

use crate::model::clock::Timestamp;
use crate::model::random::Random;
use std::fmt;
use std::sync::Arc;

/// Maximum length in bytes.
const MAX_LEN: usize = 128;

/// An id that matches `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(Arc<str>);

/// The error of parsing a [`RunId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a run id begins with a letter or digit and has up to 128 letters, digits, `.`, `_` and `-`, unlike `{0}`"
)]
pub struct RunIdFault(String);

impl RunId {
    /// Parses a run id.
    pub fn new(text: &str) -> Result<Self, RunIdFault> {
        let has_valid_start = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let has_valid_chars = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        if has_valid_start && has_valid_chars && text.len() <= MAX_LEN {
            Ok(Self(Arc::from(text)))
        } else {
            Err(RunIdFault(text.chars().take(MAX_LEN).collect()))
        }
    }

    /// Generates a unique id that sorts by `now`: `20261124T021500-k3f9x2`.
    #[must_use]
    pub fn generate(now: Timestamp, random: &mut Random) -> Self {
        const ALPHABET: [char; 32] = [
            'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'j', 'k', 'm', 'n', 'p', 'q', 'r', 's', 't', 'u', 'v',
            'w', 'x', 'y', 'z', '2', '3', '4', '5', '6', '7', '8', '9', '1',
        ];
        let mut id = now.compact();
        id.push('-');
        for _ in 0..8 {
            let index = crate::model::to_usize(u32::try_from(random.below(32)).unwrap_or(0));
            id.extend(ALPHABET.get(index));
        }
        Self(Arc::from(id))
    }

    /// Returns the text of the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::Page;

    #[test]
    fn generated_ids_are_valid_and_sort_by_time() {
        let mut random = Random::seeded(7);
        let early = RunId::generate(Timestamp::from_millis(1_000), &mut random);
        let late = RunId::generate(Timestamp::from_millis(9_000), &mut random);
        assert!(early < late, "{early} {late}");
        assert!(RunId::new(early.as_str()).is_ok());
    }

    #[test]
    fn ids_that_would_break_a_key_are_rejected() {
        for bad in ["", ".a", "a:b", "a{b}", "a/b", &"x".repeat(129)] {
            assert!(RunId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_manual_has_the_bounds_of_this_file() {
        Page::of("state").section("Runs").says(&format!("{{0,{}}}", MAX_LEN - 1));
    }
}
