//! Writes the files of `bindings`, `wrap` and `graph`: each as a whole, and only if it differs, so that a build sees no change.
//! `sandbox` makes their content.

use crate::app::Refusal;
use crate::app::output_dir::OutputDir;
use crate::model::{FilePath, Random};
use crate::sandbox::SourceFile;
use std::io;
use std::path::{Path, PathBuf};

/// Writes sources below a folder, which is made if it is not there. Other files in it stay.
pub(crate) fn write_sources(folder: &Path, files: &[SourceFile], random: &mut Random) -> Result<(), Refusal> {
    let mut dir = OutputDir::open(folder, random.next_u64()).map_err(|error| unwritten(folder, error))?;
    for file in files {
        let path = FilePath::parse(&file.path).map_err(|fault| unwritten(folder, io::Error::other(fault)))?;
        dir.write(&path, &file.content).map_err(|error| unwritten(&folder.join(&file.path), error))?;
    }
    Ok(())
}

/// Writes a file: a component, a picture.
pub(crate) fn write_file(path: &Path, content: &[u8], random: &mut Random) -> Result<(), Refusal> {
    let no_name = || unwritten(path, io::ErrorKind::InvalidFilename.into());
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(no_name)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.map_or_else(|| PathBuf::from("."), Path::to_owned);
    let file = SourceFile { path: name.to_owned(), content: content.to_vec() };
    write_sources(&folder, &[file], random)
}

fn unwritten(path: &Path, error: io::Error) -> Refusal {
    Refusal::new(format!("cannot write `{}`", path.display()))
        .help("name a place where you may write, with `--out`")
        .caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn only_files_that_differ_are_written_and_none_outside() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a/bindings");
        let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), content: text.into() };
        let mut random = Random::from_system();
        let mut write = |files: &[SourceFile]| write_sources(&folder, files, &mut random);
        write(&[file("task.h", "1"), file("x/y.go", "2")]).unwrap();
        assert_eq!(fs::read_to_string(folder.join("x/y.go")).unwrap(), "2");
        let at = || fs::metadata(folder.join("task.h")).unwrap().modified().unwrap();
        let before = at();
        write(&[file("task.h", "1"), file("x/y.go", "3")]).unwrap();
        assert_eq!(at(), before);
        assert_eq!(fs::read_to_string(folder.join("x/y.go")).unwrap(), "3");
        assert!(write(&[file("../out.c", "")]).is_err());
        assert!(!place.path().join("a/out.c").exists());
    }
}
