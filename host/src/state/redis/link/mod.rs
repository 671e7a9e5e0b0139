//! The only module that knows the Redis client: connections, deadlines, reconnects, and classes of errors.
//! Callers choose the commands and interpret the replies.

mod command;
mod script;
mod connect;
mod resolver;
mod errors;
mod retry;
mod monitor;
mod pending_request;
mod connection;

pub(crate) use command::{Answer, Command, Request};
pub(crate) use connection::{Line, Link};
pub(crate) use errors::NOT_ALLOWED;
pub(crate) use retry::{Backoff, RetryPolicy};
pub(crate) use script::Script;
pub(crate) use script::digest;
