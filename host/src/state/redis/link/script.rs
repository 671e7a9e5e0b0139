//! A Lua script: its text, and the SHA-1 by which Redis knows it.
//! The script's logic is in its own file.

use std::sync::LazyLock;

/// A Lua script.
pub(crate) struct Script {
    text: &'static str,
    sha: LazyLock<String>,
}

impl Script {
    /// Creates a script from its text; `sha` is [`digest`] of the same text.
    pub(crate) const fn new(text: &'static str, sha: fn() -> String) -> Self {
        Self { text, sha: LazyLock::new(sha) }
    }

    /// Returns the script's text.
    pub(crate) const fn text(&self) -> &'static str {
        self.text
    }

    /// Returns the digest by which Redis calls the script.
    pub(crate) fn sha(&self) -> &str {
        &self.sha
    }
}

/// Computes the digest by which Redis calls a script.
pub(crate) fn digest(text: &str) -> String {
    redis::Script::new(text).get_hash().to_owned()
}
