//! Normalised URLs of outgoing requests, the URL prefixes that allow them, and URLs that need encryption.
//! `sandbox` sends the requests and resolves the names.

mod reading;
mod target;
mod prefix;
mod secure;

pub use prefix::{UrlPrefix, UrlPrefixFault};
pub(crate) use secure::is_loopback;
pub use secure::{SecureUrl, SecureUrlFault};
pub use target::Url;
