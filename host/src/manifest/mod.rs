//! Parses TOML text into a [`Manifest`]: checks every key, and reports all faults at once, each with its span.
//! `graph` looks up names, and `plan` checks types.

mod expr;
mod test_case;
mod notification;
mod ast;
mod recovery;
mod call;
mod command;
mod builtin;
mod entries;
mod given;
mod pipeline;
mod collected;
mod program;
mod duplicate_key;
mod component;
mod component_source;
mod source_keys;
mod folder;
mod grants;
mod imported;
mod imports;
mod keys;
mod parse;
mod shifted;
mod include;
mod parsed;
mod policy;
mod reader;
mod reference;
mod output;
mod repeat;
mod repetition;
mod scalar;
mod resource;
mod section;
mod syntax;
mod lines;
mod table;
mod task;
mod finally;
mod expectation;
mod notify;
#[cfg(test)]
mod texts;
#[cfg(test)]
mod tests;
mod value;
mod schema;

pub use ast::{
    BackendSection, Backoff, CachePolicy, Component, Grants, Manifest, OnError, Param, Policy, Preopen,
    Resource, Retry, RetryClass, Scope, Task, Unread, UriSource, When, WitSource,
};
pub use component_source::ComponentSource;
pub use expr::{Expr, Reference, RunValue};
pub use imported::{ImportSource, Imports};
pub use include::{Files, Loaded, Part, Unreadable, load};
pub use notification::{HookSource, Notify};
pub(crate) use notify::invalid as invalid_hook;
#[cfg(any(test, feature = "internals"))]
pub use parse::parse;
pub use parsed::{LeftOut, Parsed};
pub use program::{Action, BuiltinCall, Call, Collected, Command, CommandOutput, Feed};
pub(crate) use repeat::MAX_ITERATIONS;
pub use repetition::Repeat;
pub(crate) use schema::schema;
pub use test_case::{Expectation, Test};
#[cfg(test)]
pub(crate) use texts::Texts;
pub(crate) use value::{KINDS, RUN};
