//! Redis commands and replies as types of this crate.
//! Sending them is left to `connection.rs`.

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
    /// Creates a command without arguments, by its name.
    pub(crate) fn new(name: &str) -> Self {
        let mut cmd = Cmd::new();
        cmd.arg(name);
        Self { cmd, bytes: name.len(), largest: 0, script: None }
    }

    /// Creates a script call; the link loads the script if the server does not know it.
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

/// Commands that are sent as one pipeline and answered in order. They must be safe to run twice.
pub(crate) struct Request {
    pub(super) commands: redis::Pipeline,
    pub(super) count: usize,
    pub(super) bytes: usize,
    pub(super) largest: usize,
    pub(super) scripts: Vec<&'static Script>,
    pub(super) effect: Effect,
    pub(super) foreign_keys: ForeignKeys,
    pub(super) need: Need,
}

/// The effect of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Changes nothing.
    None,
    /// Changes something.
    Writes,
}

/// The treatment of a key of an unexpected type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ForeignKeys {
    /// The request fails.
    Reject,
    /// The reply is [`Answer::Foreign`].
    Reply,
}

/// The importance of a reply to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Without a reply, the caller fails.
    Required,
    /// Without a reply, the caller continues.
    BestEffort,
}

impl Request {
    /// Creates a request that changes nothing.
    pub(crate) fn read(commands: impl IntoIterator<Item = Command>) -> Self {
        Self::new(commands, Effect::None)
    }

    /// Creates a request that writes; it succeeds once the write is as durable as the URI requires.
    pub(crate) fn write(commands: impl IntoIterator<Item = Command>) -> Self {
        Self::new(commands, Effect::Writes)
    }

    /// Replies to a key of an unexpected type with [`Answer::Foreign`] instead of an error.
    pub(crate) fn allow_foreign(self) -> Self {
        Self { foreign_keys: ForeignKeys::Reply, ..self }
    }

    /// Marks the request as best effort: the caller continues without a reply.
    pub(crate) fn best_effort(self) -> Self {
        Self { need: Need::BestEffort, ..self }
    }

    fn new(commands: impl IntoIterator<Item = Command>, effect: Effect) -> Self {
        let mut request = Self {
            commands: redis::Pipeline::new(),
            count: 0,
            bytes: 0,
            largest: 0,
            scripts: Vec::new(),
            effect,
            foreign_keys: ForeignKeys::Reject,
            need: Need::Required,
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

    /// Appends a command whose reply the link itself needs.
    pub(super) fn and(mut self, command: Command) -> Self {
        self.count += 1;
        self.commands.add_command(command.cmd);
        self
    }
}

/// A reply of the server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// No value.
    Nil,
    /// A number.
    Number(i64),
    /// A text or bytes.
    Bytes(Bytes),
    /// A list.
    List(Vec<Answer>),
    /// The key has another type than expected.
    Foreign,
}

impl Answer {
    /// Converts the client's value; returns an error reply as an error.
    pub(super) fn read(value: Value, foreign_keys: ForeignKeys) -> Result<Self, redis::RedisError> {
        let list = |values: Vec<Value>| {
            values.into_iter().map(|value| Self::read(value, foreign_keys)).collect::<Result<_, _>>()
        };
        match value {
            Value::Int(number) => Ok(Self::Number(number)),
            Value::BulkString(bytes) => Ok(Self::Bytes(bytes.into())),
            Value::SimpleString(text) => Ok(Self::Bytes(text.into_bytes().into())),
            Value::Okay => Ok(Self::Bytes(Bytes::from_static(b"OK"))),
            Value::Array(values) | Value::Set(values) => list(values).map(Self::List),
            Value::ServerError(error)
                if foreign_keys == ForeignKeys::Reply && error.code() == "WRONGTYPE" =>
            {
                Ok(Self::Foreign)
            }
            Value::ServerError(error) => Err(error.into()),
            // Nil. Other forms exist only in RESP3, which is never requested.
            _ => Ok(Self::Nil),
        }
    }

    /// Returns the bytes, if the reply has bytes.
    pub(crate) fn bytes(self) -> Option<Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Nil | Self::Number(_) | Self::List(_) | Self::Foreign => None,
        }
    }

    /// Returns the number, if the reply is one or its text parses as one.
    pub(crate) fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            Self::Nil | Self::List(_) | Self::Foreign => None,
        }
    }

    /// Returns the parts of a list; empty for any other reply.
    pub(crate) fn list(self) -> Vec<Self> {
        match self {
            Self::List(list) => list,
            Self::Nil | Self::Number(_) | Self::Bytes(_) | Self::Foreign => Vec::new(),
        }
    }
}
