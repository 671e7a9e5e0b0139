//! What this host takes upon itself for one component, by variables, the settings file, or as it is by default.
//! How the bounds hold is for the sandbox.

use crate::config::Environment;
use crate::config::SettingsFault;
use crate::config::SettingsFile;
use crate::config::memory_budget;
use crate::model::Size;
use crate::model::parse_duration;
use std::time::Duration;

/// The bounds that a user has set; none where nobody has said anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CompileSettings {
    /// The most bytes of a component.
    pub component: Option<Size>,
    /// The most memory of a compiler.
    pub memory: Option<Size>,
    /// The most time of a compiler.
    pub timeout: Option<Duration>,
}

impl CompileSettings {
    pub(crate) fn new(environment: &Environment, file: &SettingsFile) -> Result<Self, SettingsFault> {
        let text = |variable: &str, file: &Option<String>| {
            environment.setting(variable).map(str::to_owned).or_else(|| file.clone())
        };
        let size = |what, text: Option<String>| {
            let size = |text: String| {
                Size::parse(&text).map_err(|source| SettingsFault::Size { what, given: text, source })
            };
            text.map(size).transpose()
        };
        let timeout = text("CASCADE_COMPILE_TIMEOUT", &file.compile_timeout).map(|text| {
            parse_duration(&text).map_err(|source| SettingsFault::Time {
                what: "compile-timeout",
                given: text,
                source,
            })
        });
        Ok(Self {
            component: size("component-size", text("CASCADE_COMPONENT_SIZE", &file.component_size))?,
            memory: size("compile-memory", text("CASCADE_COMPILE_MEMORY", &file.compile_memory))?,
            timeout: timeout.transpose()?,
        })
    }

    /// What a compiler may have where `usual` is enough on most machines: not more than there is for guests.
    #[must_use]
    pub fn memory(&self, usual: Size) -> Size {
        self.memory.unwrap_or_else(|| usual.min(memory_budget()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_win_over_the_file_and_mistakes_are_named() {
        let file = SettingsFile {
            compile_memory: Some("1GiB".into()),
            compile_timeout: Some("2m".into()),
            ..SettingsFile::default()
        };
        let both = Environment::from([("CASCADE_COMPILE_MEMORY", "3GiB")]);
        let settings = CompileSettings::new(&both, &file).unwrap();
        assert_eq!(settings.memory, Some(Size::bytes(3 << 30)));
        assert_eq!((settings.timeout, settings.component), (Some(Duration::from_mins(2)), None));
        for (variable, value) in [
            ("CASCADE_COMPILE_MEMORY", "lots"),
            ("CASCADE_COMPILE_TIMEOUT", "5"),
            ("CASCADE_COMPONENT_SIZE", "-1"),
        ] {
            let environment = Environment::from([(variable, value)]);
            let fault = CompileSettings::new(&environment, &SettingsFile::default()).unwrap_err();
            assert!(fault.to_string().contains(value), "{fault}");
        }
    }
}
