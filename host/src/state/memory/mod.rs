//! Runs in the memory of this process: the backend that needs nothing, and the model that others are held against.
//! A run lives as long as the process, whatever its time to live; nothing is written to a disk.

mod archive;
mod backend;
mod buckets;
mod following;
mod hand_out;
mod journal;
mod leases;
mod ledger;
mod life;
mod machine;
mod queue;
mod settle;
mod task;
mod elements;
#[cfg(test)]
mod properties;

pub use backend::MemoryBackend;
