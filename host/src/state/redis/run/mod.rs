//! The ledger of one run in Redis: opening it, claims, heartbeat, lease renewal and wake-ups.
//! Access to stored runs without a ledger is in `stored`.

mod heartbeat;
mod lease_renewal;
mod session;
mod ledger;
mod claims;
mod calls;
mod offers;
mod prints;
mod begin;
mod open;
mod result_cache;
mod wakeups;
mod formats;
mod clocks;
mod ending;
mod layout;
mod wire;

pub(crate) use begin::open_reruns;
pub(crate) use clocks::{NAMES as CLOCK_NAMES, fields_of as clock_fields, limit_of as clock_limit};
pub(crate) use formats::{DONE, RECORD_BYTES};
pub(crate) use heartbeat::{list, listen_forever, prune, run_heartbeat};
pub(crate) use ledger::RedisLedger;
pub(crate) use open::{Open, OpenReason};
pub(crate) use session::Run;
pub(crate) use wire::{attempt_of, node};
