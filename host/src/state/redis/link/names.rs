//! Addresses of a server by its name, told apart from other failures: nothing but another name helps against one.
//! Which names are looked up, and when, is for the client.

use redis::RedisError;
use redis::RedisFuture;
use redis::io::AsyncDNSResolver;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Asks the system for addresses.
pub(super) struct Names;

/// No address is known for a name.
#[derive(Debug)]
pub(super) struct UnknownName {
    host: String,
    cause: Option<io::Error>,
}

impl AsyncDNSResolver for Names {
    fn resolve<'a, 'b: 'a>(
        &'a self,
        host: &'b str,
        port: u16,
    ) -> RedisFuture<'a, Box<dyn Iterator<Item = SocketAddr> + Send + 'a>> {
        Box::pin(async move {
            let unknown = |cause| {
                let unknown = UnknownName { host: host.to_owned(), cause };
                RedisError::from(io::Error::new(io::ErrorKind::NotFound, unknown))
            };
            let found = tokio::net::lookup_host((host, port)).await;
            let found: Vec<SocketAddr> = found.map_err(|error| unknown(Some(error)))?.collect();
            if found.is_empty() {
                return Err(unknown(None));
            }
            let addresses: Box<dyn Iterator<Item = SocketAddr> + Send> = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no address is known for the host `{}`", self.host)?;
        self.cause.as_ref().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl StdError for UnknownName {}
