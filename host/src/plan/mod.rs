//! Compiles a graph and its components' signatures to an immutable, typed [`Plan`], with a digest once inputs are
//! known.
//! Executes nothing and reads no file, variable or component: callers pass all of them in.

mod value;
mod types;
mod elements;
mod finally;
mod compile;
mod callee;
mod callee_digests;
mod command;
mod builtin;
mod generic;
mod identity;
mod function;
mod scope;
mod inputs;
mod lists;
mod fan_out;
mod intended;
mod part;
mod secrecy;
mod crossings;
mod binding;
mod infer;
mod pruning;
mod repeat;
mod policy;
mod needs;
mod discretion;
mod expectation;
mod files;
mod fit;
mod bound;
mod sources;
mod known;
mod counting;
mod recipe;
mod nesting;
mod not_put;
mod lineage;
mod record;
mod stored_part;
mod assembly;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod command_tests;
#[cfg(test)]
mod crossing_tests;
#[cfg(test)]
mod builtin_tests;
#[cfg(test)]
mod digests;

pub use assembly::Assembly;
pub(crate) use bound::repeat_digest;
pub use bound::{BindRequest, Bound, bind};
pub use callee::Interface;
pub use command::is_program;
#[cfg(any(test, feature = "internals"))]
pub use compile::compile;
pub use compile::{InvalidPlan, compile_all};
pub use counting::MAX_ELEMENTS;
pub use elements::ListsRef;
pub use files::{FileList, NotUtf8};
pub use finally::{FAILURE, type_of};
pub use fit::{Supplied, fit};
pub use lineage::Lineage;
pub use not_put::NotPut;
pub use record::{Difference, PipelineRecord, PlanRecord};
pub use types::{
    CacheRule, Code, ComponentFunction, Condition, ForEach, Function, Gate, LeavesOut, NeededClause,
    NeededIf, Output, Pipeline, Plan, Repeat, Resource, Task,
};
pub use value::{Binding, Input, InputKind};

#[cfg(test)]
pub(crate) use crate::graph::Place;
pub use crate::graph::{FanOut, Flow};
pub use crate::manifest::{Backoff, OnError, Retry, RetryClass, RunValue, Scope as ResourceScope};
