//! Fetched components, kept by digest beside the compiled code, and notes about where they came from.
//! `eviction` bounds both together; `fetch` decides what is kept.

use crate::model::{Digest, SystemClock};
use crate::sandbox::compile::code_cache::{CodeCache, open};
use crate::sandbox::compile::eviction;
use std::fs::File;
use std::io;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::NamedTempFile;

/// Maximum size of a note, in bytes.
const MAX_NOTE: u64 = 4 << 10;

/// The components in a folder of compiled code. Processes share it: each writes files of its own and renames them.
pub struct KeptComponents(pub(crate) Arc<CodeCache>);

impl KeptComponents {
    /// Opens a component, if it is there. A damaged file is removed.
    #[must_use]
    pub fn find(&self, digest: &Digest) -> Option<File> {
        let path = self.component(digest);
        let mut file = open(&path).ok()?;
        if Digest::of_reader(&file).ok()? != *digest || file.rewind().is_err() {
            // Otherwise it would be read again and again.
            drop(std::fs::remove_file(&path));
            return None;
        }
        CodeCache::touch(&file);
        Some(file)
    }

    /// Creates a file for a component on its way. Dropping it deletes it.
    pub fn draft(&self) -> io::Result<NamedTempFile> {
        self.0.draft()
    }

    /// Keeps a component whose digest was checked.
    pub fn keep(&self, draft: NamedTempFile, digest: &Digest) -> io::Result<File> {
        draft.as_file().sync_all()?;
        let file = draft.persist(self.component(digest))?;
        self.prune();
        Ok(file)
    }

    /// Returns the note of a name, if there is one.
    #[must_use]
    pub fn note(&self, name: &Digest) -> Option<Vec<u8>> {
        let file = open(&self.note_path(name)).ok()?;
        CodeCache::touch(&file);
        let mut note = Vec::new();
        file.take(MAX_NOTE).read_to_end(&mut note).ok()?;
        Some(note)
    }

    /// Replaces the note of a name.
    pub fn set_note(&self, name: &Digest, note: &[u8]) -> io::Result<()> {
        let mut draft = self.0.draft()?;
        draft.write_all(note)?;
        draft.persist(self.note_path(name))?;
        self.prune();
        Ok(())
    }

    fn prune(&self) {
        drop(eviction::prune(self.0.folder(), &SystemClock)); // a failed eviction is repeated with the next file
    }

    fn component(&self, digest: &Digest) -> PathBuf {
        self.0.folder().join(format!("{digest}.wasm"))
    }

    fn note_path(&self, name: &Digest) -> PathBuf {
        self.0.folder().join(format!("{name}.note"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(folder: &std::path::Path) -> KeptComponents {
        KeptComponents(Arc::new(CodeCache::open(folder).unwrap()))
    }

    fn text(mut file: File) -> String {
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn components_are_found_by_digest_and_damaged_ones_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = (kept(folder.path()), kept(folder.path()));
        let digest = Digest::of_bytes(b"component");
        assert!(ours.find(&digest).is_none());
        for one in [&ours, &theirs] {
            let mut draft = one.draft().unwrap();
            draft.write_all(b"component").unwrap();
            drop(one.keep(draft, &digest).unwrap());
        }
        assert_eq!(text(theirs.find(&digest).unwrap()), "component");
        std::fs::write(folder.path().join(format!("{digest}.wasm")), "damaged").unwrap();
        assert!(ours.find(&digest).is_none());
        assert!(!folder.path().join(format!("{digest}.wasm")).exists());
    }

    #[test]
    fn notes_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let kept = kept(folder.path());
        let name = Digest::of_bytes(b"name");
        assert_eq!(kept.note(&name), None);
        kept.set_note(&name, b"first").unwrap();
        kept.set_note(&name, b"second").unwrap();
        assert_eq!(kept.note(&name).unwrap(), b"second");
    }
}
