//! Oracle of the codec for async functions, which return up to sixteen core values: the codec and wasmtime read the same.
//! `oracle` has the functions that are not async, and what they take.

use crate::invoke::Outcome;
use crate::model::Datum;
use crate::sandbox::codec::layout::{Codec, MAX_FLAT};
use crate::sandbox::codec::tree::{from_val, to_val};
use crate::sandbox::codec::{Bounds, echo_component, flows};
use crate::sandbox::guest::Deadline;
use crate::sandbox::testing::binary;
use crate::value::arbitrary::{any_type, any_value};
use crate::value::wire::{self, Reader};
use crate::value::{Passing, Signature, Type, encode};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::Cell;
use std::sync::{Arc, LazyLock};
use tokio::runtime::Runtime;
use wasmtime::component::{Component, Instance, Linker, Val};
use wasmtime::{Config, Engine, Store};

/// Number of generated types; each is compiled into one component.
const TYPES: u32 = 200;

/// Number of generated values per type, each with a memory.
const VALUES: usize = 50;

const ENCODINGS: [&str; 3] = ["utf8", "utf16", "latin1+utf16"];

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = Config::new();
    config.wasm_component_model_async(true).wasm_component_model_map(true);
    Engine::new(&config).unwrap()
});

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().unwrap());

/// Two instances of one component: the first is called through the codec, the second through wasmtime's `Val`.
struct Comparison {
    ty: Type,
    component: Component,
    guests: [Guest; 2],
}

struct Guest {
    store: Store<()>,
    instance: Instance,
}

impl Guest {
    fn pair(component: &Component) -> [Self; 2] {
        [(), ()].map(|()| {
            let mut store = Store::new(&ENGINE, ());
            let instance = RUNTIME.block_on(Linker::new(&ENGINE).instantiate_async(&mut store, component));
            Self { store, instance: instance.unwrap() }
        })
    }

    fn call_codec(
        &mut self,
        name: &str,
        (param, arg): (&Type, &Bytes),
        result: &Type,
    ) -> wasmtime::Result<Vec<u8>> {
        let function = self.instance.get_func(&mut self.store, name).unwrap();
        let signature = Signature { params: vec![("x".into(), param.clone())], result: Some(result.clone()) };
        let codec = Arc::new(Codec::new(&signature, &Passing { is_async: true, ..Passing::default() }));
        let bounds = Bounds { output: 1 << 30, deadline: Deadline::far() };
        let args = [arg.clone()];
        match RUNTIME.block_on(flows::call(&mut self.store, function, &codec, &args, bounds))? {
            Outcome::Value(bytes) | Outcome::Error(bytes) => Ok(bytes.to_vec()),
        }
    }

    fn call_engine(
        &mut self,
        name: &str,
        (param, arg): (&Type, &Bytes),
        result: &Type,
    ) -> wasmtime::Result<Vec<u8>> {
        let function = self.instance.get_func(&mut self.store, name).unwrap();
        let vals = [to_val(param, &mut Reader::new(arg))];
        let mut returned = [Val::Bool(false)];
        RUNTIME.block_on(function.call_async(&mut self.store, &vals, &mut returned))?;
        let mut out = Vec::new();
        from_val(result, &returned[0], &mut out);
        // Of a `result`, the codec yields only the payload.
        let mut reader = Reader::new(&out);
        if let Type::Result(_) = result {
            reader.map_len().unwrap();
            reader.str().unwrap();
        }
        Ok(out[reader.position()..].to_vec())
    }
}

impl Comparison {
    fn new(ty: &Type, encoding: &str) -> Self {
        let text = echo_component::async_component(ty, encoding);
        let component =
            Component::new(&ENGINE, binary(&text)).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
        Self { ty: ty.clone(), guests: Guest::pair(&component), component }
    }

    /// Calls a function both ways: both return the same, or both fail. Returns whether they return.
    fn check(&mut self, name: &str, param: &Type, arg: &Bytes) -> Result<bool, TestCaseError> {
        let ty = self.ty.clone();
        let [codec_guest, engine_guest] = &mut self.guests;
        let by_codec = codec_guest.call_codec(name, (param, arg), &ty);
        let by_engine = engine_guest.call_engine(name, (param, arg), &ty);
        let returns = by_codec.is_ok() && by_engine.is_ok();
        match (by_codec, by_engine) {
            (Ok(by_codec), Ok(by_engine)) => prop_assert_eq!(by_codec, by_engine, "{} {}", name, ty),
            (Err(_), Err(_)) => {}
            // wasmtime bounds the memory of its tree of values. The codec has no tree.
            (Ok(_), Err(error)) if error.to_string().contains("fuel allocated for hostcalls") => {}
            (by_codec, by_engine) => {
                return Err(TestCaseError::fail(format!("{name} {ty}: {by_codec:?} {by_engine:?}")));
            }
        }
        if !returns {
            // A guest that has failed cannot be called again.
            self.guests = Guest::pair(&self.component);
        }
        Ok(returns)
    }
}

/// Generates a value, and core values that may be cases, lengths or addresses.
fn any_case(ty: &Type) -> impl Strategy<Value = (Datum, Vec<u64>)> + use<> {
    let word = prop_oneof![0_u64..4, 0_u64..600, any::<u64>(), (0_u64..4).prop_map(|case| case << 8)];
    (any_value(ty), vec(word, MAX_FLAT))
}

#[test]
fn async_functions_return_as_in_wasmtime() {
    let (count, returned) = (Cell::new(0), Cell::new(0));
    let by_flat = Cell::new([0; MAX_FLAT + 2]);
    let config = ProptestConfig { max_shrink_iters: 300, ..ProptestConfig::with_cases(TYPES) };
    let types = any_type().prop_flat_map(|ty| (Just(ty.clone()), vec(any_case(&ty), VALUES)));
    let outcome = TestRunner::new(config).run(&types, |(ty, cases)| {
        let mut comparison = Comparison::new(&ty, ENCODINGS[count.get() / VALUES % ENCODINGS.len()]);
        let mut counts = by_flat.get();
        counts[echo_component::flat(&ty).len().min(MAX_FLAT + 1)] += 1;
        by_flat.set(counts);
        for (datum, words) in cases {
            count.set(count.get() + 1);
            let value = encode(&ty, &datum).unwrap();
            prop_assert!(comparison.check("echo", &ty, &value)?, "{}", ty);
            let mut arg = Vec::new();
            wire::put_bin(&mut arg, &words.iter().copied().flat_map(u64::to_le_bytes).collect::<Vec<_>>());
            let returns = comparison.check("values", &Type::List(Arc::new(Type::U8)), &arg.into())?;
            returned.set(returned.get() + u32::from(returns));
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    let (count, returned) = (count.get(), returned.get());
    assert!(count >= 10_000 && returned > 1_000, "{count} {returned}");
    // The next test has the larger numbers.
    let by_flat = by_flat.get();
    let several: u32 = by_flat[2..].iter().sum();
    assert!(by_flat[1] > 10 && several > 50, "{by_flat:?}");
}

#[test]
fn every_number_of_core_values_returns_as_in_wasmtime() {
    for count in 1..=MAX_FLAT + 2 {
        let mixed = ["u8", "s64", "f32", "f64", "char", "bool"];
        let members: Vec<_> = mixed.iter().cycle().take(count).copied().collect();
        let ty = Type::parse(&format!("tuple<{}>", members.join(", "))).unwrap();
        let values = [
            Datum::Int(7),
            Datum::Int(-9),
            Datum::Float(0.5),
            Datum::Float(-1.25),
            Datum::Text("\u{20ac}".to_owned()),
            Datum::Bool(true),
        ];
        let datum = Datum::Array(values.iter().cycle().take(count).cloned().collect());
        let value = encode(&ty, &datum).unwrap();
        assert!(Comparison::new(&ty, "utf8").check("echo", &ty, &value).unwrap(), "{count}");
    }
}
