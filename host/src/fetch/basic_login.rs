//! User and password as a header has them, for registries and proxies.
//! `credentials` and `proxies` find them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Returns the value of `authorization` or `proxy-authorization`.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}
