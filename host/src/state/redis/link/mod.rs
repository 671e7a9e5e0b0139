//! The one place that knows the Redis client: connections, deadlines, reconnecting, and what each error asks for.
//! What is sent, and what the answers mean, is for whoever asks.

mod command;
mod script;
mod door;
mod names;
mod trouble;
mod patience;
mod monitor;
mod trial;
mod connection;

pub(crate) use command::{Answer, Command, Request};
pub(crate) use connection::{Line, Link};
pub(crate) use patience::{RetryPolicy, Trials};
pub(crate) use script::Script;
pub(crate) use script::digest;
pub(crate) use trouble::NOT_ALLOWED;
