//! The factory of state backends: opens each URI once per process, so that all runs share its connections.
//! The caller chooses the backends; nothing registers itself. `registry.rs` keeps what was opened.

use crate::state::backend::Backend;
use crate::state::memory::MemoryBackend;
use crate::state::registry::Registry;
use crate::state::{BackendKind, Error, StateUri};
use std::sync::Arc;

/// Opens backends by URI.
#[derive(Debug)]
pub struct Factory(Registry<dyn Backend>);

impl Factory {
    /// Creates a factory without backends.
    #[must_use]
    pub fn empty() -> Self {
        Self(Registry::empty("state"))
    }

    /// Creates a factory of all backends in this build.
    #[must_use]
    pub fn new() -> Self {
        let mut factory = Self::empty();
        factory.register(BackendKind::Memory, |_| Ok(Arc::new(MemoryBackend::new())));
        #[cfg(feature = "redis")]
        factory.register(BackendKind::Redis, crate::state::redis::open);
        factory
    }

    /// Registers a kind of backend.
    ///
    /// `open` must return at once and neither connect nor create anything: `check` calls it too, to verify the URI. The
    /// backend connects when it is first used.
    pub fn register(
        &mut self,
        kind: BackendKind,
        open: impl Fn(&StateUri) -> Result<Arc<dyn Backend>, Error> + Send + Sync + 'static,
    ) {
        self.0.register(kind, open);
    }

    /// Returns the backend of a URI, the same object every time.
    pub fn backend(&self, uri: &StateUri) -> Result<Arc<dyn Backend>, Error> {
        self.0.get(uri)
    }
}

impl Default for Factory {
    fn default() -> Self {
        Self::empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backend_is_created_once_per_uri() {
        let factory = Factory::new();
        let uri = StateUri::Memory;
        assert!(Arc::ptr_eq(&factory.backend(&uri).unwrap(), &factory.backend(&uri).unwrap()));
    }

    #[test]
    fn missing_backend_is_named_without_its_password() {
        let uri = StateUri::parse("redis://user:hunter2@h").unwrap();
        let error = Factory::empty().backend(&uri).err().unwrap();
        assert_eq!(
            error.to_string(),
            "opening the state `redis://***@h:6379/0`: this build has no Redis backend"
        );
    }
}
