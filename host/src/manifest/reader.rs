//! What is collected while a manifest is read: its faults, and the names that were left out because of them.
//! What each part of the text must say stands in the files beside.

use crate::manifest::LeftOut;
use crate::model::Fault;
use std::path::Path;
use std::path::PathBuf;

/// Collects faults, so that reading goes on after each of them.
pub(crate) struct Reader<'f> {
    folder: &'f Path,
    is_whole: bool,
    faults: Vec<Fault>,
    /// The names that are defined with a fault.
    pub(crate) left_out: LeftOut,
}

/// A point in time: what is reported later was found later.
#[derive(Clone, Copy)]
pub(crate) struct Mark(usize);

impl<'f> Reader<'f> {
    /// A reader of a text that `is_whole`, or that lost lines to errors of syntax.
    pub(crate) fn new(folder: &'f Path, syntax: Vec<Fault>, completeness: Completeness) -> Self {
        let is_whole = completeness == Completeness::Whole;
        let left_out = LeftOut { is_partial: !is_whole, ..LeftOut::default() };
        Self { folder, is_whole, faults: syntax, left_out }
    }

    /// Reports a fault and yields nothing.
    pub(crate) fn fault<T>(&mut self, fault: Fault) -> Option<T> {
        self.faults.push(fault);
        None
    }

    /// Reports that something is not written; said only of a text that lost no lines.
    pub(crate) fn missing(&mut self, fault: Fault) {
        if self.is_whole {
            self.faults.push(fault);
        }
    }

    /// This moment.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.faults.len())
    }

    /// Whether nothing was reported since `mark`.
    pub(crate) fn is_sound_since(&self, mark: Mark) -> bool {
        self.faults.len() == mark.0
    }

    /// Keeps the source lines of all faults since `mark` from being shown.
    pub(crate) fn conceal_since(&mut self, mark: Mark) {
        for fault in self.faults.iter_mut().skip(mark.0) {
            fault.is_secret = true;
        }
    }

    /// A path as the manifest means it: relative to the manifest's folder.
    pub(crate) fn join(&self, path: &str) -> PathBuf {
        match path {
            "" | "." => self.folder.to_owned(),
            other => self.folder.join(other),
        }
    }

    /// All faults, and the names that were left out.
    pub(crate) fn finish(self) -> (Vec<Fault>, LeftOut) {
        (self.faults, self.left_out)
    }
}

/// Whether the tree that is read holds all that the text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Completeness {
    /// It does.
    Whole,
    /// Lines with errors of syntax are not in it: what is missing may stand in them.
    Partial,
}
