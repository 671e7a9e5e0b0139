//! TOML text to [`Manifest`]: every key checked, every fault with its place, all of them at once.
//! Names are not looked up here, and types are not understood: that is for `graph` and `plan`.

mod ast;
mod parse;
mod section;
mod component;
mod grants;
mod task;
mod policy;
mod call;
mod reference;
mod value;
mod scalar;
mod table;
mod reader;
mod syntax;
mod bracket;
mod clash;
#[cfg(test)]
mod tests;

pub use ast::{
    BackendSection, Call, Component, Expr, Grants, HttpPrefix, LeftOut, Manifest, Parsed, OnError, Param,
    Policy, Preopen, Reference, Resource, Retry, RetryClass, Backoff, Scope, Task, UriSource, When,
    CachePolicy,
};
pub use parse::parse;
