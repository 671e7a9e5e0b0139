//! The port to where results of pure tasks are shared between runs and hosts, and the key that they are shared under.
//! Which tasks share their results is for `plan` and the engine; a run's own results are in `state`.

mod key;
mod port;

pub use key::{KeyParts, key};
pub use port::{Cache, Insert, Stored};
