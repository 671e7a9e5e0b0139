//! The script of resources at a server: keys, requests, replies.
//! What is asked is left to `store.rs` and `session.rs`.

use crate::state::redis::keys::Placement;
use crate::state::redis::link::{Command, Link, Request};
use crate::state::redis::reservations::wire::{Step, read_step};
use crate::state::redis::scripts::RESOURCES;
use crate::state::{Error, ErrorKind};
use std::sync::Arc;

/// Key names in the order of the script's `KEYS`.
const NAMES: [&str; 7] = ["meta", "sessions", "reservations", "line", "names", "calls", "kept"];

/// The server as sessions see it.
pub(crate) struct Server {
    pub(crate) link: Arc<Link>,
    keys: Vec<String>,
}

impl Server {
    /// Creates the requests over a link.
    pub(crate) fn over(link: Arc<Link>) -> Self {
        let prefix = match Placement::for_topology(link.topology()) {
            Placement::Single => "cascade:resources",
            Placement::Cluster => "cascade:{resources}",
        };
        let keys = NAMES.iter().map(|name| format!("{prefix}:{name}")).collect();
        Self { link, keys }
    }

    /// Returns the key of the stream of calls.
    pub(crate) fn calls(&self) -> &str {
        self.keys.get(5).map_or("", String::as_str)
    }

    /// Creates a call of the script.
    pub(crate) fn step(&self, command: &str, session: &str, lease_micros: u64) -> Command {
        Command::script(&RESOURCES, &self.keys).arg(command).arg(session).arg(lease_micros.to_string())
    }

    /// Performs one step.
    pub(crate) async fn ask(
        &self,
        doing: &str,
        request: impl FnOnce([Command; 1]) -> Request,
        step: Command,
    ) -> Result<Step, Error> {
        let doing = format!("{doing} the resources of all runs");
        let answers = self.link.ask(&doing, request([step])).await?;
        read_step(answers).ok_or_else(|| {
            Error::new(ErrorKind::Refused, doing).hint(
                "The keys `cascade:resources:*` have another layout: use hosts of one version, or remove the keys while no \
                 run needs them.",
            )
        })
    }
}
