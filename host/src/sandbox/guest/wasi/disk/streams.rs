//! Streams of files on a private disk. They are always ready: nothing on the disk waits.
//! The streams of granted files are elsewhere, because those block.

use crate::sandbox::guest::wasi::disk::descriptor::Held;
use crate::sandbox::guest::wasi::disk::tree::{DiskError, MAX_PIECE};
use bytes::Bytes;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// Input stream of a file, from a position on.
pub(crate) struct DiskInput {
    pub(crate) file: Held,
    pub(crate) position: u64,
}

#[async_trait]
impl InputStream for DiskInput {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let tree = self.file.tree.lock();
        let piece = tree.read(self.file.node, self.position, size.min(MAX_PIECE)).map_err(stream_error)?;
        if piece.is_empty() && size > 0 {
            return Err(StreamError::Closed);
        }
        self.position = self.position.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        Ok(Bytes::copy_from_slice(piece))
    }
}

#[async_trait]
impl Pollable for DiskInput {
    async fn ready(&mut self) {}
}

/// Output stream of a file, from a position on or at its end.
pub(crate) struct DiskOutput {
    pub(crate) file: Held,
    pub(crate) position: Option<u64>,
}

#[async_trait]
impl OutputStream for DiskOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let written = self.file.tree.lock().write(self.file.node, self.position, &bytes);
        let end = written.map_err(stream_error)?;
        self.position = self.position.map(|_| end);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_PIECE)
    }
}

#[async_trait]
impl Pollable for DiskOutput {
    async fn ready(&mut self) {}
}

/// A full disk ends the call; nothing else fails while a file is held.
fn stream_error(error: DiskError) -> StreamError {
    match error {
        DiskError::Full(hit) => StreamError::Trap(hit.into()),
        DiskError::Code(_) => StreamError::Closed,
    }
}
