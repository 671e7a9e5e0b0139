//! The state and cache backends of this process: created once per URI by their factories, and shared by all runs.
//! `config` and the manifest decide which URI is used.

use crate::app::{Error, Refusal};
use crate::cache;
use crate::cache::{Cache, CacheUri};
use crate::config::{Environment, NotText, Settings, SettingsFault};
use crate::graph::Resolved;
use crate::manifest::{BackendSection, Manifest, UriSource};
use crate::model::{Fault, Span, Spanned};
use crate::state;
use crate::state::{Backend, Secret, StateUri};
use std::sync::Arc;

/// The backend factories of this process.
#[derive(Debug)]
pub(crate) struct Backends {
    state: state::Factory,
    cache: cache::Factory,
}

/// A backend, and the URI that named it.
#[derive(Clone)]
pub(crate) struct StateBackend {
    /// The backend.
    pub backend: Arc<dyn Backend>,
    /// The URI, whose text hides the password.
    pub uri: StateUri,
}

/// The factories of the backends in this build.
impl Default for Backends {
    fn default() -> Self {
        Self { state: state::Factory::new(), cache: cache::Factory::new() }
    }
}

impl Backends {
    /// Adds the faults of a manifest's unusable URIs, unless a flag or variable overrides them. Opens no connection.
    pub(crate) fn check(&self, resolved: &mut Resolved, settings: &Settings, environment: &Environment) {
        let manifest = resolved.graph.manifests().root();
        let state = settings.state::<Unusable>(|| {
            let open = |text: &str| {
                let uri = or_password(StateUri::parse(text)?, environment);
                self.state.backend(&uri).map(|_| uri)
            };
            Ok(parse_written(&manifest.state, "state", environment, open)?)
        });
        let cache = settings.cache::<Unusable>(|| {
            let open = |text: &str| {
                let uri = match CacheUri::parse(text)? {
                    CacheUri::Off => CacheUri::Off,
                    CacheUri::At(uri) => CacheUri::At(or_password(uri, environment)),
                };
                self.cache.cache(&uri, None).map(|_| uri)
            };
            Ok(parse_written(&manifest.cache, "cache", environment, open)?)
        });
        let faults = [state.err(), cache.err()].into_iter().flatten().filter_map(|Unusable(fault)| fault);
        resolved.faults.list.extend(faults.map(|fault| *fault));
        resolved.faults.sort();
    }

    /// Opens the state backend: the URI is from a flag, variable, manifest or settings file.
    pub(crate) fn state(
        &self,
        settings: &Settings,
        section: &BackendSection,
        environment: &Environment,
    ) -> Result<StateBackend, Error> {
        let uri = with_password(state_uri(settings, section, environment)?, environment)?;
        Ok(StateBackend { backend: self.state.backend(&uri)?, uri })
    }

    /// Opens the state backend of a URI that overrides all others.
    pub(crate) fn state_at(&self, uri: &str, environment: &Environment) -> Result<StateBackend, Error> {
        let uri = with_password(StateUri::parse(uri)?, environment)?;
        Ok(StateBackend { backend: self.state.backend(&uri)?, uri })
    }

    /// Opens the cache of a URI that overrides all others; `None` for `off`.
    pub(crate) fn cache_at(
        &self,
        uri: &str,
        section: &BackendSection,
        environment: &Environment,
    ) -> Result<Option<Arc<dyn Cache>>, Error> {
        self.open_cache(CacheUri::parse(uri)?, section, environment)
    }

    /// Opens the cache; `None` if caching is off.
    pub(crate) fn cache(
        &self,
        settings: &Settings,
        section: &BackendSection,
        environment: &Environment,
    ) -> Result<Option<Arc<dyn Cache>>, Error> {
        self.open_cache(cache_uri(settings, section, environment, CacheUri::Off)?, section, environment)
    }

    /// Opens the cache; that of this process, if none is named and it is not switched off.
    pub(crate) fn cache_or_memory(
        &self,
        settings: &Settings,
        section: &BackendSection,
        environment: &Environment,
    ) -> Result<Option<Arc<dyn Cache>>, Error> {
        let default = CacheUri::At(StateUri::Memory);
        self.open_cache(cache_uri(settings, section, environment, default)?, section, environment)
    }

    fn open_cache(
        &self,
        uri: CacheUri,
        section: &BackendSection,
        environment: &Environment,
    ) -> Result<Option<Arc<dyn Cache>>, Error> {
        let uri = match uri {
            CacheUri::Off => CacheUri::Off,
            CacheUri::At(uri) => CacheUri::At(with_password(uri, environment)?),
        };
        Ok(self.cache.cache(&uri, section.ttl)?)
    }
}

/// Returns both URIs for a manifest, without the password from the environment.
pub(crate) fn uris(
    settings: &Settings,
    manifest: &Manifest,
    environment: &Environment,
) -> Result<(StateUri, CacheUri), Error> {
    let state = state_uri(settings, &manifest.state, environment)?;
    Ok((state, cache_uri(settings, &manifest.cache, environment, CacheUri::Off)?))
}

fn state_uri(
    settings: &Settings,
    section: &BackendSection,
    environment: &Environment,
) -> Result<StateUri, Error> {
    settings.state(|| {
        parse_written(section, "state", environment, StateUri::parse).map_err(|fault| into_refusal(*fault))
    })
}

fn cache_uri(
    settings: &Settings,
    section: &BackendSection,
    environment: &Environment,
    default: CacheUri,
) -> Result<CacheUri, Error> {
    settings.cache_or(default, || {
        parse_written(section, "cache", environment, CacheUri::parse).map_err(|fault| into_refusal(*fault))
    })
}

/// Adds the password of the environment to a URI without one. Removes trailing newlines, which come from password
/// files.
fn with_password(uri: StateUri, environment: &Environment) -> Result<StateUri, SettingsFault> {
    match &uri {
        // Needs no password.
        StateUri::Memory => return Ok(uri),
        StateUri::Redis(redis) if redis.password.is_some() => return Ok(uri),
        StateUri::Redis(_) => {}
    }
    let password = environment.setting("CASCADE_REDIS_PASSWORD")?;
    let password = password.map(|password| password.trim_end_matches(['\r', '\n']));
    Ok(match password.filter(|password| !password.is_empty()) {
        Some(password) => uri.or_password(&Secret::new(password)),
        None => uri,
    })
}

/// Adds the password for a check of the URI. A variable that is not text is reported later, when it is used.
fn or_password(uri: StateUri, environment: &Environment) -> StateUri {
    with_password(uri.clone(), environment).unwrap_or(uri)
}

/// Reason why a URI cannot be used: a fault of the manifest, or a setting that is reported later.
struct Unusable(Option<Box<Fault>>);

impl From<SettingsFault> for Unusable {
    fn from(_: SettingsFault) -> Self {
        Self(None)
    }
}

impl From<Box<Fault>> for Unusable {
    fn from(fault: Box<Fault>) -> Self {
        Self(Some(fault))
    }
}

/// Parses the manifest's URI with `read`. Resolves its variable first, if it names one.
fn parse_written<T>(
    section: &BackendSection,
    role: &str,
    environment: &Environment,
    read: impl FnOnce(&str) -> Result<T, state::Error>,
) -> Result<Option<T>, Box<Fault>> {
    let Some(Spanned { value, span }) = &section.uri else {
        return Ok(None);
    };
    let (text, origin) = match value {
        UriSource::Text(text) => (text.as_str(), String::new()),
        UriSource::Env(variable) => {
            match environment.setting(variable).map_err(|fault| not_text(&fault, span))? {
                Some(text) => (text, format!(" in `{variable}`")),
                None => {
                    let message = format!(
                        "the manifest takes the URI of its {role} from `{variable}`, which is not set"
                    );
                    let help = format!("set `{variable}`, or pass the URI by `--{role}`");
                    return Err(Box::new(Fault::spanned(span.clone(), message).help(help)));
                }
            }
        }
    };
    read(text).map(Some).map_err(|error| {
        let fault = Fault::spanned(span.clone(), format!("the {role} URI{origin} cannot be used: {error}"));
        let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
        let fault = causes.fold(fault, |fault, cause| fault.note(cause.to_string()));
        let fault = error.help().into_iter().fold(fault, Fault::help);
        Box::new(match value {
            UriSource::Text(_) => fault.secret(), // it may hold a password
            UriSource::Env(_) => fault,
        })
    })
}

fn not_text(variable: &NotText, span: &Span) -> Box<Fault> {
    Box::new(Fault::spanned(span.clone(), variable.to_string()).help(NotText::help()))
}

/// Converts a fault of a manifest that was not checked before.
fn into_refusal(fault: Fault) -> Error {
    let refusal = Refusal::new(fault.message);
    Error::from(fault.helps.into_iter().fold(refusal, Refusal::help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, SettingsFile};
    use crate::graph;
    use crate::manifest;
    use crate::model::Source;
    use std::path::Path;

    fn faults(text: &str, environment: &Environment) -> String {
        let text = format!(
            "cascade = 1\nname = \"x\"\n{text}\n[tasks.a]\ncall = \"a.b\"\n[components.a]\npath = \"a\"\n"
        );
        let source = Source { name: "m.toml".into(), text: text.into() };
        let mut resolved = graph::resolve(manifest::parse(source, Path::new(".")));
        assert!(resolved.faults.is_empty(), "{}", resolved.faults);
        let settings = Settings::new(&Overrides::default(), environment, &SettingsFile::default()).unwrap();
        Backends::default().check(&mut resolved, &settings, environment);
        assert!(!format!("{:?}", resolved.faults.list).contains("hunter2"), "{:?}", resolved.faults.list);
        resolved.faults.to_string()
    }

    #[test]
    fn unusable_uris_of_a_manifest_are_reported_together_with_locations() {
        let empty = Environment::default();
        assert_eq!(faults("[state]\nuri = \"memory:\"\n[cache]\nuri = \"off\"", &empty), "");
        assert_eq!(
            faults(
                "[state]\nttl = \"1h\"\nuri = \"http://:hunter2@h\"\n[cache]\nuri = \"redis://h:0\"",
                &empty
            ),
            "m.toml:5:7: the state URI cannot be used: reading the scheme of a backend's URI\n\
             m.toml:7:7: the cache URI cannot be used: reading a host of a Redis URI"
        );
        let both = "[state]\nuri = { env = \"A\" }\n[cache]\nuri = { env = \"B\" }";
        assert_eq!(
            faults(both, &[("B", "redis:hunter2")].into()),
            "m.toml:4:7: the manifest takes the URI of its state from `A`, which is not set\n\
             m.toml:6:7: the cache URI in `B` cannot be used: reading a Redis URI"
        );
        let overridden: Environment = [("CASCADE_STATE", "memory:"), ("CASCADE_CACHE", "off")].into();
        assert_eq!(faults(both, &overridden), "");
    }

    #[cfg(feature = "redis")]
    #[test]
    fn uri_without_a_working_backend_is_a_fault() {
        let missing =
            "[cache]\nuri = \"rediss://h?ca=/nowhere/ca.crt\"\n[state]\nuri = \"redis+sentinel://h/main\"";
        let reported = faults(missing, &Environment::default());
        assert!(
            reported.contains("m.toml:4:7: the cache URI cannot be used: reading `/nowhere/ca.crt`"),
            "{reported}"
        );
        assert!(
            reported.contains("m.toml:6:7: the state URI cannot be used: preparing the connection"),
            "{reported}"
        );
    }
}
