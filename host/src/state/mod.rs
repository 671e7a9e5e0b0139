//! The port to where runs live: a process-level [`Backend`] named by a URI, and a run-level [`Ledger`].
//! Stores bytes and decides what is ready; what the bytes mean and how tasks execute is for others.

mod error;
mod failure;
mod ledger;
mod shape;

pub use error::{Error, ErrorKind};
pub use failure::FailureRecord;
pub use ledger::{
    Backend, Blocked, Claim, Entry, HostId, Ledger, Mode, NodeId, OpenHow, OpenRequest, Opened, Outcome,
    Progress, Reply, Settlement, Stage, Stop, Token, Verdict, Version, Want,
};
pub use shape::{ResourceShape, Shape, TaskShape};
