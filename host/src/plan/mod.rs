//! A graph and its components' signatures to an immutable, typed [`Plan`]; its digest once the inputs are known.
//! Nothing is executed here, and no file, variable or component is read: callers hand all of it in.

mod binding;
mod bound;
mod compile;
mod function;
mod demand;
mod infer;
mod inputs;
mod scope;
mod record;
mod types;

pub use bound::{Bound, Given, Supplied, bind};
pub use compile::{Interface, compile};
pub use record::{Difference, PlanRecord};
pub use types::{
    Binding, CacheRule, Condition, Demand, DemandClause, ForEach, Function, Gate, Input, InputKind,
    Output, Plan, Resource, Task,
};

pub use crate::manifest::{Backoff, OnError, Retry, RetryClass};
