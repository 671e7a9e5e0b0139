//! Buckets of tasks in Redis, on a separate connection, so that guests' data delays no run.
//! The contract is in `state/buckets.rs`, the Lua in `scripts/bucket_*.lua`.
//!
//! # Keys
//!
//! | key | type | content |
//! |---|---|---|
//! | `cascade:bucket:<name>` | hash | key → value |
//! | `cascade:bucket:<name>:keys` | sorted set, by bytes | the keys |
//! | `cascade:bucket:<name>:by:<process>` | hash | turn → number and reply of its last write, kept for ten minutes |
//!
//! In a cluster the name is in braces: a bucket lies in one hash slot, and an operation on many keys is one script. The
//! first two keys have no TTL, so no `volatile-…` policy evicts them.
//!
//! Keys are stored twice, because a hash can only be listed by `HSCAN`. That command also sends all values, in pages of
//! any size, with a cursor that guarantees no order. A sorted set gives bounded pages that miss nothing. Other programs
//! may read the hash; keys that they write to it are not listed.
//!
//! # Turns
//!
//! The link repeats a request whose reply was lost, although the write may have been done. So each write takes a turn
//! of this process, with a number that only grows; there are as many turns as concurrent writes. The script stores the
//! number and the reply in the same step. A repeated write finds its number and gets the same reply. A write that was
//! overtaken finds a higher number and does nothing. Plain sets take turns too: repeating one could undo another host's
//! write.

use crate::model::Random;
use crate::state::redis::keys::Placement;
use crate::state::redis::link::{Answer, Command, Link, Request};
use crate::state::redis::scripts::{BUCKET_GET, BUCKET_WRITE};
use crate::state::{
    BucketName, Buckets, Error, ErrorKind, Key, Keys, MAX_BYTES, MAX_KEYS, MAX_VALUE, Page, Swap, Swapped,
    Writes,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// TTL of the last write of a turn: far longer than the link repeats a request.
const REPLY_TTL: Duration = Duration::from_mins(10);

/// The buckets of a server.
pub(crate) struct RedisBuckets {
    link: Arc<Link>,
    turns: Turns,
}

/// The Redis keys of a bucket.
struct BucketKeys {
    values: String,
    names: String,
    turns: String,
}

/// A script's reply to a write.
enum Written {
    Done(Bytes),
    Other(Option<Bytes>),
    Large(usize),
    NotANumber,
}

impl RedisBuckets {
    /// Creates buckets over a link.
    pub(crate) fn over(link: Arc<Link>) -> Self {
        Self { link, turns: Turns::new() }
    }

    fn keys(&self, bucket: &BucketName) -> BucketKeys {
        let values = match Placement::for_topology(self.link.topology()) {
            Placement::Single => format!("cascade:bucket:{bucket}"),
            Placement::Cluster => format!("cascade:bucket:{{{bucket}}}"),
        };
        BucketKeys {
            names: format!("{values}:keys"),
            turns: format!("{values}:by:{:016x}", self.turns.process),
            values,
        }
    }

    /// Sends a request with one reply. A key of a foreign type is an error.
    async fn ask(&self, bucket: &BucketName, doing: &str, request: Request) -> Result<Answer, Error> {
        let doing = format!("{doing} bucket `{bucket}`");
        let mut answers = self.link.ask(&doing, request.allow_foreign()).await?;
        match answers.pop() {
            Some(Answer::Foreign) => Err(Error::new(ErrorKind::Refused, doing).hint(format!(
                "The key `cascade:bucket:{bucket}` is not a bucket; remove it, or choose another name."
            ))),
            Some(answer) => Ok(answer),
            None => Ok(Answer::Nil),
        }
    }

    async fn read(&self, bucket: &BucketName, command: Command) -> Result<Answer, Error> {
        self.ask(bucket, "reading", Request::read([command])).await
    }

    /// Performs a write exactly once, in its own turn.
    async fn write_once(
        &self,
        bucket: &BucketName,
        command_name: &str,
        add: impl FnOnce(Command) -> Command,
    ) -> Result<Written, Error> {
        let keys = self.keys(bucket);
        let turn = self.turns.take();
        let command = Command::script(&BUCKET_WRITE, &[keys.values, keys.names, keys.turns])
            .arg(turn.id.to_string())
            .arg(turn.number.to_string())
            .arg(REPLY_TTL.as_millis().to_string())
            .arg(command_name);
        let answer = self.ask(bucket, "writing to", Request::write([add(command)])).await?;
        written(bucket, answer)
    }
}

fn written(bucket: &BucketName, answer: Answer) -> Result<Written, Error> {
    let mut parts = answer.list().into_iter();
    let status = parts.next().and_then(Answer::bytes).unwrap_or_default();
    let answer = parts.next();
    match &*status {
        b"DONE" => Ok(Written::Done(answer.and_then(Answer::bytes).unwrap_or_default())),
        b"OTHER" => Ok(Written::Other(answer.and_then(Answer::bytes))),
        b"LARGE" => Ok(Written::Large(size(answer.as_ref()))),
        b"NUMBER" => Ok(Written::NotANumber),
        // The turn was overtaken, or the script is another one: whether the write was done is unknown.
        _ => Err(invalid_reply(bucket)),
    }
}

fn size(answer: Option<&Answer>) -> usize {
    answer.and_then(Answer::number).and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX)
}

fn invalid_reply(bucket: &BucketName) -> Error {
    Error::new(ErrorKind::Unavailable, format!("writing to bucket `{bucket}`: the server's reply is invalid"))
}

#[async_trait]
impl Buckets for RedisBuckets {
    async fn get(&self, bucket: &BucketName, keys: &Keys) -> Result<Vec<Option<Bytes>>, Error> {
        if keys.as_slice().is_empty() {
            return Ok(Vec::new());
        }
        let command = Command::script(&BUCKET_GET, &[self.keys(bucket).values])
            .arg(MAX_BYTES.to_string())
            .args(keys.as_slice());
        match self.read(bucket, command).await? {
            Answer::Number(bytes) => Err(Error::too_much(size(Some(&Answer::Number(bytes))))),
            answer => Ok(answer.list().into_iter().map(Answer::bytes).collect()), // one value per key
        }
    }

    async fn exists(&self, bucket: &BucketName, key: &Key) -> Result<bool, Error> {
        let command = Command::new("HEXISTS").arg(self.keys(bucket).values).arg(key);
        Ok(self.read(bucket, command).await?.number() == Some(1))
    }

    async fn list(&self, bucket: &BucketName, after: Option<&Key>) -> Result<Page, Error> {
        let begin = after.map_or("-".to_owned(), |key| format!("({}", key.as_str()));
        let command = Command::new("ZRANGEBYLEX").arg(self.keys(bucket).names).arg(begin).arg("+");
        let command = command.arg("LIMIT").arg("0").arg((MAX_KEYS + 1).to_string());
        let names = self.read(bucket, command).await?.list().into_iter().filter_map(Answer::bytes);
        // A name that is no valid key was not written by a host, and no guest could ask for it.
        let key = |name: Bytes| std::str::from_utf8(&name).ok().and_then(|name| Key::new(name).ok());
        Ok(Page::sorted(names.filter_map(key).collect()))
    }

    async fn write(&self, bucket: &BucketName, writes: &Writes) -> Result<(), Error> {
        let sets: Vec<_> = writes.iter().filter_map(|(key, value)| Some((key, value?))).collect();
        let removals = writes.iter().filter(|(_, value)| value.is_none());
        let add = |command: Command| {
            let command = command.arg(sets.len().to_string());
            let command =
                sets.iter().fold(command, |command, (key, value)| command.arg(key).arg(value.bytes()));
            command.args(removals.map(|(key, _)| key))
        };
        match self.write_once(bucket, "write", add).await? {
            Written::Done(_) => Ok(()),
            Written::Other(_) | Written::Large(_) | Written::NotANumber => Err(invalid_reply(bucket)),
        }
    }

    async fn increment(&self, bucket: &BucketName, key: &Key, delta: i64) -> Result<i64, Error> {
        match self.write_once(bucket, "increment", |command| command.arg(key).arg(delta.to_string())).await? {
            Written::Done(sum) => Answer::Bytes(sum).number().ok_or_else(|| invalid_reply(bucket)),
            Written::NotANumber => Err(Error::not_a_number()),
            Written::Other(_) | Written::Large(_) => Err(invalid_reply(bucket)),
        }
    }

    async fn swap(&self, bucket: &BucketName, key: &Key, swap: &Swap) -> Result<Swapped, Error> {
        let add = |command: Command| {
            let command = command.arg(MAX_VALUE.to_string()).arg(key).arg(swap.value.bytes());
            command.args(swap.expected.as_ref())
        };
        match self.write_once(bucket, "swap", add).await? {
            Written::Done(_) => Ok(Swapped::Done),
            Written::Other(value) => Ok(Swapped::Other(value)),
            Written::Large(bytes) => Err(Error::too_much(bytes)),
            Written::NotANumber => Err(invalid_reply(bucket)),
        }
    }
}

/// The turns of this process, as many as there were concurrent writes.
struct Turns {
    process: u64,
    // A mutex, because guests on many threads write. The section takes a turn from a list or returns it.
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    turns: Vec<(u32, u64)>,
    count: u32,
}

/// A turn in use. The next write of the turn gets a higher number, even if this one failed.
struct Turn<'a> {
    id: u32,
    number: u64,
    turns: &'a Turns,
}

impl Turns {
    fn new() -> Self {
        Self { process: Random::from_system().next_u64(), idle: Mutex::default() }
    }

    fn take(&self) -> Turn<'_> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (id, number) = idle.turns.pop().unwrap_or_else(|| {
            idle.count = idle.count.wrapping_add(1);
            (idle.count, 0)
        });
        Turn { id, number: number + 1, turns: self }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut idle = self.turns.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.turns.push((self.id, self.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_reused_with_higher_numbers() {
        let turns = Turns::new();
        let (first, second) = (turns.take(), turns.take());
        assert_eq!([(first.id, first.number), (second.id, second.number)], [(1, 1), (2, 1)]);
        drop(second);
        let again = turns.take();
        assert_eq!((again.id, again.number), (2, 2));
        assert_eq!(turns.idle.lock().unwrap().count, 2);
    }
}
