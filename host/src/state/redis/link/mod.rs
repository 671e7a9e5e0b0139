//! The one place that knows the Redis client: connections, deadlines, reconnecting, and what each error asks for.
//! What is sent, and what the answers mean, is for whoever asks.

mod command;
mod script;
mod connect;
mod names;
mod errors;
mod retry;
mod monitor;
mod trial;
mod connection;

pub(crate) use command::{Answer, Command, Request};
pub(crate) use connection::{Line, Link};
pub(crate) use errors::NOT_ALLOWED;
pub(crate) use retry::{RetryPolicy, Trials};
pub(crate) use script::Script;
pub(crate) use script::digest;
