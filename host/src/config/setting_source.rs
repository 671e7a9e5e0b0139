//! Finds the text of a setting in flags, variables and file, and parses it as number, size, duration or word.
//! The settings themselves are in `settings` and `compile`.

use crate::config::{Environment, NotText, SettingsFault, SettingsFile};
use crate::model::{Size, excerpt, parse_duration, show_duration};
use std::ops::RangeInclusive;
use std::time::Duration;

/// The sources of settings besides flags and the manifest.
pub(crate) struct Sources<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) file: &'a SettingsFile,
}

/// A flag: its name, and its value if given.
pub(crate) type Flag<'a> = (&'static str, Option<&'a String>);

/// The text of a setting with its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawSetting {
    pub(crate) origin: String,
    pub(crate) text: String,
}

impl Sources<'_> {
    /// Returns the text that overrides the manifest: the flag, else the variable, for which empty means unset.
    pub(crate) fn override_text(
        &self,
        key: &str,
        flag: Option<Flag<'_>>,
    ) -> Result<Option<RawSetting>, NotText> {
        if let Some((name, Some(text))) = flag {
            return Ok(Some(RawSetting { origin: format!("`{name}`"), text: text.clone() }));
        }
        let variable = format!("CASCADE_{}", key.to_ascii_uppercase().replace('-', "_"));
        let text = self.environment.setting(&variable)?;
        Ok(text.map(|text| RawSetting { origin: format!("`{variable}`"), text: text.to_owned() }))
    }

    /// Returns the text that the manifest overrides: that of the file.
    pub(crate) fn file_text(&self, key: &str) -> Option<RawSetting> {
        let text = self.file.get(key)?.to_owned();
        Some(RawSetting {
            origin: format!("`{key}` in the settings file `{}`", self.file.path().display()),
            text,
        })
    }

    /// Parses a setting as a whole number.
    pub(crate) fn number(
        &self,
        key: &str,
        flag: Flag<'_>,
        range: RangeInclusive<u32>,
    ) -> Result<Option<u32>, SettingsFault> {
        let Some(raw) = self.text(key, Some(flag))? else { return Ok(None) };
        match raw.text.parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => Err(raw.fault(format!("a whole number from {} to {}", range.start(), range.end()))),
        }
    }

    /// Parses a setting as a size.
    pub(crate) fn size(
        &self,
        key: &str,
        flag: Option<Flag<'_>>,
        range: RangeInclusive<Size>,
    ) -> Result<Option<Size>, SettingsFault> {
        let Some(raw) = self.text(key, flag)? else { return Ok(None) };
        match Size::parse(&raw.text) {
            Ok(size) if range.contains(&size) => Ok(Some(size)),
            _ => {
                Err(raw.fault(format!("a size from {} to {}, such as `512MiB`", range.start(), range.end())))
            }
        }
    }

    /// Parses a setting as a duration.
    pub(crate) fn duration(
        &self,
        key: &str,
        range: RangeInclusive<Duration>,
    ) -> Result<Option<Duration>, SettingsFault> {
        let Some(raw) = self.text(key, None)? else { return Ok(None) };
        let (min, max) = (show_duration(*range.start()), show_duration(*range.end()));
        match parse_duration(&raw.text) {
            Ok(duration) if range.contains(&duration) => Ok(Some(duration)),
            _ => Err(raw.fault(format!("a duration from {min} to {max}, such as `90s`"))),
        }
    }

    /// Parses a setting as one of several words.
    pub(crate) fn word<T: Copy>(
        &self,
        key: &str,
        flag: Flag<'_>,
        words: &[(&str, T)],
    ) -> Result<Option<T>, SettingsFault> {
        let Some(raw) = self.text(key, Some(flag))? else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == raw.text) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => {
                let words: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
                Err(raw.fault(format!("one of {}", words.join(", "))))
            }
        }
    }

    fn text(&self, key: &str, flag: Option<Flag<'_>>) -> Result<Option<RawSetting>, NotText> {
        Ok(self.override_text(key, flag)?.or_else(|| self.file_text(key)))
    }
}

/// Maximum number of characters of a value quoted in an error.
const MAX_SHOWN: usize = 80;

impl RawSetting {
    fn fault(self, expected: String) -> SettingsFault {
        let value = excerpt(&self.text, MAX_SHOWN).into_owned();
        SettingsFault::Value { origin: self.origin, value, expected }
    }
}
