//! Connections to addresses that were checked: never to a name.
//! Encryption is for `secure`.

use crate::sandbox::guest::wasi::http::failure;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wasmtime_wasi_http::Error;

/// How long one of several addresses may keep the next one waiting.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects to the first address that answers. The last one is waited for until whoever asked gives up.
pub(crate) async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Error> {
    let Some((last, others)) = addresses.split_last() else {
        return Err(Error::DestinationNotFound);
    };
    for address in others {
        if let Ok(Ok(stream)) = timeout(PATIENCE, TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    TcpStream::connect(last).await.map_err(|error| failure::of_connect(&error))
}
