//! Network access under grants: resolves names, checks addresses, logs refusals.
//! `http` and WASI's sockets send the data.

mod address;
mod resolver;
mod address_policy;
mod refusals;
mod zone;

pub(crate) use address_policy::{NoAddress, addresses, addresses_within, may_connect};
pub(crate) use refusals::Refusals;
#[cfg(test)]
pub(crate) use resolver::Resolve;
pub(crate) use resolver::{GuestNames, Resolver, TaskLookups};
pub use zone::{Zone, zone_of_host};
