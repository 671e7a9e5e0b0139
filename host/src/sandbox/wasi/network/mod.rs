//! How granted guests reach the network: names are resolved, addresses checked, refusals told.
//! What is sent over a connection is for `http` and for WASI's sockets.

mod address;
mod names;
mod reach;
mod refusals;

#[cfg(test)]
pub(crate) use names::Resolve;
pub(crate) use names::{GuestNames, Resolver, TaskLookups};
pub(crate) use reach::{Barred, addresses, may_connect};
pub(crate) use refusals::Refusals;
