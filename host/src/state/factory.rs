//! Makes backends from URIs, each once per process, so that all runs share its connections.
//! Which backends there are is told by whoever builds the factory; nothing registers itself.

use crate::state::Backend;
use crate::state::BackendKind;
use crate::state::Error;
use crate::state::ErrorKind;
use crate::state::StateUri;
use crate::state::memory::MemoryBackend;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Makes a backend; connects to nothing yet.
type OpenBackend = Box<dyn Fn(&StateUri) -> Result<Arc<dyn Backend>, Error> + Send + Sync>;

/// Backends by their URIs.
#[derive(Default)]
pub struct Factory {
    makers: HashMap<BackendKind, OpenBackend>,
    // A mutex because runs are opened on many threads; makers do not wait.
    made: Mutex<HashMap<StateUri, Arc<dyn Backend>>>,
}

impl Factory {
    /// A factory that can make nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// A factory for every backend of this build.
    #[must_use]
    pub fn new() -> Self {
        let mut factory = Self::empty();
        factory.register(BackendKind::Memory, |_| Ok(Arc::new(MemoryBackend::new())));
        #[cfg(feature = "redis")]
        factory.register(BackendKind::Redis, crate::state::redis::open);
        factory
    }

    /// Registers a backend.
    pub fn register(
        &mut self,
        kind: BackendKind,
        maker: impl Fn(&StateUri) -> Result<Arc<dyn Backend>, Error> + Send + Sync + 'static,
    ) {
        self.makers.insert(kind, Box::new(maker));
    }

    /// The backend behind a URI, the same one each time.
    pub fn backend(&self, uri: &StateUri) -> Result<Arc<dyn Backend>, Error> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(backend) = made.get(uri) {
            return Ok(Arc::clone(backend));
        }
        let maker = self.makers.get(&uri.kind()).ok_or_else(|| not_built_in(uri, "state"))?;
        let backend = maker(uri)?;
        made.insert(uri.clone(), Arc::clone(&backend));
        Ok(backend)
    }
}

impl fmt::Debug for Factory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Factory").field("kinds", &self.makers.keys()).finish_non_exhaustive()
    }
}

/// The error for a URI that is understood and leads nowhere in this build.
pub(crate) fn not_built_in(uri: &StateUri, what: &str) -> Error {
    let backend = match uri.kind() {
        BackendKind::Memory => "memory",
        BackendKind::Redis => "Redis",
    };
    Error::new(ErrorKind::Uri, format!("opening the {what} `{uri}`: this build has no {backend} backend"))
        .hint("Use `memory:`, or a build of cascade-host that has it.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_is_made_once_per_uri() {
        let factory = Factory::new();
        let uri = StateUri::Memory;
        assert!(Arc::ptr_eq(&factory.backend(&uri).unwrap(), &factory.backend(&uri).unwrap()));
    }

    #[test]
    fn a_backend_that_is_not_built_in_is_named_without_its_password() {
        let uri = StateUri::parse("redis://user:hunter2@h").unwrap();
        let error = Factory::empty().backend(&uri).err().unwrap();
        assert_eq!(
            error.to_string(),
            "opening the state `redis://***@h:6379/0`: this build has no Redis backend"
        );
    }
}
