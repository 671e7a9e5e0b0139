//! Responsible for doing to files what it is told, past all that a library would do about a path.
//! Leaves it to the tests to know what may succeed.

wit_bindgen::generate!({ path: "wit" });

use std::collections::BTreeSet;

use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags};
use wasip2::io::poll::{Pollable, poll};
use wasip2::io::streams::{InputStream, StreamError};

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

    fn streams(read: Place, write: String, count: u32) -> Result<u64, String> {
        write_all(&write, count).and_then(|()| read_all(&read, count)).map_err(|code| format!("{code:?}"))
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

fn read_all(file: &Place, count: u32) -> Result<u64, ErrorCode> {
    let opened = folder(&file.folder)?.open_at(
        PathFlags::empty(),
        &file.path,
        OpenFlags::empty(),
        DescriptorFlags::READ,
    )?;
    let begin = |_| opened.read_via_stream(0);
    let mut streams = (0..count).map(begin).collect::<Result<Vec<InputStream>, ErrorCode>>()?;
    let mut bytes = 0;
    let mut count = |read: Vec<u8>| bytes += u64::try_from(read.len()).unwrap_or(u64::MAX);
    for stream in &streams {
        count(stream.read(1 << 16).map_err(|_| ErrorCode::Io)?);
    }
    // This one is waited for, whatever the others do.
    if let Some(last) = streams.last() {
        count(last.blocking_read(1 << 16).map_err(|_| ErrorCode::Io)?);
    }
    while !streams.is_empty() {
        let asked: Vec<Pollable> = streams.iter().map(InputStream::subscribe).collect();
        let mut ready = poll(&asked.iter().collect::<Vec<_>>());
        drop(asked);
        ready.sort_unstable_by(|one, other| other.cmp(one));
        for at in ready.into_iter().filter_map(|at| usize::try_from(at).ok()) {
            match streams[at].read(1 << 16) {
                Ok(read) => count(read),
                Err(StreamError::Closed) => drop(streams.swap_remove(at)),
                Err(StreamError::LastOperationFailed(_)) => return Err(ErrorCode::Io),
            }
        }
    }
    Ok(bytes)
}

fn write_all(to: &str, count: u32) -> Result<(), ErrorCode> {
    let here = folder(to)?;
    let mut streams = Vec::new();
    for nth in 0..count {
        let file =
            here.open_at(PathFlags::empty(), &nth.to_string(), OpenFlags::CREATE, DescriptorFlags::WRITE)?;
        let stream = if nth % 2 == 0 { file.write_via_stream(0) } else { file.append_via_stream() }?;
        stream.check_write().map_err(|_| ErrorCode::Io)?;
        stream.write(TEXT).map_err(|_| ErrorCode::Io)?;
        streams.push(stream);
    }
    // One is waited for; what the others have not written yet is written as they go.
    let first = streams.first().ok_or(ErrorCode::Invalid)?;
    first.subscribe().block();
    first.check_write().map(drop).map_err(|_| ErrorCode::Io)
}

fn folder(name: &str) -> Result<Descriptor, ErrorCode> {
    let granted = get_directories().into_iter().find(|(_, granted)| granted == name);
    granted.map(|(descriptor, _)| descriptor).ok_or(ErrorCode::NoEntry)
}

fn epoch() -> wasip2::clocks::wall_clock::Datetime {
    wasip2::clocks::wall_clock::Datetime { seconds: 1, nanoseconds: 0 }
}

export!(Paths);
