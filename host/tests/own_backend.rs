//! Runs the conformance suite of state backends on one from outside of the crate: the example `own_backend`.
//! Copy this file for a backend or a cache of your own. Needs the feature `internals`.

use async_trait::async_trait;
use cascade_host::port::conformance::state::Harness;
use cascade_host::port::{Backend, MemoryBackend};
use std::sync::Arc;

#[path = "../examples/own_backend.rs"]
#[expect(dead_code, reason = "the example's `main` does not run here")]
mod own_backend;

/// Makes the backends under test.
struct Own;

#[async_trait]
impl Harness for Own {
    async fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(own_backend::Audited(MemoryBackend::new()))
    }
}

cascade_host::state_conformance!(tokio::test(start_paused = true), Own);
cascade_host::reservation_conformance!(tokio::test(start_paused = true), Own);

mod caches {
    use async_trait::async_trait;
    use cascade_host::port::conformance::cache::Harness;
    use cascade_host::port::{Cache, MemoryCache};
    use std::sync::Arc;

    /// Makes the caches under test.
    struct Own;

    #[async_trait]
    impl Harness for Own {
        async fn cache(&self) -> Arc<dyn Cache> {
            Arc::new(MemoryCache::new())
        }
    }

    cascade_host::cache_conformance!(tokio::test(start_paused = true), Own);
}
