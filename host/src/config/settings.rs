//! The effective settings of this host, in order of precedence: flags, variables, the manifest, the settings file.
//! `state` and `cache` parse the URIs; this file only chooses them.

use crate::cache::CacheUri;
use crate::config::fault::SettingsFault;
use crate::config::setting_source::{Flag, RawSetting, Sources};
use crate::config::{
    CompileSettings, Environment, FetchSettings, NotText, SettingsFile, cores, folder_of, memory_budget,
};
use crate::model::Size;
use crate::state;
use crate::state::StateUri;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// The settings given as flags.
#[derive(Clone, Default)]
pub(crate) struct Overrides {
    /// `--state`.
    pub state: Option<String>,
    /// `--cache`.
    pub cache: Option<String>,
    /// `--memory`.
    pub memory: Option<String>,
    /// `-j`.
    pub jobs: Option<String>,
    /// `--offline`.
    pub offline: Option<String>,
    /// `--locked`.
    pub locked: Option<String>,
    /// `--log-format`.
    pub log_format: Option<String>,
    /// `--log-level`.
    pub log_level: Option<String>,
}

/// The format of the log on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LogFormat {
    /// Lines for people.
    #[default]
    Human,
    /// The events, one line of JSON each.
    Json,
}

/// The level of the log on stderr; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum LogLevel {
    /// Failures.
    Error,
    /// Problems that are no failures.
    Warn,
    /// Progress that an operator wants to see.
    #[default]
    Info,
    /// Every step of every task.
    Debug,
    /// Every step of every task, and progress of guests.
    Trace,
}

/// Allowed memory budgets: from the smallest memory that a guest can start with, to more than any machine has.
const MEMORY: RangeInclusive<Size> = Size::bytes(1 << 20)..=Size::bytes(1 << 46);

/// Allowed numbers of slots: up to more than any machine can use.
const JOBS: RangeInclusive<u32> = 1..=10_000;

const LOG_FORMATS: [(&str, LogFormat); 2] = [("human", LogFormat::Human), ("json", LogFormat::Json)];

const LOG_LEVELS: [(&str, LogLevel); 5] = [
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

/// The settings of this host. Has no `Debug`, since the URIs may hold passwords.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The memory budget of all guests together.
    pub memory: Size,
    /// Number of slots: guests that run at the same time.
    pub jobs: u32,
    /// The log format.
    pub log_format: LogFormat,
    /// The log level.
    pub log_level: LogLevel,
    /// The settings file, if there is one.
    pub file: Option<PathBuf>,
    /// The folder for compiled code; `None` if none is kept.
    pub code_cache: Option<PathBuf>,
    /// The folder for temporary files.
    pub scratch: PathBuf,
    /// The limits of compiling one component.
    pub compile: CompileSettings,
    /// The rules for components from elsewhere.
    pub fetch: FetchSettings,
    state: RankedUri,
    cache: RankedUri,
}

/// A URI that overrides the manifest's, and one that the manifest overrides.
#[derive(Clone)]
struct RankedUri {
    override_uri: Option<RawSetting>,
    fallback: Option<RawSetting>,
}

impl Settings {
    /// Reads the settings, before those of a manifest.
    pub(crate) fn new(
        flags: &Overrides,
        environment: &Environment,
        file: &SettingsFile,
    ) -> Result<Self, SettingsFault> {
        let sources = Sources { environment, file };
        let memory = sources.size("memory", Some(("--memory", flags.memory.as_ref())), MEMORY)?;
        let log_format =
            sources.word("log-format", ("--log-format", flags.log_format.as_ref()), &LOG_FORMATS)?;
        let log_level = sources.word("log-level", ("--log-level", flags.log_level.as_ref()), &LOG_LEVELS)?;
        Ok(Self {
            memory: memory.unwrap_or_else(memory_budget),
            jobs: sources.number("jobs", ("-j", flags.jobs.as_ref()), JOBS)?.unwrap_or_else(cores),
            log_format: log_format.unwrap_or_default(),
            log_level: log_level.unwrap_or_default(),
            file: Some(file.path().to_owned()).filter(|path| !path.as_os_str().is_empty()),
            code_cache: code_cache(environment, file),
            scratch: environment.path_setting("TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp")),
            compile: CompileSettings::new(&sources)?,
            fetch: FetchSettings::new(
                &sources,
                (("--offline", flags.offline.as_ref()), ("--locked", flags.locked.as_ref())),
            )?,
            state: RankedUri::new(&sources, "state", ("--state", flags.state.as_ref()))?,
            cache: RankedUri::new(&sources, "cache", ("--cache", flags.cache.as_ref()))?,
        })
    }

    /// Returns the state URI, by default `memory:`.
    ///
    /// `manifest` returns the manifest's URI, and is called only if no flag or variable overrides it.
    pub(crate) fn state<E: From<SettingsFault>>(
        &self,
        manifest: impl FnOnce() -> Result<Option<StateUri>, E>,
    ) -> Result<StateUri, E> {
        let chosen = self.state.choose("state", StateUri::parse, manifest)?;
        Ok(chosen.unwrap_or(StateUri::Memory))
    }

    /// Returns the cache URI, by default off.
    pub(crate) fn cache<E: From<SettingsFault>>(
        &self,
        manifest: impl FnOnce() -> Result<Option<CacheUri>, E>,
    ) -> Result<CacheUri, E> {
        self.cache_or(CacheUri::Off, manifest)
    }

    /// Returns the cache URI, or another default.
    pub(crate) fn cache_or<E: From<SettingsFault>>(
        &self,
        default: CacheUri,
        manifest: impl FnOnce() -> Result<Option<CacheUri>, E>,
    ) -> Result<CacheUri, E> {
        let chosen = self.cache.choose("cache", CacheUri::parse, manifest)?;
        Ok(chosen.unwrap_or(default))
    }
}

impl RankedUri {
    fn new(sources: &Sources<'_>, key: &str, flag: Flag<'_>) -> Result<Self, NotText> {
        Ok(Self { override_uri: sources.override_text(key, Some(flag))?, fallback: sources.file_text(key) })
    }

    /// Returns the URI of the highest precedence.
    fn choose<T, E: From<SettingsFault>>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, state::Error>,
        manifest: impl FnOnce() -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        let read = |raw: &RawSetting| {
            let fault = |source| SettingsFault::Uri { uri: key, origin: raw.origin.clone(), source };
            parse(&raw.text).map_err(fault)
        };
        match &self.override_uri {
            Some(uri) => Ok(Some(read(uri)?)),
            None => match manifest()? {
                Some(uri) => Ok(Some(uri)),
                None => Ok(self.fallback.as_ref().map(read).transpose()?),
            },
        }
    }
}

fn code_cache(environment: &Environment, file: &SettingsFile) -> Option<PathBuf> {
    let path = environment.path("CASCADE_CODE_CACHE");
    let path = path.or_else(|| file.get("code-cache").map(|folder| resolve(file, folder, environment)));
    match path {
        Some(folder) if folder.as_os_str().is_empty() => None,
        Some(folder) => Some(folder),
        None => environment.folder("XDG_CACHE_HOME", ".cache").map(|folder| folder.join("code")),
    }
}

/// Resolves a path of the settings file, which no shell has expanded. `~/` is the user's home, and relative paths
/// start at the file's folder. An empty path stays empty.
fn resolve(file: &SettingsFile, path: &str, environment: &Environment) -> PathBuf {
    let home = || environment.path_setting("HOME");
    match path.strip_prefix("~/") {
        Some(rest) => home().map_or_else(|| PathBuf::from(path), |home| home.join(rest)),
        None if path.is_empty() => PathBuf::new(), // no folder
        None => folder_of(file.path()).join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count};
    use std::path::Path;

    fn file(key: &str, value: Option<&str>) -> SettingsFile {
        let text = value.map(|value| format!("{key} = \"{value}\"\n"));
        SettingsFile::parse(Path::new("c.toml"), &text.unwrap_or_default()).unwrap()
    }

    fn settings(flag: Option<&str>, variable: Option<&str>, written: Option<&str>) -> Settings {
        let flags = Overrides { state: flag.map(str::to_owned), ..Overrides::default() };
        let environment =
            variable.map_or_else(Environment::default, |value| [("CASCADE_STATE", value)].into());
        Settings::new(&flags, &environment, &file("state", written)).unwrap()
    }

    fn manifest_state(manifest: Option<&str>) -> impl FnOnce() -> Result<Option<StateUri>, SettingsFault> {
        move || Ok(manifest.map(|text| StateUri::parse(text).unwrap()))
    }

    fn manifest_cache(manifest: Option<&str>) -> impl FnOnce() -> Result<Option<CacheUri>, SettingsFault> {
        move || Ok(manifest.map(|text| CacheUri::parse(text).unwrap()))
    }

    #[test]
    fn code_cache_paths_expand_home_and_start_at_the_settings_file() {
        let written = |value: &str| {
            let text = format!("code-cache = \"{value}\"\n");
            SettingsFile::parse(Path::new("/etc/c/config.toml"), &text).unwrap()
        };
        let home = Environment::from([("HOME", "/h")]);
        for (value, folder) in
            [("~/code", "/h/code"), ("code", "/etc/c/code"), ("/var/code", "/var/code"), ("~x", "/etc/c/~x")]
        {
            assert_eq!(code_cache(&home, &written(value)), Some(PathBuf::from(folder)), "{value}");
        }
        assert_eq!(code_cache(&home, &written("")), None);
        let both = Environment::from([("HOME", "/h"), ("CASCADE_CODE_CACHE", "code")]);
        assert_eq!(code_cache(&both, &written("~/code")), Some("code".into()));
    }

    #[test]
    fn overridden_manifest_is_not_read() {
        let fails =
            || Err(SettingsFault::Value { origin: "x".into(), value: "x".into(), expected: "x".into() });
        assert_eq!(settings(Some("memory:"), None, None).state(fails).unwrap(), StateUri::Memory);
    }

    #[test]
    fn flags_win_over_variables_over_the_manifest_over_the_file() {
        let chosen =
            |settings: Settings, manifest| settings.state(manifest_state(manifest)).unwrap().to_string();
        let (a, b, c, d) = ("redis://a:6379/0", "redis://b:6379/0", "redis://c:6379/0", "redis://d:6379/0");
        assert_eq!(chosen(settings(Some(a), Some(b), Some(d)), Some(c)), a);
        assert_eq!(chosen(settings(None, Some(b), Some(d)), Some(c)), b);
        assert_eq!(chosen(settings(None, None, Some(d)), Some(c)), c);
        assert_eq!(chosen(settings(None, None, Some(d)), None), d);
        assert_eq!(chosen(settings(None, None, None), None), "memory:");
    }

    #[test]
    fn invalid_uri_names_its_origin_but_no_password() {
        let fault = settings(None, Some("http://:hunter2@h"), None).state(manifest_state(None)).unwrap_err();
        let shown = format!("{fault} {fault:?} {}", std::error::Error::source(&fault).unwrap());
        assert!(shown.contains("CASCADE_STATE") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn cache_is_off_by_default() {
        let settings = settings(None, None, None);
        assert_eq!(settings.cache(manifest_cache(None)).unwrap(), CacheUri::Off);
        assert_eq!(settings.cache(manifest_cache(Some("off"))).unwrap(), CacheUri::Off);
        assert!(matches!(settings.cache(manifest_cache(Some("memory:"))).unwrap(), CacheUri::At(_)));
    }

    /// Every setting that is not a URI or a path: the minimum and maximum, invalid ones, and the
    /// message.
    const TABLE: [(&str, [&str; 2], &[&str], &str); 9] = [
        (
            "memory",
            ["1MiB", "65536GiB"],
            &["1B", "0MiB", "65537GiB", "lots", "8"],
            "a size from 1MiB to 65536GiB",
        ),
        (
            "jobs",
            ["1", "10000"],
            &["0", "10001", "-1", "99999999999", "1.5", "many"],
            "a whole number from 1 to 10000",
        ),
        ("log-format", ["human", "json"], &["JSON", "text"], "one of `human`, `json`"),
        ("log-level", ["error", "trace"], &["warning", "Info", "2"], "one of `error`, `warn`"),
        ("offline", ["true", "false"], &["yes", "1", "True"], "one of `true`, `false`"),
        ("locked", ["true", "false"], &["no", "0"], "one of `true`, `false`"),
        ("component-size", ["1KiB", "4GiB"], &["0B", "1B", "5GiB", "-1"], "a size from 1KiB to 4GiB"),
        ("compile-memory", ["1MiB", "65536GiB"], &["1KiB", "99999999999GiB"], "a size from 1MiB to 65536GiB"),
        ("compile-timeout", ["1ms", "1d"], &["0s", "5", "25h", "never"], "a duration from 1ms to 1d"),
    ];

    fn flags(key: &str, value: &str) -> Option<(&'static str, Overrides)> {
        let (value, none) = (Some(value.to_owned()), Overrides::default());
        match key {
            "memory" => Some(("`--memory`", Overrides { memory: value, ..none })),
            "jobs" => Some(("`-j`", Overrides { jobs: value, ..none })),
            "offline" => Some(("`--offline`", Overrides { offline: value, ..none })),
            "locked" => Some(("`--locked`", Overrides { locked: value, ..none })),
            "log-format" => Some(("`--log-format`", Overrides { log_format: value, ..none })),
            "log-level" => Some(("`--log-level`", Overrides { log_level: value, ..none })),
            _ => None, // the others have no flag
        }
    }

    /// Returns the error of a setting from each source.
    fn errors(key: &str, value: &str) -> Vec<(String, Option<String>)> {
        let (no_flags, no_variables) = (Overrides::default(), Environment::default());
        let fault = |flags: &Overrides, environment: &Environment, file: &SettingsFile| {
            Settings::new(flags, environment, file).err().map(|fault| fault.to_string())
        };
        let variable = format!("CASCADE_{}", key.to_uppercase().replace('-', "_"));
        let written = if matches!(key, "jobs" | "offline" | "locked") {
            value.to_owned()
        } else {
            format!("\"{value}\"")
        };
        let mut errors = vec![(
            format!("`{variable}`"),
            fault(&no_flags, &[(variable.as_str(), value)].into(), &SettingsFile::default()),
        )];
        // In a file, numbers are unquoted; an unquoted word is a value of another kind.
        if let Ok(file) = SettingsFile::parse(Path::new("c.toml"), &format!("{key} = {written}\n")) {
            let origin = format!("`{key}` in the settings file `c.toml`");
            errors.push((origin, fault(&no_flags, &no_variables, &file)));
        }
        if let Some((flag, flags)) = flags(key, value) {
            errors.push((flag.to_owned(), fault(&flags, &no_variables, &SettingsFile::default())));
        }
        errors
    }

    #[test]
    fn out_of_range_settings_name_origin_and_range() {
        for (key, valid, invalid, expected) in TABLE {
            for value in valid {
                assert!(errors(key, value).iter().all(|(_, fault)| fault.is_none()), "{key} = {value}");
            }
            for value in invalid {
                for (origin, fault) in errors(key, value) {
                    let fault = fault.unwrap_or_default();
                    let start = format!("{origin} must be {expected}");
                    assert!(
                        fault.starts_with(&start) && fault.ends_with(&format!(", not `{value}`")),
                        "{fault}"
                    );
                }
            }
        }
    }

    #[test]
    fn variables_win_over_the_file() {
        let both: Environment = [("CASCADE_COMPILE_MEMORY", "3GiB")].into();
        let settings =
            Settings::new(&Overrides::default(), &both, &file("compile-memory", Some("1GiB"))).unwrap();
        assert_eq!(settings.compile.memory, Some(Size::bytes(3 << 30)));
        assert_eq!(settings.compile.timeout, None);
    }

    #[test]
    fn manual_states_the_bounds_of_this_file() {
        let host = |key| Page::of("limits").section("Limits of a host").row_by(2, key).cell(2);
        let (min, max) = (count(*JOBS.start()), count(*JOBS.end()));
        host("-j").says(&format!("({min} to {max})"));
        Page::of("cli").section("run").row("--jobs").cell(1).says(&format!("{min} to {max}"));
        let memory = format!("{} to {}", MEMORY.start(), MEMORY.end());
        host("--memory").says(&format!("({memory})"));
        Page::of("cli").section("run").row("--memory").cell(1).says(&memory);
        let page = Page::of("cli").section("Flags of every command");
        page.row("--log-level").names(LOG_LEVELS.iter().map(|(word, _)| *word));
        page.row("--log-format").names(LOG_FORMATS.iter().map(|(word, _)| *word));
        for (word, _) in LOG_LEVELS {
            Page::of("events").section("The log").row(word);
        }
        for (word, _) in LOG_FORMATS {
            Page::of("events").section("The log").row(word);
        }
    }
}
