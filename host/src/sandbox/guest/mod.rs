//! A running guest: its store's state, its limits, and the WASI interfaces that it sees.
//! `component` loads components, and `codec` passes values.

mod state;
mod prepared;
mod limits;
pub(crate) mod wasi;

pub(crate) use limits::{
    Deadline, HANDED_AT_LEAST, LimitHit, MOST_HANDLES, MOST_INSTANCES, MOST_MEMORIES, MOST_TABLES,
    TABLE_ELEMENTS, TimedOut, doubled, most_instances,
};
pub(crate) use prepared::Prepared;
pub(crate) use state::{Share, State};
pub(crate) use wasi::{MAX_FIELDS, Network, Orphans, TaskLookups, USELESS};
