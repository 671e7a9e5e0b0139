//! The resources of a server: opens sessions and lists what is taken.
//! Sessions are in `session.rs`, their loops in `background.rs`.

use crate::state::redis::link::{Answer, Link, Request};
use crate::state::redis::reservations::background::{give_back_forever, listen_when_needed};
use crate::state::redis::reservations::handle::RedisSession;
use crate::state::redis::reservations::server::Server;
use crate::state::redis::reservations::session::Session;
use crate::state::redis::reservations::wire::{Step, views};
use crate::state::{Error, HostId, ReservationSession, Reservations, ResourceView, SessionRequest};
use async_trait::async_trait;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;

/// The resources of a server.
pub(crate) struct RedisReservations {
    server: Arc<Server>,
    // A mutex, because sessions are opened on many threads. Each section only spawns tasks or reaps ended ones.
    background: Mutex<JoinSet<()>>,
}

impl RedisReservations {
    /// Creates the resources over a link.
    pub(crate) fn over(link: Arc<Link>) -> Self {
        Self { server: Arc::new(Server::over(link)), background: Mutex::default() }
    }

    /// Returns the sessions of hosts that are known to be gone.
    async fn gone(&self, is_gone: fn(&HostId) -> bool) -> Result<Vec<String>, Error> {
        let hosts =
            self.server.ask("looking for lost hosts at", Request::read, self.server.step("hosts", "", 0));
        let texts = match hosts.await? {
            Step::Taken(parts) => parts.into_iter().next().map(Answer::list).unwrap_or_default(),
            Step::Lost => Vec::new(),
        };
        let texts: Vec<String> = texts.into_iter().filter_map(text).collect();
        let pairs = texts.chunks(2).filter_map(|pair| Some((pair.first()?, pair.get(1)?)));
        let gone = pairs.filter(|(_, host)| is_gone(&HostId(host.as_str().into())));
        Ok(gone.map(|(session, _)| session.clone()).collect())
    }
}

fn text(answer: Answer) -> Option<String> {
    String::from_utf8(answer.bytes()?.to_vec()).ok()
}

#[async_trait]
impl Reservations for RedisReservations {
    async fn open(&self, request: SessionRequest) -> Result<Arc<dyn ReservationSession>, Error> {
        let gone = self.gone(request.is_gone).await?;
        let session = Arc::new(Session::new(Arc::clone(&self.server), request));
        session.open(&gone).await?;
        let (handle, ends, closed) = RedisSession::new(Arc::clone(&session));
        let mut background = self.background.lock().unwrap_or_else(PoisonError::into_inner);
        while background.try_join_next().is_some() {}
        background.spawn(give_back_forever(Arc::clone(&session), ends));
        background.spawn(listen_when_needed(session, closed));
        drop(background);
        Ok(Arc::new(handle))
    }

    async fn list(&self) -> Result<Vec<ResourceView>, Error> {
        match self.server.ask("listing", Request::read, self.server.step("list", "", 0)).await? {
            Step::Taken(parts) => Ok(parts.into_iter().next().map(views).unwrap_or_default()),
            Step::Lost => Ok(Vec::new()),
        }
    }
}
