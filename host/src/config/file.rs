//! Reads the host's settings file: TOML, `config.toml` in the user's configuration folder, or the file of `--config`.
//! Flags, variables and the manifest override it (see `settings`).

use crate::config::{Environment, explain_toml, read_text};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use toml::de::DeTable;
use toml::de::DeValue;

/// The keys of the settings file, each with an example value. All are optional.
const KEYS: [(&str, &str); 12] = [
    ("state", "\"redis://host:6379\""),
    ("cache", "\"off\""),
    ("memory", "\"8GiB\""),
    ("jobs", "4"),
    ("log-format", "\"json\""),
    ("log-level", "\"warn\""),
    ("code-cache", "\"/var/cache/code\""),
    ("offline", "true"),
    ("locked", "true"),
    ("component-size", "\"256MiB\""),
    ("compile-memory", "\"2GiB\""),
    ("compile-timeout", "\"5m\""),
];

/// The settings of a file as texts, by key. `settings` validates the values.
#[derive(Clone, Default)]
pub(crate) struct SettingsFile {
    path: PathBuf,
    values: BTreeMap<String, String>,
}

/// Shows nothing, since URIs may hold passwords.
impl std::fmt::Debug for SettingsFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SettingsFile { … }")
    }
}

/// The error of reading a settings file.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// The file cannot be read.
    #[error("cannot read the settings file `{}`", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// The content is invalid. Only the line number is kept: a parser error may quote a line, and a line may hold a
    /// password.
    #[error("the settings file `{}` is invalid at line {line}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// The parser's message, without the line itself.
        message: String,
    },
}

impl SettingsFile {
    /// Reads the file at `path`, else of `CASCADE_CONFIG`, else the optional one in the user's configuration folder.
    pub(crate) fn read(path: Option<&Path>, environment: &Environment) -> Result<Self, FileFault> {
        let named = path.map(Path::to_path_buf).or_else(|| environment.path_setting("CASCADE_CONFIG"));
        let is_named = named.is_some();
        let default_path =
            || environment.folder("XDG_CONFIG_HOME", ".config").map(|folder| folder.join("config.toml"));
        let Some(path) = named.or_else(default_path) else {
            return Ok(Self::default());
        };
        match read_text(&path) {
            Ok(text) => Self::parse(&path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_named => Ok(Self::default()),
            Err(error) => Err(FileFault::Read(path, error)),
        }
    }

    /// Returns the text of a setting.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// Returns the path of the file, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Parses the text of the file at `path`.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, FileFault> {
        let fault = |(line, message)| FileFault::Parse { path: path.to_path_buf(), line, message };
        let line = |offset: usize| text.get(..offset).unwrap_or_default().matches('\n').count() + 1;
        let tree = DeTable::parse(text).map_err(|error| fault(explain_toml(text, &error)))?;
        let mut values = BTreeMap::new();
        for (key, value) in tree.get_ref() {
            let read = read(key.get_ref(), value.get_ref());
            let read = read.map_err(|message| fault((line(key.span().start), message)))?;
            values.insert(key.get_ref().clone().into_owned(), read);
        }
        Ok(Self { path: path.to_path_buf(), values })
    }
}

/// Returns the text of a value, or the error of its key or kind.
fn read(key: &str, value: &DeValue<'_>) -> Result<String, String> {
    let Some((_, example)) = KEYS.iter().find(|(known, _)| *known == key) else {
        let known: Vec<String> = KEYS.iter().map(|(known, _)| format!("`{known}`")).collect();
        return Err(format!("unknown key `{key}`; the keys are {}", known.join(", ")));
    };
    let expected = match *example {
        "true" => "`true` or `false`",
        example if example.starts_with('"') => "a string",
        _ => "a whole number", // the examples of all other keys
    };
    match (value, expected) {
        (DeValue::String(text), "a string") => Ok(text.clone().into_owned()),
        (DeValue::Boolean(value), "`true` or `false`") => Ok(value.to_string()),
        (DeValue::Integer(number), "a whole number") if number.radix() == 10 => {
            Ok(number.as_str().to_owned())
        }
        // The value is of another kind.
        _ => Err(format!("`{key}` must be {expected}; write for example `{key} = {example}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, blocks};

    #[test]
    fn known_keys_are_read_and_unknown_ones_refused() {
        let file = SettingsFile::parse(Path::new("c.toml"), "state = \"memory:\"\njobs = 3\n").unwrap();
        assert_eq!((file.get("state"), file.get("jobs")), (Some("memory:"), Some("3")));
        let fault = SettingsFile::parse(Path::new("c.toml"), "jobs = 1\nstat = \"redis://:hunter2@h\"\n")
            .unwrap_err();
        let shown = fault.to_string();
        assert!(shown.contains("line 2") && shown.contains("unknown key `stat`"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
        let fault = SettingsFile::parse(Path::new("c.toml"), "jobs = 1\njobs = 2\n").unwrap_err().to_string();
        assert!(fault.contains("line 2") && fault.contains("duplicate key `jobs`"), "{fault}");
    }

    #[test]
    fn value_of_the_wrong_kind_names_its_key() {
        for (key, example) in KEYS {
            let right = SettingsFile::parse(Path::new("c.toml"), &format!("{key} = {example}\n")).unwrap();
            assert_eq!(right.get(key), Some(example.trim_matches('"')));
            let other = if example.starts_with('"') { "4" } else { "\"4\"" };
            let wrong = [other, "true", "1.5", "[]", "{}"];
            for wrong in wrong.into_iter().filter(|wrong| *wrong != example) {
                let text = format!("\n{key} = {wrong}\n");
                let fault = SettingsFile::parse(Path::new("c.toml"), &text).unwrap_err().to_string();
                let example = format!("write for example `{key} = {example}`");
                assert!(
                    fault.contains("`c.toml` is invalid at line 2") && fault.contains(&example),
                    "{fault}"
                );
            }
        }
    }

    #[test]
    fn only_an_explicit_file_must_exist() {
        let no_files = Environment::from([("HOME", "/nonexistent")]);
        assert!(SettingsFile::read(None, &no_files).is_ok());
        assert!(SettingsFile::read(Some(Path::new("/nonexistent/c.toml")), &no_files).is_err());
    }

    #[test]
    fn manual_lists_every_key_with_its_variable() {
        let table = Page::of("cli").section("Settings");
        for (key, _) in KEYS {
            let variable = format!("CASCADE_{}", key.to_uppercase().replace('-', "_"));
            table.row_by(2, key).cell(1).names([variable.as_str()]);
        }
        let (_, example) = blocks("toml fragment")
            .into_iter()
            .find(|(page, text)| *page == "cli" && text.starts_with('#'))
            .unwrap();
        let file = SettingsFile::parse(Path::new("config.toml"), &example).unwrap();
        for (key, _) in KEYS {
            assert!(file.get(key).is_some(), "the settings file in cli.md has no {key}");
        }
    }
}
