//! The host's settings file: TOML, `config.toml` in the user's configuration folder, or wherever the user says.
//! It ranks below flags, variables and the manifest.

use crate::config::Environment;
use crate::config::read_text;
use serde::Deserialize;
use std::io;
use std::path::{Path, PathBuf};

/// The settings that a file may hold; all of them optional.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SettingsFile {
    /// URI of the state backend.
    pub state: Option<String>,
    /// URI of the cache, or `off`.
    pub cache: Option<String>,
    /// Memory that guests may be promised together, `"8GiB"`.
    pub memory: Option<String>,
    /// How many guests run at the same time.
    pub jobs: Option<u32>,
    /// `human` or `json`.
    pub log_format: Option<String>,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub log_level: Option<String>,
    /// Folder for compiled code; an empty text keeps none.
    pub code_cache: Option<PathBuf>,
    /// The largest component that is taken, `"256MiB"`.
    pub component_size: Option<String>,
    /// Memory that compiling one component may take, `"2GiB"`.
    pub compile_memory: Option<String>,
    /// How long compiling one component may take, `"5m"`.
    pub compile_timeout: Option<String>,
}

/// URIs may hold passwords: nothing is shown.
impl std::fmt::Debug for SettingsFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SettingsFile { … }")
    }
}

/// Why the settings file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// It cannot be read.
    #[error("cannot read the settings file `{}`", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// It is not what it should be. The parser's text may quote a line, and a line may hold a password: only its
    /// place is kept.
    #[error("the settings file `{}` is not valid at line {line}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The line, from one.
        line: usize,
        /// The parser's words, without the line itself.
        message: String,
    },
}

impl SettingsFile {
    /// Reads the file at `path`; or, if none is given, the one in the user's configuration folder where there is one.
    pub fn read(path: Option<&Path>, environment: &Environment) -> Result<Self, FileFault> {
        let named =
            path.map(Path::to_path_buf).or_else(|| environment.setting("CASCADE_CONFIG").map(PathBuf::from));
        let is_named = named.is_some();
        let usual =
            || environment.folder("XDG_CONFIG_HOME", ".config").map(|folder| folder.join("config.toml"));
        let Some(path) = named.or_else(usual) else {
            return Ok(Self::default());
        };
        match read_text(&path) {
            Ok(text) => Self::parse(&path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_named => Ok(Self::default()),
            Err(error) => Err(FileFault::Read(path, error)),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, FileFault> {
        toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let before = text.get(..at).unwrap_or_default();
            FileFault::Parse {
                path: path.to_path_buf(),
                line: before.matches('\n').count() + 1,
                message: error.message().to_owned(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_stands_there_and_refuses_what_it_does_not_know() {
        let file = SettingsFile::parse(Path::new("c.toml"), "state = \"memory:\"\njobs = 3\n").unwrap();
        assert_eq!((file.state.as_deref(), file.jobs), (Some("memory:"), Some(3)));
        let fault = SettingsFile::parse(Path::new("c.toml"), "jobs = 1\nstat = \"redis://:hunter2@h\"\n")
            .unwrap_err();
        let shown = fault.to_string();
        assert!(shown.contains("line 2") && shown.contains("unknown field"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn only_a_file_that_was_named_must_exist() {
        let nowhere = Environment::from([("HOME", "/nonexistent")]);
        assert!(SettingsFile::read(None, &nowhere).is_ok());
        assert!(SettingsFile::read(Some(Path::new("/nonexistent/c.toml")), &nowhere).is_err());
    }
}
