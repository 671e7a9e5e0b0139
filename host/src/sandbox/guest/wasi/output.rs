//! Standard output and error of a guest: counted, cut into lines and passed to the listener.
//! The listener decides what a line means and whether to keep it.

use crate::invoke::{Listener, Stream};
use crate::sandbox::guest::limits::{LEAST_LINE, LogGuard};
use bytes::Bytes;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// Number of bytes that a guest may write at once.
const PERMIT: usize = 64 << 10;

/// The most that is kept of what a guest wrote last, in bytes. Far more than is shown: secrets are looked for in it, and one
/// whose beginning is cut off is not found.
const KEPT: usize = 16 << 10;

/// The end of what a guest has written to stderr. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct LastWords(Arc<Mutex<Tail>>); // A mutex because a stream may be handed on; the section is an append.

#[derive(Default)]
struct Tail {
    bytes: Vec<u8>,
    /// Whether something was written before these bytes.
    is_cut: bool,
}

impl LastWords {
    fn hear(&self, bytes: &[u8]) {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tail.is_cut |= bytes.len() > KEPT;
        tail.bytes.extend_from_slice(bytes.get(bytes.len().saturating_sub(KEPT)..).unwrap_or_default());
        // Not each time: moving it costs more than keeping it.
        if tail.bytes.len() > 2 * KEPT {
            let over = tail.bytes.len() - KEPT;
            tail.bytes.drain(..over);
            tail.is_cut = true;
        }
    }

    /// The text. Where it was cut it begins after a mark with a whole line, or word: half a secret would not be found.
    pub(crate) fn text(&self) -> String {
        let tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let end = tail.bytes.get(tail.bytes.len().saturating_sub(KEPT)..).unwrap_or_default();
        let text = String::from_utf8_lossy(end);
        if !tail.is_cut && end.len() == tail.bytes.len() {
            return text.into_owned();
        }
        let whole = text.split_once('\n').or_else(|| text.split_once(' ')).map_or("", |(_, whole)| whole);
        format!("…\n{whole}")
    }
}

/// One of a guest's outputs. Every stream that the guest opens on it is the same output.
#[derive(Clone)]
pub(crate) struct GuestOutput {
    stream: Stream,
    listener: Arc<dyn Listener>,
    logs: LogGuard,
    // A mutex, because WASI may hold several streams. The critical section is one append.
    line: Arc<Mutex<Vec<u8>>>,
    last_words: Option<LastWords>,
}

impl GuestOutput {
    /// Creates an output that nothing was written to.
    pub(crate) fn new(stream: Stream, listener: &Arc<dyn Listener>, logs: &LogGuard) -> Self {
        let line = Arc::default();
        Self { stream, listener: Arc::clone(listener), logs: logs.clone(), line, last_words: None }
    }

    /// The same, of which the end is kept.
    pub(crate) fn kept_by(mut self, last_words: &LastWords) -> Self {
        self.last_words = Some(last_words.clone());
        self
    }

    fn accept(&self, bytes: &[u8]) -> Result<(), StreamError> {
        // Counted before it is buffered, so that a line without an end cannot grow beyond the limit.
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let cost = bytes.len().saturating_add(around(line.len(), bytes));
        self.logs.charge(cost).map_err(|limit| StreamError::Trap(limit.into()))?;
        if let Some(last_words) = &self.last_words {
            last_words.hear(bytes);
        }
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

/// Returns what the lines ended by `bytes` cost beyond their own size; `before` bytes of the first are buffered.
fn around(mut before: usize, bytes: &[u8]) -> usize {
    let mut sum = 0_usize;
    for line in bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        sum = sum.saturating_add(LEAST_LINE.saturating_sub(before.saturating_add(line.len())));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Limits, Size};
    use crate::sandbox::testing::Ear;

    /// Writes `times` times, with a limit of 64 KiB, and returns how many writes succeeded.
    fn written(text: &[u8], times: usize) -> usize {
        let limits = Limits { logs: Size::bytes(64 << 10), ..Limits::default() };
        let listener: Arc<dyn Listener> = Arc::new(Ear::default());
        let output = GuestOutput::new(Stream::Stdout, &listener, &LogGuard::new(&limits));
        (0..times).take_while(|_| output.accept(text).is_ok()).count()
    }

    #[test]
    fn the_end_is_kept_however_it_is_written() {
        let last_words = LastWords::default();
        let all: Vec<String> = (0..20_000).map(|nth| nth.to_string()).collect();
        let all = all.join(" ");
        all.as_bytes().chunks(7).for_each(|piece| last_words.hear(piece));
        let end = format!("…\n{}", all[all.len() - KEPT..].split_once(' ').unwrap().1);
        assert_eq!(last_words.text(), end);
        last_words.hear(all.as_bytes());
        assert_eq!(last_words.text(), end);
        assert!(last_words.0.lock().unwrap().bytes.len() <= 2 * KEPT);
        let short = LastWords::default();
        short.hear(b"whole");
        assert_eq!(short.text(), "whole");
    }

    #[test]
    fn short_lines_count_for_what_they_cost_and_long_ones_for_their_length() {
        assert_eq!(written(b"\n", 10_000), 1024);
        assert_eq!(written(b"\n\n\n\n", 10_000), 256);
        assert_eq!(written(&[b"x".repeat(127), b"\n".to_vec()].concat(), 10_000), 512);
        assert_eq!(written(b"x", 100_000), 64 << 10, "no line at all");
        assert_eq!(around(60, b"abcd\nx\nrest"), 62);
    }
}
