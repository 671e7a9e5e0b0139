//! Normalised URLs of outgoing requests, the URL prefixes that allow them, and the URLs of notifications.
//! `sandbox` sends the requests and resolves the names.

mod reading;
mod target;
mod prefix;
mod hook;

pub use hook::{HookUrl, HookUrlFault};
pub use prefix::{UrlPrefix, UrlPrefixFault};
pub use target::Url;
