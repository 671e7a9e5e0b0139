//! Standard output and error of a guest: counted, cut into lines, and handed to whoever listens.
//! What a line means, and whether anybody keeps it, is for the listener.

use crate::invoke::Listener;
use crate::invoke::Stream;
use crate::sandbox::guard::LogGuard;
use bytes::Bytes;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// How much a guest may write at once.
const PERMIT: usize = 64 << 10;

/// One of a guest's outputs. Every stream that the guest opens on it is the same output.
#[derive(Clone)]
pub(crate) struct GuestOutput {
    stream: Stream,
    listener: Arc<dyn Listener>,
    logs: LogGuard,
    // A mutex because WASI may hold several streams; the section is an append.
    line: Arc<Mutex<Vec<u8>>>,
}

impl GuestOutput {
    /// An output that nothing was written to.
    pub(crate) fn new(stream: Stream, listener: &Arc<dyn Listener>, logs: &LogGuard) -> Self {
        Self { stream, listener: Arc::clone(listener), logs: logs.clone(), line: Arc::default() }
    }

    fn accept(&self, bytes: &[u8]) -> Result<(), StreamError> {
        self.logs.charge(bytes.len()).map_err(|limit| StreamError::Trap(limit.into()))?;
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.extend_from_slice(bytes);
        if let Some(end) = line.iter().rposition(|byte| *byte == b'\n') {
            let rest = line.split_off(end + 1);
            let whole = std::mem::replace(&mut *line, rest);
            drop(line);
            self.listener.wrote(self.stream, &String::from_utf8_lossy(&whole));
        }
        Ok(())
    }
}

/// What stands behind the last line's end is told when the guest is gone.
impl Drop for GuestOutput {
    fn drop(&mut self) {
        if Arc::strong_count(&self.line) > 1 {
            return;
        }
        let line = std::mem::take(&mut *self.line.lock().unwrap_or_else(PoisonError::into_inner));
        if !line.is_empty() {
            self.listener.wrote(self.stream, &String::from_utf8_lossy(&line));
        }
    }
}

impl IsTerminal for GuestOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestOutput {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for GuestOutput {
    async fn ready(&mut self) {}
}

impl OutputStream for GuestOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.accept(&bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

impl AsyncWrite for GuestOutput {
    fn poll_write(
        self: Pin<&mut Self>,
        _ctx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(match self.accept(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(refused) => Err(std::io::Error::other(refused.to_string())),
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _ctx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _ctx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
