//! TOML text to [`Manifest`]: every key checked, every fault with its place, all of them at once.
//! Names are not looked up here, and types are not understood: that is for `graph` and `plan`.

mod ast;

pub use ast::{
    BackendSection, Call, Component, Expr, Grants, HttpPrefix, LeftOut, Manifest, Parsed, OnError, Param,
    Policy, Preopen, Reference, Resource, Retry, RetryClass, Backoff, Scope, Task, UriSource, When,
    CachePolicy,
};
