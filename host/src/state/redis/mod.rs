//! The backend behind `redis://` and its like.
//! What a run's bytes mean is for others.

mod backend;
mod opening;
mod ledger;
mod claims;
mod attendant;
mod news;
mod wire;
mod layout;
mod scripts;
mod keys;
pub(crate) mod link;
pub(crate) mod notices;
mod journal;
mod archive;
mod facts;
mod preflight;
#[cfg(any(test, feature = "test-support"))]
pub mod server;
#[cfg(test)]
mod tests;

pub(crate) use backend::open;

use crate::model::Random;
use crate::state::Error;
use crate::state::RedisUri;
use crate::state::redis::link::Link;
use crate::state::redis::link::Patience;
use std::sync::Arc;

/// A link to a server for one purpose of this process.
pub(crate) fn link_to(uri: &RedisUri, purpose: &str) -> Result<Arc<Link>, Error> {
    let chance = Random::from_system().below(1 << 32);
    let name = format!("{}:{chance:08x}:{purpose}", std::process::id());
    Link::new(uri, &name, Patience::new(uri.connect_timeout))
}
