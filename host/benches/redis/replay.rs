//! Recording of the requests of a host to Redis, and a loop that replays them.
//! Hosts draw tokens and number commits, so the same bytes have the same effect on a server in the same state.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes sent on each connection so far.
type Requests = Arc<Mutex<Vec<Vec<u8>>>>;

/// Proxy between a host and a server that records the requests of the host.
pub(crate) struct RecordingProxy {
    port: u16,
    requests: Requests,
}

impl RecordingProxy {
    /// Starts a proxy in front of a port of this machine.
    pub(crate) fn new(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be bound");
        let port = listener.local_addr().expect("a listener has an address").port();
        let requests = Requests::default();
        let received = Arc::clone(&requests);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                carry(client, connect(server), &received);
            }
        });
        Self { port, requests }
    }

    /// Returns the URI of the proxy.
    pub(crate) fn uri(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Returns the recorded run.
    pub(crate) fn recording(&self) -> Recording {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let commands = requests.iter().map(|bytes| commands(bytes));
        let of_run = commands.max_by_key(Vec::len).expect("the host has connected");
        Recording::new(&of_run)
    }
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server can be reached");
    stream.set_nodelay(true).expect("nodelay can be set");
    stream
}

fn carry(client: TcpStream, server: TcpStream, requests: &Requests) {
    client.set_nodelay(true).expect("nodelay can be set");
    let index = {
        let mut requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push(Vec::new());
        requests.len() - 1
    };
    let (from, to) = (clone(&client), clone(&server));
    let requests = Arc::clone(requests);
    thread::spawn(move || {
        pass(from, to, |bytes| {
            let mut requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
            requests[index].extend_from_slice(bytes);
        });
    });
    thread::spawn(move || pass(server, client, |_| {}));
}

fn clone(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a connection can be shared")
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut observe: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        observe(&buffer[..read]);
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    // Either side may close first.
    drop(to.shutdown(Shutdown::Both));
}

/// One command: its bytes, and the ranges of its words.
struct Command {
    bytes: Vec<u8>,
    words: Vec<(usize, usize)>,
}

impl Command {
    fn word(&self, index: usize) -> &[u8] {
        self.words.get(index).map_or(&[], |(start, end)| &self.bytes[*start..*end])
    }

    /// The first argument after the keys of a script.
    fn verb(&self) -> &[u8] {
        let keys: usize =
            std::str::from_utf8(self.word(2)).ok().and_then(|keys| keys.parse().ok()).unwrap_or(0);
        self.word(3 + keys)
    }

    fn is_commit(&self) -> bool {
        self.word(0) == b"EVALSHA" && self.verb() == b"commit"
    }
}

/// Splits a stream into commands.
fn commands(stream: &[u8]) -> Vec<Command> {
    let mut offset = 0;
    let mut commands = Vec::new();
    while offset < stream.len() {
        let start = offset;
        let (count, mut next) = header(stream, offset);
        let words = (0..count).map(|_| {
            let (length, word) = header(stream, next);
            next = word + length + 2;
            (word - start, word + length - start)
        });
        let words = words.collect();
        commands.push(Command { bytes: stream[start..next].to_vec(), words });
        offset = next;
    }
    commands
}

/// Returns the number in a line such as `*3` or `$12`, and the start of the next line.
fn header(stream: &[u8], offset: usize) -> (usize, usize) {
    let end = stream[offset..].iter().position(|byte| *byte == b'\r').expect("lines have ends") + offset;
    let number = std::str::from_utf8(&stream[offset + 1..end]).ok().and_then(|number| number.parse().ok());
    (number.expect("a header has a number"), end + 2)
}

/// Recorded requests of a run by one host.
pub(crate) struct Recording {
    /// Requests that create the run and load the scripts.
    setup: Vec<u8>,
    setup_count: usize,
    commits: Vec<Vec<u8>>,
}

impl Recording {
    fn new(all: &[Command]) -> Self {
        let is_load = |command: &&Command| command.word(0) == b"SCRIPT";
        let first = all.iter().position(Command::is_commit).expect("the host has committed");
        let loads = all.iter().filter(is_load);
        let opening = all[..first].iter().filter(|command| !is_load(command));
        let setup: Vec<&Command> = loads.chain(opening).collect();
        let mut commits: Vec<Vec<u8>> =
            all.iter().filter(|command| command.is_commit()).map(|command| command.bytes.clone()).collect();
        // The first commit was repeated after the script was loaded.
        commits.dedup();
        Self {
            setup_count: setup.len(),
            setup: setup.iter().flat_map(|command| command.bytes.clone()).collect(),
            commits,
        }
    }

    /// Returns the number of commits.
    pub(crate) fn commits(&self) -> usize {
        self.commits.len()
    }

    /// Creates the run and replays its commits with at most `depth` in flight. Returns the time from the first commit
    /// to
    /// the last reply.
    pub(crate) fn replay(&self, server: u16, depth: usize) -> Duration {
        let mut connection = Connection::new(server);
        connection.send(&self.setup);
        (0..self.setup_count).for_each(|_| connection.receive());
        let since = Instant::now();
        let mut received = 0;
        for (sent, commit) in self.commits.iter().enumerate() {
            if sent >= received + depth {
                connection.receive();
                received += 1;
            }
            connection.send(commit);
        }
        (received..self.commits.len()).for_each(|_| connection.receive());
        since.elapsed()
    }
}

/// Sends one command `times` times, each after the reply to the last. Returns the total time.
pub(crate) fn repeat(server: u16, command: &[u8], times: u32) -> Duration {
    let mut connection = Connection::new(server);
    let since = Instant::now();
    for _ in 0..times {
        connection.send(command);
        connection.receive();
    }
    since.elapsed()
}

/// A connection that reads replies and ignores their content.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    offset: usize,
}

impl Connection {
    fn new(server: u16) -> Self {
        Self { stream: connect(server), buffer: Vec::new(), offset: 0 }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server listens");
    }

    /// Waits for one reply.
    fn receive(&mut self) {
        let mut values = 1;
        while values > 0 {
            let line = self.read_line();
            let number: Option<usize> =
                line.get(1..).and_then(|number| std::str::from_utf8(number).ok()?.parse().ok());
            match (line.first(), number) {
                (Some(b'*'), Some(count)) => values += count,
                (Some(b'$'), Some(length)) => self.skip(length + 2),
                _ => {} // a value of one line
            }
            values -= 1;
        }
    }

    fn read_line(&mut self) -> Vec<u8> {
        loop {
            let rest = &self.buffer[self.offset..];
            if let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
                let line = rest[..end].to_vec();
                self.offset += end + 2;
                return line;
            }
            self.fill();
        }
    }

    fn skip(&mut self, bytes: usize) {
        while self.buffer.len() - self.offset < bytes {
            self.fill();
        }
        self.offset += bytes;
    }

    fn fill(&mut self) {
        self.buffer.drain(..self.offset);
        self.offset = 0;
        let mut chunk = [0; 1 << 14];
        let read = self.stream.read(&mut chunk).expect("the server answers");
        assert!(read > 0, "the server has closed the connection");
        self.buffer.extend_from_slice(&chunk[..read]);
    }
}
