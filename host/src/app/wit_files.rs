//! Reads the WIT that a manifest names for a core module: a folder, or one file.
//! `sandbox` parses it in the process that compiles the module.

use crate::config::read_at_most;
use crate::model::Size;
use crate::sandbox::WitFile;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Maximum size of all files together. All of WASI has some 200 KB.
///
/// Threat: the host holds the files, and parses them in the process that compiles, whose memory is bounded.
const MAX_SIZE: Size = Size::bytes(8 << 20);

/// Maximum number of files, and of entries in a folder.
const MAX_FILES: usize = 1_000;

/// Folder for the packages that the main package uses.
const DEPS: &str = "deps";

/// Reads the packages at `path`, the main one first. Fails if they are larger than the host accepts.
pub(crate) fn read_wit(path: &Path) -> io::Result<Vec<Vec<WitFile>>> {
    let mut left = MAX_SIZE;
    let packages = wit_files(path)?.into_iter();
    packages.map(|files| files.iter().map(|file| read_file(file, &mut left)).collect()).collect()
}

/// Returns the files of the packages at `path`, the main one first. As every WIT tool does, it takes the `.wit` files of
/// the folder as one package, and each folder or file in `deps` as another.
pub(crate) fn wit_files(path: &Path) -> io::Result<Vec<Vec<PathBuf>>> {
    if !path.is_dir() {
        return Ok(vec![vec![path.to_owned()]]);
    }
    let main = texts(path)?;
    if main.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the folder has no `.wit` file"));
    }
    let mut packages = vec![main];
    let deps = path.join(DEPS);
    if deps.is_dir() {
        for entry in entries(&deps)? {
            if entry.is_dir() {
                packages.push(texts(&entry)?);
            } else if has_extension(&entry, &["wit", "wasm"]) {
                packages.push(vec![entry]);
            }
        }
    }
    if packages.iter().map(Vec::len).sum::<usize>() > MAX_FILES {
        return Err(too_many());
    }
    // An empty folder is no package.
    packages.retain(|files| !files.is_empty());
    Ok(packages)
}

fn texts(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = entries(folder)?;
    entries.retain(|entry| has_extension(entry, &["wit"]) && !entry.is_dir());
    Ok(entries)
}

/// Returns the entries of a folder by name, so that the system's order does not matter.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
        if paths.len() > MAX_FILES {
            return Err(too_many());
        }
    }
    paths.sort();
    Ok(paths)
}

fn read_file(path: &Path, left: &mut Size) -> io::Result<WitFile> {
    let content = read_at_most(path, *left).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => {
            let message = format!("the WIT files are larger than {MAX_SIZE} together");
            io::Error::new(io::ErrorKind::FileTooLarge, message)
        }
        _ => error, // all other messages are complete already
    })?;
    let len = u64::try_from(content.len()).unwrap_or(u64::MAX);
    *left = Size::bytes(left.as_bytes().saturating_sub(len));
    Ok(WitFile { path: path.display().to_string(), content })
}

fn too_many() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("the WIT has more than {MAX_FILES} files"))
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|found| extensions.iter().any(|extension| found == *extension))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count};

    fn names(packages: &[Vec<WitFile>]) -> Vec<Vec<String>> {
        let name = |file: &WitFile| file.path.rsplit('/').next().unwrap_or_default().to_owned();
        packages.iter().map(|files| files.iter().map(name).collect()).collect()
    }

    #[test]
    fn folder_is_read_as_wit_tools_do() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &&str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        };
        let error = read_wit(folder.path()).unwrap_err();
        assert_eq!(error.to_string(), "the folder has no `.wit` file");
        ["b.wit", "a.wit", "notes.md", "sub/c.wit", "deps/io/x.wit", "deps/io/deps/y.wit"]
            .iter()
            .for_each(put);
        ["deps/one.wit", "deps/two.wasm", "deps/read.me", "deps/empty/none"].iter().for_each(put);
        let packages = read_wit(folder.path()).unwrap();
        assert_eq!(
            names(&packages),
            [vec!["a.wit", "b.wit"], vec!["x.wit"], vec!["one.wit"], vec!["two.wasm"]]
        );
        let single = read_wit(&folder.path().join("a.wit")).unwrap();
        assert_eq!(names(&single), [["a.wit"]]);
        assert_eq!(read_wit(&folder.path().join("none.wit")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn size_and_number_of_files_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let half = vec![b' '; 5 << 20];
        fs::write(folder.path().join("a.wit"), &half).unwrap();
        read_wit(folder.path()).unwrap();
        fs::write(folder.path().join("b.wit"), &half).unwrap();
        assert_eq!(
            read_wit(folder.path()).unwrap_err().to_string(),
            "the WIT files are larger than 8MiB together"
        );
        for nth in 0..MAX_FILES {
            fs::write(folder.path().join(format!("{nth}.wit")), "").unwrap();
        }
        assert_eq!(read_wit(folder.path()).unwrap_err().to_string(), "the WIT has more than 1000 files");
    }

    #[test]
    fn manual_states_the_bounds_of_this_file() {
        let row = Page::of("limits").section("Limits of a host").line("WIT of a module").cell(1);
        row.says(&MAX_SIZE.to_string());
        row.says(&count(MAX_FILES));
    }
}
