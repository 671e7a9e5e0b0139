//! The answer to a request of the host: its head at once, its body in pieces.
//! The caller bounds the size of the body and the time between two pieces.

use crate::sandbox::guest::wasi::http::client::NoAnswer;
use crate::sandbox::guest::wasi::http::exchange::{Driver, drive_while};
use crate::sandbox::guest::wasi::http::failure;
use crate::sandbox::guest::wasi::network::Zone;
use bytes::Bytes;
use http::Response;
use http::response::Parts;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

/// An answer whose body is still on its way. Dropping it closes the connection.
pub struct Answer {
    head: Parts,
    body: Incoming,
    driver: Driver,
    zone: Zone,
}

impl Answer {
    pub(crate) fn new(response: Response<Incoming>, driver: Driver, zone: Zone) -> Self {
        let (head, body) = response.into_parts();
        Self { head, body, driver, zone }
    }

    /// Returns the status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head.status.as_u16()
    }

    /// Returns a header, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    /// Returns all headers of a name that are text.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.head.headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
    }

    /// Returns the zone of the server that has answered.
    #[must_use]
    pub const fn zone(&self) -> Zone {
        self.zone
    }

    /// Returns the next piece of the body; `None` at its end.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, NoAnswer> {
        loop {
            match drive_while(&mut self.driver, self.body.frame()).await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    // Trailers say nothing that is needed.
                    if let Ok(piece) = frame.into_data() {
                        return Ok(Some(piece));
                    }
                }
                Some(Err(error)) => return Err(failure::exchange_error(&error).into()),
            }
        }
    }
}
