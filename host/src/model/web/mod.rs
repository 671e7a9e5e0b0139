//! Normalised URLs of outgoing requests, and the URL prefixes that allow them.
//! `sandbox` sends the requests and resolves the names.

mod reading;
mod target;
mod prefix;

pub use prefix::{UrlPrefix, UrlPrefixFault};
pub use target::Url;
