//! The variables of this process, read once; tests hand in their own.
//! Which variable means what is said where it is asked for.

#![expect(clippy::disallowed_methods, reason = "this file is the door that the ban points to")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The words that this process was started with, its own name first.
pub fn arguments() -> impl Iterator<Item = OsString> {
    std::env::args_os()
}

/// The variables of a process. Values may be secrets: only names are shown.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process. What is not UTF-8 is left out: no manifest could use it.
    #[must_use]
    pub fn of_process() -> Self {
        let utf8 =
            |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        Self(std::env::vars_os().filter_map(utf8).collect())
    }

    /// The value of a variable; none if it is unset.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of a variable of the host itself, where empty means unset.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// The folder for this program's files below `xdg`, or below `fallback` in the user's home.
    #[must_use]
    pub(crate) fn folder(&self, xdg: &str, fallback: &str) -> Option<PathBuf> {
        let base = match self.setting(xdg) {
            Some(base) => PathBuf::from(base),
            None => PathBuf::from(self.setting("HOME")?).join(fallback),
        };
        Some(base.join("cascade-host"))
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_follow_xdg_and_then_home() {
        let both = Environment::from([("HOME", "/h"), ("XDG_CACHE_HOME", "/c")]);
        assert_eq!(both.folder("XDG_CACHE_HOME", ".cache"), Some("/c/cascade-host".into()));
        let home = Environment::from([("HOME", "/h"), ("XDG_CACHE_HOME", "")]);
        assert_eq!(home.folder("XDG_CACHE_HOME", ".cache"), Some("/h/.cache/cascade-host".into()));
        assert_eq!(Environment::default().folder("XDG_CACHE_HOME", ".cache"), None);
    }

    #[test]
    fn debug_shows_names_only() {
        let environment = Environment::from([("TOKEN", "hunter2")]);
        assert_eq!(format!("{environment:?}"), "{\"TOKEN\"}");
    }
}
