//! Why a setting cannot be used: who gave it, and what it has to be.
//! Faults of the settings file itself are in `file`.

use crate::config::environment::NotText;
use crate::state;

/// Why a setting cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsFault {
    /// A URI of the state or the cache.
    #[error("the {what} URI given by {by} cannot be used")]
    Uri {
        /// `state` or `cache`.
        what: &'static str,
        /// Who gave it.
        by: String,
        /// What is wrong with it.
        #[source]
        source: state::Error,
    },
    /// Anything else.
    #[error("{by} is {expected}, not `{given}`")]
    Value {
        /// Who gave it.
        by: String,
        /// What was given.
        given: String,
        /// What it may be.
        expected: String,
    },
    /// A variable that is no text.
    #[error(transparent)]
    Variable(#[from] NotText),
}

impl SettingsFault {
    /// What would help.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        match self {
            Self::Uri { source, .. } => source.help(),
            Self::Variable(variable) => Some(variable.help()),
            Self::Value { .. } => None,
        }
    }
}
