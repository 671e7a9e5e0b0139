//! `[notify]` as data: who is told of the end of a run, and of which ends.
//! `notify` reads it.

use crate::model::{RunStatus, SecureUrl, Span, Spanned};

/// `[notify]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// Span of the section.
    pub span: Span,
    /// `url`.
    pub url: Spanned<HookSource>,
    /// `on`: the endings that send a notification.
    pub on: Vec<RunStatus>,
    /// `secret`: the variable with the key of the signature.
    pub secret: Option<Spanned<String>>,
}

/// The source of the URL that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookSource {
    /// A URL written in the manifest.
    Url(SecureUrl),
    /// `{ env = "NAME" }`.
    Env(String),
}
