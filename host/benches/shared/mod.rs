//! What benchmarks of the sandbox share: the guest, both ways to call it, and the ratio of two times.
//! What is measured is for the benchmark.

#![allow(dead_code, unused_imports, reason = "each benchmark uses what it needs")]

mod guest;
mod raw;
mod host;
mod ratio;

pub(crate) use guest::component;
pub(crate) use host::Host;
pub(crate) use ratio::{Medians, compare};
pub(crate) use raw::Raw;
