//! Tunnels through an HTTP proxy by `CONNECT`.
//! TLS to the server runs inside of the tunnel, so the proxy reads nothing of it.

use crate::model::Url;
use crate::sandbox::guest::wasi::http::client::NoAnswer;
use crate::sandbox::guest::wasi::http::connect::Stream;
use std::fmt;
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Maximum size of a proxy's answer, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// A proxy with its login.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    url: Url,
    authorization: Option<String>,
}

impl Proxy {
    /// Creates a proxy at a URL. `authorization` is the value of the header `proxy-authorization`.
    #[must_use]
    pub const fn new(url: Url, authorization: Option<String>) -> Self {
        Self { url, authorization }
    }

    /// Returns the URL, which has no login.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.url.origin())
    }
}

/// Opens a tunnel to the host of a URL over a connection to the proxy.
pub(crate) async fn open(
    mut stream: Box<dyn Stream>,
    proxy: &Proxy,
    to: &Url,
) -> Result<Box<dyn Stream>, NoAnswer> {
    let broken = |error: io::Error| NoAnswer::of_proxy(NoAnswer::Exchange(error.to_string()));
    let place = format!("{}:{}", to.host(), to.port());
    let login = proxy.authorization.as_ref();
    let login = login.map(|login| format!("proxy-authorization: {login}\r\n")).unwrap_or_default();
    let request = format!("CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n{login}\r\n");
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut head = Vec::new();
    // By single bytes: what comes after the head belongs to the server.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == MAX_HEAD {
            return Err(NoAnswer::of_proxy(NoAnswer::Exchange("its answer is too long".to_owned())));
        }
        head.push(stream.read_u8().await.map_err(broken)?);
    }
    match status(&head) {
        Some(200..=299) => Ok(stream),
        Some(status) => Err(NoAnswer::Refused(status)),
        None => Err(NoAnswer::of_proxy(NoAnswer::Exchange("it does not speak HTTP".to_owned()))),
    }
}

/// Returns the status in the head of an answer.
fn status(head: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(head.split(|byte| *byte == b'\r').next()?).ok()?;
    let mut words = line.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::guest::wasi::http::client::Proxy;
    use tokio::io::duplex;

    async fn opened(answer: &'static [u8]) -> (String, Result<Vec<u8>, NoAnswer>) {
        let (near, mut far) = duplex(4096);
        let proxy = Proxy::new(Url::parse("http://proxy/").unwrap(), Some("Basic aHVudGVyMg==".to_owned()));
        let to = Url::parse("https://ghcr.io/x").unwrap();
        let open = async {
            let mut stream = open(Box::new(near), &proxy, &to).await?;
            let mut rest = Vec::new();
            stream
                .read_to_end(&mut rest)
                .await
                .map(|_| rest)
                .map_err(|error| NoAnswer::Exchange(error.to_string()))
        };
        let serve = async move {
            let mut request = vec![0; 4096];
            let read = far.read(&mut request).await.unwrap();
            request.truncate(read);
            far.write_all(answer).await.unwrap();
            String::from_utf8(request).unwrap()
        };
        let (rest, request) = tokio::join!(open, serve);
        (request, rest)
    }

    #[tokio::test]
    async fn tunnel_begins_after_the_head_of_the_answer() {
        let (request, rest) = opened(b"HTTP/1.1 200 Connection established\r\nx: y\r\n\r\nhello").await;
        assert_eq!(
            request,
            "CONNECT ghcr.io:443 HTTP/1.1\r\nhost: ghcr.io:443\r\nproxy-authorization: Basic aHVudGVyMg==\r\n\r\n"
        );
        assert_eq!(rest.unwrap(), b"hello");
    }

    #[tokio::test]
    async fn refusals_and_other_protocols_are_errors_without_the_login() {
        let (_, refused) = opened(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
        assert!(matches!(refused, Err(NoAnswer::Refused(407))), "{refused:?}");
        for answer in [&b"SSH-2.0-x\r\n\r\n"[..], b"HTTP/1.1 200", b""] {
            let (_, broken) = opened(answer).await;
            let shown = format!("{broken:?}");
            assert!(matches!(broken, Err(NoAnswer::Proxy(_))) && !shown.contains("aHVudGVyMg"), "{shown}");
        }
        let proxy = Proxy::new(Url::parse("http://proxy/").unwrap(), Some("Basic aHVudGVyMg==".to_owned()));
        assert_eq!(format!("{proxy:?}"), "Proxy(http://proxy)");
    }
}
