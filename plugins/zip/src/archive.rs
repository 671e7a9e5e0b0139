//! Responsible for ZIP archives: writing the same bytes each time, and reading within bounds.
//! Leaves gzip to `gzip`.

use crate::gzip;
use crate::{Entry, Error, File, MAX_UNPACKED, TextFile};
use std::collections::BTreeSet;
use std::io::{Cursor, Write};
use zip::read::ZipFile;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// Packs files.
pub fn pack<'f>(files: impl Iterator<Item = (&'f str, &'f [u8])>) -> Result<Vec<u8>, Error> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let mut names = BTreeSet::new();
    for (name, content) in files {
        let name = below(name);
        if !is_inside(name) || !names.insert(name) {
            return Err(Error::BadName(name.to_owned()));
        }
        writer.start_file(name, options).map_err(|error| malformed(&error))?;
        writer.write_all(content).map_err(|error| Error::Malformed(error.to_string()))?;
    }
    Ok(writer.finish().map_err(|error| malformed(&error))?.into_inner())
}

/// The part of a path that lies below wherever it starts: `{ files = "../data/*" }` gives names with `../` in front.
fn below(name: &str) -> &str {
    let mut rest = name;
    while let Some(below) = rest.strip_prefix("../").or_else(|| rest.strip_prefix('/')) {
        rest = below;
    }
    rest
}

/// A path that leads to a file below the folder that it starts from, on every system.
fn is_inside(name: &str) -> bool {
    let has_drive = name.split('/').next().is_some_and(|first| first.contains(':'));
    let is_step = |step: &str| !matches!(step, "" | "." | "..");
    !has_drive && !name.contains(['\\', '\0']) && name.split('/').all(is_step)
}

/// Unpacks all files.
pub fn unpack(archive: &[u8]) -> Result<Vec<File>, Error> {
    let mut archive = open(archive)?;
    let mut names = BTreeSet::new();
    let mut files = Vec::new();
    let mut left = MAX_UNPACKED;
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(|error| malformed(&error))?;
        if file.is_dir() {
            continue;
        }
        let name = name(&file)?;
        if !is_inside(&name) || !names.insert(name.clone()) {
            return Err(Error::BadName(name));
        }
        let content = content(file, left)?;
        left = left.saturating_sub(u64::try_from(content.len()).unwrap_or(u64::MAX));
        files.push(File { name, content });
    }
    Ok(files)
}

fn content<R: std::io::Read>(file: ZipFile<'_, R>, most: u64) -> Result<Vec<u8>, Error> {
    gzip::bounded(file, most)
}

fn name<R: std::io::Read>(file: &ZipFile<'_, R>) -> Result<String, Error> {
    file.name().map(std::borrow::Cow::into_owned).map_err(|error| malformed(&error))
}

/// Unpacks one file.
pub fn read(archive: &[u8], name: &str) -> Result<Vec<u8>, Error> {
    let mut archive = open(archive)?;
    let file = archive.by_name(name).map_err(|error| match error {
        ZipError::FileNotFound => Error::NotFound(name.to_owned()),
        other => malformed(&other),
    })?;
    content(file, MAX_UNPACKED)
}

/// Lists the files.
pub fn entries(archive: &[u8]) -> Result<Vec<Entry>, Error> {
    let mut archive = open(archive)?;
    let mut entries = Vec::new();
    for index in 0..archive.len() {
        let file = archive.by_index_raw(index).map_err(|error| malformed(&error))?;
        if file.is_dir() {
            continue;
        }
        entries.push(Entry {
            name: name(&file)?,
            size: file.size(),
            packed: file.compressed_size(),
            crc32: format!("{:08x}", file.crc32()),
        });
    }
    Ok(entries)
}

/// Reads the content of a file as text.
pub fn text(file: File) -> Result<TextFile, Error> {
    match String::from_utf8(file.content) {
        Ok(content) => Ok(TextFile { name: file.name, content }),
        Err(_) => Err(Error::NotText(file.name)),
    }
}

fn open(archive: &[u8]) -> Result<Archive<'_>, Error> {
    ZipArchive::new(Cursor::new(archive)).map_err(|error| malformed(&error))
}

fn malformed(error: &ZipError) -> Error {
    Error::Malformed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [(&str, &[u8]); 3] = [("b.txt", b"bee bee bee bee"), ("a/c.bin", &[0, 255]), ("empty", b"")];

    fn packed() -> Vec<u8> {
        pack(FILES.into_iter()).unwrap()
    }

    #[test]
    fn files_come_back_in_order() {
        let files = unpack(&packed()).unwrap();
        let shown: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.content.as_slice())).collect();
        assert_eq!(shown, FILES);
        assert_eq!(read(&packed(), "a/c.bin").unwrap(), [0, 255]);
        assert!(matches!(read(&packed(), "c.bin"), Err(Error::NotFound(_))));
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        assert_eq!(packed(), packed());
        assert_eq!(pack(std::iter::empty()).unwrap().len(), 22);
    }

    #[test]
    fn entries_are_known_without_unpacking() {
        let entries = entries(&packed()).unwrap();
        assert_eq!(
            (entries[0].name.as_str(), entries[0].size, entries[2].crc32.as_str()),
            ("b.txt", 15, "00000000")
        );
        assert!(entries[0].packed < 15);
    }

    #[test]
    fn names_lead_nowhere_outside() {
        for name in ["", "..", "a/../b", "a//b", "a/", "./a", "c:/a", "a\\b", "a\0"] {
            assert!(matches!(pack([(name, &b""[..])].into_iter()), Err(Error::BadName(_))), "{name:?}");
        }
        assert!(matches!(pack([FILES[0], FILES[0]].into_iter()), Err(Error::BadName(_))));
        let above = pack([("../../b/c", &b""[..]), ("/d", b"")].into_iter()).unwrap();
        let names: Vec<String> = entries(&above).unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["b/c", "d"]);
        let mut hostile = packed();
        for at in 0..hostile.len() - 5 {
            if hostile[at..].starts_with(b"b.txt") {
                hostile[at..at + 5].copy_from_slice(b"../xy");
            }
        }
        assert!(matches!(unpack(&hostile), Err(Error::BadName(name)) if name == "../xy"));
    }

    #[test]
    fn damage_is_an_error_or_changes_nothing_of_the_content() {
        let packed = packed();
        for at in 0..packed.len() {
            assert!(unpack(&packed[..at]).is_err(), "cut at {at}");
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = packed.clone();
                damaged[at] ^= flip;
                let files = unpack(&damaged).unwrap_or_default();
                let is_known = |file: &File| FILES.iter().any(|(_, content)| *content == file.content);
                assert!(files.iter().all(is_known), "damaged at {at}");
            }
        }
        for text in [&b""[..], b"PK", b"PK\x05\x06", &[0; 100]] {
            assert!(matches!(unpack(text), Err(Error::Malformed(_))));
        }
    }

    #[test]
    fn text_has_to_be_utf8() {
        let files = unpack(&packed()).unwrap();
        assert_eq!(text(files[0].clone()).unwrap().content, "bee bee bee bee");
        assert!(matches!(text(files[1].clone()), Err(Error::NotText(name)) if name == "a/c.bin"));
    }
}
