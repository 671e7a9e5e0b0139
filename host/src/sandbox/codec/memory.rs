//! The memory of a guest as the codec sees it: allocation, bounds, and how its strings are encoded.
//! What is written there is for `lower`, what is read for `lift`.

use wasmtime::component::__internal::wasmtime_environ::component::StringEncoding;
use wasmtime::format_err;

/// How a guest's texts are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Utf16,
    /// Latin-1 where a text has no other characters; else UTF-16, which its length tells.
    Latin1,
}

impl From<StringEncoding> for Encoding {
    fn from(encoding: StringEncoding) -> Self {
        match encoding {
            StringEncoding::Utf8 => Self::Utf8,
            StringEncoding::Utf16 => Self::Utf16,
            StringEncoding::CompactUtf16 => Self::Latin1,
        }
    }
}

/// The memory that arguments are written to.
pub(crate) trait Guest {
    /// Room of that size, where the guest wants it.
    fn allocate(&mut self, align: usize, size: usize) -> wasmtime::Result<usize>;

    /// All of its memory.
    fn memory(&mut self) -> &mut [u8];

    /// How it reads texts.
    fn encoding(&self) -> Encoding;

    /// Fails once the call is out of time.
    fn check(&self) -> wasmtime::Result<()>;
}

/// How many bytes are copied before it is asked whether there is time left.
const PIECE: usize = 1 << 20;

/// Writes bytes where the guest wants them; gives their address.
pub(crate) fn write_bytes(guest: &mut impl Guest, align: usize, bytes: &[u8]) -> wasmtime::Result<usize> {
    let start = guest.allocate(align, bytes.len())?;
    slice(guest.memory(), start, bytes.len())?;
    let mut at = start;
    for piece in bytes.chunks(PIECE) {
        if at > start {
            guest.check()?;
        }
        slice(guest.memory(), at, piece.len())?.copy_from_slice(piece);
        at = at.saturating_add(piece.len());
    }
    Ok(start)
}

pub(crate) fn slice(memory: &mut [u8], at: usize, len: usize) -> wasmtime::Result<&mut [u8]> {
    let room = memory.get_mut(at..).and_then(|memory| memory.get_mut(..len));
    room.ok_or_else(|| format_err!("an address outside of the guest's memory"))
}
