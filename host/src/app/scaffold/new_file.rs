//! A file of a new folder.
//! `folder` writes it.

/// A file of a new folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewFile {
    /// Its path in the folder.
    pub(crate) path: String,
    /// Its content.
    pub(crate) content: Vec<u8>,
}

impl NewFile {
    /// A file with a path and a content.
    pub(crate) fn new(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), content: content.into() }
    }
}
