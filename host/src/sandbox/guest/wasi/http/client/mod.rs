//! Requests of the host itself, over the same connections as those of guests.
//! Callers decide what is sent, whether again, and which redirects are followed.

mod no_answer;
mod answer;
mod tunnel;
mod sending;

pub use answer::Answer;
pub use no_answer::NoAnswer;
pub use sending::{Client, Outgoing, Route};
pub use tunnel::Proxy;
