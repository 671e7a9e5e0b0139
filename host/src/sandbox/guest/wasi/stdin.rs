//! Standard input of a command: the bytes of an argument, without a copy, and the end behind them.
//! Functions have an empty one, which is wasmtime's.

use bytes::Bytes;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, ReadBuf};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdinStream};
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};

/// Maximum size of one read, in bytes: wasmtime copies each.
const MAX_PIECE: usize = 64 << 10;

/// What is left of a guest's input. Every stream that the guest opens on it continues where another has stopped.
#[derive(Clone, Default)]
pub(crate) struct GuestInput(Arc<Mutex<Bytes>>); // A mutex because streams may move between threads. Each critical section is one read.

impl GuestInput {
    /// Creates an input of which nothing was read.
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(Arc::new(Mutex::new(bytes)))
    }

    /// Takes the next bytes, at most `size` of them. Without any, the input has ended.
    fn take(&self, size: usize) -> Bytes {
        let mut rest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let len = rest.len().min(size).min(MAX_PIECE);
        rest.split_to(len)
    }
}

impl IsTerminal for GuestInput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for GuestInput {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl InputStream for GuestInput {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let piece = self.take(size);
        if piece.is_empty() && size > 0 { Err(StreamError::Closed) } else { Ok(piece) }
    }
}

/// Always ready: with bytes, or with the end.
#[async_trait]
impl Pollable for GuestInput {
    async fn ready(&mut self) {}
}

impl AsyncRead for GuestInput {
    fn poll_read(
        self: Pin<&mut Self>,
        _ctx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let piece = self.take(buffer.remaining());
        buffer.put_slice(&piece);
        Poll::Ready(Ok(()))
    }
}
