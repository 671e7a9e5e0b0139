//! Where a run keeps its results and shares them, as a Rust program names it: a URI, or an object of its own.
//! `app/backends` opens URIs.

use crate::cache::Cache;
use crate::state::Backend;
use std::sync::Arc;

/// The state backend of a run: a URI, or an object that implements [`crate::port::Backend`].
///
/// ```
/// # use cascade_host::{State, port::{Backend, MemoryBackend}};
/// # use std::sync::Arc;
/// let by_uri = State::from("redis://127.0.0.1:6379/0?lease=5s");
/// let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
/// let by_object = State::from(backend);
/// ```
#[derive(Clone)]
pub struct State(pub(crate) Choice<dyn Backend>);

/// The cache of a run: a URI, `off`, or an object that implements [`crate::port::Cache`].
///
/// ```
/// # use cascade_host::ResultCache;
/// let shared = ResultCache::from("redis://127.0.0.1:6379/1");
/// let none = ResultCache::from("off");
/// ```
#[derive(Clone)]
pub struct ResultCache(pub(crate) Choice<dyn Cache>);

/// A URI in text, or an object.
pub(crate) enum Choice<T: ?Sized> {
    /// A URI, parsed when the run starts.
    Uri(String),
    /// An object of the program.
    Object(Arc<T>),
}

impl<T: ?Sized> Clone for Choice<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Uri(text) => Self::Uri(text.clone()),
            Self::Object(object) => Self::Object(Arc::clone(object)),
        }
    }
}

impl From<&str> for State {
    fn from(uri: &str) -> Self {
        Self(Choice::Uri(uri.to_owned()))
    }
}

impl From<String> for State {
    fn from(uri: String) -> Self {
        Self(Choice::Uri(uri))
    }
}

impl From<Arc<dyn Backend>> for State {
    fn from(backend: Arc<dyn Backend>) -> Self {
        Self(Choice::Object(backend))
    }
}

impl From<&str> for ResultCache {
    fn from(uri: &str) -> Self {
        Self(Choice::Uri(uri.to_owned()))
    }
}

impl From<String> for ResultCache {
    fn from(uri: String) -> Self {
        Self(Choice::Uri(uri))
    }
}

impl From<Arc<dyn Cache>> for ResultCache {
    fn from(cache: Arc<dyn Cache>) -> Self {
        Self(Choice::Object(cache))
    }
}
