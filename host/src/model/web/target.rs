//! The normalised URL of a request: the URL that is checked is the one that is sent.
//! `prefix` checks it against the grants.

use crate::model::web::reading::plain;
use url::Host;

/// An absolute `http` or `https` URL in normal form, without user and fragment. Scheme and host are in lower case,
/// international names as `xn--`, IPv4 addresses as four numbers. There is no default port, no `.` or `..` segment,
/// and no unnecessary percent-encoding.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Url(url::Url);

/// The error of parsing a [`Url`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    /// The text is not a URL, or has no host.
    #[error("the URL is malformed")]
    Malformed,
    /// The scheme is neither `http` nor `https`.
    #[error("the URL is neither `http` nor `https`")]
    Scheme,
    /// The URL has a user or a password.
    #[error("the URL has a user or a password")]
    User,
    /// The port is 0.
    #[error("the URL has the port 0")]
    Port,
}

impl Url {
    /// Parses and normalises a URL.
    pub fn parse(text: &str) -> Result<Self, UrlFault> {
        let mut url = url::Url::parse(text).map_err(|_| UrlFault::Malformed)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(UrlFault::Scheme);
        }
        let (_, rest) = text.split_once("://").ok_or(UrlFault::Malformed)?;
        let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
        // Otherwise the parser would take the host from the path.
        if authority.is_empty() {
            return Err(UrlFault::Malformed);
        }
        // The parser drops an empty user silently; refuse it, so that an `@` cannot hide the host.
        if authority.contains('@') {
            return Err(UrlFault::User);
        }
        if url.port() == Some(0) {
            return Err(UrlFault::Port);
        }
        url.set_fragment(None);
        let path = plain(url.path());
        url.set_path(&path);
        // A name with a final dot is the same name.
        let bare = url.domain().and_then(|domain| domain.strip_suffix('.')).map(str::to_owned);
        if let Some(bare) = bare {
            url.set_host(Some(&bare)).map_err(|_| UrlFault::Malformed)?;
        }
        Ok(Self(url))
    }

    /// Returns the URL that a reference in an answer of this URL leads to.
    pub fn join(&self, reference: &str) -> Result<Self, UrlFault> {
        let joined = self.0.join(reference).map_err(|_| UrlFault::Malformed)?;
        Self::parse(joined.as_str())
    }

    /// Returns whether the scheme is `https`.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Returns the host: a name or an address.
    #[must_use]
    pub fn host(&self) -> Host<&str> {
        // Every URL of these schemes has a host; the fallback resolves to nothing.
        self.0.host().unwrap_or(Host::Domain(""))
    }

    /// Returns the port, including the scheme's default.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or_default()
    }

    /// Returns the value of the `host` header: the host, with the port unless it is the default.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0.authority()
    }

    /// Returns scheme, host and port, which are safe to log.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", self.0.scheme(), self.authority())
    }

    /// Returns the path, which begins with `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// Returns path and query, as in the request line.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        self.0.as_str().get(self.origin().len()..).unwrap_or("/")
    }

    /// Returns the complete URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn urls_have_one_normal_form() {
        for (text, normal) in [
            ("HTTP://API.Example.COM:80/V1", "http://api.example.com/V1"),
            ("https://api.example.com:443", "https://api.example.com/"),
            ("https://api.example.com:80/", "https://api.example.com:80/"),
            ("http://0x7f.1/", "http://127.0.0.1/"),
            ("http://2130706433/", "http://127.0.0.1/"),
            ("http://0177.0.0.1/", "http://127.0.0.1/"),
            ("http://127.1/", "http://127.0.0.1/"),
            ("http://127.0.0.1./", "http://127.0.0.1/"),
            ("http://[0:0::1]/", "http://[::1]/"),
            ("http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/"),
            ("http://bücher.example/", "http://xn--bcher-kva.example/"),
            ("http://ｅｘａｍｐｌｅ.com/", "http://example.com/"),
            ("http://127。0。0。1/", "http://127.0.0.1/"),
            ("http://ex%61mple.com/", "http://example.com/"),
            ("http://example.com./", "http://example.com/"),
            ("http://h/a/../b/./c", "http://h/b/c"),
            ("http://h/a/%2e%2E/b", "http://h/b"),
            ("http://h/%76%31/%7euser", "http://h/v1/~user"),
            ("http://h/a%2fb%c3%a9", "http://h/a%2Fb%C3%A9"),
            ("http://h\\a\\b", "http://h/a/b"),
            ("http://h/a#part", "http://h/a"),
            ("http://h/a?b=%2e%2e#c", "http://h/a?b=%2e%2e"),
            ("http://h\\@evil.com/", "http://h/@evil.com/"),
        ] {
            assert_eq!(Url::parse(text).map(|url| url.as_str().to_owned()), Ok(normal.to_owned()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn normalisation_is_idempotent(path in "[%/\\\\.;?#@:a-f0-9A-F \t]{0,24}") {
            if let Ok(url) = Url::parse(&format!("http://h/{path}")) {
                prop_assert_eq!(Url::parse(url.as_str()).map(|again| again.0), Ok(url.0));
            }
        }
    }

    #[test]
    fn invalid_urls_are_rejected() {
        for (text, fault) in [
            ("", UrlFault::Malformed),
            ("example.com/", UrlFault::Malformed),
            ("http://", UrlFault::Malformed),
            ("http:h/a", UrlFault::Malformed),
            ("http:/h/a", UrlFault::Malformed),
            ("http:///h/a", UrlFault::Malformed),
            ("http://\\h/a", UrlFault::Malformed),
            ("http://[::1", UrlFault::Malformed),
            ("http://[fe80::1%25eth0]/", UrlFault::Malformed),
            ("http://256.1.1.1/", UrlFault::Malformed),
            ("http://a b/", UrlFault::Malformed),
            ("http://h:65536/", UrlFault::Malformed),
            ("http://h%00/", UrlFault::Malformed),
            ("ftp://h/", UrlFault::Scheme),
            ("file:///etc/passwd", UrlFault::Scheme),
            ("http://user@h/", UrlFault::User),
            ("http://@h/", UrlFault::User),
            ("http://u:p@h/", UrlFault::User),
            ("http://h:0/", UrlFault::Port),
        ] {
            let parsed = Url::parse(text).map(|url| url.as_str().to_owned());
            assert_eq!(parsed, Err(fault), "{text}");
        }
    }

    #[test]
    fn references_are_joined_and_checked() {
        let base = Url::parse("https://h/a/b?q").unwrap();
        for (reference, joined) in [
            ("c", "https://h/a/c"),
            ("/c?x", "https://h/c?x"),
            ("//other/c", "https://other/c"),
            ("http://other/", "http://other/"),
            ("?x", "https://h/a/b?x"),
        ] {
            assert_eq!(base.join(reference).map(|url| url.as_str().to_owned()), Ok(joined.to_owned()));
        }
        for reference in ["file:///x", "https://u:p@other/", "http://["] {
            assert!(base.join(reference).is_err(), "{reference}");
        }
    }

    #[test]
    fn url_is_split_into_the_parts_of_a_request() {
        let url = Url::parse("HTTPS://Example.com:8443/a/./b?q=/../#f").unwrap();
        assert!(url.is_secure());
        assert_eq!((url.authority(), url.port()), ("example.com:8443", 8443));
        assert_eq!((url.path(), url.path_and_query()), ("/a/b", "/a/b?q=/../"));
        assert_eq!(url.origin(), "https://example.com:8443");
    }
}
