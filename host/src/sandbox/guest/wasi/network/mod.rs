//! How granted guests reach the network: names are resolved, addresses checked, refusals told.
//! What is sent over a connection is for `http` and for WASI's sockets.

mod address;
mod resolver;
mod address_policy;
mod refusals;

pub(crate) use address_policy::{Barred, addresses, may_connect};
pub(crate) use refusals::Refusals;
#[cfg(test)]
pub(crate) use resolver::Resolve;
pub(crate) use resolver::{GuestNames, Resolver, TaskLookups};
