//! The backend behind Redis URIs: runs that outlive their process and are shared by hosts.
//! What a run's bytes mean is for others; the client crate is known to `link` alone, and what happens inside of Redis
//! stands in `scripts`.
//!
//! # Keys
//!
//! All keys of a run begin with `cascade:run:<id>:` and have one time to live, begun anew by writes and signs of life.
//!
//! | key | type | what |
//! |---|---|---|
//! | `results`, `skipped`, `failed` | hashes | `task` or `task[i]` → value, reason, error record; in `failed` also `[outputs]`, for a run whose closing has failed |
//! | `meta` | hash | layout version, life, digest, plan record, state, counts |
//! | `events` | stream | left to those who tell of the run |
//! | `tasks` | string | 32 bytes per task, and as many for the node that closes the run: phase, flags, how many it waits for, rank, class, its edges |
//! | `edges` | string | four bytes per edge |
//! | `coord` | hash | `h:` what a token holds, `n:` elements not at rest, `s:` tasks that are split, `x:` where lapsed nodes stand, `w:` who awaits a task, `c:` demands of classes, `u` what is taken of shared resources, `o:` what a host that takes part has itself, `r:` each host's last commit with its answer |
//! | `ready` | sorted set, by bytes | `F` nodes that take no room, `L` lanes of classes, `A` elements that are handed out again; within each by rank and arrival |
//! | `times` | sorted set | `l` leases, `d` delays, by when they are due |
//! | `hosts` | sorted set | hosts by when they are held to be gone |
//! | `wake` | stream | one entry: the version that those who wait compare with |
//! | `prints` | string | fingerprints by task, for updates |
//!
//! Keys beside a run's own, none of which grows with the number of runs that there were:
//!
//! | key | type | what | how it ends |
//! |---|---|---|---|
//! | `cascade:runs` | sorted set | runs by their last activity (`index`) | runs take out those that have expired, a page at a time; its time to live is that of the run that is kept longest |
//! | `cascade:cache:<key>` | string | a shared result | with the time to live that the manifest gives it |
//! | `cascade:making:{…}` | string | who makes a shared result | with the hold of its maker, or with the result |
//! | `cascade:made` | stream, bounded | results that somebody waited for | a day after the last one |
//! | `cascade:bucket:<name>`, `…:keys` | hash, sorted set | what tasks keep (`buckets`) | with its last key: it is data of the user's |
//! | `cascade:bucket:<name>:by:<process>` | hash | the last write of each turn | ten minutes after the last one |
//! | `cascade:probe:{…}:<n>` | | what is tried before a run | at once, and after a second where it may not be removed |
//!
//! # Steps
//!
//! A host commits, renews, beats or leaves by one call of one script; others cancel, and ask who holds what, likewise. A step reads and decides first and
//! writes last; its first write is one that a server without memory refuses, so that it happens whole or not at all.
//! What enters and leaves within one step is never written: a chain of tasks touches no queue.
//!
//! Most steps are plain: results of tasks that run once, and other tasks of one class for them. `fast_path.lua` takes these
//! with a fraction of the work and leaves all others, before it has written anything, to the parts after it. On a small
//! virtual machine a plain step takes 50 µs of the server for a lone task of a chain and 8 µs a task in batches of 64;
//! without it that is 98 and 17 µs. Lining up a task that waits for nothing takes another 7 µs.
//!
//! - **Fence.** A token holds a node in a life of the run for a host. Tokens are drawn by hosts and never twice; a life
//!   has a name of its own. Whatever a server that lost data, another host or a late packet brings, a settlement counts
//!   only while its token is held.
//! - **Lost answers.** Commits of a host are numbered, and the last one is stored with its answer. One that comes again
//!   is answered again; so are claims that were handed out in an answer that nobody heard.
//! - **Reading.** What a host has committed of late it knows (`result_cache`), as long as the life of the run: a task that takes
//!   what the one before it on the same host gave asks the server for nothing.
//! - **Time** is the server's. Leases that have passed and delays that are over are attended to by whichever step comes
//!   next; each host beats at least three times in a lease, and when something of its own is due.
//! - **Keeping.** A host that works renews its claims from a thread of its own, over a connection of its own. By its own
//!   clock it only doubts: claims that nobody has confirmed for a lease are told, and their guests stopped.
//! - **News.** A step after which others may find something to do adds to `wake`, where a connection per open door is
//!   blocked; hosts do not poll.
//! - **Width.** A step follows at most 1,000 edges and looks at as many stored elements; what is left stands in `props`
//!   and the next step of anybody goes on. Elements cost nothing before they are handed out.
//!
//! # Lives and epochs
//!
//! A life of a run begins when a host opens a run that nobody works on, with what is stored and still holds; an epoch,
//! when the plan has changed, all was thrown away, or the server has lost something. Loss is found by each step: the
//! number of results is not the one that was counted, or a key is gone. What a server has that took another's place and
//! had missed its last writes fits together; a host finds that its own last commit is missing, or that there are fewer
//! results than it has seen. Whoever finds a loss begins another life from the results that are left; others find the
//! life they know to be over, and join. A run that was removed is not lost: its last entry in `wake` says so to hosts
//! that worked on it.

mod backend;
mod run;
mod stored;
pub(crate) mod server;
mod index;
mod scripts;
mod keys;
pub(crate) mod link;
pub(crate) mod notices;
#[cfg(test)]
mod tests;

pub(crate) use backend::open;

use crate::model::Random;
use crate::state::redis::link::{Link, RetryPolicy};
use crate::state::{Error, RedisUri};
use std::sync::Arc;

/// A link to a server for one purpose of this process.
pub(crate) fn link_to(uri: &RedisUri, purpose: &str) -> Result<Arc<Link>, Error> {
    let chance = Random::from_system().below(1 << 32);
    let name = format!("{}:{chance:08x}:{purpose}", std::process::id());
    Link::new(uri, &name, RetryPolicy::new(uri.connect_timeout))
}
