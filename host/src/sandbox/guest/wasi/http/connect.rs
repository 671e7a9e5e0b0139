//! TCP connections to checked addresses, never to names.
//! `tls` encrypts them.

use crate::sandbox::guest::wasi::http::failure;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wasmtime_wasi_http::Error;

/// Maximum time to wait for an address before the next one is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects to the first address that answers. The last one is awaited without a timeout; the caller sets one.
pub(crate) async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Error> {
    let Some((last, others)) = addresses.split_last() else {
        return Err(Error::DestinationNotFound);
    };
    for address in others {
        if let Ok(Ok(stream)) = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    TcpStream::connect(last).await.map_err(|error| failure::connect_error(&error))
}
