//! Properties of every type and value: round trips, canonical forms, conversions, and no panic on any bytes.
//! Examples of each form are here too, as a readable table of the encoding.

use crate::model::{Datum, Effort, Path};
use crate::value;
use crate::value::arbitrary::{any_type, any_value, widened};
use crate::value::{
    Case, Field, JsonFault, Type, Unconverted, assign, canonical, check, compose_list, encode, pick, split,
    to_json_excerpt, to_json_text, wire,
};
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

fn typed_value() -> impl Strategy<Value = (Type, Datum)> {
    any_type().prop_flat_map(|ty| {
        let value = any_value(&ty);
        (Just(ty), value)
    })
}

fn parse(text: &str) -> Type {
    Type::parse(text).unwrap()
}

/// Reads JSON by both ways: as a tree, and in one pass.
fn from_json(ty: &Type, json: &str) -> Result<Bytes, String> {
    let datum: Datum = serde_json::from_str(json).unwrap();
    let encoded = encode(ty, &datum).map_err(|fault| fault.to_string());
    let read = value::from_json(ty, json.as_bytes(), usize::MAX).map_err(|fault| match fault {
        JsonFault::Mistake(fault) => fault.to_string(),
        JsonFault::TooLarge => "too large".to_owned(),
    });
    match &encoded {
        // In one pass, a pair is a tuple of two.
        Err(fault) if fault.contains("an array of a key and a value") => {
            assert!(read.is_err(), "{ty} {json}");
        }
        encoded => assert_eq!(&read, encoded, "{ty} {json}"),
    }
    encoded
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn text_of_a_type_reads_back(ty in any_type()) {
        prop_assert_eq!(parse(&ty.to_string()), ty);
    }

    #[test]
    fn json_round_trips_to_the_same_bytes((ty, datum) in typed_value()) {
        let bytes = encode(&ty, &datum).unwrap();
        let json = to_json_text(&ty, &bytes).unwrap();
        prop_assert_eq!(from_json(&ty, &json).unwrap(), bytes);
    }

    #[test]
    fn encoded_values_are_valid_and_canonical((ty, datum) in typed_value()) {
        let bytes = encode(&ty, &datum).unwrap();
        check(&ty, &bytes).unwrap();
        prop_assert_eq!(canonical(&ty, &bytes).unwrap(), bytes);
    }

    #[test]
    fn type_fits_itself_without_conversion(ty in any_type()) {
        prop_assert!(assign(&ty, &ty).unwrap().is_identity());
    }

    #[test]
    fn assignable_implies_decodable((ty, datum) in typed_value(), choices in prop::collection::vec(any::<u8>(), 40)) {
        let wide = widened(&ty, &mut choices.into_iter());
        let conversion = assign(&ty, &wide).unwrap();
        let bytes = encode(&ty, &datum).unwrap();
        let converted = conversion.apply(&bytes, usize::MAX).unwrap();
        check(&wide, &converted).unwrap();
        prop_assert_eq!(canonical(&wide, &converted).unwrap(), converted);
    }

    #[test]
    fn assignability_of_any_two_types_implies_decodability((from, datum) in typed_value(), to in any_type()) {
        if let Ok(conversion) = assign(&from, &to) {
            let converted = conversion.apply(&encode(&from, &datum).unwrap(), usize::MAX).unwrap();
            check(&to, &converted).unwrap();
        }
    }

    #[test]
    fn widening_twice_is_widening(ty in any_type(), choices in prop::collection::vec(any::<u8>(), 80)) {
        let mut choices = choices.into_iter();
        let wide = widened(&ty, &mut choices);
        let wider = widened(&wide, &mut choices);
        prop_assert!(assign(&wide, &wider).is_ok());
        prop_assert!(assign(&ty, &wider).is_ok(), "{} to {}", ty, wider);
    }

    #[test]
    fn no_bytes_cause_a_panic(ty in any_type(), to in any_type(), bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let bytes = Bytes::from(bytes);
        drop(check(&ty, &bytes));
        drop(to_json_text(&ty, &bytes));
        drop(split(&ty, &bytes));
        drop(pick(&ty, &bytes, &Path::parse("n0[1].some.ok").unwrap()));
        drop(assign(&ty, &to).map(|conversion| conversion.apply(&bytes, usize::MAX)));
    }

    #[test]
    fn damaged_values_are_rejected_or_decode((ty, datum) in typed_value(), index in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = encode(&ty, &datum).unwrap().to_vec();
        let index = index.index(bytes.len());
        bytes[index] = byte;
        if let Ok(canonical_bytes) = canonical(&ty, &bytes) {
            check(&ty, &canonical_bytes).unwrap();
            to_json_text(&ty, &bytes).unwrap();
        }
    }

    #[test]
    fn splitting_and_composing_a_list_changes_nothing(
        (ty, datum) in any_type().prop_map(|ty| Type::List(std::sync::Arc::new(ty))).prop_flat_map(|ty| {
            let value = any_value(&ty);
            (Just(ty), value)
        })
    ) {
        let Type::List(element) = &ty else { unreachable!() };
        let bytes = encode(&ty, &datum).unwrap();
        let items = split(&ty, &bytes).unwrap();
        let parts: Vec<Bytes> = (0..items.len()).map(|index| items.get(index).unwrap()).collect();
        prop_assert_eq!(compose_list(element, &parts).unwrap(), bytes);
    }
}

#[test]
fn encodings_match_the_documented_forms() {
    for (ty, json, bytes) in [
        ("bool", "true", &b"\xc3"[..]),
        ("u64", "18446744073709551615", b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
        ("s64", "-1", b"\xff"),
        ("s8", "-128", b"\xd0\x80"),
        ("u8", "7", b"\x07"),
        ("f32", "1.5", b"\xca\x3f\xc0\x00\x00"),
        ("f64", "\"NaN\"", b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"),
        ("f64", "\"-Infinity\"", b"\xcb\xff\xf0\x00\x00\x00\x00\x00\x00"),
        ("char", "\"\u{df}\"", b"\xa2\xc3\x9f"),
        ("string", "\"ab\"", b"\xa2ab"),
        ("list<u8>", "\"AQI=\"", b"\xc4\x02\x01\x02"),
        ("list<u16>", "[1,2]", b"\x92\x01\x02"),
        ("tuple<u8, string>", "[1,\"a\"]", b"\x92\x01\xa1a"),
        ("record { a: u8, b: option<u8> }", "{\"a\":1,\"b\":null}", b"\x82\xa1a\x01\xa1b\xc0"),
        ("map<string, u8>", "{\"b\":1,\"aa\":2}", b"\x82\xa1b\x01\xa2aa\x02"),
        ("map<s8, bool>", "{\"1\":true,\"-40\":true,\"-1\":false}", b"\x83\x01\xc3\xd0\xd8\xc3\xff\xc2"),
        ("map<char, list<u8>>", "{\"x\":\"AQI=\"}", b"\x81\xa1x\xc4\x02\x01\x02"),
        ("map<bool, option<u8>>", "[[false,1],[true,null]]", b"\x82\xc2\x01\xc3\xc0"),
        ("map<u64, u8>", "{}", b"\x80"),
        ("option<u8>", "null", b"\xc0"),
        ("option<option<u8>>", "[null]", b"\x91\xc0"),
        ("result<u8, string>", "{\"err\":\"no\"}", b"\x81\xa3err\xa2no"),
        ("result", "{\"ok\":null}", b"\x81\xa2ok\xc0"),
        ("variant { a, b(u8) }", "\"a\"", b"\xa1a"),
        ("variant { a, b(u8) }", "{\"b\":2}", b"\x81\xa1b\x02"),
        ("enum { x, y }", "\"y\"", b"\xa1y"),
        ("flags { r, w }", "[\"r\",\"w\"]", b"\x92\xa1r\xa1w"),
    ] {
        let ty = parse(ty);
        assert_eq!(from_json(&ty, json).unwrap(), bytes, "{ty} {json}");
        assert_eq!(to_json_text(&ty, bytes).unwrap(), json, "{ty}");
    }
}

#[test]
fn errors_of_literals_name_the_position_and_the_cause() {
    for (ty, json, message) in [
        (
            "record { items: list<record { name: u8 }> }",
            r#"{"items":[{"name":1},{"name":300}]}"#,
            ".items[1].name: expected u8, found 300",
        ),
        ("u8", "1.0", "expected u8, found 1.0"),
        ("string", "7", "expected string, found 7"),
        ("record { size: u8 }", r#"{"sise":1}"#, "no field `sise`; did you mean `size`?"),
        ("record { size: u8 }", "{}", "field `size: u8` is missing"),
        ("enum { red, green }", "\"gren\"", "no case `gren`; did you mean `green`?"),
        ("variant { a, b(u8) }", "\"b\"", "case `b` needs a payload: { b = … } of type u8"),
        ("variant { a, b(u8) }", "{\"a\":1}", "case `a` has no payload: write \"a\""),
        ("f32", "1e300", "expected f32, found 1e300, which is out of range"),
        ("char", "\"ab\"", "expected one character, found 2"),
        ("tuple<u8, u8>", "[1]", "expected 2 elements, found 1"),
        ("list<u8>", "\"!\"", "expected bytes as base64 or as an array of integers"),
        ("option<option<u8>>", "5", "expected null or an array of one option<u8>, found an integer"),
        ("result<u8>", "{\"good\":1}", "expected a table with the key `ok` or `err`"),
    ] {
        assert_eq!(from_json(&parse(ty), json).unwrap_err(), message, "{ty}");
    }
}

#[test]
fn integers_fit_floats_and_record_keys_come_in_any_order() {
    assert_eq!(from_json(&parse("f64"), "3").unwrap(), from_json(&parse("f64"), "3.0").unwrap());
    let ty = parse("record { a: u8, b: option<u8> }");
    let swapped = b"\x82\xa1b\x02\xa1a\x01";
    assert_eq!(canonical(&ty, swapped).unwrap(), &b"\x82\xa1a\x01\xa1b\x02"[..]);
    assert_eq!(canonical(&ty, b"\x81\xa1a\x01").unwrap(), &b"\x82\xa1a\x01\xa1b\xc0"[..]);
    assert!(check(&ty, b"\x83\xa1a\x01\xa1b\xc0\xa1c\xc0").is_err());
}

#[test]
fn entries_of_maps_come_in_any_order_and_each_key_once() {
    let ty = parse("map<u8, u8>");
    assert_eq!(canonical(&ty, b"\x82\x02\x01\xcc\x01\x07").unwrap(), &b"\x82\x01\x07\x02\x01"[..]);
    let twice = canonical(&ty, b"\x83\x02\x01\x01\x01\xcc\x01\x07").unwrap_err();
    assert_eq!(twice.to_string(), "[2]: duplicate key");
    let json = |text| from_json(&parse("map<s32, string>"), text).map(drop).unwrap_err();
    assert_eq!(json(r#"{"1": "a", "x": "b"}"#), ".x: the key is no s32");
    assert_eq!(json(r#"[[1, "a"], [2]]"#), "[1]: expected an array of a key and a value");
    assert_eq!(json(r#"[[1, "a"], [1, "b"]]"#), "[1]: duplicate key");
    assert_eq!(json("7"), "expected map<s32, string>, found 7");
}

#[test]
fn type_mismatches_name_the_position() {
    for (from, to, message) in [
        ("u64", "u32", "`u64` does not fit `u32`"),
        ("s64", "f64", "`s64` does not fit `f64`"),
        ("u32", "f32", "`u32` does not fit `f32`"),
        (
            "list<record { name: string }>",
            "list<record { name: u8 }>",
            "at `[].name`: `string` does not fit `u8`",
        ),
        ("record { a: u8 }", "record { a: u8, b: u8 }", "field `b: u8` is missing"),
        ("enum { a, b }", "enum { a }", "the target type has no case `b`"),
        ("option<u8>", "u8", "`option<u8>` does not fit `u8`"),
        ("option<string>", "option<u8>", "at `.some`: `string` does not fit `u8`"),
        ("result<u8, u8>", "result<u8, string>", "at `.err`: `u8` does not fit `string`"),
        ("variant { a(u8) }", "variant { a }", "`a` has a payload, but the target type has none"),
        ("char", "string", "`char` does not fit `string`"),
        ("map<u8, u8>", "map<u16, u8>", "the keys are `u8`, but the target type has the keys `u16`"),
        ("map<u8, string>", "map<u8, bool>", "at `[]`: `string` does not fit `bool`"),
        ("map<u8, u8>", "list<tuple<u8, u8>>", "`map<u8, u8>` does not fit `list<tuple<u8, u8>>`"),
        ("tuple<u8, u8>", "tuple<u8>", "`tuple<u8, u8>` does not fit `tuple<u8>`"),
    ] {
        assert_eq!(assign(&parse(from), &parse(to)).unwrap_err().to_string(), message);
    }
}

#[test]
fn conversions_rewrite_only_what_differs() {
    for (from, to, json, converted) in [
        ("u8", "option<u64>", "7", "7"),
        ("option<u8>", "option<option<u8>>", "null", "null"),
        ("option<u8>", "option<option<u8>>", "5", "[5]"),
        ("list<u8>", "list<f32>", "[1,2]", "[1.0,2.0]"),
        (
            "record { a: u8, b: string }",
            "record { b: string, c: option<u8> }",
            r#"{"a":1,"b":"x"}"#,
            r#"{"b":"x","c":null}"#,
        ),
        ("flags { r, w }", "flags { x, w, r }", r#"["r","w"]"#, r#"["w","r"]"#),
        ("result<u8, string>", "result<u32, string>", r#"{"ok":1}"#, r#"{"ok":1}"#),
        ("variant { a(u8), b }", "variant { b, a(f64) }", r#"{"a":1}"#, r#"{"a":1.0}"#),
        ("f32", "f64", "0.5", "0.5"),
        ("map<string, u8>", "map<string, option<f64>>", r#"{"b":1,"a":2}"#, r#"{"a":2.0,"b":1.0}"#),
    ] {
        let (from, to) = (parse(from), parse(to));
        let bytes = from_json(&from, json).unwrap();
        let result = assign(&from, &to).unwrap().apply(&bytes, usize::MAX).unwrap();
        assert_eq!(to_json_text(&to, &result).unwrap(), converted, "{from} to {to}");
    }
    let same = assign(&parse("enum { a }"), &parse("enum { a, b }")).unwrap();
    assert!(same.is_identity());
}

#[test]
fn conversion_fails_once_the_output_is_too_large() {
    let fields: Vec<String> = (0..999).map(|nth| format!(", f{nth}: option<u8>")).collect();
    let fields = fields.concat();
    let from = parse("list<record { z: u8 }>");
    let to = parse(&format!("list<record {{ z: u8{fields} }}>"));
    let value = from_json(&from, &format!("[{}]", vec![r#"{"z":1}"#; 1000].join(","))).unwrap();
    let conversion = assign(&from, &to).unwrap();
    assert!(conversion.apply(&value, usize::MAX).unwrap().len() > 1_000_000);
    assert!(matches!(conversion.apply(&value, 1_000_000), Err(Unconverted::TooLarge)));
}

#[test]
fn options_in_options_are_compared_once() {
    let deep =
        |ty: &str, depth: usize| parse(&format!("{}{ty}{}", "option<".repeat(depth), ">".repeat(depth)));
    assert!(assign(&deep("u8", 60), &deep("bool", 60)).is_err());
    assert!(assign(&deep("u8", 40), &deep("u8", 60)).is_ok());
    assert!(assign(&deep("u8", 60), &deep("u8", 59)).is_err());
}

#[test]
fn many_names_are_compared_quickly() {
    let ascending: Arc<[Arc<str>]> = (0..20_000).map(|nth| Arc::from(format!("c{nth}"))).collect();
    let descending: Arc<[Arc<str>]> = ascending.iter().rev().cloned().collect();
    let case = |name: &Arc<str>| Case { name: Arc::clone(name), ty: None };
    let field = |name: &Arc<str>| Field { name: Arc::clone(name), ty: Type::U8 };
    let effort = Effort::begin();
    assert!(assign(&Type::Enum(Arc::clone(&ascending)), &Type::Enum(Arc::clone(&descending))).is_ok());
    let variant = |names: &[Arc<str>]| Type::Variant(names.iter().map(case).collect());
    assert!(assign(&variant(&ascending), &variant(&descending)).is_ok());
    let record = |names: &[Arc<str>]| Type::Record(names.iter().map(field).collect());
    let (from, to) = (record(&ascending), record(&descending));
    let mut value = Vec::new();
    wire::put_map_len(&mut value, ascending.len());
    for name in ascending.iter() {
        wire::put_str(&mut value, name);
        wire::put_uint(&mut value, 1);
    }
    let converted = assign(&from, &to).unwrap().apply(&value.clone().into(), usize::MAX).unwrap();
    assert_eq!(canonical(&from, &converted).unwrap(), value);
    assert!(effort.spent() < Duration::from_secs(2), "{:?}", effort.spent());
}

#[test]
fn long_excerpts_are_cut_and_marked() {
    let ty = parse("list<string>");
    let value = from_json(&ty, r#"["äää", "b"]"#).unwrap();
    assert_eq!(to_json_excerpt(&ty, &value, 100).unwrap(), r#"["äää","b"]"#);
    assert_eq!(to_json_excerpt(&ty, &value, 5).unwrap(), "[\"ä…");
    assert_eq!(to_json_excerpt(&ty, b"\xc1", 100), None);
}

/// A small JSON of records with many optional fields, which are all written.
#[test]
fn json_is_read_up_to_a_size() {
    let fields: Vec<String> = (0..100).map(|nth| format!("field{nth}: option<u8>")).collect();
    let ty = parse(&format!("list<record {{ {} }}>", fields.join(", ")));
    let json = format!("[{}]", vec!["{}"; 1000].join(","));
    let whole = value::from_json(&ty, json.as_bytes(), usize::MAX).unwrap();
    assert!(whole.len() > 100 * json.len());
    assert_eq!(value::from_json(&ty, json.as_bytes(), whole.len()), Ok(whole.clone()));
    for max_len in [0, 1, 1_000, whole.len() - 1] {
        assert_eq!(value::from_json(&ty, json.as_bytes(), max_len), Err(JsonFault::TooLarge), "{max_len}");
    }
}
