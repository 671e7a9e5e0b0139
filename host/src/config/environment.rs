//! The environment variables of this process, read once. Tests supply their own.
//! Each variable is interpreted where it is used.

#![expect(clippy::disallowed_methods, reason = "only this file may read the environment")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::path::PathBuf;

/// Returns the command-line arguments of this process, its own name first.
pub(crate) fn arguments() -> impl Iterator<Item = OsString> {
    std::env::args_os()
}

/// Environment variables. Values may be secrets: `Debug` shows only names.
#[derive(Clone, Default)]
pub(crate) struct Environment(BTreeMap<OsString, OsString>);

/// The error of a variable that is not UTF-8. Omits the value, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value of the environment variable `{0}` is not UTF-8 text")]
pub struct NotText(String);

impl NotText {
    /// Returns the help text.
    #[must_use]
    pub const fn help() -> &'static str {
        "set it to UTF-8 text, or unset it"
    }
}

impl Environment {
    /// Reads the variables of this process.
    #[must_use]
    pub(crate) fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// Returns all variables, for a program that the host starts.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.0.iter()
    }

    /// Returns the value of a variable; `None` if it is unset.
    pub(crate) fn get<'e>(&'e self, name: &str) -> Result<Option<&'e str>, NotText> {
        let text = |value: &'e OsString| value.to_str().ok_or_else(|| NotText(name.to_owned()));
        self.0.get(OsStr::new(name)).map(text).transpose()
    }

    /// Returns the value of a variable of the host itself, for which empty means unset.
    pub(crate) fn setting(&self, name: &str) -> Result<Option<&str>, NotText> {
        Ok(self.get(name)?.filter(|value| !value.is_empty()))
    }

    /// Returns the path in a variable, which need not be UTF-8; `None` if it is unset.
    #[must_use]
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.0.get(OsStr::new(name)).map(PathBuf::from)
    }

    /// Returns the path in a variable of the host itself, for which empty means unset.
    #[must_use]
    pub(crate) fn path_setting(&self, name: &str) -> Option<PathBuf> {
        self.path(name).filter(|path| !path.as_os_str().is_empty())
    }

    /// Returns this program's folder below `xdg`, or below `fallback` in the user's home.
    #[must_use]
    pub(crate) fn folder(&self, xdg: &str, fallback: &str) -> Option<PathBuf> {
        let base = match self.path_setting(xdg) {
            Some(base) => base,
            None => self.path_setting("HOME")?.join(fallback),
        };
        Some(base.join("cascade-host"))
    }
}

impl<const N: usize, V: Into<OsString>> From<[(&str, V); N]> for Environment {
    fn from(variables: [(&str, V); N]) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
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
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;

    #[test]
    fn folders_follow_xdg_and_then_home() {
        let both = Environment::from([("HOME", "/h"), ("XDG_CACHE_HOME", "/c")]);
        assert_eq!(both.folder("XDG_CACHE_HOME", ".cache"), Some("/c/cascade-host".into()));
        let home = Environment::from([("HOME", "/h"), ("XDG_CACHE_HOME", "")]);
        assert_eq!(home.folder("XDG_CACHE_HOME", ".cache"), Some("/h/.cache/cascade-host".into()));
        assert_eq!(Environment::default().folder("XDG_CACHE_HOME", ".cache"), None);
    }

    #[test]
    fn non_utf8_value_is_an_error_or_a_path_but_never_unset() {
        let value = OsStr::from_bytes(b"/caf\xe9");
        let environment = Environment::from([("V", value)]);
        for read in [environment.get("V"), environment.setting("V")] {
            let message = read.unwrap_err().to_string();
            assert!(message.contains("`V`") && message.contains("not UTF-8"), "{message}");
        }
        assert_eq!(environment.path_setting("V"), Some(PathBuf::from(value)));
        assert_eq!(environment.folder("V", ".cache"), Some(Path::new(value).join("cascade-host")));
        assert_eq!(environment.get("W"), Ok(None));
    }

    #[test]
    fn debug_shows_names_only() {
        let environment = Environment::from([("TOKEN", "hunter2")]);
        assert_eq!(format!("{environment:?}"), "{\"TOKEN\"}");
    }
}
