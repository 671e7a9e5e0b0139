//! A minimal Redis client for the nemesis and the checker.
//! Replies are text or bytes; the callers interpret them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Maximum time for a reply. A busy server reports itself sooner.
const PATIENCE: Duration = Duration::from_secs(20);

/// A reply of the server.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Nothing,
    Bytes(Vec<u8>),
    Number(i64),
    List(Vec<Reply>),
    Error(String),
}

/// A connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects to a local port; `None` if nobody listens.
    pub(crate) fn connect(port: u16, password: &str) -> Option<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.set_nodelay(true).ok()?;
        let mut client = Self { stream: BufReader::new(stream) };
        client.ask(&["AUTH", password])?;
        Some(client)
    }

    /// Sends a command, and returns the reply; `None` if the connection is lost.
    pub(crate) fn ask(&mut self, words: &[&str]) -> Option<Reply> {
        self.stream.get_mut().write_all(&command(words)).ok()?;
        self.read()
    }

    /// Returns a number; `None` if there is none.
    pub(crate) fn number(&mut self, words: &[&str]) -> Option<i64> {
        match self.ask(words)? {
            Reply::Number(number) => Some(number),
            Reply::Nothing | Reply::Bytes(_) | Reply::List(_) | Reply::Error(_) => None,
        }
    }

    /// Returns the parts of a list.
    pub(crate) fn list(&mut self, words: &[&str]) -> Vec<Vec<u8>> {
        let Some(Reply::List(parts)) = self.ask(words) else { return Vec::new() };
        let bytes = |part| if let Reply::Bytes(bytes) = part { Some(bytes) } else { None };
        parts.into_iter().filter_map(bytes).collect()
    }

    fn read(&mut self) -> Option<Reply> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let rest = line.get(1..)?.trim_end();
        match line.as_bytes().first()? {
            b'+' => Some(Reply::Bytes(rest.as_bytes().to_vec())),
            b'-' => Some(Reply::Error(rest.to_owned())),
            b':' => Some(Reply::Number(rest.parse().ok()?)),
            b'$' => match usize::try_from(rest.parse::<i64>().ok()?) {
                Err(_) => Some(Reply::Nothing),
                Ok(length) => {
                    let mut bytes = vec![0; length + 2];
                    self.stream.read_exact(&mut bytes).ok()?;
                    bytes.truncate(length);
                    Some(Reply::Bytes(bytes))
                }
            },
            b'*' => {
                let count = rest.parse::<i64>().ok()?;
                (0..count).map(|_| self.read()).collect::<Option<_>>().map(Reply::List)
            }
            _ => None, // no other type exists in this protocol
        }
    }
}

/// Encodes a command.
pub(crate) fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}
