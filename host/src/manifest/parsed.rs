//! What reading a text has come to: the manifest as far as it could be read, what could not be, and why.
//! What a manifest says stands in `ast`.

use crate::manifest::Manifest;
use crate::model::Faults;
use std::collections::HashSet;

/// What could be read of a text, and all that was wrong with it.
///
/// Later stages add their faults to these, so that a user sees all of them at once; nothing runs unless there are none.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What could be read: a faulty value is marked, a faulty key of a table has its default, and a definition of which
    /// too little is known is left out.
    pub manifest: Manifest,
    /// The names of what was left out: a reference to one of them is no fault of its own.
    pub left_out: LeftOut,
    /// What was wrong, in the order of the text.
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
    /// Sections of these that could not be read at all, by name: nothing can be said of what they do not define.
    pub sections: HashSet<String>,
    /// Whether parts of the text could not be read, so that nothing can be said of any name that is not there.
    pub is_partial: bool,
}

impl LeftOut {
    /// A name that may be one of anything.
    pub(crate) fn may_be_any(&mut self, name: &str) {
        for kind in [&mut self.params, &mut self.resources, &mut self.components, &mut self.tasks] {
            kind.insert(name.to_owned());
        }
    }

    /// Whether nothing can be said of names that a section does not define.
    pub(crate) fn is_unread(&self, section: &str) -> bool {
        self.is_partial || self.sections.contains(section)
    }
}
