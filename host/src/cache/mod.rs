//! The cache port: results of pure tasks, shared between runs and hosts under a content key, with single-flight.
//! `plan` and the engine decide which tasks are cached; a run's own results are in `state`.

mod key;
mod port;
mod uri;
mod factory;
mod ttl;
mod memory;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(test, feature = "internals"))]
#[expect(clippy::missing_panics_doc, reason = "a failing case ends its test")]
pub mod conformance;

pub use factory::Factory;
pub use key::{KeyParts, key};
pub use memory::MemoryCache;
pub use port::{Cache, Found, Insert, MakeRequest, Stored};
pub(crate) use ttl::with_ttl;
pub use uri::CacheUri;
