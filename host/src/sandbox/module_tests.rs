//! Tests of loading core modules: adapted by their WIT, told apart by it, and refused with the cause.
//! `load_tests` has components; the black-box tests have modules that toolchains built.

use crate::invoke::{Grants, Invoker, Outcome};
use crate::sandbox::testing::{binary, call, prepare, sandbox, with_wit};
use crate::sandbox::{Component, Form, LoadError, Metering, Wit, WitFile};
use bytes::Bytes;

const ADD: &str = r#"(module (func (export "add") (param i32 i32) (result i32)
    (i32.add (local.get 0) (local.get 1))))"#;

/// Returns WIT of one file per package, the main one first.
fn wit(packages: &[&str]) -> Wit {
    let file = |text: &&str| vec![WitFile { path: "a.wit".to_owned(), content: text.as_bytes().to_vec() }];
    Wit { packages: packages.iter().map(file).collect(), world: None }
}

fn load(module: &str, packages: &[&str]) -> Result<Component, LoadError> {
    sandbox().load_as(binary(module), &with_wit(&wit(packages)))
}

fn cause(loaded: Result<Component, LoadError>) -> String {
    let error = loaded.unwrap_err();
    assert!(matches!(error, LoadError::Adapt(_)), "{error:?}");
    std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default()
}

#[tokio::test]
async fn module_is_called_by_its_wit_with_and_without_fuel() {
    let sandbox = sandbox();
    let wit = wit(&["package a:b; world w { export add: func(a: u32, b: u8) -> u16; }"]);
    let component = sandbox.load_as(binary(ADD), &with_wit(&wit)).unwrap();
    assert_eq!(component.form(), Form::Reactor);
    assert!(component.imports().is_empty());
    let signature = component.exports()[0].signature.clone().unwrap();
    assert_eq!(signature.to_string(), "func(a: u32, b: u8) -> u16");
    for metering in [Metering::Time, Metering::Fuel] {
        let function = prepare(&sandbox, &component, Grants::default(), metering).unwrap();
        let mut call = call(function, vec![Bytes::from_static(b"\x28"), Bytes::from_static(b"\x02")]);
        call.limits.fuel = (metering == Metering::Fuel).then_some(1000);
        let returned = sandbox.invoke(std::sync::Arc::new(call)).await.unwrap();
        assert_eq!(returned.outcome, Outcome::Value(Bytes::from_static(b"\x2a")));
    }
}

#[test]
fn command_without_a_memory_is_refused_by_name() {
    let error = sandbox().load(binary(r#"(module (func (export "_start")))"#)).map(drop).unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(cause.starts_with("the module exports no `memory`"), "{error}: {cause}");
}

#[test]
fn component_of_a_module_is_identified_by_module_and_wit() {
    let one = "package a:b; world w { export add: func(a: u32, b: u32) -> u32; }";
    let digest = |module: &str, text: &str| *load(module, &[text]).unwrap().digest();
    let other_module = ADD.replace("i32.add", "i32.sub");
    let digests = [
        digest(ADD, one),
        digest(ADD, &one.replace("b: u32", "c: u32")),
        digest(&other_module, one),
        crate::model::Digest::of_bytes(&binary(ADD)),
    ];
    let distinct: std::collections::HashSet<_> = digests.into_iter().collect();
    assert_eq!(distinct.len(), digests.len());
    assert_eq!(digest(ADD, one), digests[0]);
}

#[test]
fn wit_may_use_other_packages_and_be_binary() {
    let types = "package c:d; interface i { type number = u32; }";
    let main =
        "package a:b; world w { use c:d/i.{number}; export add: func(a: number, b: number) -> number; }";
    assert_eq!(load(ADD, &[main, types]).unwrap().exports().len(), 1);
    assert_eq!(load(ADD, &[main, "package e:f;", types]).unwrap().exports().len(), 1);
    assert!(cause(load(ADD, &[main])).contains("package 'c:d' not found"));
    // A binary package, as `wkg` fetches it.
    let mut resolve = wit_parser::Resolve::new();
    let package = resolve.push_source("i.wit", types).unwrap();
    let content = wit_component::encode(&resolve, package).unwrap();
    let mut packages = wit(&[main]);
    packages.packages.push(vec![WitFile { path: "i.wasm".to_owned(), content }]);
    let component = sandbox().load_as(binary(ADD), &with_wit(&packages)).unwrap();
    assert_eq!(component.exports().len(), 1);
}

#[test]
fn module_and_wit_that_do_not_fit_are_refused_with_the_cause() {
    for (packages, expected) in [
        (&["package a:b; world w { export sub: func(); }"][..], "failed to find export of function `sub`"),
        (
            &["package a:b; world w { export add: func(a: f32, b: u32) -> u32; }"],
            "type mismatch for function `add`",
        ),
        (
            &["package a:b; world one {} world two {}"],
            "the worlds `one`, `two`: choose one with `world = \"one\"`",
        ),
        (&["package a:b; interface i {}"], "`a:b` has no world"),
        (&["package a:b; world w { export }"], "a.wit:1:31"),
        (&[""], ""),
        (&[], ""),
    ] {
        let found = cause(load(ADD, packages));
        assert!(found.contains(expected), "{packages:?}: {found}");
    }
    let component = sandbox().load_as(binary("(component)"), &with_wit(&wit(&[]))).unwrap_err();
    assert!(matches!(component, LoadError::WitOfComponent), "{component:?}");
}

#[test]
fn world_is_chosen_by_its_name() {
    let text = "package a:b; world one { export add: func(a: u32, b: u32) -> u32; } world two {}";
    let other = "package c:d; world one { export sub: func(); }";
    let named = |world: &str| {
        let wit = Wit { world: Some(world.to_owned()), ..wit(&[text, other]) };
        sandbox().load_as(binary(ADD), &with_wit(&wit))
    };
    assert_eq!(named("one").unwrap().exports().len(), 1);
    assert_eq!(named("a:b/one").unwrap().exports().len(), 1);
    assert_eq!(cause(named("ones")), "the WIT has no world `ones`; did you mean `one`?");
    assert_eq!(cause(named("elsewhere")), "the WIT has no world `elsewhere`; its worlds are `one`, `two`");
    assert!(cause(named("c:d/one")).contains("`sub`"));
    assert!(cause(named("e:f/one")).contains("unknown package"));
}

#[test]
fn later_wasi_of_a_module_is_refused_by_name() {
    let module = r#"(module
        (import "wasi:cli/stdout@0.3.0" "get" (func (result i32)))
        (func (export "add") (param i32 i32) (result i32) (local.get 0)))"#;
    let main =
        "package a:b; world w { import wasi:cli/stdout@0.3.0; export add: func(a: u32, b: u32) -> u32; }";
    let wasi = "package wasi:cli@0.3.0; interface stdout { get: func() -> u32; }";
    let error = load(module, &[main, wasi]).unwrap_err();
    assert!(matches!(&error, LoadError::LaterWasi(name) if name == "wasi:cli/stdout@0.3.0"), "{error:?}");
}

#[test]
fn no_damaged_byte_of_a_module_causes_a_panic() {
    let sandbox = sandbox();
    let wit = wit(&["package a:b; world w { export add: func(a: u32, b: u32) -> u32; }"]);
    let bytes = binary(ADD);
    for index in 0..bytes.len() {
        let mut bytes = bytes.to_vec();
        bytes[index] ^= 0x55;
        drop(sandbox.load_as(bytes.into(), &with_wit(&wit)));
    }
}
