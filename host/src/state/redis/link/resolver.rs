//! DNS resolver of the client, which reports an unknown host as an error of its own, because retrying rarely helps.
//! The client decides when to resolve which name.

use redis::RedisError;
use redis::RedisFuture;
use redis::io::AsyncDNSResolver;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Resolves names by the system's resolver.
pub(super) struct Resolver;

/// The error of a host name without an address.
#[derive(Debug)]
pub(super) struct UnknownHost {
    host: String,
    cause: Option<io::Error>,
}

impl AsyncDNSResolver for Resolver {
    fn resolve<'a, 'b: 'a>(
        &'a self,
        host: &'b str,
        port: u16,
    ) -> RedisFuture<'a, Box<dyn Iterator<Item = SocketAddr> + Send + 'a>> {
        Box::pin(async move {
            let unknown = |cause| {
                let unknown = UnknownHost { host: host.to_owned(), cause };
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

impl fmt::Display for UnknownHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no address is known for the host `{}`", self.host)?;
        self.cause.as_ref().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl StdError for UnknownHost {}
