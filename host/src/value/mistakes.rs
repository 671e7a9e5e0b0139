//! All mistakes of a literal, collected after encoding has failed at the first.
//! `encode` defines what a mistake is: it checks every part that has no parts of its own.

use crate::model::{Datum, nearest};
use crate::value::encode::known_name;
use crate::value::{Field, Type, ValueFault, encode, encode_key};
use bytes::Bytes;

/// Encodes `datum` as a value of type `ty`. Fails with all its mistakes: at least one, and at most [`MAX_MISTAKES`], after
/// which a last fault says that there are more.
pub fn encode_all(ty: &Type, datum: &Datum) -> Result<Bytes, Vec<ValueFault>> {
    encode(ty, datum).map_err(|first| mistakes(ty, datum, first))
}

/// Maximum number of mistakes reported for one literal: a list may have a million of the same kind.
const MAX_MISTAKES: usize = 8;

/// Returns the mistakes in `datum`, in its order. `first` is the fault at which encoding failed.
pub(crate) fn mistakes(ty: &Type, datum: &Datum, first: ValueFault) -> Vec<ValueFault> {
    let mut faults = Vec::new();
    collect(ty, datum, &mut faults);
    if faults.is_empty() {
        faults.push(first);
    }
    if faults.len() > MAX_MISTAKES {
        faults.truncate(MAX_MISTAKES);
        faults.push(ValueFault::new("more mistakes follow"));
    }
    faults
}

fn collect(ty: &Type, datum: &Datum, faults: &mut Vec<ValueFault>) {
    if faults.len() > MAX_MISTAKES {
        return;
    }
    match (ty, datum) {
        (Type::List(element), Datum::Array(items)) => {
            items.iter().enumerate().for_each(|(index, item)| element_at(element, item, index, faults));
        }
        (Type::Tuple(types), Datum::Array(items)) => {
            if types.len() != items.len() {
                faults.extend(encode(ty, datum).err());
            }
            let parts = types.iter().zip(items).enumerate();
            parts.for_each(|(index, (ty, item))| element_at(ty, item, index, faults));
        }
        (Type::Map(types), Datum::Table(entries)) => {
            let begin = faults.len();
            for (name, datum) in entries {
                faults.extend(encode_key(&types.key, name).err().map(|fault| fault.in_field(name)));
                collect_part(faults, &types.value, datum, |fault| fault.in_field(name));
            }
            if faults.len() == begin {
                faults.extend(encode(ty, datum).err()); // a duplicate key
            }
        }
        (Type::Map(types), Datum::Array(items)) => {
            let begin = faults.len();
            let pair = Type::Tuple([types.key.clone(), types.value.clone()].into());
            items.iter().enumerate().for_each(|(index, item)| element_at(&pair, item, index, faults));
            if faults.len() == begin {
                faults.extend(encode(ty, datum).err()); // a duplicate key
            }
        }
        (Type::Record(fields), Datum::Table(entries)) => record(fields, entries, faults),
        (Type::Option(some), Datum::Array(items)) if some.admits_nil() => match items.as_slice() {
            [item] => collect(some, item, faults),
            _ => faults.extend(encode(ty, datum).err()),
        },
        (Type::Option(some), _) if !some.admits_nil() && *datum != Datum::Null => {
            collect(some, datum, faults);
        }
        (Type::Flags(_), Datum::Array(items)) => {
            let check_flag = |(index, item): (usize, &Datum)| {
                let single = Datum::Array(vec![item.clone()]);
                encode(ty, &single).err().map(|fault| fault.with_index(index))
            };
            faults.extend(items.iter().enumerate().filter_map(check_flag));
            if faults.is_empty() {
                faults.extend(encode(ty, datum).err()); // a duplicate flag
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
                Some((case, ty, payload)) => {
                    collect_part(faults, ty, payload, |fault| fault.in_field(&case.name));
                }
                None => faults.extend(encode(ty, datum).err()),
            }
        }
        (Type::Result(sides), Datum::Table(entries)) => {
            let side = match entries.as_slice() {
                [(key, payload)] if key == "ok" => sides.ok.as_ref().map(|ty| (ty, payload, "ok")),
                [(key, payload)] if key == "err" => sides.err.as_ref().map(|ty| (ty, payload, "err")),
                _ => None, // neither side
            };
            match side {
                Some((ty, payload, name)) => collect_part(faults, ty, payload, |fault| fault.in_field(name)),
                None => faults.extend(encode(ty, datum).err()),
            }
        }
        _ => faults.extend(encode(ty, datum).err()), // has no parts, or is no literal of the type at all
    }
}

fn element_at(ty: &Type, item: &Datum, index: usize, faults: &mut Vec<ValueFault>) {
    collect_part(faults, ty, item, |fault| fault.at_index(index));
}

/// Collects the mistakes of a part, with the step from the enclosing value added.
fn collect_part(
    faults: &mut Vec<ValueFault>,
    ty: &Type,
    datum: &Datum,
    add_step: impl Fn(ValueFault) -> ValueFault,
) {
    if faults.len() <= MAX_MISTAKES {
        let mut inner = Vec::new();
        collect(ty, datum, &mut inner);
        faults.extend(inner.into_iter().map(add_step));
    }
}

fn record(fields: &[Field], entries: &[(String, Datum)], faults: &mut Vec<ValueFault>) {
    let names = || fields.iter().map(|field| &*field.name);
    let mut misspelt: Vec<&str> = Vec::new();
    for (index, (key, datum)) in entries.iter().enumerate() {
        if let Err(fault) = known_name("field", names(), key) {
            faults.push(fault);
            misspelt.extend(nearest(key, names()));
        } else if entries.iter().take(index).any(|(earlier, _)| earlier == key) {
            faults.push(ValueFault::new(format!("duplicate field `{key}`")));
        } else if let Some(field) = fields.iter().find(|field| *field.name == **key) {
            collect_part(faults, &field.ty, datum, |fault| fault.in_field(key));
        }
    }
    for field in fields {
        let is_written = entries.iter().any(|(key, _)| **key == *field.name);
        // A misspelt field is not reported as missing too.
        let is_missing = !is_written && !misspelt.contains(&&*field.name);
        if is_missing && !matches!(field.ty, Type::Option(_)) {
            faults.push(ValueFault::new(format!("field `{}: {}` is missing", field.name, field.ty)));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::Datum;
    use crate::value::{Type, encode_all};

    fn messages(ty: &str, json: &str) -> Vec<String> {
        let datum: Datum = serde_json::from_str(json).unwrap();
        let faults = encode_all(&Type::parse(ty).unwrap(), &datum).unwrap_err();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn all_mistakes_are_reported() {
        let ty = "record { name: string, age: u8, tags: list<u8>, kind: enum { red, green }, home: option<tuple<s8, s8>> }";
        assert_eq!(
            messages(
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
        assert_eq!(messages(ty, r#"{"age": 1}"#).len(), 3, "each field that is missing");
        assert_eq!(messages("tuple<u8, u8>", "[256]").len(), 2);
        assert_eq!(
            messages("variant { a(list<bool>), b }", r#"{"a": [1, true, 2]}"#),
            [".a[0]: expected bool, found 1", ".a[2]: expected bool, found 2"]
        );
        assert_eq!(messages("result<list<bool>, u8>", r#"{"ok": [1, 2]}"#).len(), 2);
        assert_eq!(
            messages("flags { read, write }", r#"["raed", "write", 3]"#),
            ["[0]: no flag `raed`; did you mean `read`?", "[2]: expected a flag, found an integer"]
        );
        assert_eq!(
            messages("map<u8, bool>", r#"{"1": 2, "x": true, "300": true, "4": 4}"#),
            [
                ".1: expected bool, found 2",
                ".x: the key is no u8",
                ".300: the key is no u8",
                ".4: expected bool, found 4",
            ]
        );
        assert_eq!(
            messages("map<bool, u8>", "[[1, 2], [true, 300], [true, 1, 2]]"),
            [
                "[0][0]: expected bool, found 1",
                "[1][1]: expected u8, found 300",
                "[2]: expected 2 elements, found 3",
            ]
        );
        assert_eq!(messages("map<u8, bool>", r#"{"1": true, "01": true}"#), ["[1]: duplicate key"]);
        assert_eq!(messages("flags { read, write }", r#"["read", "read"]"#), ["[1]: duplicate flag `read`"]);
    }

    #[test]
    fn number_of_mistakes_is_bounded() {
        let many = format!("[{}]", vec!["300"; 10_000].join(","));
        let messages_of_many = messages("list<u8>", &many);
        assert_eq!(messages_of_many.len(), 9);
        assert_eq!(messages_of_many[8], "more mistakes follow");
        assert_eq!(messages("list<u8>", "[300, 300, 300, 300, 300, 300, 300, 300]").len(), 8);
        assert_eq!(messages("u8", "300"), ["expected u8, found 300"]);
    }
}
