//! A running guest: its store's state, its limits, and the WASI interfaces that it sees.
//! `component` loads components, and `codec` passes values.

mod state;
mod prepared;
mod program;
mod limits;
pub(crate) mod wasi;

pub(crate) use limits::{
    Deadline, LimitHit, LogGuard, MAX_HANDLES, MAX_INSTANCES, MAX_MEMORIES, MAX_TABLES, MAX_WAITING,
    MIN_HOSTCALL_LIMIT, MemoryGuard, TABLE_ELEMENTS, TimedOut, doubled, max_instances, max_waiting,
};
pub(crate) use prepared::{Prepared, Variant};
pub(crate) use program::{Program, Unfit};
pub(crate) use state::{Share, State};
pub use wasi::{Answer, Client, NoAnswer, Outgoing, Proxy, Route, Zone, zone_of_host};
pub(crate) use wasi::{
    CapturedOutput, Content, Exit, HEAD_ROOM, LastLink, MAX_FIELDS, MAX_KEPT, MAX_UNGRANTED, Network, NodeId,
    NodeKind, Orphans, SharedTree, TaskLookups, Tree, WORK, covers, is_fixed, last_part, walk,
};
