//! A response body with a timeout between two pieces.
//! `exchange` bounds the buffers of the connection.

use crate::sandbox::guest::wasi::http::failure;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};
use wasmtime_wasi_http::Error;

/// A body that fails if its sender pauses for longer than the guest allows.
pub(crate) struct Paced {
    incoming: Incoming,
    max_pause: Option<Duration>,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    /// Wraps a body that nothing was read from.
    pub(crate) fn new(incoming: Incoming, max_pause: Option<Duration>) -> Self {
        Self { incoming, max_pause, waiting: None }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        // Each piece that arrives resets the timer.
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(ctx) {
            self.waiting = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| failure::exchange_error(&error))));
        }
        let Some(max_pause) = self.max_pause else {
            return Poll::Pending;
        };
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(max_pause)));
        ready!(waiting.as_mut().poll(ctx));
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
