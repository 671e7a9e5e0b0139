//! Buckets of tasks in Redis, over a connection of their own: what a guest moves keeps no run waiting.
//! What a bucket promises is for the port; what happens inside of Redis stands in `scripts/bucket_*.lua`.
//!
//! # Keys
//!
//! | key | type | what |
//! |---|---|---|
//! | `cascade:bucket:<name>` | hash | key → value |
//! | `cascade:bucket:<name>:keys` | sorted set, by bytes | the keys |
//! | `cascade:bucket:<name>:by:<process>` | hash | turn → number and answer of its last write, for ten minutes after the last one |
//!
//! In a cluster the name stands in braces: a bucket lies in one slot, and an operation on many keys is one script. The
//! two first keys have no time to live, so that no `volatile-…` eviction takes them. Keys stand twice because a hash is
//! listed by `HSCAN` alone, which sends all values along, as many as it likes, and in no order that a cursor could be
//! trusted with; a sorted set gives pages of bounded size that miss nothing. Other programs may read the hash; what they
//! write to it is not listed.
//!
//! # Turns
//!
//! The link repeats what it has no answer to, and a write that is repeated may have been done. So each is made in a turn
//! of this process, of which there are as many as writes at the same time, under a number that only grows; the script
//! notes the number with its answer in the same step. A repeat finds its number and gets the same answer; one that comes
//! when its turn has gone on finds a higher one and does nothing. Plain values are written in turns too: one that was
//! set again by a repeat could undo what another host has made of it.

use crate::model::Random;
use crate::state::redis::keys::Placing;
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

/// How long the last write of a turn is remembered: far longer than the link repeats a request.
const REMEMBERED: Duration = Duration::from_mins(10);

/// The buckets at a server.
pub(crate) struct RedisBuckets {
    link: Arc<Link>,
    turns: Turns,
}

/// The keys of a bucket.
struct BucketKeys {
    values: String,
    names: String,
    turns: String,
}

/// What a script answered to a write.
enum Written {
    Done(Bytes),
    Other(Option<Bytes>),
    Large(usize),
    NoNumber,
}

impl RedisBuckets {
    /// Buckets over a link.
    pub(crate) fn over(link: Arc<Link>) -> Self {
        Self { link, turns: Turns::new() }
    }

    fn keys(&self, bucket: &BucketName) -> BucketKeys {
        let values = match Placing::for_place(self.link.place()) {
            Placing::Single => format!("cascade:bucket:{bucket}"),
            Placing::Cluster => format!("cascade:bucket:{{{bucket}}}"),
        };
        BucketKeys {
            names: format!("{values}:keys"),
            turns: format!("{values}:by:{:016x}", self.turns.process),
            values,
        }
    }

    /// Asks for one answer.
    async fn ask(&self, bucket: &BucketName, doing: &str, request: Request) -> Result<Answer, Error> {
        let doing = format!("{doing} bucket `{bucket}`");
        let mut answers = self.link.ask(&doing, request.past_strangers()).await?;
        match answers.pop() {
            Some(Answer::Stranger) => Err(Error::new(ErrorKind::Refused, doing).hint(format!(
                "Something other than a bucket stands under `cascade:bucket:{bucket}`; remove it, or choose another name."
            ))),
            Some(answer) => Ok(answer),
            None => Ok(Answer::Nil),
        }
    }

    async fn read(&self, bucket: &BucketName, command: Command) -> Result<Answer, Error> {
        self.ask(bucket, "reading", Request::read([command])).await
    }

    /// Does a write once, in a turn of its own.
    async fn done(
        &self,
        bucket: &BucketName,
        verb: &str,
        add: impl FnOnce(Command) -> Command,
    ) -> Result<Written, Error> {
        let keys = self.keys(bucket);
        let turn = self.turns.take();
        let command = Command::script(&BUCKET_WRITE, &[keys.values, keys.names, keys.turns])
            .arg(turn.at.to_string())
            .arg(turn.number.to_string())
            .arg(REMEMBERED.as_millis().to_string())
            .arg(verb);
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
        b"NUMBER" => Ok(Written::NoNumber),
        // A turn that others have taken, or a script that is not ours: whether it was done cannot be told.
        _ => Err(unheard_of(bucket)),
    }
}

fn size(answer: Option<&Answer>) -> usize {
    answer.and_then(Answer::number).and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX)
}

fn unheard_of(bucket: &BucketName) -> Error {
    Error::new(ErrorKind::Unavailable, format!("writing to bucket `{bucket}`: the server's answer is none"))
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
            answer => Ok(answer.list().into_iter().map(Answer::bytes).collect()), // values and nothing else
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
        // What is no key was not written by a host, and no guest could ask for it.
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
        match self.done(bucket, "write", add).await? {
            Written::Done(_) => Ok(()),
            Written::Other(_) | Written::Large(_) | Written::NoNumber => Err(unheard_of(bucket)),
        }
    }

    async fn increment(&self, bucket: &BucketName, key: &Key, delta: i64) -> Result<i64, Error> {
        match self.done(bucket, "increment", |command| command.arg(key).arg(delta.to_string())).await? {
            Written::Done(sum) => Answer::Bytes(sum).number().ok_or_else(|| unheard_of(bucket)),
            Written::NoNumber => Err(Error::no_number()),
            Written::Other(_) | Written::Large(_) => Err(unheard_of(bucket)),
        }
    }

    async fn swap(&self, bucket: &BucketName, key: &Key, swap: &Swap) -> Result<Swapped, Error> {
        let add = |command: Command| {
            let command = command.arg(MAX_VALUE.to_string()).arg(key).arg(swap.value.bytes());
            command.args(swap.expected.as_ref())
        };
        match self.done(bucket, "swap", add).await? {
            Written::Done(_) => Ok(Swapped::Done),
            Written::Other(value) => Ok(Swapped::Other(value)),
            Written::Large(bytes) => Err(Error::too_much(bytes)),
            Written::NoNumber => Err(unheard_of(bucket)),
        }
    }
}

/// The turns of this process. There are as many as there were writes at the same time.
struct Turns {
    process: u64,
    // A mutex because guests of many threads write; the section takes a turn from a list or puts it back.
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    turns: Vec<(u32, u64)>,
    made: u32,
}

/// A turn that was taken; whatever became of its write, the next one in it has a higher number.
struct Turn<'a> {
    at: u32,
    number: u64,
    turns: &'a Turns,
}

impl Turns {
    fn new() -> Self {
        Self { process: Random::from_system().next_u64(), idle: Mutex::default() }
    }

    fn take(&self) -> Turn<'_> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, number) = idle.turns.pop().unwrap_or_else(|| {
            idle.made = idle.made.wrapping_add(1);
            (idle.made, 0)
        });
        Turn { at, number: number + 1, turns: self }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut idle = self.turns.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.turns.push((self.at, self.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_used_again_with_higher_numbers() {
        let turns = Turns::new();
        let (one, other) = (turns.take(), turns.take());
        assert_eq!([(one.at, one.number), (other.at, other.number)], [(1, 1), (2, 1)]);
        drop(other);
        let again = turns.take();
        assert_eq!((again.at, again.number), (2, 2));
        assert_eq!(turns.idle.lock().unwrap().made, 2);
    }
}
