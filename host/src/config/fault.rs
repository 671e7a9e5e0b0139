//! The errors of settings: the source of the value, and what it must be.
//! Faults of the settings file itself are in `file`.

use crate::config::environment::NotText;
use crate::state;

/// The error of a setting.
#[derive(Debug, thiserror::Error)]
pub enum SettingsFault {
    /// The URI of the state or the cache is invalid.
    #[error("the {uri} URI in {origin} cannot be used")]
    Uri {
        /// `state` or `cache`.
        uri: &'static str,
        /// The source of the setting.
        origin: String,
        /// The error of the URI.
        #[source]
        source: state::Error,
    },
    /// A value is invalid.
    #[error("{origin} must be {expected}, not `{value}`")]
    Value {
        /// The source of the setting.
        origin: String,
        /// The invalid value.
        value: String,
        /// The allowed values.
        expected: String,
    },
    /// A variable is not UTF-8.
    #[error(transparent)]
    Variable(#[from] NotText),
}

impl SettingsFault {
    /// Returns the help text, if there is one.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        match self {
            Self::Uri { source, .. } => source.help(),
            Self::Variable(_) => Some(NotText::help()),
            Self::Value { .. } => None,
        }
    }
}
