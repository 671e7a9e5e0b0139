//! The backend against real servers.
//! What a backend promises is in the conformance suite; here are its servers and what may happen to them.

mod alike;
mod faults;
mod places;
mod proxy;

use super::backend::RedisBackend;
use super::server::Server;
use crate::model::RunId;
use crate::state::Backend;
use crate::state::Error;
use crate::state::OpenRequest;
use crate::state::Opened;
use crate::state::StateUri;
use crate::state::conformance::Harness;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;

/// A backend with its server.
pub(crate) struct Owned {
    pub(crate) backend: RedisBackend,
    pub(crate) server: Server,
}

#[async_trait]
impl Backend for Owned {
    async fn open(&self, request: OpenRequest) -> Result<Opened, Error> {
        self.backend.open(request).await
    }

    async fn results(&self, run: &RunId, names: &[String]) -> Result<Vec<Option<Bytes>>, Error> {
        self.backend.results(run, names).await
    }

    async fn record(&self, run: &RunId) -> Result<Bytes, Error> {
        self.backend.record(run).await
    }
}

pub(crate) fn at(text: &str) -> RedisBackend {
    match StateUri::parse(text).unwrap() {
        StateUri::Redis(uri) => RedisBackend::new(&uri).unwrap(),
        StateUri::Memory => panic!("not a Redis"),
    }
}

struct Plain;

#[async_trait]
impl Harness for Plain {
    async fn backend(&self) -> Arc<dyn Backend> {
        let server = Server::start();
        Arc::new(Owned { backend: at(&server.uri()), server })
    }
}

mod plain {
    use super::*;

    crate::state_conformance!(tokio::test, Plain);
}
