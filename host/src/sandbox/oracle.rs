//! The codec against wasmtime's own: for any type and value, both hand a guest the same bytes and read the same back.
//! wasmtime's way goes through `Val`, a tree of values, which is too slow for data and right for a judge.

use crate::model::Datum;
use crate::sandbox::erased;
use crate::sandbox::testing::binary;
use crate::sandbox::tree::from_val;
use crate::sandbox::tree::to_val;
use crate::value::Type;
use crate::value::arbitrary::any_type;
use crate::value::arbitrary::any_value;
use crate::value::encode;
use crate::value::wire::Reader;
use bytes::Bytes;
use proptest::prelude::*;
use std::fmt::Write;
use std::sync::LazyLock;
use wasmtime::component::{Component, Func, Linker, Val};
use wasmtime::{Config, Engine, Store};

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = Config::new();
    config.concurrency_support(false);
    Engine::new(&config).unwrap()
});

/// Most values that the canonical ABI passes outside of memory.
const MAX_FLAT: usize = 16;

fn typed_value() -> impl Strategy<Value = (Type, Datum)> {
    any_type().prop_flat_map(|ty| {
        let value = any_value(&ty);
        (Just(ty), value)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arguments_are_lowered_as_wasmtime_does((ty, datum) in typed_value()) {
        lowers_alike(&ty, &datum)?;
    }

    #[test]
    fn results_are_lifted_as_wasmtime_does((ty, datum) in typed_value()) {
        lifts_alike(&ty, &datum)?;
    }

    #[test]
    fn any_flat_result_is_lifted_as_wasmtime_does(ty in any_type(), bits in any::<u64>()) {
        if let [core] = *flat(&ty) {
            let literal = match core {
                "f32" => format!("(f32.reinterpret_i32 (i32.wrap_i64 (i64.const {bits})))"),
                "f64" => format!("(f64.reinterpret_i64 (i64.const {bits}))"),
                "i32" => format!("(i32.wrap_i64 (i64.const {bits}))"),
                _ => format!("(i64.const {bits})"),
            };
            agree(&returning(&ty, "", &format!("(result {core})"), &literal), &ty)?;
        }
    }

    #[test]
    fn any_memory_is_lifted_as_wasmtime_does_or_refused(ty in any_type(), bytes in prop::collection::vec(0_u8..8, 600)) {
        if flat(&ty).len() > 1 {
            let escaped: String = bytes.iter().fold(String::new(), |mut text, byte| { write!(text, "\\{byte:02x}").unwrap(); text });
            let text = returning(&ty, &format!("(data (i32.const 0) \"{escaped}\")"), "(result i32)", "(i32.const 0)");
            agree(&text, &ty)?;
        }
    }
}

/// Both hand the guest the same bytes, flat and in memory.
fn lowers_alike(ty: &Type, datum: &Datum) -> Result<(), TestCaseError> {
    let value = encode(ty, datum).unwrap();
    let val = to_val(ty, &mut Reader::new(&value));
    for text in [dump_flat(ty), Some(dump_memory(ty))].into_iter().flatten() {
        let (mut store, function) = instantiate(&text);
        let count = function.ty(&store).params().len();
        let mut args = vec![value.clone()];
        args.resize(count, Bytes::from_static(b"\x01"));
        let mut vals = vec![val.clone()];
        vals.resize(count, Val::U8(1));
        let ours = call(&mut store, &function, &args);
        let (mut store, function) = instantiate(&text);
        let mut theirs = [Val::Bool(false)];
        function.call(&mut store, &vals, &mut theirs).unwrap();
        let mut expected = Vec::new();
        from_val(&Type::List(std::sync::Arc::new(Type::U8)), &theirs[0], &mut expected);
        prop_assert_eq!(ours, expected, "{}", ty);
    }
    Ok(())
}

/// Both read back what they wrote, flat and from memory.
fn lifts_alike(ty: &Type, datum: &Datum) -> Result<(), TestCaseError> {
    let value = encode(ty, datum).unwrap();
    let pair = Type::Tuple([ty.clone(), Type::U8].into());
    let whole = encode(&pair, &Datum::Array(vec![datum.clone(), Datum::Int(9)])).unwrap();
    let (mut store, function) = instantiate(&echo(&pair));
    let mut args = vec![whole.clone()];
    args.resize(1 + MAX_FLAT, Bytes::from_static(b"\x01"));
    prop_assert_eq!(&call(&mut store, &function, &args)[..], &whole[..], "{}", ty);
    let (mut store, function) = instantiate(&echo(&pair));
    let mut vals = vec![to_val(&pair, &mut Reader::new(&whole))];
    vals.resize(1 + MAX_FLAT, Val::U8(1));
    let mut theirs = [Val::Bool(false)];
    function.call(&mut store, &vals, &mut theirs).unwrap();
    let mut expected = Vec::new();
    from_val(&pair, &theirs[0], &mut expected);
    prop_assert_eq!(&expected[..], &whole[..], "{}", ty);
    if let [core] = *flat(ty) {
        let (mut store, function) = instantiate(&echo_flat(ty, core));
        prop_assert_eq!(
            &call(&mut store, &function, std::slice::from_ref(&value))[..],
            &unwrapped(ty, &value)[..],
            "{}",
            ty
        );
    }
    Ok(())
}

#[test]
fn types_with_many_members_are_carried_as_wasmtime_does() {
    let names = |count: usize| (0..count).map(|nth| format!("n{nth}")).collect::<Vec<_>>().join(", ");
    for (ty, json) in [
        (format!("flags {{ {} }}", names(9)), r#"["n0", "n8"]"#),
        (format!("flags {{ {} }}", names(17)), r#"["n3", "n16"]"#),
        (format!("flags {{ {} }}", names(32)), r#"["n0", "n31"]"#),
        (format!("enum {{ {} }}", names(300)), r#""n299""#),
        (format!("variant {{ {}, x(u64) }}", names(300)), r#"{"x": 7}"#),
        (format!("variant {{ {}, x(u64) }}", names(300)), r#""n257""#),
        (format!("record {{ {} }}", names(20).replace(',', ": u8,") + ": u8"), &*record_json(20)),
    ] {
        let ty = Type::parse(&ty).unwrap();
        let datum: Datum = serde_json::from_str(json).unwrap();
        lowers_alike(&ty, &datum).unwrap();
        lifts_alike(&ty, &datum).unwrap();
    }
}

#[test]
fn texts_of_any_encoding_are_carried() {
    let ty = Type::parse("tuple<string, u8>").unwrap();
    for encoding in ["utf8", "utf16", "latin1+utf16"] {
        for word in ["", "plain", "h\u{e9}llo", "\u{20ac} and \u{1f600}"] {
            let datum = Datum::Array(vec![Datum::Text(word.to_owned()), Datum::Int(9)]);
            let value = encode(&ty, &datum).unwrap();
            let memory = "(memory (core memory $i \"memory\"))";
            let text = echo(&ty).replace(memory, &format!("string-encoding={encoding} {memory}"));
            let (mut store, function) = instantiate(&text);
            let mut args = vec![value.clone()];
            args.resize(1 + MAX_FLAT, Bytes::from_static(b"\x01"));
            assert_eq!(call(&mut store, &function, &args), value, "{encoding} {word}");
        }
    }
}

fn record_json(count: usize) -> String {
    let fields: Vec<_> = (0..count).map(|nth| format!("\"n{nth}\": {nth}")).collect();
    format!("{{{}}}", fields.join(","))
}

/// Both read the same from what a function returns, or neither accepts it.
fn agree(text: &str, ty: &Type) -> Result<(), TestCaseError> {
    let (mut store, function) = instantiate(text);
    let ours = function
        .typed::<erased::Params<'_>, erased::Returned>(&store)
        .unwrap()
        .call(&mut store, erased::Params(&[]));
    let (mut store, function) = instantiate(text);
    let mut theirs = [Val::Bool(false)];
    let called = function.call(&mut store, &[], &mut theirs);
    prop_assert_eq!(ours.is_ok(), called.is_ok(), "{} {:?}", ty, called);
    if let Ok(ours) = ours {
        let mut expected = Vec::new();
        from_val(ty, &theirs[0], &mut expected);
        prop_assert_eq!(&payload(ours)[..], &unwrapped(ty, &expected)[..], "{}", ty);
    }
    Ok(())
}

fn payload(returned: erased::Returned) -> Bytes {
    match returned.0 {
        crate::invoke::Outcome::Value(bytes) | crate::invoke::Outcome::Error(bytes) => bytes,
    }
}

/// A function that returns a `result` yields its payload: what stands behind the head of the map and its key.
fn unwrapped(ty: &Type, value: &[u8]) -> Vec<u8> {
    let mut reader = Reader::new(value);
    if let Type::Result(_) = ty {
        reader.map_len().unwrap();
        reader.str().unwrap();
    }
    value[reader.position()..].to_vec()
}

fn instantiate(text: &str) -> (Store<()>, Func) {
    let component = Component::new(&ENGINE, binary(text)).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
    let mut store = Store::new(&ENGINE, ());
    let instance = Linker::new(&ENGINE).instantiate(&mut store, &component).unwrap();
    let function = instance.get_func(&mut store, "run").unwrap();
    (store, function)
}

fn call(store: &mut Store<()>, function: &Func, args: &[Bytes]) -> Bytes {
    let function = function.typed::<erased::Params<'_>, erased::Returned>(&*store).unwrap();
    payload(function.call(store, erased::Params(args)).unwrap())
}

/// A function without parameters whose result has the type `ty`.
fn returning(ty: &Type, definitions: &str, core: &str, body: &str) -> String {
    let (types, name) = declared(ty);
    wrap(&types, definitions, core, body, &format!("(result {name})"))
}

fn wrap(types: &str, definitions: &str, core: &str, body: &str, signature: &str) -> String {
    format!(
        r#"(component
            {types}
            (core module $m
                (memory (export "memory") 4)
                (global $top (mut i32) (i32.const 1024))
                {definitions}
                (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                    (local $at i32)
                    (local.set $at (i32.and
                        (i32.add (global.get $top) (i32.sub (local.get 2) (i32.const 1)))
                        (i32.sub (i32.const 0) (local.get 2))))
                    (global.set $top (i32.add (local.get $at) (local.get 3)))
                    (memory.copy (local.get $at) (local.get 0) (local.get 1))
                    (local.get $at))
                (func (export "run") {core} {body}))
            (core instance $i (instantiate $m))
            (func (export "run") {signature} (canon lift (core func $i "run")
                (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
    )
}

/// Returns all that was allocated, behind the flat parameters.
const RETURN_ALL: &str = "(i32.store (i32.const 0) (i32.const 256))
    (i32.store (i32.const 4) (i32.sub (global.get $top) (i32.const 256)))
    (i32.const 0)";

/// A function that returns its flat parameters and the memory that was allocated for them.
fn dump_flat(ty: &Type) -> Option<String> {
    let flat = flat(ty);
    let slot = |(index, core): (usize, &&str)| {
        let at = 256 + 8 * index;
        format!("({core}.store (i32.const {at}) (local.get {index}))")
    };
    let stores = flat.iter().enumerate().map(slot).collect::<Vec<_>>().join(" ");
    let core = format!("(param {}) (result i32)", flat.join(" "));
    let (types, name) = declared(ty);
    let signature = format!("(param \"x\" {name}) (result (list u8))");
    (flat.len() <= MAX_FLAT).then(|| wrap(&types, "", &core, &format!("{stores} {RETURN_ALL}"), &signature))
}

/// The same for parameters that are too many to be flat.
fn dump_memory(ty: &Type) -> String {
    let (types, name) = declared(ty);
    let signature = format!("(param \"x\" {name}) {} (result (list u8))", more_params());
    wrap(
        &types,
        "",
        "(param i32) (result i32)",
        &format!("(i32.store (i32.const 256) (local.get 0)) {RETURN_ALL}"),
        &signature,
    )
}

/// A function that returns its first parameter, which stands in memory because more follow.
fn echo(ty: &Type) -> String {
    let (types, name) = declared(ty);
    let signature = format!("(param \"x\" {name}) {} (result {name})", more_params());
    wrap(&types, "", "(param i32) (result i32)", "(local.get 0)", &signature)
}

/// The same for a parameter that is one flat value.
fn echo_flat(ty: &Type, core: &str) -> String {
    let (types, name) = declared(ty);
    let signature = format!("(param \"x\" {name}) (result {name})");
    wrap(&types, "", &format!("(param {core}) (result {core})"), "(local.get 0)", &signature)
}

fn more_params() -> String {
    (0..MAX_FLAT).map(|index| format!("(param \"p{index}\" u8)")).collect::<Vec<_>>().join(" ")
}

/// The text of a type, and the declarations that it needs.
fn declared(ty: &Type) -> (String, String) {
    let mut declarations = String::new();
    let mut count = 0;
    let name = declare(ty, &mut declarations, &mut count);
    (declarations, name)
}

fn declare(ty: &Type, declarations: &mut String, count: &mut usize) -> String {
    let mut inner = |ty: &Type| declare(ty, declarations, count);
    let quoted = |names: &[std::sync::Arc<str>]| {
        names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" ")
    };
    let body = match ty {
        Type::List(element) => return format!("(list {})", inner(element)),
        Type::Option(some) => return format!("(option {})", inner(some)),
        Type::Tuple(types) => {
            let types: Vec<_> = types.iter().map(inner).collect();
            return format!("(tuple {})", types.join(" "));
        }
        Type::Result(sides) => {
            let ok = sides.ok.as_ref().map(&mut inner).unwrap_or_default();
            let err = sides.err.as_ref().map(|ty| format!("(error {})", inner(ty))).unwrap_or_default();
            return format!("(result {ok} {err})");
        }
        Type::Record(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|field| format!("(field \"{}\" {})", field.name, inner(&field.ty)))
                .collect();
            format!("(record {})", fields.join(" "))
        }
        Type::Variant(cases) => {
            let mut text = String::new();
            for case in cases.iter() {
                let payload = case.ty.as_ref().map(&mut inner).unwrap_or_default();
                write!(text, " (case \"{}\" {payload})", case.name).unwrap();
            }
            format!("(variant {text})")
        }
        Type::Enum(names) => format!("(enum {})", quoted(names)),
        Type::Flags(names) => format!("(flags {})", quoted(names)),
        plain => return plain.to_string(),
    };
    *count += 1;
    write!(declarations, "(type $d{count} {body}) (export $t{count} \"t{count}\" (type $d{count})) ")
        .unwrap();
    format!("$t{count}")
}

/// The flat form of a type, as the canonical ABI defines it.
fn flat(ty: &Type) -> Vec<&'static str> {
    match ty {
        Type::S64 | Type::U64 => vec!["i64"],
        Type::F32 => vec!["f32"],
        Type::F64 => vec!["f64"],
        Type::String | Type::List(_) => vec!["i32", "i32"],
        Type::Tuple(types) => types.iter().flat_map(flat).collect(),
        Type::Record(fields) => fields.iter().flat_map(|field| flat(&field.ty)).collect(),
        Type::Flags(names) => vec!["i32"; names.len().div_ceil(32)],
        Type::Option(some) => joined([None, Some(&**some)]),
        Type::Result(sides) => joined([sides.ok.as_ref(), sides.err.as_ref()]),
        Type::Variant(cases) => joined(cases.iter().map(|case| case.ty.as_ref())),
        _ => vec!["i32"], // small integers, chars, enums
    }
}

fn joined<'a>(cases: impl IntoIterator<Item = Option<&'a Type>>) -> Vec<&'static str> {
    let mut all: Vec<&str> = Vec::new();
    for case in cases.into_iter().flatten() {
        for (index, core) in flat(case).into_iter().enumerate() {
            match all.get_mut(index) {
                None => all.push(core),
                Some(slot) if *slot == core => {}
                Some(slot) if matches!((*slot, core), ("i32", "f32") | ("f32", "i32")) => *slot = "i32",
                Some(slot) => *slot = "i64",
            }
        }
    }
    all.insert(0, "i32");
    all
}
