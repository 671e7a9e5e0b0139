//! Guest memory as the codec sees it: allocation, bounds checks and string encodings.
//! `lower` decides what is written there, `lift` what is read.

use wasmtime::component::__internal::wasmtime_environ::component::StringEncoding;
use wasmtime::format_err;

/// String encodings of the canonical ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// UTF-8.
    Utf8,
    /// UTF-16, little endian.
    Utf16,
    /// Latin-1 if the string allows it, UTF-16 otherwise; a tag in the length says which.
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

/// Guest memory that arguments are written to.
pub(crate) trait Guest {
    /// Allocates `size` bytes with the guest's own allocator and returns their address.
    fn allocate(&mut self, align: usize, size: usize) -> wasmtime::Result<usize>;

    /// Returns all of the guest's linear memory.
    fn memory(&mut self) -> &mut [u8];

    /// Returns the encoding of the guest's strings.
    fn encoding(&self) -> Encoding;

    /// Fails if the call's deadline has passed.
    fn check(&self) -> wasmtime::Result<()>;
}

/// Number of bytes that are copied between two checks of the deadline.
const CHECK_INTERVAL: usize = 1 << 20;

/// Copies bytes to newly allocated guest memory and returns their address.
pub(crate) fn write_bytes(guest: &mut impl Guest, align: usize, bytes: &[u8]) -> wasmtime::Result<usize> {
    let start = guest.allocate(align, bytes.len())?;
    slice(guest.memory(), start, bytes.len())?;
    let mut address = start;
    for piece in bytes.chunks(CHECK_INTERVAL) {
        if address > start {
            guest.check()?;
        }
        slice(guest.memory(), address, piece.len())?.copy_from_slice(piece);
        address = address.saturating_add(piece.len());
    }
    Ok(start)
}

/// Returns `len` bytes of memory at an address. Fails if they are out of bounds.
pub(crate) fn slice(memory: &mut [u8], address: usize, len: usize) -> wasmtime::Result<&mut [u8]> {
    let slot = memory.get_mut(address..).and_then(|memory| memory.get_mut(..len));
    slot.ok_or_else(|| format_err!("an address outside of the guest's memory"))
}
