//! Streams a body to a file, within bounds, and goes on where a cut connection has left off.
//! The caller opens the connections and checks the digest.

use crate::fetch::Error;
use crate::fetch::failed::Failed;
use crate::fetch::http::{error_of, piece};
use crate::fetch::retries::Retries;
use crate::model::{Size, Url};
use crate::sandbox::Answer;
use std::fs::File;
use std::io;
use std::io::{Seek as _, SeekFrom, Write as _};

/// What is known of a body before it comes.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a> {
    /// The URL, for messages.
    pub(crate) url: &'a Url,
    /// The size, if somebody has told.
    pub(crate) size: Option<u64>,
    /// The maximum size.
    pub(crate) max: Size,
    /// Whether the digest is known, so that parts of different answers cannot pass for one component.
    pub(crate) is_pinned: bool,
}

/// Writes a body to a file. `open` returns the answer from an offset on; a server may ignore the offset.
pub(crate) async fn download(
    file: &mut File,
    expected: Expected<'_>,
    mut open: impl AsyncFnMut(u64) -> Result<Answer, Failed>,
) -> Result<(), Error> {
    let mut retries = Retries::new();
    let (mut have, mut most) = (0, 0);
    loop {
        let Err(failed) = attempt(file, &mut have, expected, &mut open).await else { return Ok(()) };
        if have > most {
            most = have;
            retries.reset();
        }
        if !expected.is_pinned {
            have = 0;
        }
        retries.pause(failed).await?;
    }
}

async fn attempt(
    file: &mut File,
    have: &mut u64,
    expected: Expected<'_>,
    open: &mut impl AsyncFnMut(u64) -> Result<Answer, Failed>,
) -> Result<(), Failed> {
    let mut answer = open(*have).await?;
    match answer.status() {
        206 if begins_at(&answer) == Some(*have) => {}
        200 => *have = 0,
        status @ (206 | 416) => {
            // The server has misunderstood: the next attempt asks for all.
            *have = 0;
            let what = format!("answers {status} with another part than asked for");
            return Err(Failed::Again(Error::Silent { origin: expected.url.origin(), what }, None));
        }
        _ => return Err(error_of(answer, expected.url).await), // an error
    }
    file.set_len(*have).and_then(|()| file.seek(SeekFrom::Start(*have))).map_err(Error::Store)?;
    let max = expected.max.as_bytes();
    let promised = answer.header("content-length").and_then(|length| length.parse::<u64>().ok());
    if promised.is_some_and(|length| have.saturating_add(length) > max) {
        return Err(Error::TooLarge(expected.max).into());
    }
    while let Some(piece) = piece(&mut answer, expected.url).await? {
        let len = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        if have.saturating_add(len) > max {
            return Err(Error::TooLarge(expected.max).into());
        }
        write(file, &piece)?;
        *have += len;
    }
    match expected.size {
        Some(size) if *have < size => {
            let what = format!("stops after {have} of {size} bytes");
            Err(Failed::Again(Error::Silent { origin: expected.url.origin(), what }, None))
        }
        _ => Ok(()), // complete, or the digest tells
    }
}

fn write(file: &mut File, piece: &[u8]) -> Result<(), Failed> {
    let written: io::Result<()> = file.write_all(piece);
    written.map_err(|error| Error::Store(error).into())
}

/// Returns where a part begins, by `content-range: bytes 5-9/10`.
fn begins_at(answer: &Answer) -> Option<u64> {
    let range = answer.header("content-range")?.strip_prefix("bytes ")?;
    range.split('-').next()?.trim().parse().ok()
}
