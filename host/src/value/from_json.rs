//! JSON to MessagePack, directed by a type, in one pass: texts of any size, without a tree of their values.
//! `encode` defines what fits a type, and encodes every part that has no parts of its own.

use crate::model::Datum;
use crate::value::encode::{known_case, known_name, write};
use crate::value::map::{Entries, key_bytes};
use crate::value::{Case, Field, MapType, ResultType, Type, ValueFault, encode_key, wire};
use bytes::Bytes;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Reason why JSON is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonFault {
    /// A mistake, with its place: a path, or a line and column.
    Mistake(ValueFault),
    /// The value is larger than the bound.
    TooLarge,
}

/// Reads JSON as a value of type `ty`, of at most `max_len` bytes.
///
/// Threat: an empty object of two bytes becomes a record with the names of all its optional fields.
pub fn from_json(ty: &Type, json: &[u8], max_len: usize) -> Result<Bytes, JsonFault> {
    from_json_while(ty, json, &|len| len <= max_len)
}

/// Reads JSON as [`from_json`] does, as long as `goes_on` allows the size so far. It is asked after every part.
pub(crate) fn from_json_while(
    ty: &Type,
    json: &[u8],
    goes_on: &dyn Fn(usize) -> bool,
) -> Result<Bytes, JsonFault> {
    let (mut out, fault) = (Vec::new(), RefCell::new(None));
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let read = Target { ty, out: &mut out, goes_on, fault: &fault }.deserialize(&mut deserializer);
    match read.and_then(|()| deserializer.end()) {
        _ if !goes_on(out.len()) => Err(JsonFault::TooLarge),
        Ok(()) => Ok(out.into()),
        Err(error) => {
            let fault = fault.take().unwrap_or_else(|| ValueFault::new(error.to_string()));
            Err(JsonFault::Mistake(fault))
        }
    }
}

/// A value to be read: its type, and where its bytes go.
struct Target<'a> {
    ty: &'a Type,
    out: &'a mut Vec<u8>,
    /// Whether all bytes may be as many as they are. If not, reading stops.
    goes_on: &'a dyn Fn(usize) -> bool,
    /// The fault, which serde's errors have no place for.
    fault: &'a RefCell<Option<ValueFault>>,
}

impl<'de> DeserializeSeed<'de> for Target<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Target<'_> {
    /// Returns the target of a part, whose bytes follow those of the parts before.
    fn part<'b>(&'b mut self, ty: &'b Type) -> Target<'b> {
        Target { ty, out: self.out, goes_on: self.goes_on, fault: self.fault }
    }

    /// Fails if there are more bytes than the bound allows.
    fn check_size<E: serde::de::Error>(&self) -> Result<(), E> {
        if (self.goes_on)(self.out.len()) { Ok(()) } else { Err(E::custom("the value is too large")) }
    }

    fn fail<E: serde::de::Error>(&self, fault: ValueFault) -> E {
        let error = E::custom(&fault);
        self.fault.replace(Some(fault));
        error
    }

    /// Adds a step to the path of a fault, if there is one; mistakes of the JSON have a line instead.
    fn located<E>(&self, error: E, locate: impl FnOnce(ValueFault) -> ValueFault) -> E {
        let fault = self.fault.take().map(locate);
        self.fault.replace(fault);
        error
    }

    /// Writes a value without parts.
    fn scalar<E: serde::de::Error>(self, datum: &Datum) -> Result<(), E> {
        write(self.ty, datum, self.out).map_err(|fault| self.fail(fault))
    }

    /// Reads the next element of a sequence. Returns whether there was one.
    fn element<'de, A: SeqAccess<'de>>(
        &mut self,
        ty: &Type,
        index: usize,
        seq: &mut A,
    ) -> Result<bool, A::Error> {
        let read = seq.next_element_seed(self.part(ty));
        let read = read.map_err(|error| self.located(error, |fault| fault.at_index(index)))?;
        self.check_size().map(|()| read.is_some())
    }

    /// Reads the value of a key.
    fn field<'de, A: MapAccess<'de>>(&mut self, ty: &Type, name: &str, map: &mut A) -> Result<(), A::Error> {
        let read = map.next_value_seed(self.part(ty));
        read.map_err(|error| self.located(error, |fault| fault.in_field(name)))?;
        self.check_size()
    }

    fn list<'de, A: SeqAccess<'de>>(mut self, element: &Type, mut seq: A) -> Result<(), A::Error> {
        let (start, mut len) = (self.out.len(), 0);
        while self.element(element, len, &mut seq)? {
            len += 1;
        }
        insert_head(self.out, start, |head| wire::put_array_len(head, len));
        Ok(())
    }

    fn bytes<'de, A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let (mut byte, mut bytes) = (Vec::new(), Vec::new());
        loop {
            byte.clear();
            let target = Target { ty: &Type::U8, out: &mut byte, goes_on: self.goes_on, fault: self.fault };
            let read = seq.next_element_seed(target);
            match read.map_err(|error| self.located(error, |fault| fault.at_index(bytes.len())))? {
                Some(()) => bytes.extend(byte.last()), // the number is the last byte of its encoding
                None => break,
            }
        }
        wire::put_bin(self.out, &bytes);
        Ok(())
    }

    fn tuple<'de, A: SeqAccess<'de>>(mut self, types: &[Type], mut seq: A) -> Result<(), A::Error> {
        wire::put_array_len(self.out, types.len());
        let mut len = 0;
        for ty in types {
            if !self.element(ty, len, &mut seq)? {
                break;
            }
            len += 1;
        }
        len += rest(&mut seq)?;
        if len == types.len() {
            return Ok(());
        }
        Err(self.fail(ValueFault::new(format!("expected {} elements, found {len}", types.len()))))
    }

    /// Reads entries that are written as pairs.
    fn pairs<'de, A: SeqAccess<'de>>(mut self, types: &MapType, mut seq: A) -> Result<(), A::Error> {
        let pair = Type::Tuple([types.key.clone(), types.value.clone()].into());
        let (start, mut len) = (self.out.len(), 0);
        let mut ordered = Entries::begin(self.out);
        loop {
            let begin = self.out.len();
            if !self.element(&pair, len, &mut seq)? {
                break;
            }
            self.out.remove(begin); // the head of the pair
            let key = key_bytes(self.out.get(begin..).unwrap_or_default()).len();
            ordered.add(self.out, begin..begin + key);
            len += 1;
        }
        ordered.finish(self.out).map_err(|fault| self.fail::<A::Error>(fault))?;
        insert_head(self.out, start, |head| wire::put_map_len(head, len));
        Ok(())
    }

    fn entries<'de, A: MapAccess<'de>>(mut self, types: &MapType, mut map: A) -> Result<(), A::Error> {
        let (start, mut len) = (self.out.len(), 0);
        let mut ordered = Entries::begin(self.out);
        while let Some(name) = map.next_key::<String>()? {
            let begin = self.out.len();
            let key = encode_key(&types.key, &name)
                .map_err(|fault| self.fail::<A::Error>(fault.in_field(&name)))?;
            self.out.extend(key);
            let key = begin..self.out.len();
            self.field(&types.value, &name, &mut map)?;
            ordered.add(self.out, key);
            len += 1;
        }
        ordered.finish(self.out).map_err(|fault| self.fail::<A::Error>(fault))?;
        insert_head(self.out, start, |head| wire::put_map_len(head, len));
        Ok(())
    }

    /// Reads a record. Fields that come in declared order stay where they are written.
    fn record<'de, A: MapAccess<'de>>(mut self, fields: &[Field], mut map: A) -> Result<(), A::Error> {
        wire::put_map_len(self.out, fields.len());
        let start = self.out.len();
        let mut ranges: Vec<Option<Range<usize>>> = vec![None; fields.len()];
        while let Some(name) = map.next_key::<String>()? {
            known_name("field", fields.iter().map(|field| &*field.name), &name)
                .map_err(|fault| self.fail::<A::Error>(fault))?;
            let known = fields.iter().zip(&mut ranges).find(|(field, _)| *field.name == *name);
            let Some((field, range @ None)) = known else {
                return Err(self.fail(ValueFault::new(format!("duplicate field `{name}`"))));
            };
            let begin = self.out.len();
            wire::put_str(self.out, &name);
            self.field(&field.ty, &name, &mut map)?;
            *range = Some(begin..self.out.len());
        }
        let mut end = start;
        let is_ordered = ranges.iter().all(|range| {
            let follows = range.as_ref().is_some_and(|range| range.start == end);
            end = range.as_ref().map_or(end, |range| range.end);
            follows
        });
        if is_ordered {
            return Ok(());
        }
        let written = self.out.split_off(start);
        for (field, range) in fields.iter().zip(ranges) {
            match (range, &field.ty) {
                (Some(range), _) => {
                    let part = written.get(range.start - start..range.end - start);
                    self.out.extend_from_slice(part.unwrap_or_default());
                }
                (None, Type::Option(_)) => {
                    wire::put_str(self.out, &field.name);
                    wire::put_nil(self.out);
                }
                (None, ty) => {
                    let message = format!("field `{}: {ty}` is missing", field.name);
                    return Err(self.fail(ValueFault::new(message)));
                }
            }
        }
        Ok(())
    }

    fn variant<'de, A: MapAccess<'de>>(self, cases: &[Case], map: A) -> Result<(), A::Error> {
        let one = |found| format!("expected a table with one case, found {found} keys");
        self.one_case(map, one, |name| {
            known_case(cases.iter().map(|case| &*case.name), name)?;
            match cases.iter().find(|case| *case.name == *name) {
                Some(Case { ty: Some(ty), .. }) => Ok(Some(ty)),
                _ => Err(ValueFault::new(format!("case `{name}` has no payload: write \"{name}\""))),
            }
        })
    }

    fn result<'de, A: MapAccess<'de>>(self, sides: &ResultType, map: A) -> Result<(), A::Error> {
        let one = |_| "expected a table with the key `ok` or `err`".to_owned();
        self.one_case(map, one, |name| match name {
            "ok" => Ok(sides.ok.as_ref()),
            "err" => Ok(sides.err.as_ref()),
            _ => Err(ValueFault::new(one(1))), // no other side
        })
    }

    /// Reads a table with one key, which `find` gives the type of; none for a side without a payload.
    fn one_case<'de, 't, A: MapAccess<'de>>(
        mut self,
        mut map: A,
        one: impl Fn(usize) -> String,
        find: impl FnOnce(&str) -> Result<Option<&'t Type>, ValueFault>,
    ) -> Result<(), A::Error> {
        let Some(name) = map.next_key::<String>()? else {
            return Err(self.fail(ValueFault::new(one(0))));
        };
        let ty = find(&name).map_err(|fault| self.fail::<A::Error>(fault))?;
        wire::put_map_len(self.out, 1);
        wire::put_str(self.out, &name);
        match ty {
            Some(ty) => self.field(ty, &name, &mut map)?,
            None => match map.next_value()? {
                NoPayload::Absent => wire::put_nil(self.out),
                NoPayload::Present => {
                    let message = format!("`{name}` has no payload: write null, or an empty table");
                    return Err(self.fail(ValueFault::new(message)));
                }
            },
        }
        let mut found = 1;
        while let Some(other) = map.next_key::<String>()? {
            if other == name {
                return Err(self.fail(ValueFault::new(format!("duplicate case `{name}`"))));
            }
            map.next_value::<IgnoredAny>()?;
            found += 1;
        }
        if found == 1 { Ok(()) } else { Err(self.fail(ValueFault::new(one(found)))) }
    }

    /// Reads a some that is written as an array, because the value itself may be null.
    fn some_in_array<'de, A: SeqAccess<'de>>(mut self, some: &Type, mut seq: A) -> Result<(), A::Error> {
        wire::put_array_len(self.out, 1);
        let read = seq.next_element_seed(self.part(some))?;
        let found = usize::from(read.is_some()) + rest(&mut seq)?;
        if found == 1 {
            return Ok(());
        }
        Err(self.fail(ValueFault::new(format!("expected an array of one {some}, found {found}"))))
    }

    /// Reads names. Each is checked at once, so that a long list of wrong ones is not collected.
    fn flags<'de, A: SeqAccess<'de>>(mut self, known: &[Arc<str>], mut seq: A) -> Result<(), A::Error> {
        let (start, mut names) = (self.out.len(), Vec::new());
        while self.element(&Type::String, names.len(), &mut seq)? {
            let written = self.out.split_off(start);
            let name = wire::Reader::new(&written).str().unwrap_or_default();
            let fault = match known_name("flag", known.iter().map(AsRef::as_ref), name) {
                Ok(()) if names.iter().any(|known| known == name) => {
                    Some(ValueFault::new(format!("duplicate flag `{name}`")))
                }
                checked => checked.err(),
            };
            if let Some(fault) = fault {
                return Err(self.fail(fault.at_index(names.len())));
            }
            names.push(name.to_owned());
        }
        self.scalar(&Datum::Array(names.into_iter().map(Datum::Text).collect()))
    }
}

/// Reads past the rest of a sequence, and counts it.
fn rest<'de, A: SeqAccess<'de>>(seq: &mut A) -> Result<usize, A::Error> {
    let mut count = 0;
    while seq.next_element::<IgnoredAny>()?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// Puts the head in front of values whose number is known only behind them.
fn insert_head(out: &mut Vec<u8>, start: usize, put: impl FnOnce(&mut Vec<u8>)) {
    let mut head = Vec::new();
    put(&mut head);
    out.splice(start..start, head);
}

impl<'de> Visitor<'de> for Target<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ty)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.scalar(&Datum::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.scalar(&Datum::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.scalar(&Datum::Int(value.into()))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.scalar(&Datum::Int(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.scalar(&Datum::Float(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        if *self.ty == Type::String {
            wire::put_str(self.out, value);
            return Ok(());
        }
        self.scalar(&Datum::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        match self.ty {
            Type::List(element) if **element == Type::U8 => self.bytes(seq),
            Type::List(element) => self.list(element, seq),
            Type::Tuple(types) => self.tuple(types, seq),
            Type::Map(types) => self.pairs(types, seq),
            Type::Flags(names) => self.flags(names, seq),
            Type::Option(some) if some.admits_nil() => self.some_in_array(some, seq),
            Type::Option(some) => Target { ty: some, ..self }.visit_seq(seq),
            // No other type is written as an array. An empty one is as wrong as any.
            _ => self.scalar(&Datum::Array(Vec::new())),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        match self.ty {
            Type::Record(fields) => self.record(fields, map),
            Type::Map(types) => self.entries(types, map),
            Type::Variant(cases) => self.variant(cases, map),
            Type::Result(sides) => self.result(sides, map),
            Type::Option(some) if !some.admits_nil() => Target { ty: some, ..self }.visit_map(map),
            // No other type is written as an object.
            _ => self.scalar(&Datum::Table(Vec::new())),
        }
    }
}

/// The payload of a side that has none.
enum NoPayload {
    /// null, or an empty table.
    Absent,
    /// Anything else.
    Present,
}

impl<'de> Deserialize<'de> for NoPayload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NoPayloadVisitor)
    }
}

struct NoPayloadVisitor;

impl<'de> Visitor<'de> for NoPayloadVisitor {
    type Value = NoPayload;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, or an empty table")
    }

    fn visit_unit<E>(self) -> Result<NoPayload, E> {
        Ok(NoPayload::Absent)
    }

    fn visit_bool<E>(self, _: bool) -> Result<NoPayload, E> {
        Ok(NoPayload::Present)
    }

    fn visit_i64<E>(self, _: i64) -> Result<NoPayload, E> {
        Ok(NoPayload::Present)
    }

    fn visit_u64<E>(self, _: u64) -> Result<NoPayload, E> {
        Ok(NoPayload::Present)
    }

    fn visit_f64<E>(self, _: f64) -> Result<NoPayload, E> {
        Ok(NoPayload::Present)
    }

    fn visit_str<E>(self, _: &str) -> Result<NoPayload, E> {
        Ok(NoPayload::Present)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<NoPayload, A::Error> {
        rest(&mut seq).map(|_| NoPayload::Present)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NoPayload, A::Error> {
        let mut payload = NoPayload::Absent;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            payload = NoPayload::Present;
        }
        Ok(payload)
    }
}
