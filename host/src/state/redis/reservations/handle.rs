//! The session of resources that the engine has: forwards requests, starts lease renewal, and ends on drop.
//! The requests themselves are in `session.rs`.

use crate::state::redis::reservations::renewal::start_renewal;
use crate::state::redis::reservations::session::{End, LEAVE_TIMEOUT, Session};
use crate::state::{Error, GiveBack, Reservation, ReservationSession, ReserveReply};
use async_trait::async_trait;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};

/// The session that the engine has. Dropping it ends the background tasks; the one that gives back then ends the session.
pub(crate) struct RedisSession {
    session: Arc<Session>,
    ends: UnboundedSender<End>,
    closing: watch::Sender<()>,
}

impl RedisSession {
    /// Creates a handle, with what the background tasks listen to.
    pub(crate) fn new(session: Arc<Session>) -> (Self, UnboundedReceiver<End>, watch::Receiver<()>) {
        let (ends, ended) = unbounded_channel();
        let (closing, closed) = watch::channel(());
        (Self { session, ends, closing }, ended, closed)
    }
}

#[async_trait]
impl ReservationSession for RedisSession {
    fn draw_id(&self) -> u64 {
        self.session.draw_id()
    }

    async fn reserve(&self, reservation: &Reservation) -> Result<ReserveReply, Error> {
        self.session.reserve(reservation).await
    }

    async fn called(&self, id: u64) {
        self.session.waiter.notify_one();
        self.session.call(id).notified().await;
    }

    fn give_back(&self, id: u64, how: GiveBack) {
        let ended = self.session.ended(id, how);
        // A closed channel means that the session has ended, and with it the reservation.
        let _is_received = self.ends.send(End::Reservation(ended)).is_ok();
    }

    fn keep_lease(&self) -> Result<watch::Receiver<u64>, Error> {
        start_renewal(Arc::clone(&self.session), self.closing.subscribe())?;
        Ok(self.session.lost())
    }

    async fn renew(&self) -> Result<bool, Error> {
        self.session.renew().await
    }

    async fn leave(&self) {
        let (done, is_done) = oneshot::channel();
        if self.ends.send(End::Session(done)).is_ok() {
            // If the server is unreachable, the lease expires instead.
            drop(tokio::time::timeout(LEAVE_TIMEOUT, is_done).await);
        }
    }
}
