//! The state and cache backends of this process: made by their factories once per URI, shared by all runs.
//! Which URI is used is for the settings and the manifest to say.

use crate::app::Error;
use crate::app::Refusal;
use crate::cache;
use crate::cache::Cache;
use crate::cache::CacheUri;
use crate::config::Environment;
use crate::config::NotText;
use crate::config::Settings;
use crate::config::SettingsFault;
use crate::manifest::BackendSection;
use crate::manifest::Manifest;
use crate::manifest::UriSource;
use crate::state;
use crate::state::Backend;
use crate::state::Secret;
use crate::state::StateUri;
use std::sync::Arc;

/// The factories of this process.
#[derive(Debug)]
pub struct Backends {
    state: state::Factory,
    cache: cache::Factory,
}

/// A backend and the URI that named it.
#[derive(Clone)]
pub struct StateBackend {
    /// The backend.
    pub backend: Arc<dyn Backend>,
    /// Its URI, which shows no password.
    pub uri: StateUri,
}

/// The factories of this build.
impl Default for Backends {
    fn default() -> Self {
        Self { state: state::Factory::new(), cache: cache::Factory::new() }
    }
}

impl Backends {
    /// Where runs are kept: by flag, variable, manifest or file.
    pub fn state(
        &self,
        settings: &Settings,
        section: &BackendSection,
        environment: &Environment,
    ) -> Result<StateBackend, Error> {
        let uri = with_password(state_uri(settings, section, environment)?, environment)?;
        Ok(StateBackend { backend: self.state.backend(&uri)?, uri })
    }

    /// Where results are shared between runs; none where that is off.
    pub fn cache(
        &self,
        settings: &Settings,
        section: &BackendSection,
        environment: &Environment,
    ) -> Result<Option<Arc<dyn Cache>>, Error> {
        let uri = match cache_uri(settings, section, environment)? {
            CacheUri::Off => CacheUri::Off,
            CacheUri::At(uri) => CacheUri::At(with_password(uri, environment)?),
        };
        Ok(self.cache.cache(&uri, section.ttl)?)
    }
}

/// The URIs of both, for a manifest, with no password but their own.
pub(crate) fn uris(
    settings: &Settings,
    manifest: &Manifest,
    environment: &Environment,
) -> Result<(StateUri, CacheUri), Error> {
    let state = state_uri(settings, &manifest.state, environment)?;
    Ok((state, cache_uri(settings, &manifest.cache, environment)?))
}

fn state_uri(
    settings: &Settings,
    section: &BackendSection,
    environment: &Environment,
) -> Result<StateUri, Error> {
    settings.state(|| written(section, "state", environment).map_err(Error::from))
}

fn cache_uri(
    settings: &Settings,
    section: &BackendSection,
    environment: &Environment,
) -> Result<CacheUri, Error> {
    settings.cache(|| written(section, "cache", environment).map_err(Error::from))
}

/// The URI with the password that the environment holds for it, where it has none of its own.
fn with_password(uri: StateUri, environment: &Environment) -> Result<StateUri, SettingsFault> {
    match &uri {
        // Nobody is asked for a password there.
        StateUri::Memory => return Ok(uri),
        StateUri::Redis(redis) if redis.password.is_some() => return Ok(uri),
        StateUri::Redis(_) => {}
    }
    Ok(match environment.setting("CASCADE_REDIS_PASSWORD")? {
        Some(password) => uri.or_password(&Secret::new(password)),
        None => uri,
    })
}

/// The manifest's URI, with its variable read.
fn written(
    section: &BackendSection,
    name: &str,
    environment: &Environment,
) -> Result<Option<String>, Refusal> {
    let not_text = |variable: NotText| Refusal::new(variable.to_string()).help(variable.help());
    match section.uri.as_ref().map(|uri| &uri.value) {
        None => Ok(None),
        Some(UriSource::Text(text)) => Ok(Some(text.clone())),
        Some(UriSource::Env(variable)) => match environment.setting(variable).map_err(not_text)? {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(Refusal::new(format!(
                "the manifest takes the URI of its {name} from `{variable}`, which is not set"
            ))
            .help(format!("set `{variable}`, or give the URI by `--{name}`"))),
        },
    }
}
