//! Standard output and error of a guest: counted, cut into lines and passed to the listener.
//! The listener decides what a line means and whether to keep it.

use crate::invoke::{Listener, Stream};
use crate::sandbox::guest::limits::{LogGuard, MIN_LINE_COST};
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

/// Maximum size of the kept end of an output, in bytes. Far more than is shown, because secrets are searched in it, and a
/// secret without its beginning is not found.
pub(crate) const MAX_KEPT: usize = 16 << 10;

/// The last part of a guest's stderr. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct StderrTail(Arc<Mutex<Tail>>); // A mutex because streams may move between threads. Each critical section is one append.

#[derive(Default)]
struct Tail {
    bytes: Vec<u8>,
    /// Whether earlier output was dropped.
    is_cut: bool,
}

impl StderrTail {
    fn append(&self, bytes: &[u8]) {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tail.is_cut |= bytes.len() > MAX_KEPT;
        tail.bytes.extend_from_slice(bytes.get(bytes.len().saturating_sub(MAX_KEPT)..).unwrap_or_default());
        // Not at each write: moving the bytes costs more than keeping them.
        if tail.bytes.len() > 2 * MAX_KEPT {
            let excess = tail.bytes.len() - MAX_KEPT;
            tail.bytes.drain(..excess);
            tail.is_cut = true;
        }
    }

    /// Returns the text. A cut text starts with a mark and then a complete line or word, because half a secret would not
    /// be found.
    pub(crate) fn text(&self) -> String {
        let tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.is_cut { end_of(&tail.bytes, MAX_KEPT) } else { last_part(&tail.bytes, MAX_KEPT) }
    }
}

/// Returns the last part of a text, as [`StderrTail::text`] does.
pub(crate) fn last_part(bytes: &[u8], max: usize) -> String {
    if bytes.len() <= max { String::from_utf8_lossy(bytes).into_owned() } else { end_of(bytes, max) }
}

/// Returns at most `max` bytes of the end of a text whose beginning is missing.
fn end_of(bytes: &[u8], max: usize) -> String {
    let end = bytes.get(bytes.len().saturating_sub(max)..).unwrap_or_default();
    let text = String::from_utf8_lossy(end);
    let complete =
        text.split_once('\n').or_else(|| text.split_once(' ')).map_or("", |(_, complete)| complete);
    format!("…\n{complete}")
}

/// One of a guest's outputs. Every stream that the guest opens on it is the same output.
#[derive(Clone)]
pub(crate) struct GuestOutput {
    stream: Stream,
    listener: Arc<dyn Listener>,
    logs: LogGuard,
    // A mutex, because WASI may hold several streams. The critical section is one append.
    line: Arc<Mutex<Vec<u8>>>,
    stderr_tail: Option<StderrTail>,
}

impl GuestOutput {
    /// Creates an output that nothing was written to.
    pub(crate) fn new(stream: Stream, listener: &Arc<dyn Listener>, logs: &LogGuard) -> Self {
        let line = Arc::default();
        Self { stream, listener: Arc::clone(listener), logs: logs.clone(), line, stderr_tail: None }
    }

    /// Keeps the end of the output in `stderr_tail`.
    pub(crate) fn with_tail(mut self, stderr_tail: &StderrTail) -> Self {
        self.stderr_tail = Some(stderr_tail.clone());
        self
    }

    fn accept(&self, bytes: &[u8]) -> Result<(), StreamError> {
        // Counted before it is buffered, so that a line without an end cannot grow beyond the limit.
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let cost = bytes.len().saturating_add(line_overhead(line.len(), bytes));
        self.logs.charge(cost).map_err(|limit| StreamError::Trap(limit.into()))?;
        if let Some(stderr_tail) = &self.stderr_tail {
            stderr_tail.append(bytes);
        }
        line.extend_from_slice(bytes);
        if let Some(end) = line.iter().rposition(|byte| *byte == b'\n') {
            let rest = line.split_off(end + 1);
            let complete = std::mem::replace(&mut *line, rest);
            drop(line);
            self.listener.on_output(self.stream, &String::from_utf8_lossy(&complete));
        }
        Ok(())
    }
}

/// Returns what the lines ended by `bytes` cost beyond their own size; `before` bytes of the first are buffered.
fn line_overhead(mut before: usize, bytes: &[u8]) -> usize {
    let mut sum = 0_usize;
    for line in bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        sum = sum.saturating_add(MIN_LINE_COST.saturating_sub(before.saturating_add(line.len())));
        before = 0;
    }
    sum
}

/// Passes on an unfinished last line when the guest is gone.
impl Drop for GuestOutput {
    fn drop(&mut self) {
        if Arc::strong_count(&self.line) > 1 {
            return;
        }
        let line = std::mem::take(&mut *self.line.lock().unwrap_or_else(PoisonError::into_inner));
        if !line.is_empty() {
            self.listener.on_output(self.stream, &String::from_utf8_lossy(&line));
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
        Ok(WRITE_PERMIT)
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
            Err(error) => Err(std::io::Error::other(error.to_string())),
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _ctx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _ctx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Limits, Size};
    use crate::sandbox::testing::RecordingListener;

    /// Writes `times` times, with a limit of 64 KiB, and returns how many writes succeeded.
    fn written(text: &[u8], times: usize) -> usize {
        let limits = Limits { logs: Size::bytes(64 << 10), ..Limits::default() };
        let listener: Arc<dyn Listener> = Arc::new(RecordingListener::default());
        let output = GuestOutput::new(Stream::Stdout, &listener, &LogGuard::new(&limits));
        (0..times).take_while(|_| output.accept(text).is_ok()).count()
    }

    #[test]
    fn end_is_kept_however_it_is_written() {
        let stderr_tail = StderrTail::default();
        let all: Vec<String> = (0..20_000).map(|nth| nth.to_string()).collect();
        let all = all.join(" ");
        all.as_bytes().chunks(7).for_each(|piece| stderr_tail.append(piece));
        let end = format!("…\n{}", all[all.len() - MAX_KEPT..].split_once(' ').unwrap().1);
        assert_eq!(stderr_tail.text(), end);
        stderr_tail.append(all.as_bytes());
        assert_eq!(stderr_tail.text(), end);
        assert!(stderr_tail.0.lock().unwrap().bytes.len() <= 2 * MAX_KEPT);
        let short = StderrTail::default();
        short.append(b"whole");
        assert_eq!(short.text(), "whole");
    }

    #[test]
    fn short_lines_count_their_cost_and_long_lines_their_length() {
        assert_eq!(written(b"\n", 10_000), 1024);
        assert_eq!(written(b"\n\n\n\n", 10_000), 256);
        assert_eq!(written(&[b"x".repeat(127), b"\n".to_vec()].concat(), 10_000), 512);
        assert_eq!(written(b"x", 100_000), 64 << 10, "no line at all");
        assert_eq!(line_overhead(60, b"abcd\nx\nrest"), 62);
    }
}
