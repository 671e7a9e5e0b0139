//! All the mistakes of a literal, where encoding it has found the first.
//! What a mistake is stands in `encode`: every part without parts of its own is held against its type there.

use crate::model::{Datum, nearest};
use crate::value::encode::known_name;
use crate::value::{Field, Type, ValueFault, encode};
use bytes::Bytes;

/// Encodes `datum` as a value of type `ty`, or says all that is wrong with it: at least one mistake, and a few at most.
pub fn encode_all(ty: &Type, datum: &Datum) -> Result<Bytes, Vec<ValueFault>> {
    encode(ty, datum).map_err(|first| mistakes(ty, datum, first))
}

/// Most mistakes that are told of one literal: a list may have a million of the same kind.
const MOST: usize = 8;

/// The mistakes in `datum`, in its order. `first` is what encoding it has stumbled over.
pub(crate) fn mistakes(ty: &Type, datum: &Datum, first: ValueFault) -> Vec<ValueFault> {
    let mut found = Vec::new();
    collect(ty, datum, &mut found);
    if found.is_empty() {
        found.push(first);
    }
    found.truncate(MOST);
    found
}

fn collect(ty: &Type, datum: &Datum, found: &mut Vec<ValueFault>) {
    if found.len() >= MOST {
        return;
    }
    match (ty, datum) {
        (Type::List(element), Datum::Array(items)) => {
            items.iter().enumerate().for_each(|(at, item)| element_at(element, item, at, found));
        }
        (Type::Tuple(types), Datum::Array(items)) => {
            if types.len() != items.len() {
                found.extend(encode(ty, datum).err());
            }
            let parts = types.iter().zip(items).enumerate();
            parts.for_each(|(at, (ty, item))| element_at(ty, item, at, found));
        }
        (Type::Record(fields), Datum::Table(entries)) => record(fields, entries, found),
        (Type::Option(some), Datum::Array(items)) if some.admits_nil() => match items.as_slice() {
            [item] => collect(some, item, found),
            _ => found.extend(encode(ty, datum).err()),
        },
        (Type::Option(some), _) if !some.admits_nil() && *datum != Datum::Null => collect(some, datum, found),
        (Type::Flags(_), Datum::Array(items)) => {
            let flag = |(at, item): (usize, &Datum)| {
                let alone = Datum::Array(vec![item.clone()]);
                encode(ty, &alone).err().map(|fault| fault.moved_to(at))
            };
            found.extend(items.iter().enumerate().filter_map(flag));
            if found.is_empty() {
                found.extend(encode(ty, datum).err()); // one stands there twice
            }
        }
        (Type::Variant(cases), Datum::Table(entries)) => {
            let payload = match entries.as_slice() {
                [(name, payload)] => {
                    cases.iter().find(|case| *case.name == **name).map(|case| (case, payload))
                }
                _ => None, // no case at all
            };
            match payload.and_then(|(case, payload)| Some((case, case.ty.as_ref()?, payload))) {
                Some((case, ty, payload)) => within(found, ty, payload, |fault| fault.in_field(&case.name)),
                None => found.extend(encode(ty, datum).err()),
            }
        }
        (Type::Result(sides), Datum::Table(entries)) => {
            let side = match entries.as_slice() {
                [(key, payload)] if key == "ok" => sides.ok.as_ref().map(|ty| (ty, payload, "ok")),
                [(key, payload)] if key == "err" => sides.err.as_ref().map(|ty| (ty, payload, "err")),
                _ => None, // neither side
            };
            match side {
                Some((ty, payload, name)) => within(found, ty, payload, |fault| fault.in_field(name)),
                None => found.extend(encode(ty, datum).err()),
            }
        }
        _ => found.extend(encode(ty, datum).err()), // has no parts, or is no literal of the type at all
    }
}

fn element_at(ty: &Type, item: &Datum, at: usize, found: &mut Vec<ValueFault>) {
    within(found, ty, item, |fault| fault.at_index(at));
}

/// The mistakes of a part, seen from the value around it.
fn within(found: &mut Vec<ValueFault>, ty: &Type, datum: &Datum, seen: impl Fn(ValueFault) -> ValueFault) {
    if found.len() < MOST {
        let mut inner = Vec::new();
        collect(ty, datum, &mut inner);
        found.extend(inner.into_iter().map(seen));
    }
}

fn record(fields: &[Field], entries: &[(String, Datum)], found: &mut Vec<ValueFault>) {
    let names = || fields.iter().map(|field| &*field.name);
    let mut meant: Vec<&str> = Vec::new();
    for (nth, (key, datum)) in entries.iter().enumerate() {
        if let Err(fault) = known_name("field", names(), key) {
            found.push(fault);
            meant.extend(nearest(key, names()));
        } else if entries.iter().take(nth).any(|(earlier, _)| earlier == key) {
            found.push(ValueFault::new(format!("field `{key}` stands here twice")));
        } else if let Some(field) = fields.iter().find(|field| *field.name == **key) {
            within(found, &field.ty, datum, |fault| fault.in_field(key));
        }
    }
    for field in fields {
        let is_written = entries.iter().any(|(key, _)| **key == *field.name);
        // One that is written with a slip is not missing besides.
        let is_missing = !is_written && !meant.contains(&&*field.name);
        if is_missing && !matches!(field.ty, Type::Option(_)) {
            found.push(ValueFault::new(format!("field `{}: {}` is missing", field.name, field.ty)));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::Datum;
    use crate::value::{Type, encode_all};

    fn told(ty: &str, json: &str) -> Vec<String> {
        let datum: Datum = serde_json::from_str(json).unwrap();
        let faults = encode_all(&Type::parse(ty).unwrap(), &datum).unwrap_err();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn one_mistake_does_not_hide_another() {
        let ty = "record { name: string, age: u8, tags: list<u8>, kind: enum { red, green }, home: option<tuple<s8, s8>> }";
        assert_eq!(
            told(
                ty,
                r#"{"nme": "x", "age": 300, "tags": [1, -1, 2, 999], "kind": "grene", "home": [1, 500]}"#
            ),
            [
                "no field `nme`; did you mean `name`?",
                ".age: expected u8, found 300",
                ".tags[1]: expected u8, found -1",
                ".tags[3]: expected u8, found 999",
                ".kind: no case `grene`; did you mean `green`?",
                ".home[1]: expected s8, found 500",
            ]
        );
        assert_eq!(told(ty, r#"{"age": 1}"#).len(), 3, "each field that is missing");
        assert_eq!(told("tuple<u8, u8>", "[256]").len(), 2);
        assert_eq!(
            told("variant { a(list<bool>), b }", r#"{"a": [1, true, 2]}"#),
            [".a[0]: expected bool, found 1", ".a[2]: expected bool, found 2"]
        );
        assert_eq!(told("result<list<bool>, u8>", r#"{"ok": [1, 2]}"#).len(), 2);
        assert_eq!(
            told("flags { read, write }", r#"["raed", "write", 3]"#),
            ["[0]: no flag `raed`; did you mean `read`?", "[2]: expected a flag, found an integer"]
        );
        assert_eq!(
            told("flags { read, write }", r#"["read", "read"]"#),
            ["[1]: flag `read` stands here twice"]
        );
    }

    #[test]
    fn a_list_of_mistakes_is_cut() {
        let many = format!("[{}]", vec!["300"; 10_000].join(","));
        assert_eq!(told("list<u8>", &many).len(), 8);
        assert_eq!(told("u8", "300"), ["expected u8, found 300"]);
    }
}
