//! Openers of backends by the kind of URI, and what they have opened: one object per URI and process.
//! Which backends there are is decided by the factories of `state` and `cache`.

use crate::state::error::{Error, ErrorKind};
use crate::state::uri::{BackendKind, StateUri};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Opens a backend; connects to nothing yet.
type Open<T> = Box<dyn Fn(&StateUri) -> Result<Arc<T>, Error> + Send + Sync>;

/// Backends of one port, `T`, by their URIs.
pub(crate) struct Registry<T: ?Sized> {
    /// What the port is called in errors: `state`, `cache`.
    what: &'static str,
    openers: HashMap<BackendKind, Open<T>>,
    // A mutex because runs are opened on many threads; openers do not wait.
    opened: Mutex<HashMap<StateUri, Arc<T>>>,
}

impl<T: ?Sized> Registry<T> {
    /// A registry that can open nothing.
    pub(crate) fn empty(what: &'static str) -> Self {
        Self { what, openers: HashMap::new(), opened: Mutex::default() }
    }

    /// Registers a kind of backend.
    pub(crate) fn register(
        &mut self,
        kind: BackendKind,
        open: impl Fn(&StateUri) -> Result<Arc<T>, Error> + Send + Sync + 'static,
    ) {
        self.openers.insert(kind, Box::new(open));
    }

    /// The backend behind a URI, the same one each time.
    pub(crate) fn get(&self, uri: &StateUri) -> Result<Arc<T>, Error> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(backend) = opened.get(uri) {
            return Ok(Arc::clone(backend));
        }
        let open = self.openers.get(&uri.kind()).ok_or_else(|| not_built_in(uri, self.what))?;
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

/// The error for a URI that is understood and leads nowhere in this build.
pub(crate) fn not_built_in(uri: &StateUri, what: &str) -> Error {
    let backend = match uri.kind() {
        BackendKind::Memory => "memory",
        BackendKind::Redis => "Redis",
    };
    Error::new(ErrorKind::Uri, format!("opening the {what} `{uri}`: this build has no {backend} backend"))
        .hint("Use `memory:`, or a build of cascade-host that has it.")
}
