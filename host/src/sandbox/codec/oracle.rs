//! Oracle of the codec: for any type and value, the codec and wasmtime give a guest the same bytes and read the same.
//! The reference goes through wasmtime's `Val`, a tree of values that `tree` converts: slow, but trusted.

use crate::invoke::Outcome;
use crate::model::Datum;
use crate::sandbox::codec::erased::Bounds;
use crate::sandbox::codec::layout::{Codec, MAX_FLAT};
use crate::sandbox::codec::tree::{from_val, to_val};
use crate::sandbox::codec::{echo_component, erased};
use crate::sandbox::guest::Deadline;
use crate::sandbox::testing::binary;
use crate::value::arbitrary::{any_type, any_value};
use crate::value::wire::Reader;
use crate::value::{Signature, Type, encode};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::Cell;
use std::sync::{Arc, LazyLock};
use wasmtime::component::{Component, Instance, Linker, Val};
use wasmtime::{Config, Engine, Store};

/// Number of generated types; each is compiled into one component.
const TYPES: u32 = 400;

/// Number of generated values per type. The comparison of one value counts as one case.
const VALUES: usize = 250;

/// Number of generated memories per type. A type that is one flat value gets as many flat values instead.
const MEMORIES: usize = 50;

/// Result limit above the size of every generated value, in bytes.
const LIMIT: usize = 1 << 30;

const ENCODINGS: [&str; 3] = ["utf8", "utf16", "latin1+utf16"];

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = Config::new();
    config.concurrency_support(false).wasm_component_model_map(true);
    Engine::new(&config).unwrap()
});

fn types_and<S: Strategy>(
    values: impl Fn(&Type) -> S + Copy + 'static,
) -> impl Strategy<Value = (Type, S::Value)>
where
    S::Value: Clone + 'static,
{
    any_type().prop_flat_map(move |ty| (Just(ty.clone()), values(&ty)))
}

/// Runs `case` on generated types and values, and returns the number of cases.
fn compare_all<T: Clone + std::fmt::Debug + 'static, S: Strategy<Value = Vec<T>> + 'static>(
    values: impl Fn(&Type) -> S + Copy + 'static,
    encodings: &[&str],
    case: impl Fn(&mut Comparison, &T) -> Result<(), TestCaseError>,
) -> usize {
    let count = Cell::new(0);
    let config = ProptestConfig { max_shrink_iters: 300, ..ProptestConfig::with_cases(TYPES) };
    let outcome = TestRunner::new(config).run(&types_and(values), |(ty, values)| {
        let mut comparison = Comparison::new(&ty, encodings[count.get() / values.len() % encodings.len()]);
        values.iter().try_for_each(|value| {
            count.set(count.get() + 1);
            case(&mut comparison, value)
        })
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    count.get()
}

#[test]
fn hundred_thousand_values_round_trip_as_in_wasmtime() {
    let cases = compare_all(|ty| vec(any_value(ty), VALUES), &["utf8"], Comparison::check_round_trip);
    assert!(cases >= 100_000, "{cases}");
}

#[test]
fn any_memory_is_lifted_as_in_wasmtime_or_an_error() {
    let cases = compare_all(
        |_| vec(any_memory(), MEMORIES),
        &ENCODINGS,
        |comparison, (bits, bytes)| comparison.check_lift(*bits, bytes),
    );
    assert!(cases >= 20_000, "{cases}");
}

/// Generates the bits of a flat value, and memory full of small numbers that may be cases, lengths or addresses.
fn any_memory() -> impl Strategy<Value = (u64, Vec<u8>)> {
    let word = prop_oneof![0_u32..4, 0_u32..600, any::<u32>(), (0_u32..4).prop_map(|case| case << 8)];
    let words = vec(word, 150).prop_map(|words| words.into_iter().flat_map(u32::to_le_bytes).collect());
    (prop_oneof![0_u64..4, any::<u64>()], words)
}

/// Two instances of one component: `codec_guest` is called through the codec, `engine_guest` through wasmtime's `Val`.
struct Comparison {
    ty: Type,
    component: Component,
    codec_guest: Guest,
    engine_guest: Guest,
}

struct Guest {
    store: Store<()>,
    instance: Instance,
}

impl Guest {
    fn new(component: &Component) -> Self {
        let mut store = Store::new(&ENGINE, ());
        let instance = Linker::new(&ENGINE).instantiate(&mut store, component).unwrap();
        Self { store, instance }
    }
}

impl Comparison {
    fn new(ty: &Type, encoding: &str) -> Self {
        let text = echo_component::component(ty, encoding);
        let component =
            Component::new(&ENGINE, binary(&text)).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
        let (codec_guest, engine_guest) = (Guest::new(&component), Guest::new(&component));
        Self { ty: ty.clone(), component, codec_guest, engine_guest }
    }

    /// Checks that both pass the same bytes, flat and in memory, and read back what they wrote.
    fn check_round_trip(&mut self, datum: &Datum) -> Result<(), TestCaseError> {
        let ty = self.ty.clone();
        let value = encode(&ty, datum).unwrap();
        let dumped = Type::List(Arc::new(Type::U8));
        let flat = echo_component::flat(&ty).len();
        if flat <= MAX_FLAT {
            self.call_both("dump-flat", &[(&ty, value.clone())], &dumped)?;
        }
        if flat == 1 {
            let echoed = self.call_both("echo-flat", &[(&ty, value.clone())], &ty)?;
            prop_assert_eq!(echoed, Some(unwrapped(&ty, &value)));
        }
        let mut args = vec![(&ty, value.clone())];
        args.resize(1 + MAX_FLAT, (&Type::U8, Bytes::from_static(b"\x01")));
        self.call_both("dump-memory", &args, &dumped)?;
        self.check_echo(&value)
    }

    /// Checks that both read back what they wrote to memory.
    fn check_echo(&mut self, value: &[u8]) -> Result<(), TestCaseError> {
        let pair = Type::Tuple([self.ty.clone(), Type::U8].into());
        let pair_bytes = Bytes::from([&b"\x92"[..], value, b"\x09"].concat());
        let mut args = vec![(&pair, pair_bytes.clone())];
        args.resize(1 + MAX_FLAT, (&Type::U8, Bytes::from_static(b"\x01")));
        let echoed = self.call_both("echo", &args, &pair)?;
        prop_assert_eq!(echoed, Some(pair_bytes.to_vec()), "{}", self.ty);
        Ok(())
    }

    /// Checks that both read the same from what a function returns, or both reject it.
    fn check_lift(&mut self, bits: u64, bytes: &[u8]) -> Result<(), TestCaseError> {
        let ty = self.ty.clone();
        let mut arg = Vec::new();
        if echo_component::flat(&ty).len() == 1 {
            crate::value::wire::put_uint(&mut arg, bits);
            return self.call_both("bits", &[(&Type::U64, arg.into())], &ty).map(drop);
        }
        crate::value::wire::put_bin(&mut arg, bytes);
        self.call_both("bytes", &[(&Type::List(Arc::new(Type::U8)), arg.into())], &ty).map(drop)
    }

    /// Calls the function both ways and returns their common result, or `None` if both fail.
    fn call_both(
        &mut self,
        name: &str,
        args: &[(&Type, Bytes)],
        result: &Type,
    ) -> Result<Option<Vec<u8>>, TestCaseError> {
        let codec_result = self.codec_guest.call_codec(name, args, result);
        let engine_result = self.engine_guest.call_engine(name, args, result);
        // wasmtime bounds the memory of its tree of values. The codec has no tree, so such a value says nothing.
        let is_too_large =
            |error: &wasmtime::Error| error.to_string().contains("fuel allocated for hostcalls");
        if engine_result.as_ref().is_err_and(is_too_large) {
            (self.codec_guest, self.engine_guest) =
                (Guest::new(&self.component), Guest::new(&self.component));
            return Ok(None);
        }
        prop_assert_eq!(
            codec_result.is_ok(),
            engine_result.is_ok(),
            "{} {}: {:?} {:?}",
            name,
            self.ty,
            codec_result,
            engine_result
        );
        let (Ok(codec_result), Ok(engine_result)) = (codec_result, engine_result) else {
            // A guest whose result was rejected cannot be called again.
            (self.codec_guest, self.engine_guest) =
                (Guest::new(&self.component), Guest::new(&self.component));
            return Ok(None);
        };
        prop_assert_eq!(&codec_result, &unwrapped(result, &engine_result), "{} {}", name, self.ty);
        Ok(Some(codec_result))
    }
}

impl Guest {
    fn call_codec(
        &mut self,
        name: &str,
        args: &[(&Type, Bytes)],
        result: &Type,
    ) -> wasmtime::Result<Vec<u8>> {
        let function = self.instance.get_func(&mut self.store, name).unwrap();
        let params = args.iter().map(|(ty, _)| (Arc::from("x"), (*ty).clone())).collect();
        let codec = Arc::new(Codec::for_signature(&Signature { params, result: Some(result.clone()) }));
        let args: Vec<_> = args.iter().map(|(_, arg)| arg.clone()).collect();
        let bounds = Bounds { output: LIMIT, deadline: Deadline::far() };
        match erased::call_now(&mut self.store, function, &codec, &args, bounds)? {
            Outcome::Value(bytes) | Outcome::Error(bytes) => Ok(bytes.to_vec()),
        }
    }

    fn call_engine(
        &mut self,
        name: &str,
        args: &[(&Type, Bytes)],
        result: &Type,
    ) -> wasmtime::Result<Vec<u8>> {
        let function = self.instance.get_func(&mut self.store, name).unwrap();
        let vals: Vec<_> = args.iter().map(|(ty, arg)| to_val(ty, &mut Reader::new(arg))).collect();
        let mut returned = [Val::Bool(false)];
        function.call(&mut self.store, &vals, &mut returned)?;
        let mut out = Vec::new();
        from_val(result, &returned[0], &mut out);
        Ok(out)
    }
}

/// Returns what the codec yields for a function's result: of a `result`, only the payload.
fn unwrapped(ty: &Type, value: &[u8]) -> Vec<u8> {
    let mut reader = Reader::new(value);
    if let Type::Result(_) = ty {
        reader.map_len().unwrap();
        reader.str().unwrap();
    }
    value[reader.position()..].to_vec()
}

#[test]
fn types_with_many_members_round_trip_as_in_wasmtime() {
    let names = |count: usize| (0..count).map(|nth| format!("n{nth}")).collect::<Vec<_>>().join(", ");
    for (ty, json) in [
        (format!("flags {{ {} }}", names(9)), r#"["n0", "n8"]"#),
        (format!("flags {{ {} }}", names(17)), r#"["n3", "n16"]"#),
        (format!("flags {{ {} }}", names(32)), r#"["n0", "n31"]"#),
        (format!("enum {{ {} }}", names(256)), r#""n255""#),
        (format!("enum {{ {} }}", names(300)), r#""n299""#),
        (format!("variant {{ {}, x(u64) }}", names(300)), r#"{"x": 7}"#),
        (format!("variant {{ {}, x(u64) }}", names(300)), r#""n257""#),
        (format!("record {{ {} }}", names(20).replace(',', ": u8,") + ": u8"), &*record_json(20)),
    ] {
        let ty = Type::parse(&ty).unwrap();
        let datum: Datum = serde_json::from_str(json).unwrap();
        Comparison::new(&ty, "utf8").check_round_trip(&datum).unwrap();
    }
}

#[test]
fn long_lists_round_trip_as_in_wasmtime() {
    let text = |nth: i32| Datum::Text(format!("text {nth}"));
    let int = |nth: i32| Datum::Int(nth.into());
    let float = |nth: i32| Datum::Float(f64::from(nth) / 4.0);
    let pair = |nth: i32| Datum::Array(vec![Datum::Int((nth % 200).into()), text(nth)]);
    let cases: [(&str, &dyn Fn(i32) -> Datum); 7] = [
        ("list<string>", &text),
        ("list<s32>", &int),
        ("list<f32>", &float),
        ("list<f64>", &float),
        ("list<tuple<u8, string>>", &pair),
        ("map<u16, string>", &|nth| Datum::Array(vec![int(nth * 7919 % 5000), text(nth)])),
        ("map<string, s64>", &|nth| Datum::Array(vec![text(nth), int(nth)])),
    ];
    for (ty, item) in cases {
        let datum = Datum::Array((0..5000).map(item).collect());
        Comparison::new(&Type::parse(ty).unwrap(), "utf8").check_round_trip(&datum).unwrap();
    }
}

#[test]
fn strings_of_any_encoding_round_trip() {
    let ty = Type::parse("tuple<string, u8>").unwrap();
    for encoding in ENCODINGS {
        let mut comparison = Comparison::new(&ty, encoding);
        for word in ["", "plain", "h\u{e9}llo", "\u{20ac} and \u{1f600}", "h\u{e9} \u{20ac}"] {
            let datum = Datum::Array(vec![Datum::Text(word.to_owned()), Datum::Int(9)]);
            comparison.check_echo(&encode(&ty, &datum).unwrap()).unwrap();
            if word.is_ascii() {
                // wasmtime first allocates for the worst case, then shrinks. Only for ASCII are both sizes the same.
                comparison.check_round_trip(&datum).unwrap();
            }
        }
    }
}

fn record_json(count: usize) -> String {
    let fields: Vec<_> = (0..count).map(|nth| format!("\"n{nth}\": {nth}")).collect();
    format!("{{{}}}", fields.join(","))
}
