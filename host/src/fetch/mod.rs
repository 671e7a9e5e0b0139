//! Fetches components from OCI registries and web servers, checks their digests, and keeps them.
//! `app` decides what is fetched and words the faults; `sandbox` has the connections and the folder.
//!
//! A pull is three requests over the client that notifications have too: the crates for registries would bring some 40 more,
//! and a second client beside the one that checks addresses.

mod fetcher;
mod fetched;
mod error;
mod failed;
mod retries;
mod http;
mod download;
mod registry;
mod artifact;
mod authorization;
mod challenge;
mod basic_login;
mod credentials;
mod helper;
mod proxies;
mod notes;

pub(crate) use error::Error;
pub(crate) use fetched::{Fetched, Pins};
pub(crate) use fetcher::{Fetcher, Wanted};
