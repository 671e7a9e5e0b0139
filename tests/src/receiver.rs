//! A receiver of notifications: records the requests that it gets, and answers them by a list.
//! The host's requests are checked in the tests.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An answer to a request.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// A response with this status, and `location: /elsewhere`.
    Status(u16),
    /// No response; the connection stays open.
    Silence,
    /// No response; the connection is closed.
    Cut,
}

/// A request as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Method, path and headers.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

/// A server that lives as long as the test.
pub struct Receiver {
    port: u16,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// Starts the server. The last answer is given again and again.
    pub fn start(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be bound");
        let port = listener.local_addr().expect("a listener has an address").port();
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let (of_thread, answers) = (Arc::clone(&received), answers.to_vec());
        std::thread::spawn(move || {
            // Connections without an answer are kept open.
            let mut open = Vec::new();
            for mut client in listener.incoming().flatten() {
                let Some(request) = read(&client) else { continue };
                let mut all = lock(&of_thread);
                let answer = answers.get(all.len()).or(answers.last());
                all.push(request);
                drop(all);
                match *answer.unwrap_or(&Answer::Status(200)) {
                    Answer::Status(status) => {
                        let head = format!(
                            "HTTP/1.1 {status} X\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n"
                        );
                        drop(client.write_all(head.as_bytes()));
                    }
                    Answer::Silence => open.push(client),
                    Answer::Cut => {}
                }
            }
        });
        Self { port, received }
    }

    /// Returns the URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Returns the requests so far.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.received).clone()
    }
}

impl Received {
    /// Returns the body as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// Returns a header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let line = |line: &'_ str| line.split_once(": ").is_some_and(|(found, _)| found == name);
        let found = self.head.lines().find(|found| line(found))?;
        found.split_once(": ").map(|(_, value)| value)
    }
}

fn lock(received: &Mutex<Vec<Received>>) -> MutexGuard<'_, Vec<Received>> {
    received.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a request with a content length.
fn read(client: &TcpStream) -> Option<Received> {
    let mut reader = BufReader::new(client);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Received { head, body })
}
