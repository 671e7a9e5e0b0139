//! Resources that all runs of a server share: reserved by leases, in one line, apart from the runs' own keys.
//! The contract is in `state/reservations.rs`, the decisions are in `scripts/resources.lua`.
//!
//! # Keys
//!
//! | key | type | content |
//! |---|---|---|
//! | `cascade:resources:meta` | hash | layout version, counter of arrivals |
//! | `cascade:resources:sessions` | sorted set | sessions by the end of their lease |
//! | `cascade:resources:reservations` | hash | id → session, run, host, task, needs, place; whether it holds |
//! | `cascade:resources:line` | sorted set | ids of those that wait, by place |
//! | `cascade:resources:names` | hash | resource → capacity, amount held, pace of a rate, run that has declared it |
//! | `cascade:resources:calls` | stream, bounded | ids that may succeed now |
//! | `cascade:resources:kept` | hash | run and task → place that is kept |
//!
//! In a cluster `resources` is in braces: all resources lie in one hash slot, so that a task takes several in one step,
//! whatever the slot of its run. All keys expire a day after the last use, beside leases and rates that last longer.
//!
//! - **Sessions.** A host has one for each run. Its lease is renewed from a separate thread over a separate connection.
//!   After a loss, the host goes on with a session of another name, so that no late packet revives the old one.
//! - **Lost replies.** A reservation has an id: who asks again holds it already, or keeps the place in line. One that a late
//!   packet begins anew after its end is ended by the next renewal, which names those that have not ended.
//! - **Wake-ups.** A step that frees something adds the ids that may succeed now to `calls`. A host blocks on that stream
//!   once one of its tasks waits. Rates have times instead: each waiter sleeps until its own turn.

mod store;
mod handle;
mod session;
mod server;
mod background;
mod renewal;
mod wire;

pub(crate) use store::RedisReservations;
