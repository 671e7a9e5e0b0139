//! `doctor`: checks by trial whether the limits of sandbox, machine and backend hold here.
//! `cli` formats the findings.

mod finding;
mod probe;
mod guests;
mod latency_baseline;
mod trial;
mod surroundings;
mod backend;
mod examine;

pub use examine::{Examination, examine};
pub use finding::{About, Finding, Verdict};
