//! The Redis backend: runs that outlive their process and are shared by hosts.
//! Only `link` knows the client crate, `scripts` holds the Lua, and other modules give the stored bytes meaning.
//!
//! # Keys
//!
//! All keys of a run begin with `cascade:run:<id>:` and share one TTL, which writes and heartbeats renew.
//!
//! | key | type | content |
//! |---|---|---|
//! | `results`, `skipped`, `failed` | hashes | `task` or `task[i]` → value, reason, error record; in `failed` also `[outputs]`, for a run whose closing has failed |
//! | `meta` | hash | layout version, life, digest, plan record, state, counts |
//! | `events` | stream | the journal's events (`stored/journal.rs`) |
//! | `tasks` | string | 32 bytes per task, and as many for the node that closes the run: phase, flags, how many it waits for, rank, class, its edges |
//! | `edges` | string | four bytes per edge |
//! | `coord` | hash | coordination state, see below |
//! | `ready` | sorted set, by bytes | the queue, see below |
//! | `times` | sorted set | leases and retry delays, by due time |
//! | `hosts` | sorted set | hosts by the time at which they count as gone |
//! | `wake` | stream | one entry: the version that waiting hosts compare with |
//! | `prints` | string | fingerprints by task, for `--update` |
//! | `calls` | list | digest of the plan, then per commit which calls its results are of (`run/calls.rs`) |
//! | `offers` | hash | results of another plan, by name as in `results`; those of nodes begin with the call |
//!
//! Keys beside a run's own. None of them grows with the number of past runs:
//!
//! | key | type | content | expiry |
//! |---|---|---|---|
//! | `cascade:runs` | sorted set | runs by last activity (`index`) | hosts remove expired runs, a page at a time; the key lives as long as the longest TTL of a run |
//! | `cascade:cache:<key>` | string | a shared result | with the TTL in the manifest |
//! | `cascade:making:{…}` | string | the maker of a shared result | with the hold of its maker, or with the result |
//! | `cascade:made` | stream, bounded | results with waiters | a day after the last one |
//! | `cascade:bucket:<name>`, `…:keys` | hash, sorted set | data of tasks (`buckets`) | with its last key: the data belongs to the user |
//! | `cascade:bucket:<name>:by:<process>` | hash | the last write of each turn | ten minutes after the last one |
//! | `cascade:resources:…` | | resources of all runs (`reservations`) | a day after the last use, or once a rate is available in full |
//! | `cascade:probe:{…}:<n>` | | scratch keys of the preflight check | at once, or after a second without the right to remove them |
//!
//! # Steps
//!
//! Commit, renew, heartbeat, leave, cancel and the list of claims are one call of one script each. A step reads and
//! decides first, and writes last. Its first write is one that a server out of memory rejects, so a step is atomic.
//! Nodes that are queued and claimed within one step are never written to the queue, so a chain of tasks touches no
//! queue.
//!
//! Most steps are simple: results of tasks that run once, in exchange for other tasks of one class. `fast_path.lua`
//! handles these with a fraction of the work. It declines all others before writing anything, and the general parts
//! take over. On a small virtual machine a fast step costs the server 50 µs for a lone task of a chain, and 8 µs per
//! task in batches of 64; the general path costs 98 and 17 µs. Queuing a task without dependencies costs another 7 µs.
//!
//! - **Fencing.** A token holds a node for one host in one life of the run. Hosts draw tokens, never one twice, and
//!   each life has a unique name. A settlement counts only while its token is held, despite data loss, other hosts and
//!   late packets.
//! - **Lost replies.** The commits of a host are numbered, and the last one is stored with its reply. A repeated commit
//!   gets the stored reply. Claims handed out in a reply that never arrived are handed out again.
//! - **Reads.** Each host caches its recently committed results (`result_cache`) for the life of the run. A task that
//!   consumes the previous task's output on the same host needs no read from Redis.
//! - **Time** is the server's. The next step of any host handles expired leases and elapsed delays. Each host sends at
//!   least three heartbeats per lease, and one when a timer of its own is due.
//! - **Lease renewal.** A host renews its claims from a separate thread over a separate connection. Its own clock only
//!   raises doubt: claims that were not confirmed within a lease are reported, and their guests are stopped.
//! - **Wake-ups.** A step that may give other hosts work adds to `wake`. One connection per open ledger blocks on that
//!   stream, so hosts do not poll.
//! - **Bounded steps.** A step follows at most 1,000 edges and checks as many stored elements. The rest is kept in
//!   `props`, and the next step of any host continues. Elements cost nothing before they are handed out.
//!
//! # Lives and epochs
//!
//! A new life begins when a host opens a run that no host works on; valid results are kept. A new epoch begins when the
//! plan has changed, everything was discarded, or the server lost data.
//!
//! Under another plan, results with an unchanged fingerprint are kept. The others are set aside in `offers`, a page at a
//! time, before the new life begins. A claim of such a node carries the call, and a host that would make the same call
//! has the result moved back.
//!
//! Every step checks for loss: the number of results must match the counted one, and no key may be missing. A replica
//! that was promoted without the last writes is consistent in itself. A host detects it because its own last commit is
//! missing, or because there are fewer results than it has seen. The first host to detect a loss begins a new life from
//! the remaining results; others see that their life is over, and join the new one. A removed run is not a loss: its
//! last entry in `wake` says so to the hosts that worked on it.

mod backend;
mod run;
mod stored;
mod reservations;
pub(crate) mod server;
mod index;
mod stream;
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

/// Creates a link to a server, named after this process and `purpose`.
pub(crate) fn link_to(uri: &RedisUri, purpose: &str) -> Result<Arc<Link>, Error> {
    let suffix = Random::from_system().below(1 << 32);
    let name = format!("{}:{suffix:08x}:{purpose}", std::process::id());
    Link::new(uri, &name, RetryPolicy::new(uri.connect_timeout))
}
