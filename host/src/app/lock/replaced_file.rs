//! Replaces a text file as a whole: it is written beside and renamed.
//! Links are followed, since the user named them; the mode stays.

use std::fs;
use std::io;
use std::io::Write as _;
use std::path::Path;
use tempfile::NamedTempFile;

/// Replaces the text of a file, unless it is not `old` any more: somebody has edited it meanwhile.
pub(crate) fn replace_file(path: &Path, old: &str, new: &str) -> io::Result<()> {
    let path = path.canonicalize()?;
    let metadata = fs::metadata(&path)?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    let found = fs::read(&path)?;
    let text = found.strip_prefix(MARK).unwrap_or(&found);
    if text != old.as_bytes() {
        return Err(io::Error::other("it has changed meanwhile"));
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut draft = NamedTempFile::new_in(folder)?;
    if found.len() > text.len() {
        draft.write_all(MARK)?;
    }
    draft.write_all(new.as_bytes())?;
    draft.as_file().set_permissions(metadata.permissions())?;
    draft.as_file().sync_all()?;
    draft.persist(&path)?;
    Ok(())
}

/// The byte order mark that some editors write, and that reading has removed.
const MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn file_behind_a_link_is_replaced_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("m.toml"), folder.path().join("link"));
        fs::write(&file, "\u{feff}old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("m.toml", &link).unwrap();
        replace_file(&link, "old", "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "\u{feff}new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(link.is_symlink());
        assert!(replace_file(&file, "old", "newer").unwrap_err().to_string().contains("meanwhile"));
        assert!(replace_file(Path::new("/dev/null"), "", "x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
