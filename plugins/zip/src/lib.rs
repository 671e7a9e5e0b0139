//! Responsible for the exports that `wit/zip.wit` promises.
//! Leaves archives to `archive` and single streams to `gzip`.

wit_bindgen::generate!({ path: "wit", additional_derives: [Clone, PartialEq] });

mod archive;
mod gzip;

use exports::cascade::zip::zip::{Entry, Error, File, Guest, TextFile};

/// Bounds what is unpacked, of which a small archive can have very much. It fits into a task's memory twice.
const MAX_UNPACKED: u64 = 128 << 20;

struct Plugin;

impl Guest for Plugin {
    fn pack(files: Vec<File>) -> Result<Vec<u8>, Error> {
        archive::pack(files.iter().map(|file| (file.name.as_str(), file.content.as_slice())))
    }

    fn pack_text(files: Vec<TextFile>) -> Result<Vec<u8>, Error> {
        archive::pack(files.iter().map(|file| (file.name.as_str(), file.content.as_bytes())))
    }

    fn unpack(archive: Vec<u8>) -> Result<Vec<File>, Error> {
        archive::unpack(&archive)
    }

    fn unpack_text(archive: Vec<u8>) -> Result<Vec<TextFile>, Error> {
        archive::unpack(&archive)?.into_iter().map(archive::text).collect()
    }

    fn read(archive: Vec<u8>, name: String) -> Result<Vec<u8>, Error> {
        archive::read(&archive, &name)
    }

    fn entries(archive: Vec<u8>) -> Result<Vec<Entry>, Error> {
        archive::entries(&archive)
    }

    fn gzip(data: Vec<u8>) -> Vec<u8> {
        gzip::packed(&data)
    }

    fn gunzip(data: Vec<u8>) -> Result<Vec<u8>, Error> {
        gzip::unpacked(&data)
    }
}

export!(Plugin);
