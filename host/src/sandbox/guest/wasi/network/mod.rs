//! Network access under grants: resolves names, checks addresses, logs refusals.
//! `http` and WASI's sockets send the data.

mod address;
mod resolver;
mod address_policy;
mod refusals;

pub(crate) use address_policy::{NoAddress, addresses, may_connect};
pub(crate) use refusals::Refusals;
#[cfg(test)]
pub(crate) use resolver::Resolve;
pub(crate) use resolver::{GuestNames, Resolver, TaskLookups};
