//! What a host says to Redis, taken down on the way, and said again by a loop that does nothing else.
//! Tokens are drawn by hosts and commits are numbered: the same bytes do the same to a server that is as it was.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What was said on each connection so far.
type Said = Arc<Mutex<Vec<Vec<u8>>>>;

/// Stands between a host and a server, and takes down what the host says.
pub(crate) struct Tap {
    port: u16,
    said: Said,
}

impl Tap {
    /// A tap before a port of this machine.
    pub(crate) fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be bound");
        let port = listener.local_addr().expect("a listener has an address").port();
        let said = Said::default();
        let heard = Arc::clone(&said);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                carry(client, connect(server), &heard);
            }
        });
        Self { port, said }
    }

    /// Where the host finds it.
    pub(crate) fn uri(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What was said.
    pub(crate) fn recording(&self) -> Recording {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let commands = said.iter().map(|bytes| commands(bytes));
        let of_run = commands.max_by_key(Vec::len).expect("the host has connected");
        Recording::new(&of_run)
    }
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server can be reached");
    stream.set_nodelay(true).expect("a connection can be told not to wait");
    stream
}

fn carry(client: TcpStream, server: TcpStream, said: &Said) {
    client.set_nodelay(true).expect("a connection can be told not to wait");
    let at = {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.push(Vec::new());
        said.len() - 1
    };
    let (from, to) = (clone(&client), clone(&server));
    let said = Arc::clone(said);
    thread::spawn(move || {
        pass(from, to, |bytes| {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said[at].extend_from_slice(bytes);
        });
    });
    thread::spawn(move || pass(server, client, |_| {}));
}

fn clone(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a connection can be shared")
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut see: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        see(&buffer[..read]);
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    // Either side may go first.
    drop(to.shutdown(Shutdown::Both));
}

/// One command: its bytes, and where its words are in them.
struct Command {
    bytes: Vec<u8>,
    words: Vec<(usize, usize)>,
}

impl Command {
    fn word(&self, at: usize) -> &[u8] {
        self.words.get(at).map_or(&[], |(start, end)| &self.bytes[*start..*end])
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

/// Takes a stream of commands apart.
fn commands(stream: &[u8]) -> Vec<Command> {
    let mut at = 0;
    let mut commands = Vec::new();
    while at < stream.len() {
        let start = at;
        let (count, mut next) = header(stream, at);
        let words = (0..count).map(|_| {
            let (length, word) = header(stream, next);
            next = word + length + 2;
            (word - start, word + length - start)
        });
        let words = words.collect();
        commands.push(Command { bytes: stream[start..next].to_vec(), words });
        at = next;
    }
    commands
}

/// The number in a line such as `*3` or `$12`, and where the next line begins.
fn header(stream: &[u8], at: usize) -> (usize, usize) {
    let end = stream[at..].iter().position(|byte| *byte == b'\r').expect("lines have ends") + at;
    let number = std::str::from_utf8(&stream[at + 1..end]).ok().and_then(|number| number.parse().ok());
    (number.expect("a header has a number"), end + 2)
}

/// A run as one host said it.
pub(crate) struct Recording {
    /// What makes the run and loads the scripts.
    before: Vec<u8>,
    before_count: usize,
    commits: Vec<Vec<u8>>,
}

impl Recording {
    fn new(all: &[Command]) -> Self {
        let is_load = |said: &&Command| said.word(0) == b"SCRIPT";
        let first = all.iter().position(Command::is_commit).expect("the host has committed");
        let loads = all.iter().filter(is_load);
        let opening = all[..first].iter().filter(|said| !is_load(said));
        let before: Vec<&Command> = loads.chain(opening).collect();
        let mut commits: Vec<Vec<u8>> =
            all.iter().filter(|said| said.is_commit()).map(|said| said.bytes.clone()).collect();
        // The first one was said again after the script was loaded.
        commits.dedup();
        Self {
            before_count: before.len(),
            before: before.iter().flat_map(|said| said.bytes.clone()).collect(),
            commits,
        }
    }

    /// How many commits there are.
    pub(crate) fn commits(&self) -> usize {
        self.commits.len()
    }

    /// Makes the run, then commits it with at most `depth` commits under way; gives the time from the first commit to
    /// the last answer.
    pub(crate) fn replay(&self, server: u16, depth: usize) -> Duration {
        let mut line = Line::new(server);
        line.say(&self.before);
        (0..self.before_count).for_each(|_| line.hear());
        let since = Instant::now();
        let mut heard = 0;
        for (said, commit) in self.commits.iter().enumerate() {
            if said >= heard + depth {
                line.hear();
                heard += 1;
            }
            line.say(commit);
        }
        (heard..self.commits.len()).for_each(|_| line.hear());
        since.elapsed()
    }
}

/// Says one command again and again, each time once the answer is there; gives the time of all.
pub(crate) fn repeat(server: u16, command: &[u8], times: u32) -> Duration {
    let mut line = Line::new(server);
    let since = Instant::now();
    for _ in 0..times {
        line.say(command);
        line.hear();
    }
    since.elapsed()
}

/// A connection on which answers are heard and not looked at.
struct Line {
    stream: TcpStream,
    buffer: Vec<u8>,
    at: usize,
}

impl Line {
    fn new(server: u16) -> Self {
        Self { stream: connect(server), buffer: Vec::new(), at: 0 }
    }

    fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server listens");
    }

    /// Waits for one answer.
    fn hear(&mut self) {
        let mut values = 1;
        while values > 0 {
            let line = self.line();
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

    fn line(&mut self) -> Vec<u8> {
        loop {
            let rest = &self.buffer[self.at..];
            if let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
                let line = rest[..end].to_vec();
                self.at += end + 2;
                return line;
            }
            self.fill();
        }
    }

    fn skip(&mut self, bytes: usize) {
        while self.buffer.len() - self.at < bytes {
            self.fill();
        }
        self.at += bytes;
    }

    fn fill(&mut self) {
        self.buffer.drain(..self.at);
        self.at = 0;
        let mut more = [0; 1 << 14];
        let read = self.stream.read(&mut more).expect("the server answers");
        assert!(read > 0, "the server has closed the connection");
        self.buffer.extend_from_slice(&more[..read]);
    }
}
