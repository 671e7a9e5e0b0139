//! The Redis cache: results under `cascade:cache:<key>`, each with the fingerprint of its type.
//! Checking the type is left to the engine, connections to `state`.

mod entry;
mod awaited;

use crate::cache::redis::awaited::MadeResults;
use crate::cache::redis::entry::Entry;
use crate::cache::{Cache, Found, Insert, MakeRequest, Stored};
use crate::model::Digest;
use crate::state::redis::link::{Answer, Command, Link, Request, Script, digest};
use crate::state::redis::notices::Notices;
use crate::state::{Error, Health, Notice, RedisUri, StateUri, not_built_in};
use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

static FIND: Script = Script::new(include_str!("find.lua"), || digest(include_str!("find.lua")));
static MADE: Script = Script::new(include_str!("made.lua"), || digest(include_str!("made.lua")));

/// Reply of the script if another maker waits for the entry.
const HAS_WAITER: i64 = 2;

/// Opens the cache of a URI without connecting yet.
pub(crate) fn open(uri: &StateUri) -> Result<Arc<dyn Cache>, Error> {
    match uri {
        StateUri::Redis(uri) => Ok(Arc::new(RedisCache::new(uri)?)),
        StateUri::Memory => Err(not_built_in(uri, "cache")),
    }
}

/// The Redis cache.
pub(crate) struct RedisCache {
    link: Arc<Link>,
    awaited: MadeResults,
    notices: Notices,
}

impl RedisCache {
    /// Creates a cache for a URI; does not connect yet.
    pub(crate) fn new(uri: &RedisUri) -> Result<Self, Error> {
        let link = crate::state::redis::link_to(uri, "cache")?;
        Ok(Self { awaited: MadeResults::new(Arc::clone(&link)), link, notices: Notices::default() })
    }
}

impl fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCache").field("link", &self.link).finish_non_exhaustive()
    }
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, keys: &[Digest]) -> Result<Vec<Option<Stored>>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        // One GET per key rather than MGET, which a cluster would reject. A key of another type then fails alone.
        let commands = keys.iter().map(|key| Command::new("GET").arg(name(key)));
        let request = Request::read(commands).allow_foreign();
        let found =
            self.link.ask("reading the cache", request).await?.into_iter().map(|answer| match answer {
                Answer::Bytes(bytes) => entry::decode(bytes),
                Answer::Nil => Entry::None,
                Answer::Number(_) | Answer::List(_) | Answer::Foreign => Entry::Foreign,
            });
        Ok(found.map(|found| self.stored_entry(found)).collect())
    }

    async fn put(&self, inserts: Vec<Insert>) -> Result<(), Error> {
        if inserts.is_empty() {
            return Ok(());
        }
        let commands = inserts.iter().map(|insert| {
            let command = Command::new("SET").arg(name(&insert.key)).arg(entry::encode(&insert.stored));
            match insert.ttl {
                Some(ttl) => command.arg("PX").arg(ttl.as_millis().max(1).to_string()),
                None => command,
            }
        });
        self.link.ask("writing to the cache", Request::write(commands)).await.map(drop)
    }

    async fn find(&self, request: &MakeRequest) -> Result<Found, Error> {
        let command = Command::script(&FIND, &names(&request.key))
            .arg(request.maker.to_string())
            .arg(request.hold.as_millis().max(1).to_string());
        // A lost right costs one call that is computed twice, so this need not be durable.
        let answers = self.link.ask("looking up a result in the cache", Request::read([command])).await?;
        let entry = match answers.into_iter().next() {
            Some(Answer::Number(0)) => return Ok(Found::Theirs),
            Some(Answer::Number(_)) => Entry::None,
            Some(Answer::Bytes(bytes)) => entry::decode(bytes),
            Some(Answer::Nil | Answer::List(_) | Answer::Foreign) | None => Entry::Foreign,
        };
        // Foreign data may be replaced by any maker's result.
        Ok(self.stored_entry(entry).map_or(Found::Mine, Found::Stored))
    }

    async fn put_made(&self, request: &MakeRequest, insert: Insert) -> Result<(), Error> {
        let ttl = insert.ttl.map(|ttl| ttl.as_millis().max(1).to_string());
        let command = Command::script(&MADE, &names(&request.key))
            .arg(request.maker.to_string())
            .arg(ttl.unwrap_or_default())
            .arg(entry::encode(&insert.stored));
        let reply = self.link.ask("writing to the cache", Request::write([command])).await?;
        self.announce_made(request, &reply).await;
        Ok(())
    }

    async fn give_up(&self, request: &MakeRequest) -> Result<(), Error> {
        let command = Command::script(&MADE, &names(&request.key)).arg(request.maker.to_string()).arg("");
        let reply = self.link.ask("giving up a computation in the cache", Request::read([command])).await?;
        self.announce_made(request, &reply).await;
        Ok(())
    }

    async fn wait_made(&self, key: &Digest, max_wait: Duration) {
        self.awaited.wait(key, max_wait).await;
    }

    fn health(&self) -> Option<watch::Receiver<Health>> {
        Some(self.link.health())
    }

    fn notices(&self) -> Vec<Notice> {
        self.notices.take()
    }
}

impl RedisCache {
    /// Announces the end of an entry's computation, if another maker waits.
    async fn announce_made(&self, request: &MakeRequest, reply: &[Answer]) {
        if let [Answer::Number(HAS_WAITER)] = reply {
            self.awaited.announce(request).await;
        }
    }

    fn stored_entry(&self, entry: Entry) -> Option<Stored> {
        match entry {
            Entry::Stored(stored) => Some(stored),
            Entry::None => None,
            Entry::Foreign => {
                self.notices.push_once(Notice {
                    code: "cache-entry",
                    message: "the cache ignores an entry that is damaged or has another writer; further such entries \
                              are ignored without a notice"
                        .to_owned(),
                });
                None
            }
        }
    }
}

fn name(key: &Digest) -> String {
    format!("cascade:cache:{key}")
}

/// Returns the keys of a value and of its maker. In a cluster both share the hash slot of the value's name.
fn names(key: &Digest) -> [String; 2] {
    let name = name(key);
    let maker = format!("cascade:making:{{{name}}}");
    [name, maker]
}

#[cfg(test)]
mod tests;
