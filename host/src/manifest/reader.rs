//! Collects the faults of a reading pass, and the names of definitions left out because of them.
//! The rules of each section are in the other files.

use crate::manifest::LeftOut;
use crate::model::Fault;
use std::path::Path;
use std::path::PathBuf;

/// Collects faults, so that reading continues after each.
pub(crate) struct Reader<'f> {
    folder: &'f Path,
    is_complete: bool,
    faults: Vec<Fault>,
    /// Names whose definitions have faults.
    pub(crate) left_out: LeftOut,
    /// Whether the reader is in `[finally]`.
    pub(crate) is_finally: bool,
}

/// A point during reading, to ask which faults came later.
#[derive(Clone, Copy)]
pub(crate) struct Mark(usize);

impl<'f> Reader<'f> {
    /// Creates a reader. A partial text has lost lines to syntax errors.
    pub(crate) fn new(folder: &'f Path, syntax: Vec<Fault>, completeness: Completeness) -> Self {
        let is_complete = completeness == Completeness::Complete;
        let left_out = LeftOut { is_partial: !is_complete, ..LeftOut::default() };
        Self { folder, is_complete, faults: syntax, left_out, is_finally: false }
    }

    /// Reports a fault, and returns `None`.
    pub(crate) fn fault<T>(&mut self, fault: Fault) -> Option<T> {
        self.faults.push(fault);
        None
    }

    /// Reports a missing key, unless the text has lost lines and the key may have been in one.
    pub(crate) fn missing(&mut self, fault: Fault) {
        if self.is_complete {
            self.faults.push(fault);
        }
    }

    /// Returns the current point.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.faults.len())
    }

    /// Returns whether no fault was reported since `mark`.
    pub(crate) fn is_sound_since(&self, mark: Mark) -> bool {
        self.faults.len() == mark.0
    }

    /// Returns the number of faults reported since `mark`.
    pub(crate) fn faults_since(&self, mark: Mark) -> usize {
        self.faults.len().saturating_sub(mark.0)
    }

    /// Hides the source lines of all faults since `mark`.
    pub(crate) fn hide_since(&mut self, mark: Mark) {
        for fault in self.faults.iter_mut().skip(mark.0) {
            fault.is_secret = true;
        }
    }

    /// Resolves a path relative to the manifest's folder.
    pub(crate) fn join(&self, path: &str) -> PathBuf {
        match path {
            "" | "." => self.folder.to_owned(),
            other => self.folder.join(other),
        }
    }

    /// Returns all faults, and the names left out.
    pub(crate) fn finish(self) -> (Vec<Fault>, LeftOut) {
        (self.faults, self.left_out)
    }
}

/// Whether the tree contains all of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Completeness {
    /// The tree is complete.
    Complete,
    /// Lines with syntax errors are missing, and may contain any missing key.
    Partial,
}
