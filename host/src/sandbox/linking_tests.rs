//! Tests of imports: interfaces of types alone, imports that trap, and composed components.
//! The black-box tests run components of real toolchains.

use crate::invoke::{Grants, Invoker, Outcome};
use crate::model::{Datum, Digest, FailureClass};
use crate::sandbox::testing::{binary, call, prepare, sandbox};
use crate::sandbox::{Component, Link, LoadError, LoadRequest, Metering, Misfit, Offer, Sandbox};
use crate::value::{Type, encode};
use std::sync::Arc;

/// Exports `acme:tools/count@1.2.0` with a function that adds to its argument.
fn adder(number: u32) -> String {
    format!(
        r#"(component
            (core module $m (func (export "add") (param i32) (result i32) local.get 0 i32.const {number} i32.add))
            (core instance $m (instantiate $m))
            (func $add (param "x" u32) (result u32) (canon lift (core func $m "add")))
            (instance $count (export "add" (func $add)))
            (export "acme:tools/count@1.2.0" (instance $count)))"#
    )
}

/// Imports `acme:tools/count` in a version with a function, and exports a function that calls it.
fn caller(version: &str, ty: &str) -> String {
    format!(
        r#"(component
            (import "acme:tools/count@{version}" (instance $count (export "add" (func (param "x" {ty}) (result {ty})))))
            (core func $add (canon lower (func $count "add")))
            (core module $m
                (import "count" "add" (func $add (param i32) (result i32)))
                (func (export "twice") (param i32) (result i32) (call $add (call $add (local.get 0)))))
            (core instance $m (instantiate $m (with "count" (instance (export "add" (func $add))))))
            (func (export "twice") (param "x" {ty}) (result {ty}) (canon lift (core func $m "twice"))))"#
    )
}

fn link(from: usize, version: &str) -> Link {
    let import = format!("acme:tools/count@{version}");
    Link { import, from, export: "acme:tools/count@1.2.0".to_owned() }
}

fn load(sandbox: &Sandbox, text: &str) -> Component {
    sandbox.load(binary(text)).unwrap()
}

async fn twice(sandbox: &Sandbox, component: &Component) -> Result<Outcome, crate::invoke::Failure> {
    let function = prepare(sandbox, component, Grants::default(), Metering::Time).unwrap();
    let argument = encode(&Type::U32, &Datum::Int(1)).unwrap();
    sandbox.invoke(Arc::new(call(function, vec![argument]))).await.map(|returned| returned.outcome)
}

#[tokio::test]
async fn composed_component_calls_the_other() {
    let sandbox = sandbox();
    let (adder, caller) = (load(&sandbox, &adder(20)), load(&sandbox, &caller("1.0.0", "u32")));
    let composed = sandbox
        .compose(&[(&adder, Vec::new()), (&caller, vec![link(0, "1.0.0")])], &LoadRequest::PLAIN)
        .unwrap();
    assert!(composed.imports().is_empty());
    let expected = encode(&Type::U32, &Datum::Int(41)).unwrap();
    assert_eq!(twice(&sandbox, &composed).await.unwrap(), Outcome::Value(expected));
}

#[test]
fn export_of_another_type_is_a_misfit_with_both_sides() {
    let sandbox = sandbox();
    let (adder, caller) = (load(&sandbox, &adder(1)), load(&sandbox, &caller("1.0.0", "s32")));
    let error = sandbox
        .compose(&[(&adder, Vec::new()), (&caller, vec![link(0, "1.0.0")])], &LoadRequest::PLAIN)
        .unwrap_err();
    let LoadError::Misfit(Misfit::Link { part: 1, link: found, reason }) = error else { panic!("{error:?}") };
    assert_eq!(found, link(0, "1.0.0"));
    assert!(reason.contains("add") && reason.contains("u32") && reason.contains("s32"), "{reason}");
}

#[test]
fn two_components_that_leave_an_import_to_the_host_must_agree_on_it() {
    let sandbox = sandbox();
    let (one, other) = (load(&sandbox, &caller("1.0.0", "u32")), load(&sandbox, &caller("1.0.0", "s32")));
    let error =
        sandbox.compose(&[(&one, Vec::new()), (&other, Vec::new())], &LoadRequest::PLAIN).unwrap_err();
    let is_shared = matches!(&error, LoadError::Misfit(Misfit::Shared { parts: (0, 1), .. }));
    assert!(is_shared, "{error:?}");
}

#[tokio::test]
async fn import_that_traps_names_the_function_when_it_is_called() {
    let sandbox = sandbox();
    let caller = load(&sandbox, &caller("1.0.0", "u32"));
    assert!(prepare(&sandbox, &caller, Grants::default(), Metering::Time).is_err());
    let identity = Digest::of_bytes(b"other");
    let trapping = caller.with_traps(&["acme:tools/count@1.1.0".into()], identity);
    assert_eq!((trapping.identity(), trapping.digest()), (&identity, caller.digest()));
    assert_eq!(trapping.imports()[0].offer, Offer::Trap);
    let failure = twice(&sandbox, &trapping).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Trap);
    let expected = "the guest called `acme:tools/count@1.0.0.add`, an import that is set to `\"trap\"`; ";
    assert!(failure.message.starts_with(expected), "{}", failure.message);
}

#[test]
fn imports_of_types_and_of_known_resources_need_nothing() {
    let text = r#"(component
        (import "acme:tools/types@1.0.0" (instance $types
            (type $p (record (field "x" u32)))
            (export "point" (type $point (eq $p)))))
        (import "acme:tools/own@1.0.0" (instance $own (export "thing" (type (sub resource)))))
        (alias export $own "thing" (type $thing))
        (import "acme:tools/alias@1.0.0" (instance (export "thing" (type (eq $thing)))))
        (import "acme:tools/both@1.0.0" (instance
            (export "thing" (type $t (eq $thing)))
            (export "use" (func (param "x" (borrow $t)))))))"#;
    let sandbox = sandbox();
    let component = load(&sandbox, text);
    let offers: Vec<Offer> = component.imports().iter().map(|import| import.offer).collect();
    assert_eq!(offers, [Offer::Types, Offer::Unknown, Offer::Types, Offer::Unknown]);
    // Resources of an import that traps occur in other imports, which trap or have only types.
    let traps = ["acme:tools/own@1.0.0".into(), "acme:tools/both@1.0.0".into()];
    component.with_traps(&traps, Digest::of_bytes(b"")).check_imports().unwrap();
    component.with_traps(&traps[..1], Digest::of_bytes(b"")).check_imports().unwrap_err();
}

#[test]
fn hostile_types_of_imports_are_not_compared() {
    let mut text = "(component (import \"a:b/c\" (instance (type $t0 (tuple u8 u8))".to_owned();
    for level in 0..16 {
        text += &format!("(type $t{} (tuple $t{level} $t{level}))", level + 1);
    }
    text += "(export \"t\" (type $t (eq $t16))) (export \"f\" (func (param \"x\" $t) (param \"y\" $t))))))";
    let sandbox = sandbox();
    let component = load(&sandbox, &text);
    let error = sandbox
        .compose(&[(&component, Vec::new()), (&component, Vec::new())], &LoadRequest::PLAIN)
        .unwrap_err();
    assert!(error.to_string().contains("types and names"), "{error}");
}

#[tokio::test]
async fn composed_component_calls_an_async_function_of_the_other() {
    // It yields before it returns; its caller waits.
    let adder = r#"(component
        (core func $return (canon task.return (result u32)))
        (core module $m
            (import "" "return" (func $return (param i32)))
            (global $given (mut i32) (i32.const 0))
            (func (export "add") (param i32) (result i32) (global.set $given (local.get 0)) (i32.const 1))
            (func (export "callback") (param i32 i32 i32) (result i32)
                (call $return (i32.add (global.get $given) (i32.const 20))) (i32.const 0)))
        (core instance $m (instantiate $m (with "" (instance (export "return" (func $return))))))
        (func $add async (param "x" u32) (result u32)
            (canon lift (core func $m "add") async (callback (core func $m "callback"))))
        (instance $count (export "add" (func $add)))
        (export "acme:tools/count@1.2.0" (instance $count)))"#;
    let caller = caller("1.0.0", "u32")
        .replace(r#"(func (param "x" u32)"#, r#"(func async (param "x" u32)"#)
        .replace(r#"(func (export "twice") (param "x""#, r#"(func (export "twice") async (param "x""#);
    let sandbox = sandbox();
    let (adder, caller) = (load(&sandbox, adder), load(&sandbox, &caller));
    let composed = sandbox
        .compose(&[(&adder, Vec::new()), (&caller, vec![link(0, "1.0.0")])], &LoadRequest::PLAIN)
        .unwrap();
    let expected = encode(&Type::U32, &Datum::Int(41)).unwrap();
    assert_eq!(twice(&sandbox, &composed).await.unwrap(), Outcome::Value(expected));
}
