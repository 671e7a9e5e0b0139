//! The registry behind the factories: an opener per kind of URI, and one open object per URI and process.
//! The factories of `state` and `cache` decide which backends exist.

use crate::state::error::{Error, ErrorKind};
use crate::state::uri::{BackendKind, StateUri};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Opens a backend without connecting yet.
type Open<T> = Box<dyn Fn(&StateUri) -> Result<Arc<T>, Error> + Send + Sync>;

/// The backends of one port `T`, by URI.
pub(crate) struct Registry<T: ?Sized> {
    /// The port's name in errors: `state` or `cache`.
    port: &'static str,
    openers: HashMap<BackendKind, Open<T>>,
    // A mutex, because runs are opened on many threads; openers never block.
    opened: Mutex<HashMap<StateUri, Arc<T>>>,
}

impl<T: ?Sized> Registry<T> {
    /// Creates a registry without backends.
    pub(crate) fn empty(port: &'static str) -> Self {
        Self { port, openers: HashMap::new(), opened: Mutex::default() }
    }

    /// Registers a kind of backend.
    pub(crate) fn register(
        &mut self,
        kind: BackendKind,
        open: impl Fn(&StateUri) -> Result<Arc<T>, Error> + Send + Sync + 'static,
    ) {
        self.openers.insert(kind, Box::new(open));
    }

    /// Returns the backend of a URI, the same object every time.
    pub(crate) fn get(&self, uri: &StateUri) -> Result<Arc<T>, Error> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(backend) = opened.get(uri) {
            return Ok(Arc::clone(backend));
        }
        let open = self.openers.get(&uri.kind()).ok_or_else(|| not_built_in(uri, self.port))?;
        let backend = open(uri)?;
        opened.insert(uri.clone(), Arc::clone(&backend));
        Ok(backend)
    }
}

impl<T: ?Sized> fmt::Debug for Registry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("kinds", &self.openers.keys()).finish_non_exhaustive()
    }
}

/// The error for a valid URI whose backend is not part of this build.
pub(crate) fn not_built_in(uri: &StateUri, port: &str) -> Error {
    let backend = match uri.kind() {
        BackendKind::Memory => "memory",
        BackendKind::Redis => "Redis",
    };
    Error::new(ErrorKind::Uri, format!("opening the {port} `{uri}`: this build has no {backend} backend"))
        .hint("Use `memory:`, or a build of cascade-host with that backend.")
}
