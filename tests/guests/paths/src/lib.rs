//! Responsible for doing to files what it is told, past all that a library would do about a path.
//! Leaves it to the tests to know what may succeed.

wit_bindgen::generate!({ path: "wit" });

use std::collections::BTreeSet;

use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags};

struct Paths;

/// What a guest writes where it may.
const TEXT: &[u8] = b"written by the guest";

impl Guest for Paths {
    fn act(action: Action) -> Result<String, String> {
        let Action { what, at, to } = action;
        let to = to.unwrap_or(Place { folder: at.folder.clone(), path: String::new() });
        act(&what, &at, &to).map_err(|code| format!("{code:?}"))
    }

    fn hoard(name: String, listings: u32) -> Result<(u32, String), String> {
        let folder = folder(&name).map_err(|code| format!("{code:?}"))?;
        let mut kept = Vec::new();
        let mut ended = String::new();
        while ended.is_empty() && u32::try_from(kept.len()).is_ok_and(|count| count < listings) {
            match folder.read_directory() {
                Ok(listing) => kept.push(listing),
                Err(code) => ended = format!("{code:?}"),
            }
        }
        let count = u32::try_from(kept.len()).unwrap_or(u32::MAX);
        drop(kept);
        folder.read_directory().map_err(|code| format!("{code:?}"))?;
        Ok((count, ended))
    }

    fn census(name: String) -> Result<(u32, u64), String> {
        census(&name).map_err(|code| format!("{code:?}"))
    }

    fn collect(file: Place, files: u32, wait: u32) -> Result<u32, String> {
        collect(&file, files, wait).map_err(|code| format!("{code:?}"))
    }

    fn storm(read: Place, write: Place, times: u32) -> Vec<String> {
        let mut seen = BTreeSet::new();
        for _ in 0..times {
            if let Ok(text) = act("read", &read, &read) {
                seen.insert(text);
            }
            // Most of them fail: the folder is a link just then, or it is not there.
            let _ = act("write", &write, &write);
        }
        seen.into_iter().collect()
    }
}

fn act(what: &str, at: &Place, to: &Place) -> Result<String, ErrorCode> {
    let (here, path) = (folder(&at.folder)?, &*at.path);
    let follow = PathFlags::SYMLINK_FOLLOW;
    let open = |flags, rights| here.open_at(follow, path, flags, rights);
    match what {
        "read" => {
            let bytes = open(OpenFlags::empty(), DescriptorFlags::READ)?.read(1 << 16, 0)?.0;
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
        "write" => drop(open(OpenFlags::CREATE, DescriptorFlags::WRITE)?.write(TEXT, 0)?),
        "truncate" => drop(open(OpenFlags::TRUNCATE, DescriptorFlags::WRITE)?),
        // Through a descriptor that may only read.
        "set-size" => open(OpenFlags::empty(), DescriptorFlags::READ)?.set_size(0)?,
        "touch" => open(OpenFlags::empty(), DescriptorFlags::READ)?
            .set_times(NewTimestamp::NoChange, NewTimestamp::Timestamp(epoch()))?,
        "times" => {
            here.set_times_at(follow, path, NewTimestamp::NoChange, NewTimestamp::Timestamp(epoch()))?;
        }
        "list" => {
            let entries = open(OpenFlags::DIRECTORY, DescriptorFlags::READ)?.read_directory()?;
            let mut names = Vec::new();
            while let Some(entry) = entries.read_directory_entry()? {
                names.push(entry.name);
            }
            names.sort();
            return Ok(names.join(" "));
        }
        "stat" => return Ok(here.stat_at(follow, path)?.size.to_string()),
        "hash" => return here.metadata_hash_at(follow, path).map(|hash| hash.lower.to_string()),
        "read-link" => return here.readlink_at(path),
        "make" => here.create_directory_at(path)?,
        "remove" => here.remove_directory_at(path)?,
        "unlink" => here.unlink_file_at(path)?,
        "link" => here.link_at(follow, path, &folder(&to.folder)?, &to.path)?,
        "rename" => here.rename_at(path, &folder(&to.folder)?, &to.path)?,
        // The text of the link comes first, as in the call itself.
        "symlink" => folder(&to.folder)?.symlink_at(path, &to.path)?,
        _ => return Err(ErrorCode::Unsupported),
    }
    Ok("done".to_owned())
}

fn census(name: &str) -> Result<(u32, u64), ErrorCode> {
    let listing = folder(name)?.read_directory()?;
    let (mut entries, mut bytes) = (0, 0);
    while let Some(entry) = listing.read_directory_entry()? {
        entries += 1;
        bytes += u64::try_from(entry.name.len()).unwrap_or(u64::MAX);
    }
    Ok((entries, bytes))
}

fn collect(file: &Place, files: u32, wait: u32) -> Result<u32, ErrorCode> {
    let here = folder(&file.folder)?;
    let (mut descriptors, mut streams) = (Vec::new(), Vec::new());
    for nth in 0..files {
        let opened =
            here.open_at(PathFlags::empty(), &file.path, OpenFlags::empty(), DescriptorFlags::READ)?;
        if nth % 2 == 0 {
            descriptors.push(opened);
        } else {
            streams.push(opened.read_via_stream(0)?);
        }
    }
    subscribe_duration(u64::from(wait) * 1_000_000).block();
    Ok(files)
}

fn folder(name: &str) -> Result<Descriptor, ErrorCode> {
    let granted = get_directories().into_iter().find(|(_, granted)| granted == name);
    granted.map(|(descriptor, _)| descriptor).ok_or(ErrorCode::NoEntry)
}

fn epoch() -> wasip2::clocks::wall_clock::Datetime {
    wasip2::clocks::wall_clock::Datetime { seconds: 1, nanoseconds: 0 }
}

export!(Paths);
