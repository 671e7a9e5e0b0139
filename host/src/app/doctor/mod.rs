//! `doctor`: whether the limits of the sandbox, its machine and its backend are what they are said to be, tried here.
//! How the findings look is for `cli`.

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
