//! A minimal web server on a free port, which answers by path; some answers are hostile.
//! The host's reaction is in the tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Maximum time to wait for connections to close.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A server that lives as long as the test. The first segment of a path selects the answer:
///
/// * `echo`: method, path and query, and the header `host`;
/// * `redirect`: to the URL after `?`;
/// * `count`: the number of bytes in the request's body;
/// * `silent`: no answer, ever;
/// * `slow`: a byte now and then, forever;
/// * `endless`: as many bytes as the client takes, forever;
/// * `cut`: a tenth of the promised body;
/// * `long-header`, `many-headers`: a megabyte of headers, in one or in many;
/// * `garbage`: no HTTP.
pub struct Web {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    heads: Mutex<Vec<String>>,
    open: AtomicUsize,
    sent: AtomicUsize,
}

impl Web {
    /// Starts the server.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be bound");
        let port = listener.local_addr().expect("a listener has an address").port();
        let shared = Arc::<Shared>::default();
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&of_thread);
                shared.open.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    // Clients may disconnect at any time; some tests are about that.
                    drop(shared.answer(client));
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { port, shared }
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Returns the heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.shared.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns how many bytes of endless bodies were sent, at least to the kernel.
    pub fn sent(&self) -> usize {
        self.shared.sent.load(Ordering::SeqCst)
    }

    /// Waits until no connection is open.
    #[track_caller]
    pub fn wait_until_left(&self) {
        let since = Instant::now();
        while self.shared.open.load(Ordering::SeqCst) > 0 {
            assert!(since.elapsed() < TIMEOUT, "connections stay open");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Shared {
    fn answer(&self, client: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(client.try_clone()?);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).push(head.clone());
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let kind = path.split(['/', '?']).nth(1).unwrap_or_default();
        self.respond(kind, (method, path, &head), reader, client)
    }

    fn respond(
        &self,
        kind: &str,
        (method, path, head): (&str, &str, &str),
        mut reader: BufReader<TcpStream>,
        mut client: TcpStream,
    ) -> std::io::Result<()> {
        match kind {
            "redirect" => {
                let to = path.split_once('?').map_or("", |(_, to)| to);
                write!(client, "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
            }
            "count" => send_response(&mut client, &read_body_length(head, &mut reader)?.to_string()),
            "silent" => {
                reader.read_to_end(&mut Vec::new())?;
                Ok(())
            }
            "slow" => self.without_end(&mut client, b".", Duration::from_millis(20)),
            "endless" => self.without_end(&mut client, &vec![b'.'; 64 << 10], Duration::ZERO),
            "cut" => write!(client, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789"),
            "long-header" => {
                write!(
                    client,
                    "HTTP/1.1 200 OK\r\nlong: {}\r\ncontent-length: 0\r\n\r\n",
                    "x".repeat(1 << 20)
                )
            }
            "many-headers" => {
                let fields: Vec<_> = (0..50_000).map(|number| format!("x-{number}: {number}\r\n")).collect();
                let fields = fields.concat();
                write!(client, "HTTP/1.1 200 OK\r\n{fields}content-length: 0\r\n\r\n")
            }
            "garbage" => client.write_all(b"SSH-2.0-nonsense\r\n\r\n\r\n"),
            _ => {
                let host = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or("none");
                send_response(&mut client, &format!("{method} {path} {host}"))
            }
        }
    }

    fn without_end(&self, client: &mut TcpStream, piece: &[u8], pause: Duration) -> std::io::Result<()> {
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        loop {
            client.write_all(piece)?;
            self.sent.fetch_add(piece.len(), Ordering::SeqCst);
            std::thread::sleep(pause);
        }
    }
}

fn send_response(client: &mut TcpStream, body: &str) -> std::io::Result<()> {
    write!(client, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Returns the length of a request's body, by its header or its chunks.
fn read_body_length(head: &str, reader: &mut BufReader<TcpStream>) -> std::io::Result<u64> {
    if let Some(length) = head.lines().find_map(|line| line.strip_prefix("content-length: ")) {
        let length = length.parse().unwrap_or(0);
        return std::io::copy(&mut reader.take(length), &mut std::io::sink());
    }
    let mut total = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let length = u64::from_str_radix(line.trim(), 16).unwrap_or(0);
        std::io::copy(&mut reader.take(length + 2), &mut std::io::sink())?;
        total += length;
        if length == 0 {
            return Ok(total);
        }
    }
}
