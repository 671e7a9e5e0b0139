//! A connection to a server that asks and reads, for the nemesis and the checker.
//! Everything is text or bytes; what an answer means is for whoever has asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The longest that an answer may take. A server that computes says so sooner.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a server answers.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Nothing,
    Bytes(Vec<u8>),
    Number(i64),
    List(Vec<Answer>),
    Error(String),
}

/// A connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects to a port of this machine; nothing if nobody listens there.
    pub(crate) fn connect(port: u16, password: &str) -> Option<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.set_nodelay(true).ok()?;
        let mut client = Self { stream: BufReader::new(stream) };
        client.ask(&["AUTH", password])?;
        Some(client)
    }

    /// The answer to a command; nothing if the connection is gone.
    pub(crate) fn ask(&mut self, words: &[&str]) -> Option<Answer> {
        self.stream.get_mut().write_all(&command(words)).ok()?;
        self.read()
    }

    /// A number; nothing if there is none.
    pub(crate) fn number(&mut self, words: &[&str]) -> Option<i64> {
        match self.ask(words)? {
            Answer::Number(number) => Some(number),
            Answer::Nothing | Answer::Bytes(_) | Answer::List(_) | Answer::Error(_) => None,
        }
    }

    /// The parts of a list.
    pub(crate) fn list(&mut self, words: &[&str]) -> Vec<Vec<u8>> {
        let Some(Answer::List(parts)) = self.ask(words) else { return Vec::new() };
        let bytes = |part| if let Answer::Bytes(bytes) = part { Some(bytes) } else { None };
        parts.into_iter().filter_map(bytes).collect()
    }

    fn read(&mut self) -> Option<Answer> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let rest = line.get(1..)?.trim_end();
        match line.as_bytes().first()? {
            b'+' => Some(Answer::Bytes(rest.as_bytes().to_vec())),
            b'-' => Some(Answer::Error(rest.to_owned())),
            b':' => Some(Answer::Number(rest.parse().ok()?)),
            b'$' => match usize::try_from(rest.parse::<i64>().ok()?) {
                Err(_) => Some(Answer::Nothing),
                Ok(length) => {
                    let mut bytes = vec![0; length + 2];
                    self.stream.read_exact(&mut bytes).ok()?;
                    bytes.truncate(length);
                    Some(Answer::Bytes(bytes))
                }
            },
            b'*' => {
                let count = rest.parse::<i64>().ok()?;
                (0..count).map(|_| self.read()).collect::<Option<_>>().map(Answer::List)
            }
            _ => None, // no server of this protocol says so
        }
    }
}

/// A command as it goes over the wire.
pub(crate) fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}
