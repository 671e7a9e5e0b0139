//! A script that runs inside of Redis: its text and the digest that it is called by.
//! What it does stands in its own file.

use std::sync::LazyLock;

/// A script.
pub(crate) struct Script {
    text: &'static str,
    sha: LazyLock<String>,
}

impl Script {
    /// A script from its text; `sha` is [`digest`] of the same text.
    pub(crate) const fn new(text: &'static str, sha: fn() -> String) -> Self {
        Self { text, sha: LazyLock::new(sha) }
    }

    /// What it says.
    pub(crate) const fn text(&self) -> &'static str {
        self.text
    }

    /// The digest that Redis knows it by.
    pub(crate) fn sha(&self) -> &str {
        &self.sha
    }
}

/// The digest that Redis knows a script by.
pub(crate) fn digest(text: &str) -> String {
    redis::Script::new(text).get_hash().to_owned()
}
