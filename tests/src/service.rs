//! A web service that answers by a function of the request, and records the requests.
//! What the service does is in the tests.

use crate::receiver::Received;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// An answer of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Reply {
    /// Creates an answer without further headers.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, head: String::new(), body: body.into() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }
}

/// A service that lives as long as the test.
pub struct Service {
    port: u16,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Service {
    /// Starts the service. A body without `content-length` is refused by 411, as S3 does.
    pub fn start(answer: impl Fn(&Received) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be bound");
        let port = listener.local_addr().expect("a listener has an address").port();
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let of_thread = Arc::clone(&received);
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let Some(request) = read(&client) else { continue };
                let is_chunked = request.header("transfer-encoding").is_some();
                let Reply { status, head, body } =
                    if is_chunked { Reply::new(411, "") } else { answer(&request) };
                of_thread.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                let length = body.len();
                // A client that has gone away sees no answer, and needs none.
                let head = format!(
                    "HTTP/1.1 {status} X\r\nconnection: close\r\n{head}content-length: {length}\r\n\r\n"
                );
                drop(client.write_all(head.as_bytes()).and_then(|()| client.write_all(&body)));
            }
        });
        Self { port, received }
    }

    /// Returns the address, as `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns the requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Received {
    /// Returns method and path.
    pub fn line(&self) -> (&str, &str) {
        let mut words = self.head.split(' ');
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }
}

/// Reads a request; its body by `content-length`.
fn read(client: &TcpStream) -> Option<Received> {
    let mut reader = BufReader::new(client);
    let mut request = Received { head: String::new(), body: Vec::new() };
    while !request.head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut request.head).ok()? == 0 {
            return None;
        }
    }
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    request.body = vec![0; length];
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}
