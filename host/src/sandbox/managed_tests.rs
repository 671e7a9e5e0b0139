//! Tests of WebAssembly 3.0: exceptions and garbage collection, on an engine that only components with them use.
//! `hostile` tests guests without them.

use crate::invoke::{FunctionId, Grants, Invoker};
use crate::model::{FailureClass, Stack};
use crate::sandbox::testing::{
    binary, call, component, mebibytes, prepare, returned, run, run_failing, sandbox, with_wit,
};
use crate::sandbox::{Bounds, CompilePool, LoadError, Metering, Sandbox, Settings, Wit, WitFile};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Types of a node with two edges, and of two kinds of arrays.
const TYPES: &str = "
    (type $node (struct (field $next (mut (ref null $node))) (field $other (mut (ref null $node))) (field $value i64)))
    (type $bytes (array (mut i8)))
    (type $refs (array (mut (ref null $node))))";

fn running(definitions: &str, body: &str) -> String {
    component(&format!("{TYPES}{definitions}"), "", body, "")
}

fn returning(definitions: &str, body: &str) -> String {
    component(&format!("{TYPES}{definitions}"), "(result i32)", body, "(result s32)")
}

/// A loop that runs its body this often, with the count in `$i`.
fn repeat(times: u32, body: &str) -> String {
    format!(
        "(loop $again {body} (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const {times}))))"
    )
}

#[tokio::test]
async fn exception_is_caught_across_frames_with_its_payload() {
    let text = returning(
        "(tag $e (param i32)) (tag $other)
         (func $throws (param i32)
            (if (local.get 0) (then (call $throws (i32.sub (local.get 0) (i32.const 1)))) (else (throw $e (i32.const 7)))))
         (func $passes
            (block $not (try_table (catch $other $not) (call $throws (i32.const 100)))))",
        "(block $caught (result i32) (try_table (catch $e $caught) (call $passes)) (i32.const 1))",
    );
    assert_eq!(&*returned(run(&text, Vec::new(), |_| ()).await), b"\x07");
}

#[tokio::test]
async fn exception_is_thrown_again_by_its_reference() {
    let text = returning(
        "(tag $e (param i32))
         (func $again
            (throw_ref (block $caught (result exnref)
                (try_table (catch_all_ref $caught) (throw $e (i32.const 9)))
                (unreachable))))",
        "(block $caught (result i32) (try_table (catch $e $caught) (call $again)) (i32.const 1))",
    );
    assert_eq!(&*returned(run(&text, Vec::new(), |_| ()).await), b"\x09");
}

#[tokio::test]
async fn uncaught_exception_is_a_trap() {
    let text = running("(tag $e)", "(throw $e)");
    let (class, message) = run_failing(&text, |_| ()).await;
    assert_eq!((class, &*message), (FailureClass::Trap, "the guest threw an exception that nothing caught"));
}

#[tokio::test]
async fn structs_arrays_and_small_integers_hold_values() {
    let text = returning(
        "(type $any (array (mut anyref)))",
        "(local $a (ref $any)) (local $b (ref $bytes))
        (local.set $a (array.new_default $any (i32.const 3)))
        (local.set $b (array.new $bytes (i32.const 200) (i32.const 4)))
        (array.set $any (local.get $a) (i32.const 0) (ref.i31 (i32.const 20)))
        (array.set $any (local.get $a) (i32.const 1) (struct.new $node (ref.null $node) (ref.null $node) (i64.const 13)))
        (array.set $any (local.get $a) (i32.const 2) (local.get $b))
        (i32.add
            (i31.get_s (ref.cast (ref i31) (array.get $any (local.get $a) (i32.const 0))))
            (i32.add
                (i32.wrap_i64 (struct.get $node $value (ref.cast (ref $node) (array.get $any (local.get $a) (i32.const 1)))))
                (array.len (ref.cast (ref array) (array.get $any (local.get $a) (i32.const 2))))))",
    );
    assert_eq!(&*returned(run(&text, Vec::new(), |_| ()).await), [37]);
}

/// Garbage of many times the limit, each piece part of a cycle, while a chain of objects stays.
#[tokio::test]
async fn garbage_is_collected_in_cycles_too() {
    let text = returning(
        "(global $kept (mut (ref null $node)) (ref.null $node))",
        &format!(
            "(local $i i32) (local $n (ref null $node)) (local $sum i64)
            {}
            (local.set $i (i32.const 0))
            {}
            (local.set $n (global.get $kept))
            (loop $sum
                (local.set $sum (i64.add (local.get $sum) (struct.get $node $value (local.get $n))))
                (br_if $sum (i32.eqz (ref.is_null
                    (local.tee $n (struct.get $node $next (local.get $n)))))))
            (i64.eq (local.get $sum) (i64.const 20000))",
            repeat(
                20_000,
                "(global.set $kept (struct.new $node (global.get $kept) (ref.null $node) (i64.const 1)))"
            ),
            repeat(
                1_000_000,
                "(local.set $n (struct.new $node (ref.null $node) (ref.null $node) (i64.const 2)))
                (struct.set $node $next (local.get $n) (local.get $n))
                (struct.set $node $other (local.get $n)
                    (struct.new $node (local.get $n) (local.get $n) (i64.const 2)))"
            )
        ),
    );
    let ended = run(&text, Vec::new(), |call| call.limits.memory = mebibytes(4)).await;
    let peak = ended.as_ref().unwrap().usage.memory;
    assert_eq!(&*returned(ended), [1]);
    // The heap doubles: the chain of 640 KB, twice since it is copied, in a memory of a power of two.
    assert!((1_280_000..=mebibytes(4).as_bytes()).contains(&peak), "{peak}");
}

#[tokio::test]
async fn collected_heap_counts_as_memory() {
    let hoards = "(local $i i32) (local $n (ref null $node))
        (loop $more (local.set $n (struct.new $node (local.get $n) (ref.null $node) (i64.const 1))) (br $more))";
    let large =
        "(local $b (ref null $bytes)) (local.set $b (array.new_default $bytes (i32.const 100000000)))";
    let reached = "`limits.memory` = 8MiB reached: the guest's collected heap needs more; raise it with";
    for (body, suggested) in [(hoards, "16MiB"), (large, "256MiB")] {
        let ended = run_failing(&running("", body), |call| call.limits.memory = mebibytes(8)).await;
        assert_eq!(ended, (FailureClass::Limit, format!("{reached} `limits.memory = \"{suggested}\"`")));
    }
    let both = "(local $i i32) (drop (array.new_default $bytes (i32.const 1000000))) (drop (memory.grow (i32.const 100)))";
    let (class, message) = run_failing(&running("", both), |call| call.limits.memory = mebibytes(8)).await;
    assert_eq!(class, FailureClass::Limit);
    assert!(
        message.starts_with("`limits.memory` = 8MiB reached: the guest's linear memories need more"),
        "{message}"
    );
}

#[tokio::test]
async fn array_beyond_all_limits_fails() {
    for length in ["-1", "0x7fffffff"] {
        let text = running("", &format!("(drop (array.new_default $refs (i32.const {length})))"));
        let (class, message) = run_failing(&text, |_| ()).await;
        assert!(
            message == "allocation size too large" && class == FailureClass::Trap
                || message.contains("`limits.memory` = 256MiB reached") && class == FailureClass::Limit,
            "{length}: {message}"
        );
    }
}

#[tokio::test]
async fn endless_allocation_and_throwing_end_in_time() {
    let catches = "(tag $e) (func $throws (throw $e))";
    let endless = [
        ("", "(loop $more (drop (array.new_default $bytes (i32.const 1000))) (br $more))"),
        (catches, "(loop $more (block $caught (try_table (catch_all $caught) (call $throws))) (br $more))"),
    ];
    for (definitions, body) in endless {
        let text = running(definitions, body);
        let (class, _) = run_failing(&text, |call| call.timeout = Duration::from_millis(50)).await;
        assert_eq!(class, FailureClass::Timeout, "{body}");
        let (class, message) = run_failing(&text, |call| call.limits.fuel = Some(100_000)).await;
        assert_eq!(class, FailureClass::Limit, "{body}");
        assert!(message.starts_with("`limits.fuel` = 100000 reached"), "{message}");
    }
}

/// A collection walks the stack, which may be large, and a chain of objects, which may be long.
#[tokio::test]
async fn deep_stacks_and_long_chains_are_collected() {
    let text = running(
        "(func $down (param $depth i32) (param $n (ref null $node))
            (if (local.get $depth) (then
                (call $down (i32.sub (local.get $depth) (i32.const 1))
                    (struct.new $node (local.get $n) (ref.null $node) (i64.const 1))))
            (else (drop (array.new_default $bytes (i32.const 10000000)))))
            (if (ref.is_null (struct.get $node $next (local.get $n))) (then unreachable)))",
        "(local $i i32) (local $n (ref $node))
        (local.set $n (struct.new $node (ref.null $node) (ref.null $node) (i64.const 1)))
        (call $down (i32.const 50000) (struct.new $node (local.get $n) (ref.null $node) (i64.const 1)))",
    );
    returned(run(&text, Vec::new(), |call| call.limits.stack = Stack::Large).await);
    let (class, message) = run_failing(&text, |_| ()).await;
    assert!(class == FailureClass::Limit && message.contains("`limits.stack` = 512KiB"), "{message}");
}

#[test]
fn engine_with_a_collector_is_for_components_that_need_one() {
    let sandbox = sandbox();
    let needs_gc = |text: &str| {
        let component = sandbox.load(binary(text)).unwrap();
        component.shared.codes.first.runtime.kind.code.features.gc
    };
    assert!(!needs_gc(&component("", "", "", "")));
    assert!(needs_gc(&component("(tag) (func (throw 0))", "", "", "")));
    assert!(needs_gc(&running("", "")));
}

#[tokio::test]
async fn code_is_cached_with_the_features_that_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let text = running("", "(drop (array.new_default $bytes (i32.const 10)))");
    let settings = Settings { calls: 1, code_cache: Some(folder.path().join("code")) };
    let first = Sandbox::new(settings.clone()).unwrap();
    first.load(binary(&text)).unwrap();
    let no_compiler = CompilePool {
        program: folder.path().join("none"),
        bounds: Bounds::default(),
        max_processes: 1,
        cores: 1,
    };
    let second = Sandbox::new(settings).unwrap().with_compile_pool(no_compiler);
    let component = second.load(binary(&text)).unwrap();
    prepare(&second, &component, Grants::default(), Metering::Time).unwrap();
    returned(second.invoke(Arc::new(call(FunctionId(0), Vec::new()))).await);
    assert!(matches!(
        prepare(&second, &component, Grants::default(), Metering::Fuel),
        Err(LoadError::Compiler(_))
    ));
}

/// Components trust each other with results only: an exception does not leave the one that threw it.
#[tokio::test]
async fn exception_does_not_cross_components() {
    let text = r#"(component
        (component $callee
            (core module $m (tag $e) (func (export "f") (throw $e)))
            (core instance $i (instantiate $m))
            (func (export "f") (canon lift (core func $i "f"))))
        (component $caller
            (import "f" (func $callee))
            (core func $f (canon lower (func $callee)))
            (core module $m
                (import "" "f" (func $f))
                (func (export "run") (block $caught (try_table (catch_all $caught) (call $f)))))
            (core instance $i (instantiate $m (with "" (instance (export "f" (func $f))))))
            (func (export "run") (canon lift (core func $i "run"))))
        (instance $callee (instantiate $callee))
        (instance $caller (instantiate $caller (with "f" (func $callee "f"))))
        (func (export "run") (alias export $caller "run")))"#;
    let (class, message) = run_failing(text, |_| ()).await;
    assert_eq!((class, &*message), (FailureClass::Trap, "uncaught exception propagated out of component"));
}

#[tokio::test]
async fn module_with_exceptions_and_objects_becomes_a_component() {
    let module = "(module
        (type $pair (struct (field i32 i32))) (tag $e (param i32))
        (func (export \"add\") (param i32 i32) (result i32) (local $p (ref $pair))
            (local.set $p (struct.new $pair (local.get 0) (local.get 1)))
            (block $caught (result i32)
                (try_table (catch $e $caught)
                    (throw $e (i32.add (struct.get $pair 0 (local.get $p)) (struct.get $pair 1 (local.get $p)))))
                (unreachable))))";
    let wit = "package a:b; world w { export add: func(a: u32, b: u32) -> u32; }";
    let file = WitFile { path: "a.wit".to_owned(), content: wit.as_bytes().to_vec() };
    let sandbox = sandbox();
    let component =
        sandbox.load_as(binary(module), &with_wit(&Wit { packages: vec![vec![file]], world: None })).unwrap();
    prepare(&sandbox, &component, Grants::default(), Metering::Time).unwrap();
    let args = vec![Bytes::from_static(b"\x28"), Bytes::from_static(b"\x02")];
    assert_eq!(&*returned(sandbox.invoke(Arc::new(call(FunctionId(0), args))).await), b"\x2a");
}

#[test]
fn proposal_that_no_engine_has_is_named_with_its_remedy() {
    let error = sandbox().load(binary(&component("(memory 1 1 shared)", "", "", ""))).unwrap_err();
    assert_eq!(error.to_string(), "the component uses threads, which this host does not run");
    assert!(error.help().unwrap().contains("without `-pthread`"));
}
