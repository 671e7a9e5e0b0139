//! The ledger port over a run in Redis: forwards requests, starts lease renewal, and leaves the run on drop.
//! The requests themselves are in `session.rs`.

use crate::state::redis::run::formats::MAX_CLAIMS;
use crate::state::redis::run::lease_renewal;
use crate::state::redis::run::session::{LEAVE_TIMEOUT, Run};
use crate::state::{Entry, Error, Ledger, Loss, NodeId, Notice, Reply, Settlement, Token, Version, Want};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;

/// The ledger of a run in Redis. Dropping it leaves the run.
pub(crate) struct RedisLedger {
    run: Arc<Run>,
    // Dropped with the ledger, which ends its background tasks; the heartbeat then leaves the run.
    closing: watch::Sender<()>,
}

impl RedisLedger {
    /// Creates a ledger for a run, and the receiver that closes its background tasks.
    pub(crate) fn new(run: Arc<Run>) -> (Self, watch::Receiver<()>) {
        let (closing, closed) = watch::channel(());
        (Self { run, closing }, closed)
    }
}

#[async_trait]
impl Ledger for RedisLedger {
    async fn commit(&self, batch: Vec<Settlement>, want: Want) -> Result<Reply, Error> {
        self.run.commit(batch, want).await
    }

    fn max_claims(&self) -> u32 {
        MAX_CLAIMS
    }

    async fn fetch(&self, nodes: &[NodeId]) -> Result<Vec<Entry>, Error> {
        self.run.fetch(nodes).await
    }

    async fn failed(&self) -> Result<Vec<NodeId>, Error> {
        self.run.failed().await
    }

    async fn fetch_iteration(&self, node: NodeId, iteration: u32) -> Result<Option<Bytes>, Error> {
        self.run.fetch_iteration(node, iteration).await
    }

    fn keep_leases(&self) -> Result<UnboundedReceiver<Loss>, Error> {
        let (sender, losses) = unbounded_channel();
        lease_renewal::start_renewal(Arc::clone(&self.run), self.closing.subscribe(), sender)?;
        Ok(losses)
    }

    async fn renew(&self, held: &[Token]) -> Result<Vec<Token>, Error> {
        self.run.renew(held).await
    }

    async fn changed(&self, seen: Version) -> Result<(), Error> {
        self.run.wakeups.after(seen).await;
        Ok(())
    }

    async fn cancel(&self) -> Result<(), Error> {
        self.run.cancel().await
    }

    async fn claim_end(&self) -> Result<bool, Error> {
        self.run.claim_end().await
    }

    async fn leave(&self) {
        // If the server is unreachable, the lease expires instead.
        drop(tokio::time::timeout(LEAVE_TIMEOUT, self.run.leave()).await);
    }

    fn notices(&self) -> Vec<Notice> {
        self.run.notices()
    }
}
