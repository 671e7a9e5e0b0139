//! What a reference meant when it was asked last, as stored beside the components.
//! `fetcher` uses it where the network is not asked.

use crate::fetch::registry::Resolved;
use crate::model::{Digest, Digester, OciReference};
use crate::sandbox::KeptComponents;

/// First line of a stored note, with its version.
const HEAD: &str = "cascade oci 1";

/// The digests of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) manifest: Digest,
    pub(crate) component: Digest,
}

impl Note {
    /// Returns the note about a reference, if there is one.
    pub(crate) fn of(kept: &KeptComponents, reference: &OciReference) -> Option<Self> {
        Self::parse(std::str::from_utf8(&kept.note(&name(reference))?).ok()?)
    }

    /// Stores what a reference means, and what its digest alone does, which stays.
    ///
    /// Without a note, a later host asks the registry again; so a failure is no error.
    pub(crate) fn store(kept: &KeptComponents, reference: &OciReference, resolved: &Resolved) {
        let note = Self { manifest: resolved.manifest, component: resolved.layer.digest }.text();
        for reference in [reference, &reference.with_digest(resolved.manifest)] {
            drop(kept.set_note(&name(reference), note.as_bytes()));
        }
    }

    fn text(&self) -> String {
        format!("{HEAD}\n{}\n{}\n", self.manifest, self.component)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        lines.next().filter(|head| *head == HEAD)?;
        let mut digest = || Digest::parse(lines.next()?).ok();
        Some(Self { manifest: digest()?, component: digest()? })
    }
}

/// Returns the name of the note. A tag beside a digest says nothing.
fn name(reference: &OciReference) -> Digest {
    let mut name = Digester::new(HEAD);
    name.field(reference.registry().as_bytes()).field(reference.repository().as_bytes());
    name.field(reference.version().as_bytes());
    name.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips_and_has_a_version() {
        let note = Note { manifest: Digest::of_bytes(b"m"), component: Digest::of_bytes(b"c") };
        assert_eq!(Note::parse(&note.text()), Some(note));
        assert!(note.text().starts_with("cascade oci 1\n"));
        for text in ["", "cascade oci 2\n", "cascade oci 1\nx\ny\n", &note.text()[..90]] {
            assert_eq!(Note::parse(text), None, "{text}");
        }
    }

    #[test]
    fn tag_beside_a_digest_names_the_same_note() {
        let digest = Digest::of_bytes(b"m");
        let parse = |text: &str| OciReference::parse(text).unwrap();
        let tagged = parse("ghcr.io/a:1");
        assert_ne!(name(&tagged), name(&tagged.with_digest(digest)));
        assert_eq!(name(&tagged.with_digest(digest)), name(&parse("ghcr.io/a:2").with_digest(digest)));
        assert_ne!(name(&tagged), name(&parse("ghcr.io/b:1")));
    }
}
