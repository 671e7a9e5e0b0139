//! Standard output of a command as its result: captured once, and neither logged nor copied.
//! `output` has the outputs that go to the log.

use crate::model::Size;
use crate::sandbox::guest::limits::LimitHit;
use bytes::Bytes;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// Number of bytes that a guest may write at once.
const WRITE_PERMIT: usize = 64 << 10;

/// Room before the bytes: the longest head of a str or bin in MessagePack.
pub(crate) const HEAD_ROOM: usize = 5;

/// Smallest and largest growth of the buffer, in bytes. A doubled buffer would reserve up to twice what is written.
const MIN_GROWTH: usize = 4 << 10;
const MAX_GROWTH: usize = 16 << 20;

/// Captured output. Every stream that the guest opens on it is the same output.
#[derive(Clone)]
pub(crate) struct CapturedOutput {
    // A mutex because streams may move between threads. Each critical section is one append.
    buffer: Arc<Mutex<Vec<u8>>>,
    limit: Size,
}

impl CapturedOutput {
    /// Creates an output of at most `limit` bytes.
    pub(crate) fn new(limit: Size) -> Self {
        Self { buffer: Arc::new(Mutex::new(vec![0; HEAD_ROOM])), limit }
    }

    /// Takes what was written, behind [`HEAD_ROOM`] bytes.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut taken = std::mem::take(&mut *self.buffer.lock().unwrap_or_else(PoisonError::into_inner));
        taken.shrink_to_fit();
        taken
    }

    fn append(&self, bytes: &[u8]) -> Result<(), LimitHit> {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        let written = (buffer.len().saturating_sub(HEAD_ROOM)).saturating_add(bytes.len());
        if written > self.limit.as_usize() {
            let needed = u64::try_from(written).unwrap_or(u64::MAX);
            let reason = "the guest writes more to stdout";
            return Err(LimitHit::memory_limit("output", self.limit, needed, reason));
        }
        if buffer.capacity() - buffer.len() < bytes.len() {
            let growth = buffer.len().clamp(MIN_GROWTH, MAX_GROWTH).max(bytes.len());
            if buffer.try_reserve_exact(growth).is_err() {
                return Err(LimitHit::Other("the host has no memory for the guest's stdout".to_owned()));
            }
        }
        buffer.extend_from_slice(bytes);
        Ok(())
    }
}

impl IsTerminal for CapturedOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for CapturedOutput {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for CapturedOutput {
    async fn ready(&mut self) {}
}

impl OutputStream for CapturedOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.append(&bytes).map_err(|hit| StreamError::Trap(hit.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_PERMIT)
    }
}

impl AsyncWrite for CapturedOutput {
    fn poll_write(
        self: Pin<&mut Self>,
        _ctx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(self.append(bytes).map(|()| bytes.len()).map_err(std::io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _ctx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _ctx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
