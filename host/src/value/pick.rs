//! Access to parts of values: the part at a path, the elements of a list, the name of a case.
//! No conversion happens here; see `assign`. A part is a slice of the whole wherever its bytes are contiguous there.

use crate::model::{Path, Step, to_usize};
use crate::value::check::{enter_some, locate, one_pair};
use crate::value::wire::{Kind, Reader};
use crate::value::{Type, ValueFault, wire};
use bytes::Bytes;
use std::ops::Range;

/// Type of the part at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Type of the part.
    pub ty: Type,
    /// Whether some values of the whole have no such part.
    pub may_miss: bool,
}

/// Returns the type of the part at `path` in values of type `ty`. Fails if no value has such a part.
pub fn type_at(ty: &Type, path: &Path) -> Result<Part, ValueFault> {
    let mut part = Part { ty: ty.clone(), may_miss: false };
    for step in path.steps() {
        let (inner, may_miss) = step_type(&part.ty, step)?;
        part = Part { ty: inner, may_miss: part.may_miss || may_miss };
    }
    Ok(part)
}

fn step_type(ty: &Type, step: &Step) -> Result<(Type, bool), ValueFault> {
    match (ty, step) {
        (Type::List(element), Step::Index(_)) => Ok(((**element).clone(), true)),
        (Type::Tuple(types), Step::Index(index)) => match types.get(to_usize(*index)) {
            Some(ty) => Ok((ty.clone(), false)),
            None => Err(ValueFault::new(format!(
                "`{ty}` has no element [{index}]; its length is {}",
                types.len()
            ))),
        },
        (Type::Record(fields), Step::Field(name)) => {
            match fields.iter().find(|field| *field.name == **name) {
                Some(field) => Ok((field.ty.clone(), false)),
                None => {
                    let names: Vec<&str> = fields.iter().map(|field| &*field.name).collect();
                    let nearest = names.iter().find(|known| strsim::jaro_winkler(known, name) > 0.8);
                    let hint = match nearest {
                        Some(nearest) => format!("did you mean `{nearest}`?"),
                        None => format!("its fields are {}", names.join(", ")),
                    };
                    Err(ValueFault::new(format!("the record has no field `{name}`; {hint}")))
                }
            }
        }
        (Type::Option(some), Step::Field(name)) if name == "some" => Ok(((**some).clone(), true)),
        (Type::Option(_), Step::Field(name)) => {
            Err(ValueFault::new(format!("`{ty}` is an option; write `some.{name}`")))
        }
        (Type::Result(sides), Step::Field(name)) if name == "ok" => match &sides.ok {
            Some(ok) => Ok((ok.clone(), true)),
            None => Err(ValueFault::new(format!("`ok` of `{ty}` has no payload"))),
        },
        (_, Step::Index(index)) => Err(ValueFault::new(format!("`{ty}` has no elements, so no `[{index}]`"))),
        (_, Step::Field(name)) => Err(ValueFault::new(format!("`{ty}` has no part `{name}`"))),
    }
}

/// Place of a part in the bytes of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The part is a slice of the value.
    Bytes(Range<usize>),
    /// The part is a byte of a `list<u8>`, which is no value of its own there.
    Byte(u8),
}

/// Returns the place of the part at a path; none if this value has no such part.
pub fn place(ty: &Type, value: &[u8], path: &Path) -> Result<Option<Place>, ValueFault> {
    let mut reader = Reader::new(value);
    let mut ty = ty;
    for (index, step) in path.steps().iter().enumerate() {
        match enter(ty, step, &mut reader)? {
            Found::Missing => return Ok(None),
            Found::Part(inner) => ty = inner,
            Found::Byte(byte) => {
                let is_last = index + 1 == path.steps().len();
                return if is_last {
                    Ok(Some(Place::Byte(byte)))
                } else {
                    Err(ValueFault::new("a byte has no parts"))
                };
            }
        }
    }
    let start = reader.position();
    reader.skip()?;
    Ok(Some(Place::Bytes(start..reader.position())))
}

/// Returns the part of a value at a path; none if this value has no such part.
pub fn pick(ty: &Type, value: &Bytes, path: &Path) -> Result<Option<Bytes>, ValueFault> {
    Ok(place(ty, value, path)?.map(|place| match place {
        Place::Bytes(range) => value.slice(range),
        Place::Byte(byte) => encode_uint(u64::from(byte)),
    }))
}

enum Found<'t> {
    Missing,
    Part(&'t Type),
    Byte(u8),
}

/// Moves the reader to the beginning of a part.
fn enter<'t>(ty: &'t Type, step: &Step, reader: &mut Reader<'_>) -> Result<Found<'t>, ValueFault> {
    match (ty, step) {
        (Type::List(element), Step::Index(index)) if **element == Type::U8 => {
            Ok(reader.bin()?.get(to_usize(*index)).map_or(Found::Missing, |byte| Found::Byte(*byte)))
        }
        (Type::List(element), Step::Index(index)) => {
            if reader.array_len()? <= to_usize(*index) {
                return Ok(Found::Missing);
            }
            skip(reader, *index)?;
            Ok(Found::Part(element))
        }
        (Type::Tuple(types), Step::Index(index)) => {
            reader.array_len()?;
            skip(reader, *index)?;
            Ok(types.get(to_usize(*index)).map_or(Found::Missing, Found::Part))
        }
        (Type::Record(fields), Step::Field(name)) => {
            let found = locate(fields, reader)?;
            let field = fields.iter().zip(found).find(|(field, _)| *field.name == **name);
            let Some((field, Some(position))) = field else {
                return Ok(Found::Missing);
            };
            reader.seek(position);
            Ok(Found::Part(&field.ty))
        }
        (Type::Option(some), Step::Field(_)) => {
            if reader.take_nil()? {
                return Ok(Found::Missing);
            }
            enter_some(some, reader)?;
            Ok(Found::Part(some))
        }
        (Type::Result(sides), Step::Field(_)) => {
            one_pair(reader)?;
            match (reader.str()?, &sides.ok) {
                ("ok", Some(ok)) => Ok(Found::Part(ok)),
                _ => Ok(Found::Missing), // an `err`, or an `ok` without a payload
            }
        }
        _ => Err(ValueFault::new(format!("`{ty}` has no such part"))), // `type_at` refuses such paths
    }
}

fn skip(reader: &mut Reader<'_>, values: u32) -> Result<(), ValueFault> {
    for _ in 0..values {
        reader.skip()?;
    }
    Ok(())
}

fn encode_uint(number: u64) -> Bytes {
    let mut out = Vec::with_capacity(5);
    wire::put_uint(&mut out, number);
    out.into()
}

/// Elements between two stored positions: a position per element could take more memory than the elements.
const STRIDE: usize = 8;

/// Elements of a list, located once and returned without copies.
#[derive(Debug, Clone)]
pub struct Items {
    value: Bytes,
    positions: Positions,
}

#[derive(Debug, Clone)]
enum Positions {
    /// Start of every [`STRIDE`]th element.
    Marks { len: usize, marks: Vec<usize> },
    /// Start of a byte list, whose every byte is an element.
    Bytes(usize),
    /// First number of a range.
    Range { first: u32, len: usize },
}

impl Items {
    /// Returns the number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.positions {
            Positions::Marks { len, .. } | Positions::Range { len, .. } => *len,
            Positions::Bytes(start) => self.value.len().saturating_sub(*start),
        }
    }

    /// Returns the bytes of the list and of its positions.
    #[must_use]
    pub fn size(&self) -> usize {
        match &self.positions {
            Positions::Marks { marks, .. } => self.value.len() + size_of_val(&**marks),
            Positions::Bytes(_) | Positions::Range { .. } => self.value.len(),
        }
    }

    /// Returns whether the list is empty.
    #[cfg(feature = "internals")]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the element at a position.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Bytes> {
        match &self.positions {
            Positions::Marks { len, marks } if index < *len => {
                let mark = *marks.get(index / STRIDE)?;
                let mut reader = Reader::new(self.value.get(mark..)?);
                (0..index % STRIDE).try_for_each(|_| reader.skip()).ok()?;
                let start = mark.checked_add(reader.position())?;
                reader.skip().ok()?;
                Some(self.value.slice(start..mark.checked_add(reader.position())?))
            }
            Positions::Range { first, len } if index < *len => {
                Some(encode_uint(u64::from(*first) + u64::try_from(index).ok()?))
            }
            Positions::Marks { .. } | Positions::Range { .. } => None, // has no such element
            Positions::Bytes(start) => {
                self.value.get(start.checked_add(index)?).map(|byte| encode_uint(u64::from(*byte)))
            }
        }
    }
}

/// Locates the elements of a value of the list type `ty`.
pub fn split(ty: &Type, value: &Bytes) -> Result<Items, ValueFault> {
    let mut reader = Reader::new(value);
    let positions = match ty {
        Type::List(element) if **element == Type::U8 => {
            let len = reader.bin()?.len();
            Positions::Bytes(value.len() - len)
        }
        Type::List(_) => {
            let len = reader.array_len()?;
            let mut marks = Vec::with_capacity(len.div_ceil(STRIDE));
            for index in 0..len {
                if index % STRIDE == 0 {
                    marks.push(reader.position());
                }
                reader.skip()?;
            }
            Positions::Marks { len, marks }
        }
        other => return Err(ValueFault::new(format!("`{other}` is not a list"))),
    };
    reader.finish()?;
    Ok(Items { value: value.clone(), positions })
}

/// Returns the numbers from `first` up to, but not including, `end` as the elements of a `list<u32>`, of which none is stored.
#[must_use]
pub fn range(first: u32, end: u32) -> Items {
    let len = to_usize(end.saturating_sub(first));
    Items { value: Bytes::new(), positions: Positions::Range { first, len } }
}

/// Returns the case name of an enum or variant, or the text of a string.
#[must_use]
pub fn case_name<'a>(ty: &Type, bytes: &'a [u8]) -> Option<&'a str> {
    let mut reader = Reader::new(bytes);
    match ty {
        Type::String | Type::Enum(_) => reader.str().ok(),
        Type::Variant(_) => {
            if reader.peek().ok()? == Kind::Map {
                one_pair(&mut reader).ok()?;
            }
            reader.str().ok()
        }
        _ => None, // no other type has cases
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Datum;
    use crate::value::encode;

    fn encoded(ty: &str, json: &str) -> (Type, Bytes) {
        let ty = Type::parse(ty).unwrap();
        let datum: Datum = serde_json::from_str(json).unwrap();
        let bytes = encode(&ty, &datum).unwrap();
        (ty, bytes)
    }

    fn picked_json(ty: &str, json: &str, path: &str) -> Option<String> {
        let (ty, bytes) = encoded(ty, json);
        let path = Path::parse(path).unwrap();
        let part = type_at(&ty, &path).unwrap();
        let found = pick(&ty, &bytes, &path).unwrap();
        assert!(found.is_some() || part.may_miss, "a part that never misses was missed");
        found.map(|found| crate::value::to_json_text(&part.ty, &found).unwrap())
    }

    #[test]
    fn finds_parts_of_every_kind() {
        let record = "record { items: list<record { name: string }>, pair: tuple<u8, char>, more: option<option<u8>> }";
        let json = r#"{"items": [{"name": "a"}, {"name": "b"}], "pair": [7, "x"], "more": [5]}"#;
        for (path, found) in [
            ("items[1].name", Some("\"b\"")),
            ("items[2].name", None),
            ("pair[1]", Some("\"x\"")),
            ("more.some.some", Some("5")),
            ("more.some", Some("5")),
        ] {
            assert_eq!(picked_json(record, json, path).as_deref(), found, "{path}");
        }
        assert_eq!(picked_json("result<u8, string>", r#"{"ok": 3}"#, "ok").as_deref(), Some("3"));
        assert_eq!(picked_json("result<u8, string>", r#"{"err": "no"}"#, "ok"), None);
        assert_eq!(picked_json("option<u8>", "null", "some"), None);
        assert_eq!(picked_json("list<u8>", "[1, 200]", "[1]").as_deref(), Some("200"));
    }

    #[test]
    fn errors_name_the_missing_part_of_a_path() {
        for (ty, path, message) in [
            ("record { name: u8 }", "nam", "the record has no field `nam`; did you mean `name`?"),
            ("option<record { a: u8 }>", "a", "`option<record { a: u8 }>` is an option; write `some.a`"),
            ("tuple<u8>", "[1]", "`tuple<u8>` has no element [1]; its length is 1"),
            ("u8", "x", "`u8` has no part `x`"),
        ] {
            let fault = type_at(&Type::parse(ty).unwrap(), &Path::parse(path).unwrap()).unwrap_err();
            assert_eq!(fault.to_string(), message);
        }
    }

    #[test]
    fn elements_are_slices_of_the_list() {
        let (ty, bytes) = encoded("list<string>", r#"["a", "bc", ""]"#);
        let items = split(&ty, &bytes).unwrap();
        let shown: Vec<Bytes> = (0..items.len()).filter_map(|index| items.get(index)).collect();
        assert_eq!(shown, [&b"\xa1a"[..], b"\xa2bc", b"\xa0"]);
        let (ty, bytes) = encoded("list<u8>", "[1, 200]");
        assert_eq!(split(&ty, &bytes).unwrap().get(1).unwrap(), &b"\xcc\xc8"[..]);
    }
}
