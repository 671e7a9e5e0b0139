//! Writes the files of a new folder: all of them, or none where the folder has something already.
//! `templates` and `from_component` say what they contain.

use crate::app::Refusal;
use crate::app::scaffold::NewFile;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Write as _;
use std::path::Path;

/// Creates a folder with these files. An empty folder is filled, one with files is refused.
pub(crate) fn create(folder: &Path, files: &[NewFile]) -> Result<(), Refusal> {
    let is_used = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(refusal(folder).caused_by(error)),
    };
    if is_used {
        return Err(Refusal::new(format!("the folder `{}` has files already", folder.display()))
            .help("choose a name that is not taken, or empty the folder"));
    }
    for NewFile { path, content } in files {
        let path = folder.join(path);
        write(&path, content).map_err(|error| refusal(&path).caused_by(error))?;
    }
    Ok(())
}

/// Writes a file that must not exist: what somebody else put there meanwhile stays.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    File::create_new(path)?.write_all(content)
}

fn refusal(path: &Path) -> Refusal {
    Refusal::new(format!("cannot create `{}`", path.display())).help("choose a folder in which you may write")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_are_used_are_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let files = [NewFile::new("a.txt", "a"), NewFile::new("b/c.txt", "c")];
        let new = place.path().join("x/new");
        create(&new, &files).unwrap();
        assert_eq!(fs::read_to_string(new.join("b/c.txt")).unwrap(), "c");
        fs::write(new.join("a.txt"), "mine").unwrap();
        let refused = create(&new, &files).unwrap_err();
        assert!(refused.to_string().contains("has files already"), "{refused}");
        assert_eq!(fs::read_to_string(new.join("a.txt")).unwrap(), "mine");
        let file = new.join("a.txt");
        assert!(create(&file, &files).is_err(), "a file is no folder");
    }
}
