//! Where a component comes from if it is no file: a registry, or a web server.
//! `fetch` asks them.

use crate::model::{OciReference, SecureUrl};
use std::fmt;

/// A source over the network. `Display` hides the query of a URL, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Remote {
    /// An artifact in a registry.
    Oci(OciReference),
    /// A download.
    Url(SecureUrl),
}

impl Remote {
    /// Returns the name of what is fetched: the last part of its path.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Oci(reference) => reference.name(),
            Self::Url(url) => url.url().path().rsplit('/').next().unwrap_or_default(),
        }
    }

    /// Returns whether the text of the source may be a secret.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        match self {
            Self::Oci(_) => false,
            Self::Url(url) => url.url().path_and_query() != url.url().path(),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oci(reference) => fmt::Display::fmt(reference, f),
            Self::Url(url) => {
                let query = if self.is_secret() { "?…" } else { "" };
                write!(f, "{}{}{query}", url.url().origin(), url.url().path())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_of_a_url_is_hidden() {
        let url = |text: &str| Remote::Url(SecureUrl::parse(text).unwrap());
        let signed = url("https://b.example/x/words.wasm?token=hunter2");
        assert_eq!(signed.to_string(), "https://b.example/x/words.wasm?…");
        assert!(signed.is_secret() && !format!("{signed:?}").contains("hunter2"));
        assert_eq!(url("https://b.example/words.wasm").to_string(), "https://b.example/words.wasm");
        assert_eq!(signed.name(), "words.wasm");
    }
}
