//! The result of parsing: the readable part of the manifest, the names left out, and the faults.
//! `ast` has the content of a manifest.

use crate::manifest::Manifest;
use crate::model::Faults;
use std::collections::HashSet;

/// The readable part of a text, and its faults.
///
/// Later stages add their faults to these, so that a user sees all of them at once. A manifest with faults never runs.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The readable part: a faulty value is marked, a faulty key of a table has its default, and a definition that
    /// lacks too much is left out.
    pub manifest: Manifest,
    /// The names of the definitions left out. A reference to such a name is not another fault.
    pub left_out: LeftOut,
    /// The faults, in the order of the text.
    pub faults: Faults,
}

/// Names that the text defines with a fault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Of `[params]`.
    pub params: HashSet<String>,
    /// Of `[resources]`.
    pub resources: HashSet<String>,
    /// Of `[components]`.
    pub components: HashSet<String>,
    /// Of `[tasks]`.
    pub tasks: HashSet<String>,
    /// The names of sections that could not be read at all: any name may be defined there.
    pub sections: HashSet<String>,
    /// Whether parts of the text could not be read, so that any missing name may be defined there.
    pub is_partial: bool,
}

impl LeftOut {
    /// Adds a name to every section, since it may be defined in any of them.
    pub(crate) fn insert_everywhere(&mut self, name: &str) {
        for kind in [&mut self.params, &mut self.resources, &mut self.components, &mut self.tasks] {
            kind.insert(name.to_owned());
        }
    }

    /// Returns whether a section may define more names than were read.
    pub(crate) fn is_unread(&self, section: &str) -> bool {
        self.is_partial || self.sections.contains(section)
    }
}
