//! Values as text: in templates and in CSV.
//! What has no text of its own is shown as JSON.

use crate::builtin::body::Body;
use crate::builtin::budget::{Budget, Stop};
use crate::value::check::enter_some;
use crate::value::wire::{Kind, Reader};
use crate::value::{Type, Typed, ValueFault};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io;

/// What happens to the characters of a value that mean something in HTML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escape {
    /// They stay.
    None,
    /// They become entities.
    Html,
}

/// A text while it is written, within the budget.
pub(crate) struct Sink<'a> {
    body: Body,
    budget: &'a Budget<'a>,
    /// Why a write failed: the errors of writers have no place for it.
    stop: Option<Stop>,
    escape: Escape,
}

impl<'a> Sink<'a> {
    pub(crate) fn new(budget: &'a Budget<'a>, escape: Escape) -> Self {
        Self { body: Body::new(), budget, stop: None, escape }
    }

    /// Appends a text as it is.
    pub(crate) fn put(&mut self, text: &[u8]) -> Result<(), Stop> {
        self.budget.allow(self.body.len().saturating_add(text.len()))?;
        self.body.out().extend_from_slice(text);
        self.budget.step(text.len())?;
        self.body.count(self.budget)
    }

    /// Appends a text, escaped as the sink does.
    fn put_escaped(&mut self, text: &[u8]) -> Result<(), Stop> {
        if self.escape == Escape::None {
            return self.put(text);
        }
        for piece in text.split_inclusive(|byte| entity(*byte).is_some()) {
            match piece.split_last().and_then(|(last, before)| Some((before, entity(*last)?))) {
                Some((before, entity)) => {
                    self.put(before)?;
                    self.put(entity.as_bytes())?;
                }
                None => self.put(piece)?,
            }
        }
        Ok(())
    }

    /// Appends a value of the type `ty`: texts as they are, none as nothing, anything else as JSON.
    pub(crate) fn show(&mut self, ty: &Type, value: &[u8]) -> Result<(), Shown> {
        let mut reader = Reader::new(value);
        match ty {
            Type::Option(some) => {
                if reader.take_nil()? {
                    return Ok(());
                }
                enter_some(some, &mut reader)?;
                return self.show(some, value.get(reader.position()..).unwrap_or_default());
            }
            Type::Char | Type::String | Type::Enum(_) => self.put_escaped(reader.str()?.as_bytes())?,
            Type::Variant(_) if reader.peek()? != Kind::Map => self.put_escaped(reader.str()?.as_bytes())?,
            Type::List(element) if **element == Type::U8 => {
                let bytes = reader.bin()?;
                self.budget.allow(bytes.len())?;
                self.put(STANDARD.encode(bytes).as_bytes())?;
            }
            Type::F32 if !reader.f32()?.is_finite() => self.special(f64::from(Reader::new(value).f32()?))?,
            Type::F64 if !reader.f64()?.is_finite() => self.special(Reader::new(value).f64()?)?,
            _ => return self.json(ty, value), // has no text of its own
        }
        Ok(())
    }

    fn special(&mut self, number: f64) -> Result<(), Stop> {
        self.put(match number {
            f64::INFINITY => b"Infinity",
            f64::NEG_INFINITY => b"-Infinity",
            _ => b"NaN", // the only other number that is not finite
        })
    }

    /// Appends a value as JSON.
    pub(crate) fn json(&mut self, ty: &Type, value: &[u8]) -> Result<(), Shown> {
        let written = serde_json::to_writer(&mut *self, &Typed::new(ty, value));
        match (written, self.stop.take()) {
            (_, Some(stop)) => Err(stop.into()),
            (Ok(()), None) => Ok(()),
            (Err(error), None) => Err(ValueFault::new(error.to_string()).into()),
        }
    }

    /// Returns the text.
    pub(crate) fn finish(self) -> bytes::Bytes {
        self.body.into_text()
    }
}

const fn entity(byte: u8) -> Option<&'static str> {
    Some(match byte {
        b'&' => "&amp;",
        b'<' => "&lt;",
        b'>' => "&gt;",
        b'"' => "&quot;",
        b'\'' => "&#39;",
        _ => return None, // no other character means anything in HTML
    })
}

impl io::Write for Sink<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        match self.put_escaped(piece) {
            Ok(()) => Ok(piece.len()),
            Err(stop) => {
                self.stop = Some(stop);
                Err(io::ErrorKind::Other.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reason why a value is not shown.
#[derive(Debug)]
pub(crate) enum Shown {
    /// The value is malformed.
    Fault(ValueFault),
    /// The call ends.
    Stop(Stop),
}

impl Shown {
    /// Returns why the call ends, if the value is a part of the argument `name`.
    pub(crate) fn of_argument(self, name: &str, locate: impl FnOnce(ValueFault) -> ValueFault) -> Stop {
        match self {
            Self::Fault(fault) => Stop::of_argument(name, &locate(fault)),
            Self::Stop(stop) => stop,
        }
    }
}

impl From<ValueFault> for Shown {
    fn from(fault: ValueFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<crate::value::wire::Malformed> for Shown {
    fn from(malformed: crate::value::wire::Malformed) -> Self {
        Self::Fault(malformed.into())
    }
}

impl From<Stop> for Shown {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}
