//! URL prefixes, as `http` grants write them, and the check of a URL against one.
//! `sandbox` resolves the names of allowed hosts.

use crate::model::domain::is_domain;
use crate::model::web::reading::{lenient, segments};
use crate::model::web::target::{Url, UrlFault};
use std::fmt;
use url::Host;

/// A URL prefix, compared by whole path segments: `http://h/v1` allows `http://h/v1` and `http://h/v1/a`, but not
/// `http://h/v10`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UrlPrefix {
    // Has no query, and a path with a lenient reading.
    url: Url,
}

/// The error of parsing a [`UrlPrefix`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlPrefixFault {
    /// The scheme is missing, or neither `http` nor `https`.
    #[error("an `http` grant begins with `http://` or `https://`")]
    Scheme,
    /// The URL has a user or a password.
    #[error("an `http` grant cannot have a user or a password")]
    User,
    /// The URL has a query or a fragment.
    #[error("an `http` grant cannot have a query or a fragment")]
    Query,
    /// The text has wildcards or spaces.
    #[error("an `http` grant is a plain prefix, without spaces and wildcards")]
    Wildcard,
    /// The host is missing, or the port after a `:`.
    #[error("an `http` grant needs a host, and after a `:` a port from 1 to 65535")]
    Host,
    /// The path is ambiguous: servers may read it differently.
    #[error("the path of an `http` grant cannot have control characters or repeated percent-encoding")]
    Path,
    /// The text is not in normal form, in which requests are compared.
    #[error("the `http` grant is not in normal form, so it matches no request")]
    NotNormal {
        /// The normal form.
        normal: String,
    },
}

impl UrlPrefix {
    /// Parses a prefix. It must be in normal form, except for capitals in the host, a default port, and letters that
    /// normal form writes as `xn--`.
    pub fn parse(text: &str) -> Result<Self, UrlPrefixFault> {
        let is_web = ["http://", "https://"]
            .iter()
            .any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
        let (_, rest) = text.split_once("://").filter(|_| is_web).ok_or(UrlPrefixFault::Scheme)?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if host.contains('@') {
            return Err(UrlPrefixFault::User);
        }
        if text.contains(['?', '#']) {
            return Err(UrlPrefixFault::Query);
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '*') {
            return Err(UrlPrefixFault::Wildcard);
        }
        let url = Url::parse(text).map_err(|fault| match fault {
            UrlFault::Scheme => UrlPrefixFault::Scheme,
            UrlFault::User => UrlPrefixFault::User,
            UrlFault::Malformed | UrlFault::Port => UrlPrefixFault::Host,
        })?;
        if matches!(url.host(), Host::Domain(name) if !is_domain(name)) {
            return Err(UrlPrefixFault::Host);
        }
        let path = if path.is_empty() { "/" } else { path };
        if path != url.path() || !is_normal_host(host, &url) {
            return Err(UrlPrefixFault::NotNormal { normal: url.as_str().to_owned() });
        }
        match lenient(url.path()) {
            Some(_) => Ok(Self { url }),
            None => Err(UrlPrefixFault::Path),
        }
    }

    /// Returns whether a request to the URL is allowed: scheme, host and port are equal, and the path is below this one
    /// even for the most lenient server.
    #[must_use]
    pub fn allows(&self, url: &Url) -> bool {
        let is_same_origin = self.url.is_secure() == url.is_secure()
            && self.url.host() == url.host()
            && self.url.port() == url.port();
        is_same_origin && self.allows_path(url.path())
    }

    fn allows_path(&self, path: &str) -> bool {
        if self.url.path() == "/" {
            return true;
        }
        let own = self.url.path();
        let own = own.strip_suffix('/').unwrap_or(own);
        let is_below = segments(path).take(segments(own).count()).eq(segments(own));
        // `/v1/` requires the slash as well.
        let is_deep_enough = segments(path).count() >= segments(self.url.path()).count();
        let is_lenient_below = match (lenient(self.url.path()), lenient(path)) {
            (Some(own), Some(read)) => read.starts_with(&own),
            (None, _) | (_, None) => false,
        };
        is_below && is_deep_enough && is_lenient_below
    }
}

impl fmt::Display for UrlPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
    }
}

/// Returns whether a host with an optional port is in normal form.
fn is_normal_host(written: &str, url: &Url) -> bool {
    let after_address = written.rfind(']').map_or(0, |bracket| bracket + 1);
    let name = match written.get(after_address..).and_then(|rest| rest.find(':')) {
        Some(colon) => written.get(..after_address + colon).unwrap_or(written),
        None => written,
    };
    !name.is_ascii() || name.to_ascii_lowercase() == url.host().to_string()
}

#[cfg(test)]
mod tests;
