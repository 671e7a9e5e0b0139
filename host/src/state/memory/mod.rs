//! The in-memory backend: needs no server, and is the model that other backends are compared with.
//! A run lives as long as the process, whatever its TTL; nothing is written to disk.

mod archive;
mod backend;
mod buckets;
mod deadlines;
mod overdue;
mod follow;
mod hand_out;
mod heads;
mod journal;
mod leases;
mod ledger;
mod life;
mod machine;
mod queue;
mod settle;
mod finally;
mod offers;
mod pace;
mod resource_line;
mod reservations;
mod task;
mod elements;
mod enqueue;
#[cfg(test)]
mod properties;

pub use backend::MemoryBackend;
pub(crate) use reservations::MemoryReservations;
