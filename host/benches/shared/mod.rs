//! Fixtures of the benchmarks: the guest, both ways to call it, and the ratio of two times.
//! The benchmarks define what they measure.

#![allow(dead_code, unused_imports, reason = "each benchmark uses what it needs")]

mod guest;
mod raw;
mod host;
mod graph;
mod task_host;
mod ratio;
mod cases;

pub(crate) use cases::run_chosen;
pub(crate) use graph::{Graph, OpenedRun};
pub(crate) use guest::component;
pub(crate) use host::Host;
pub(crate) use ratio::{Medians, compare, compare_timed, timed};
pub(crate) use raw::{Raw, RawWasi};
pub(crate) use task_host::TaskHost;
