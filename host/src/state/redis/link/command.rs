//! What is sent to Redis and what it answers, in types of our own.
//! Sending is for the link.

use crate::state::redis::link::script::Script;
use bytes::Bytes;
use redis::Cmd;
use redis::Value;

/// One command with its arguments.
pub(crate) struct Command {
    cmd: Cmd,
    bytes: usize,
    largest: usize,
    script: Option<&'static Script>,
}

impl Command {
    /// A command without arguments, by its name.
    pub(crate) fn new(name: &str) -> Self {
        let mut cmd = Cmd::new();
        cmd.arg(name);
        Self { cmd, bytes: name.len(), largest: 0, script: None }
    }

    /// A call of a script; the link loads it where the server does not know it.
    pub(crate) fn script(script: &'static Script, keys: &[String]) -> Self {
        let command = Self::new("EVALSHA").arg(script.sha()).arg(keys.len().to_string());
        let command = keys.iter().fold(command, Self::arg);
        Self { script: Some(script), ..command }
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, arg: impl AsRef<[u8]>) -> Self {
        let arg = arg.as_ref();
        self.cmd.arg(arg);
        self.bytes += arg.len();
        self.largest = self.largest.max(arg.len());
        self
    }

    /// Adds arguments.
    pub(crate) fn args<T: AsRef<[u8]>>(self, args: impl IntoIterator<Item = T>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }
}

/// Commands that are sent together and answered in order. Whoever asks must be able to bear that they run twice.
pub(crate) struct Request {
    pub(super) commands: redis::Pipeline,
    pub(super) count: usize,
    pub(super) bytes: usize,
    pub(super) largest: usize,
    pub(super) scripts: Vec<&'static Script>,
    pub(super) effect: Effect,
    pub(super) strangers: Strangers,
    pub(super) need: Need,
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It changes nothing.
    None,
    /// It changes something.
    Writes,
}

/// What a key of another type than expected is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strangers {
    /// A reason to refuse.
    Refused,
    /// An answer like others.
    Answered,
}

/// What becomes of whoever asks where there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// It gives up.
    Answer,
    /// It goes on.
    Aside,
}

impl Request {
    /// Commands that change nothing.
    pub(crate) fn read(commands: impl IntoIterator<Item = Command>) -> Self {
        Self::new(commands, Effect::None)
    }

    /// Commands that change something: they count once that is as durable as the URI asks.
    pub(crate) fn write(commands: impl IntoIterator<Item = Command>) -> Self {
        Self::new(commands, Effect::Writes)
    }

    /// The same request; a key that holds something of another type is answered with [`Answer::Stranger`].
    pub(crate) fn past_strangers(self) -> Self {
        Self { strangers: Strangers::Answered, ..self }
    }

    /// The same request, of somebody who goes on where it has no answer.
    pub(crate) fn aside(self) -> Self {
        Self { need: Need::Aside, ..self }
    }

    fn new(commands: impl IntoIterator<Item = Command>, effect: Effect) -> Self {
        let mut request = Self {
            commands: redis::Pipeline::new(),
            count: 0,
            bytes: 0,
            largest: 0,
            scripts: Vec::new(),
            effect,
            strangers: Strangers::Refused,
            need: Need::Answer,
        };
        for command in commands {
            request.count += 1;
            request.bytes += command.bytes;
            request.largest = request.largest.max(command.largest);
            request.scripts.extend(command.script);
            request.commands.add_command(command.cmd);
        }
        request
    }

    /// Adds a command that the link itself needs an answer to.
    pub(super) fn and(mut self, command: Command) -> Self {
        self.count += 1;
        self.commands.add_command(command.cmd);
        self
    }
}

/// What a server answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// Nothing.
    Nil,
    /// A number.
    Number(i64),
    /// A text or bytes.
    Bytes(Bytes),
    /// Several.
    List(Vec<Answer>),
    /// The key holds something of another type.
    Stranger,
}

impl Answer {
    /// Reads the client's form; gives back what is an error.
    pub(super) fn read(value: Value, strangers: Strangers) -> Result<Self, redis::RedisError> {
        let list = |values: Vec<Value>| {
            values.into_iter().map(|value| Self::read(value, strangers)).collect::<Result<_, _>>()
        };
        match value {
            Value::Int(number) => Ok(Self::Number(number)),
            Value::BulkString(bytes) => Ok(Self::Bytes(bytes.into())),
            Value::SimpleString(text) => Ok(Self::Bytes(text.into_bytes().into())),
            Value::Okay => Ok(Self::Bytes(Bytes::from_static(b"OK"))),
            Value::Array(values) | Value::Set(values) => list(values).map(Self::List),
            Value::ServerError(error) if strangers == Strangers::Answered && error.code() == "WRONGTYPE" => {
                Ok(Self::Stranger)
            }
            Value::ServerError(error) => Err(error.into()),
            // Nothing; only the newer protocol has other forms, and it is never asked for.
            _ => Ok(Self::Nil),
        }
    }

    /// The bytes, where it is some.
    pub(crate) fn bytes(self) -> Option<Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Nil | Self::Number(_) | Self::List(_) | Self::Stranger => None,
        }
    }

    /// The number, where it is one or reads as one.
    pub(crate) fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            Self::Nil | Self::List(_) | Self::Stranger => None,
        }
    }

    /// The parts, where it has some.
    pub(crate) fn list(self) -> Vec<Self> {
        match self {
            Self::List(list) => list,
            Self::Nil | Self::Number(_) | Self::Bytes(_) | Self::Stranger => Vec::new(),
        }
    }
}
