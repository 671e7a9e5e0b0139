//! URLs of outgoing requests in their normal form, and the prefixes that allow them.
//! Which requests are sent, and where names lead, is for the sandbox.

mod reading;
mod target;
mod prefix;

pub use prefix::{UrlPrefix, UrlPrefixFault};
pub use target::{Url, UrlFault};
