//! The settings of this host after everybody has had a say: flags, then variables, then the manifest, then the file.
//! What a URI means is for `state`; here is only whose URI it is.

use crate::cache::CacheUri;
use crate::config::CompileSettings;
use crate::config::Environment;
use crate::config::SettingsFile;
use crate::config::cores;
use crate::config::memory_budget;
use crate::model::DurationFault;
use crate::model::Size;
use crate::model::SizeFault;
use crate::state;
use crate::state::StateUri;
use std::path::PathBuf;

/// What the flags of the command line say.
#[derive(Clone, Default)]
pub struct Overrides {
    /// `--state`.
    pub state: Option<String>,
    /// `--cache`.
    pub cache: Option<String>,
    /// `--memory`.
    pub memory: Option<String>,
    /// `-j`.
    pub jobs: Option<u32>,
    /// `--log-format`.
    pub log_format: Option<LogFormat>,
    /// `--log-level`.
    pub log_level: Option<LogLevel>,
}

/// The form of what is told on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Human,
    /// The events, a line of JSON each.
    Json,
}

/// How much is told on stderr; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What is no failure and should be known.
    Warn,
    /// What an operator wants to see.
    #[default]
    Info,
    /// Every step of every task.
    Debug,
    /// The same, and progress of guests.
    Trace,
}

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
    /// A size.
    #[error("the memory budget `{0}` is not a size")]
    Memory(String, #[source] SizeFault),
    /// A size that only variables and the file can set.
    #[error("`{given}` is not a size for `{what}`")]
    Size {
        /// The setting.
        what: &'static str,
        /// The text.
        given: String,
        /// What is wrong with it.
        source: SizeFault,
    },
    /// A length of time.
    #[error("`{given}` is not a length of time for `{what}`")]
    Time {
        /// The setting.
        what: &'static str,
        /// The text.
        given: String,
        /// What is wrong with it.
        source: DurationFault,
    },
    /// A number.
    #[error("`{0}` is not a number of jobs; it is at least 1")]
    Jobs(String),
    /// One of a few words.
    #[error("`{given}` is not a {what}; it is one of {known}")]
    Word {
        /// Of what.
        what: &'static str,
        /// The word.
        given: String,
        /// The words that are known.
        known: &'static str,
    },
}

/// The settings of this host. The URIs may hold passwords: no `Debug`.
#[derive(Clone)]
pub struct Settings {
    /// Memory that guests may be promised together.
    pub memory: Size,
    /// How many guests run at the same time.
    pub jobs: u32,
    /// The form of what is told.
    pub log_format: LogFormat,
    /// How much is told.
    pub log_level: LogLevel,
    /// The folder for compiled code; none where none is kept.
    pub code_cache: Option<PathBuf>,
    /// What one component may cost before it runs.
    pub compile: CompileSettings,
    state: Ranked,
    cache: Ranked,
}

/// A URI that outranks the manifest's, and one that it outranks.
#[derive(Clone)]
struct Ranked {
    above: Option<(String, String)>,
    below: Option<String>,
}

impl Settings {
    /// The settings, as far as no manifest has a say.
    pub fn new(
        flags: &Overrides,
        environment: &Environment,
        file: &SettingsFile,
    ) -> Result<Self, SettingsFault> {
        let text = |flag: &Option<String>, variable: &str, file: &Option<String>| {
            flag.clone().or_else(|| environment.setting(variable).map(str::to_owned)).or_else(|| file.clone())
        };
        let memory = match text(&flags.memory, "CASCADE_MEMORY", &file.memory) {
            None => memory_budget(),
            Some(text) => Size::parse(&text).map_err(|fault| SettingsFault::Memory(text, fault))?,
        };
        let log_format = match text(&None, "CASCADE_LOG_FORMAT", &file.log_format) {
            Some(word) if flags.log_format.is_none() => LogFormat::parse(&word)?,
            _ => flags.log_format.unwrap_or_default(), // the flag, or nobody has said anything
        };
        let log_level = match text(&None, "CASCADE_LOG_LEVEL", &file.log_level) {
            Some(word) if flags.log_level.is_none() => LogLevel::parse(&word)?,
            _ => flags.log_level.unwrap_or_default(), // the flag, or nobody has said anything
        };
        Ok(Self {
            memory,
            jobs: jobs(flags, environment, file)?,
            log_format,
            log_level,
            code_cache: code_cache(environment, file),
            compile: CompileSettings::new(environment, file)?,
            state: Ranked::new(
                "--state",
                flags.state.as_ref(),
                "CASCADE_STATE",
                environment,
                file.state.as_ref(),
            ),
            cache: Ranked::new(
                "--cache",
                flags.cache.as_ref(),
                "CASCADE_CACHE",
                environment,
                file.cache.as_ref(),
            ),
        })
    }

    /// Where runs are kept: `memory:` where nobody says anything.
    ///
    /// `manifest` gives the manifest's URI and is asked only if nobody outranks it.
    pub fn state<E: From<SettingsFault>>(
        &self,
        manifest: impl FnOnce() -> Result<Option<String>, E>,
    ) -> Result<StateUri, E> {
        let (by, text) =
            self.state.choose(manifest)?.unwrap_or_else(|| ("default".to_owned(), "memory:".to_owned()));
        Ok(StateUri::parse(&text).map_err(|source| SettingsFault::Uri { what: "state", by, source })?)
    }

    /// Where results are shared: nowhere, where nobody says anything.
    pub fn cache<E: From<SettingsFault>>(
        &self,
        manifest: impl FnOnce() -> Result<Option<String>, E>,
    ) -> Result<CacheUri, E> {
        match self.cache.choose(manifest)? {
            None => Ok(CacheUri::Off),
            Some((by, text)) => Ok(CacheUri::parse(&text).map_err(|source| SettingsFault::Uri {
                what: "cache",
                by,
                source,
            })?),
        }
    }
}

impl SettingsFault {
    /// What would help.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        match self {
            Self::Uri { source, .. } => source.help(),
            Self::Size { .. } => Some("Write a whole number and a unit, such as `512MiB`."),
            Self::Time { .. } => Some("Write a whole number and a unit, such as `90s`."),
            Self::Memory(..) | Self::Jobs(_) | Self::Word { .. } => None,
        }
    }
}

impl Ranked {
    fn new(
        flag: &str,
        given: Option<&String>,
        variable: &str,
        environment: &Environment,
        file: Option<&String>,
    ) -> Self {
        let flag = given.map(|text| (format!("`{flag}`"), text.clone()));
        let variable =
            || environment.setting(variable).map(|text| (format!("`{variable}`"), text.to_owned()));
        Self { above: flag.or_else(variable), below: file.cloned() }
    }

    /// The URI that wins, and who gave it.
    fn choose<E>(
        &self,
        manifest: impl FnOnce() -> Result<Option<String>, E>,
    ) -> Result<Option<(String, String)>, E> {
        if let Some(above) = &self.above {
            return Ok(Some(above.clone()));
        }
        let manifest = manifest()?.map(|text| ("the manifest".to_owned(), text));
        Ok(manifest.or_else(|| self.below.clone().map(|text| ("the settings file".to_owned(), text))))
    }
}

fn jobs(flags: &Overrides, environment: &Environment, file: &SettingsFile) -> Result<u32, SettingsFault> {
    let of_environment = match environment.setting("CASCADE_JOBS") {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| SettingsFault::Jobs(text.to_owned()))?),
    };
    match flags.jobs.or(of_environment).or(file.jobs) {
        Some(0) => Err(SettingsFault::Jobs("0".to_owned())),
        Some(jobs) => Ok(jobs),
        None => Ok(cores()),
    }
}

fn code_cache(environment: &Environment, file: &SettingsFile) -> Option<PathBuf> {
    let given = environment.get("CASCADE_CODE_CACHE").map(PathBuf::from).or_else(|| file.code_cache.clone());
    match given {
        Some(folder) if folder.as_os_str().is_empty() => None,
        Some(folder) => Some(folder),
        None => environment.folder("XDG_CACHE_HOME", ".cache").map(|folder| folder.join("code")),
    }
}

impl LogFormat {
    /// Reads `human` or `json`.
    pub fn parse(word: &str) -> Result<Self, SettingsFault> {
        match word {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            other => {
                Err(SettingsFault::Word { what: "log format", given: other.to_owned(), known: "human, json" })
            }
        }
    }
}

impl LogLevel {
    /// Reads one of the five words.
    pub fn parse(word: &str) -> Result<Self, SettingsFault> {
        match word {
            "error" => Ok(Self::Error),
            "warn" => Ok(Self::Warn),
            "info" => Ok(Self::Info),
            "debug" => Ok(Self::Debug),
            "trace" => Ok(Self::Trace),
            other => Err(SettingsFault::Word {
                what: "log level",
                given: other.to_owned(),
                known: "error, warn, info, debug, trace",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(flag: Option<&str>, variable: Option<&str>, file: Option<&str>) -> Settings {
        let flags = Overrides { state: flag.map(str::to_owned), ..Overrides::default() };
        let environment =
            variable.map_or_else(Environment::default, |value| [("CASCADE_STATE", value)].into());
        let file = SettingsFile { state: file.map(str::to_owned), ..SettingsFile::default() };
        Settings::new(&flags, &environment, &file).unwrap()
    }

    fn given(manifest: Option<&str>) -> impl FnOnce() -> Result<Option<String>, SettingsFault> {
        move || Ok(manifest.map(str::to_owned))
    }

    #[test]
    fn a_manifest_that_is_outranked_is_not_asked() {
        let fails = || Err(SettingsFault::Jobs("not asked".into()));
        assert_eq!(settings(Some("memory:"), None, None).state(fails).unwrap(), StateUri::Memory);
    }

    #[test]
    fn flags_win_over_variables_over_the_manifest_over_the_file() {
        let chosen = |settings: Settings, manifest| settings.state(given(manifest)).unwrap().to_string();
        let (a, b, c, d) = ("redis://a:6379/0", "redis://b:6379/0", "redis://c:6379/0", "redis://d:6379/0");
        assert_eq!(chosen(settings(Some(a), Some(b), Some(d)), Some(c)), a);
        assert_eq!(chosen(settings(None, Some(b), Some(d)), Some(c)), b);
        assert_eq!(chosen(settings(None, None, Some(d)), Some(c)), c);
        assert_eq!(chosen(settings(None, None, Some(d)), None), d);
        assert_eq!(chosen(settings(None, None, None), None), "memory:");
    }

    #[test]
    fn a_faulty_setting_names_who_gave_it_and_no_password() {
        let fault = settings(None, Some("http://:hunter2@h"), None).state(given(None)).unwrap_err();
        let shown = format!("{fault} {fault:?} {}", std::error::Error::source(&fault).unwrap());
        assert!(shown.contains("CASCADE_STATE") && !shown.contains("hunter2"), "{shown}");
        let flags = Overrides { memory: Some("lots".into()), ..Overrides::default() };
        assert!(Settings::new(&flags, &Environment::default(), &SettingsFile::default()).is_err());
    }

    #[test]
    fn the_cache_is_off_unless_somebody_says_otherwise() {
        let settings = settings(None, None, None);
        assert_eq!(settings.cache(given(None)).unwrap(), CacheUri::Off);
        assert_eq!(settings.cache(given(Some("off"))).unwrap(), CacheUri::Off);
        assert!(matches!(settings.cache(given(Some("memory:"))).unwrap(), CacheUri::At(_)));
    }
}
