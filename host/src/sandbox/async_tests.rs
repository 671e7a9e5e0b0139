//! Tests of async functions and their streams: which components need the engine for them, and what their calls return.
//! Guests of real toolchains are in the black-box tests.

use crate::invoke::{Call, FunctionId, Grants, Invoker as _};
use crate::model::{FailureClass, Size};
use crate::sandbox::compile::precheck::precheck;
use crate::sandbox::testing::{binary, call, component, prepare, returned, run, run_failing, sandbox, value};
use crate::sandbox::{LoadError, Metering};
use crate::value::{Passing, Transfer};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// A component with an async function `run`.
struct AsyncGuest<'a> {
    /// Types, before the canonical functions.
    types: &'a str,
    /// Canonical functions that the module imports: name, core type, definition.
    builtins: &'a [(&'a str, &'a str, &'a str)],
    /// Core type of the function.
    core_type: &'a str,
    /// Its body, which leaves a callback code.
    body: &'a str,
    /// Body of the callback; its parameters are event, handle and result.
    callback: &'a str,
    /// Type of the function.
    ty: &'a str,
}

/// A guest that does nothing, for the tests to change.
const IDLE: AsyncGuest<'_> = AsyncGuest {
    types: "",
    builtins: &[],
    core_type: "(result i32)",
    body: "(i32.const 0)",
    callback: "(i32.const 0)",
    ty: "",
};

impl AsyncGuest<'_> {
    fn text(&self) -> String {
        let (mut definitions, mut imports, mut exports) = (String::new(), String::new(), String::new());
        for (name, core_type, definition) in self.builtins {
            write!(definitions, "(core func ${name} (canon {definition}))").unwrap();
            write!(imports, "(import \"\" \"{name}\" (func ${name} {core_type}))").unwrap();
            write!(exports, "(export \"{name}\" (func ${name}))").unwrap();
        }
        let Self { types, core_type, body, callback, ty, .. } = self;
        format!(
            r#"(component {types}
                (core module $libc
                    (memory (export "memory") 1)
                    (global $top (mut i32) (i32.const 1024))
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                        (global.set $top (i32.add (global.get $top) (local.get 3)))
                        (i32.sub (global.get $top) (local.get 3))))
                (core instance $libc (instantiate $libc))
                (alias core export $libc "memory" (core memory $memory))
                (alias core export $libc "realloc" (core func $realloc))
                {definitions}
                (core module $m
                    (import "" "memory" (memory 1)) {imports}
                    (func $run (export "run") {core_type} {body})
                    (func (export "callback") (param i32 i32 i32) (result i32) {callback}))
                (core instance $i (instantiate $m
                    (with "" (instance (export "memory" (memory $memory)) {exports}))))
                (func (export "run") async {ty}
                    (canon lift (core func $i "run") async (callback (core func $i "callback"))
                        (memory $memory) (realloc $realloc))))"#
        )
    }
}

/// Waits for a waitable set that nothing ever joins: the callback code is 2, and the set is in the bits above.
const WAIT: &str = "(i32.or (i32.const 2) (i32.shl (call $new-set) (i32.const 4)))";
const NEW_SET: (&str, &str, &str) = ("new-set", "(result i32)", "waitable-set.new");

fn with_short_timeout(call: &mut Call) {
    call.timeout = Duration::from_millis(50);
}

#[test]
fn only_what_needs_async_functions_runs_on_their_engine() {
    let needs = |text: &str| precheck(&binary(text), None).unwrap().0.features.concurrency;
    let plain = component("", "(param i32) (result i32)", "(local.get 0)", "(param \"x\" u32) (result u32)");
    assert!(!needs(&plain));
    assert!(needs(&IDLE.text()));
    for text in [
        r"(component (core func (canon task.cancel)))",
        r"(component (core func (canon context.get i32 0)))",
        r"(component (core func (canon waitable-set.new)))",
        r"(component (type (func async)))",
        r"(component (type (stream u8)))",
        r"(component (type (component (type (instance (type (future)))))))",
        r#"(component (import "a" (instance (export "f" (func async)))))"#,
        r"(component (component (component (type (stream)))))",
        r#"(module (import "$root" "[waitable-set-new]" (func (result i32))) (@custom "component-type:x" ""))"#,
    ] {
        assert!(needs(text), "{text}");
    }
    for text in [
        r#"(component (import "async" (func (param "stream" (list u8)))))"#,
        r"(component (type (component (type (instance (type (list u8)))))))",
        r#"(component (core module $m (import "" "[task-" (func)) (func (export "x"))) (core instance (instantiate $m (with "" (instance)))))"#,
    ] {
        let binary = wat::parse_str(text).unwrap();
        let found = precheck(&binary, None).unwrap().0.features.concurrency;
        assert_eq!(found, text.contains("[task-"), "{text}");
    }
}

#[test]
fn types_that_nest_without_end_do_not_exhaust_the_stack_of_the_host() {
    // A type of a component that holds another, and so on: three bytes for each level.
    let depth = 1_000_000;
    let mut types = vec![1];
    for _ in 0..depth {
        types.extend([0x41, 1, 1]);
    }
    types.extend([0x41, 0]);
    let mut file = b"\0asm\x0d\0\x01\0\x07".to_vec();
    let mut size = types.len();
    while size >= 0x80 {
        file.push(u8::try_from(size & 0x7f).unwrap() | 0x80);
        size >>= 7;
    }
    file.push(u8::try_from(size).unwrap());
    file.extend(types);
    let (counts, _) = precheck(&file, None).unwrap();
    assert!(!counts.features.concurrency);
}

#[tokio::test]
async fn async_function_returns_any_number_of_core_values() {
    for count in [0, 1, 2, 3, 8, 15, 16, 17, 20] {
        let ty = format!("(tuple {})", "u8 ".repeat(count));
        let params = if count <= 16 { "i32 ".repeat(count) } else { "i32".to_owned() };
        let locals = if count <= 16 { count } else { 1 };
        let given: Vec<_> = (0..locals).map(|index| format!("(local.get {index})")).collect();
        let given = given.concat();
        let definition = match count {
            0 => "task.return".to_owned(),
            _ => "task.return (result $t) (memory $memory)".to_owned(),
        };
        let types = if count == 0 { String::new() } else { format!("(type $t {ty})") };
        let text = AsyncGuest {
            types: &types,
            builtins: &[("return", &format!("(param {params})"), &definition)],
            core_type: &format!("(param {params}) (result i32)"),
            body: &format!("(call $return {given}) (i32.const 0)"),
            ty: &if count == 0 { String::new() } else { "(param \"x\" $t) (result $t)".to_owned() },
            ..IDLE
        };
        let wit = format!("tuple<{}>", vec!["u8"; count.max(1)].join(", "));
        let json = format!("{:?}", (1..=count).collect::<Vec<_>>());
        let args = if count == 0 { Vec::new() } else { vec![value(&wit, &json)] };
        let expected = if count == 0 { vec![0xc0].into() } else { args[0].clone() };
        assert_eq!(returned(run(&text.text(), args, |_| ()).await), expected, "{count}");
    }
}

#[tokio::test]
async fn functions_that_are_lifted_without_async_run_on_the_engine_too() {
    // Beside a canonical function that needs the engine: no result, one value, a pointer, and an async type.
    let with_async =
        |text: String| text.replacen("(component", "(component (core func (canon task.cancel))", 1);
    assert_eq!(&*returned(run(&with_async(component("", "", "", "")), Vec::new(), |_| ()).await), b"\xc0");
    let one = component("", "(result i32)", "(i32.const 7)", "(result u8)");
    assert_eq!(&*returned(run(&with_async(one), Vec::new(), |_| ()).await), b"\x07");
    let pair =
        "(i32.store8 (i32.const 8) (i32.const 3)) (i32.store8 (i32.const 9) (i32.const 4)) (i32.const 8)";
    for keyword in ["", "async "] {
        let text = component("", "(result i32)", pair, &format!("{keyword}(result (tuple u8 u8))"));
        assert_eq!(
            &*returned(run(&with_async(text), Vec::new(), |_| ()).await),
            b"\x92\x03\x04",
            "{keyword}"
        );
    }
    let misplaced = component("", "(result i32)", "(i32.const 65535)", "async (result (tuple u8 u8))");
    let (class, message) = run_failing(&with_async(misplaced), |_| ()).await;
    assert_eq!(class, FailureClass::Trap, "{message}");
}

#[test]
fn exports_tell_how_their_values_pass() {
    let types = r"(type $s (stream string)) (type $f (future u8))";
    let guest = AsyncGuest {
        types,
        core_type: "(param i32 i32) (result i32)",
        ty: "(param \"a\" $s) (param \"b\" u8) (result $f)",
        ..IDLE
    };
    let component = sandbox().load(binary(&guest.text())).unwrap();
    let export = &component.exports()[0];
    assert_eq!(export.signature.as_ref().unwrap().to_string(), "func(a: list<string>, b: u8) -> u8");
    let params = vec![Transfer::Stream, Transfer::Whole];
    assert_eq!(*export.passing, Passing { is_async: true, params, result: Transfer::Future });
    for (types, ty, says) in [
        ("(type $t (list u8)) (type $s (stream $t))", "(result $s)", None),
        ("(type $s (stream))", "(result $s)", Some("`the result` is a `stream` whose elements")),
        (
            "(type $t (tuple u8 u8)) (type $s (future $t))",
            "(param \"x\" $s)",
            Some("`parameter x` is a `future`"),
        ),
        ("(type $s (stream u8)) (type $t (option $s))", "(result $t)", Some("has the type `stream`")),
    ] {
        let core_type = if ty.contains("param") { "(param i32) (result i32)" } else { "(result i32)" };
        let text = AsyncGuest { types, core_type, ty, ..IDLE }.text();
        let component = sandbox().load(binary(&text)).unwrap();
        let signature = component.exports()[0].signature.as_ref();
        match says {
            None => assert!(signature.is_ok(), "{text}"),
            Some(says) => {
                let said = signature.unwrap_err().to_string();
                assert!(said.contains(says), "{said}");
            }
        }
    }
}

#[tokio::test]
async fn async_function_that_ends_without_a_result_is_a_trap() {
    let (class, message) = run_failing(&IDLE.text(), |_| ()).await;
    assert_eq!(class, FailureClass::Trap);
    assert_eq!(message, "async-lifted export failed to produce a result");
}

#[tokio::test]
async fn guest_that_waits_for_nothing_is_a_deadlock_and_no_timeout() {
    let guest = AsyncGuest { builtins: &[NEW_SET], body: WAIT, ..IDLE };
    let (class, message) = run_failing(&guest.text(), |_| ()).await;
    assert_eq!(class, FailureClass::Trap);
    assert!(message.contains("deadlock"), "{message}");
}

#[tokio::test]
async fn guest_that_yields_for_ever_hits_its_timeout() {
    // The callback code 1 yields.
    let guest = AsyncGuest { body: "(i32.const 1)", callback: "(i32.const 1)", ..IDLE };
    assert_eq!(run_failing(&guest.text(), with_short_timeout).await.0, FailureClass::Timeout);
    let looping = AsyncGuest { body: "(i32.const 1)", callback: "(loop (br 0)) (i32.const 1)", ..IDLE };
    assert_eq!(run_failing(&looping.text(), with_short_timeout).await.0, FailureClass::Timeout);
}

#[tokio::test]
async fn fuel_counts_over_all_callbacks() {
    let guest = AsyncGuest { body: "(i32.const 1)", callback: "(i32.const 1)", ..IDLE };
    let (class, message) = run_failing(&guest.text(), |call| call.limits.fuel = Some(10_000)).await;
    assert_eq!(class, FailureClass::Limit);
    assert!(message.contains("`limits.fuel`"), "{message}");
}

#[tokio::test]
async fn endless_handles_of_every_kind_hit_their_limit() {
    let types = "(type $s (stream u8)) (type $f (future u8))";
    let kinds = [
        ("new", "(result i32)", "waitable-set.new", "i32.const 0"),
        ("new", "(result i64)", "stream.new $s", "i32.wrap_i64"),
        ("new", "(result i64)", "future.new $f", "i32.wrap_i64"),
    ];
    for (name, core_type, definition, _) in kinds {
        let builtins = &[(name, core_type, definition)];
        let body = "(loop (drop (call $new)) (br 0)) (i32.const 0)";
        let (class, message) =
            run_failing(&AsyncGuest { types, builtins, body, ..IDLE }.text(), |_| ()).await;
        assert_eq!(class, FailureClass::Limit, "{definition}: {message}");
        assert_eq!(message, "the guest holds more than 1000 handles", "{definition}");
    }
}

/// Returns a composition in which an async function calls those of some instances of a guest in turn, without waiting for
/// them, `rounds` times, and then computes for ever.
fn caller(callee: &AsyncGuest<'_>, instances: usize, rounds: u32, after: &str) -> String {
    let callee = callee.text();
    let each = |text: &str| (0..instances).map(|nth| text.replace('#', &nth.to_string())).collect::<String>();
    let calls = each(&format!("(local.set $status (call $work#)) {after}"));
    format!(
        r#"(component
            (component $callee {})
            (component $caller
                {}
                (core func $drop (canon subtask.drop))
                (core module $m
                    {}
                    (import "" "drop" (func $drop (param i32)))
                    (func (export "run") (result i32) (local $status i32) (local $left i32)
                        (local.set $left (i32.const {rounds}))
                        (loop
                            {calls}
                            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                            (br_if 0 (local.get $left)))
                        (loop (br 0))
                        (i32.const 0))
                    (func (export "callback") (param i32 i32 i32) (result i32) (i32.const 0)))
                (core instance $i (instantiate $m
                    (with "" (instance {} (export "drop" (func $drop))))))
                (func (export "run") async
                    (canon lift (core func $i "run") async (callback (core func $i "callback")))))
            {}
            (instance $caller (instantiate $caller {}))
            (export "run" (func $caller "run")))"#,
        callee.trim_start_matches("(component").strip_suffix(')').unwrap(),
        each(r#"(import "work#" (func $work# async)) (core func $work# (canon lower (func $work#) async))"#),
        each(r#"(import "" "work#" (func $work# (result i32)))"#),
        each(r#"(export "work#" (func $work#))"#),
        each(r"(instance $callee# (instantiate $callee))"),
        each(r#"(with "work#" (func $callee# "run"))"#),
    )
}

const MANY: u32 = 1_000_000;

/// A guest that waits inside of a call, which keeps its stack, other than with a callback code. Each of its instances has
/// one such call at a time.
const BLOCKING: AsyncGuest<'_> = AsyncGuest {
    builtins: &[NEW_SET, ("wait", "(param i32 i32) (result i32)", "waitable-set.wait (memory $memory)")],
    body: "(call $wait (call $new-set) (i32.const 0))",
    ..IDLE
};

#[tokio::test]
async fn endless_subtasks_hit_a_limit() {
    let waiting = AsyncGuest { builtins: &[NEW_SET], body: WAIT, ..IDLE };
    let (class, message) = run_failing(&caller(&waiting, 1, MANY, ""), |_| ()).await;
    assert_eq!((class, &*message), (FailureClass::Limit, "the guest holds more than 1000 handles"));
}

#[tokio::test]
async fn subtasks_that_have_returned_and_go_on_hit_a_limit_too() {
    // Each returns at once and waits then. Its caller drops the handle, if there is one.
    let returning = AsyncGuest {
        builtins: &[NEW_SET, ("return", "", "task.return")],
        body: &format!("(call $return) {WAIT}"),
        ..IDLE
    };
    let drop = "(if (i32.shr_u (local.get $status) (i32.const 4))
        (then (call $drop (i32.shr_u (local.get $status) (i32.const 4)))))";
    let (class, message) = run_failing(&caller(&returning, 1, MANY, drop), |_| ()).await;
    assert_eq!((class, &*message), (FailureClass::Limit, "the guest holds more than 1000 handles"));
}

#[tokio::test]
async fn subtasks_that_wait_on_stacks_of_their_own_are_few() {
    let (class, message) = run_failing(&caller(&BLOCKING, 33, 1, ""), |_| ()).await;
    let expected = "more than 32 calls inside of the guest wait at the same time";
    assert_eq!((class, &*message), (FailureClass::Limit, expected));
}

#[tokio::test]
async fn stacks_of_one_guest_are_not_taken_from_others() {
    // Each of the four slots has a guest with almost as many waiting calls as it may have, and goes on.
    let sandbox = Arc::new(sandbox());
    let component = sandbox.load(binary(&caller(&BLOCKING, 31, 1, ""))).unwrap();
    prepare(&sandbox, &component, Grants::default(), Metering::Time).unwrap();
    let calls = (0..4).map(|_| {
        let mut call = call(FunctionId(0), Vec::new());
        call.timeout = Duration::from_millis(300);
        sandbox.invoke(Arc::new(call))
    });
    for ended in futures_util::future::join_all(calls).await {
        let failure = ended.unwrap_err();
        assert_eq!(failure.class, FailureClass::Timeout, "{}", failure.message);
    }
}

#[tokio::test]
async fn stream_of_a_result_counts_against_the_limit_of_the_output() {
    // Writes 60,000 bytes from memory for ever.
    let guest = AsyncGuest {
        types: "(type $s (stream u8))",
        builtins: &[
            ("new", "(result i64)", "stream.new $s"),
            ("write", "(param i32 i32 i32) (result i32)", "stream.write $s async (memory $memory)"),
            ("return", "(param i32)", "task.return (result $s)"),
        ],
        body: "(local $pair i64)
            (local.set $pair (call $new))
            (call $return (i32.wrap_i64 (local.get $pair)))
            (i32.store (i32.const 0) (i32.wrap_i64 (i64.shr_u (local.get $pair) (i64.const 32))))
            (i32.const 1)",
        callback: "(drop (call $write (i32.load (i32.const 0)) (i32.const 0) (i32.const 60000))) (i32.const 1)",
        ty: "(result $s)",
        ..IDLE
    };
    let (class, message) =
        run_failing(&guest.text(), |call| call.limits.output = Size::bytes(1_000_000)).await;
    assert_eq!(class, FailureClass::Limit);
    assert!(message.starts_with("`limits.output` = 1000000B reached"), "{message}");
    // One that ends without closing its stream cannot close it any more.
    let forgetful = AsyncGuest { callback: "(i32.const 0)", ..guest };
    let (class, message) = run_failing(&forgetful.text(), |_| ()).await;
    let expected = "the guest ended without closing the stream or future of its result";
    assert_eq!((class, &*message), (FailureClass::Trap, expected));
}

#[test]
fn parts_of_the_async_abi_that_the_host_lacks_are_named() {
    let text = r#"(component
        (core module $m (func (export "run")))
        (core instance $i (instantiate $m))
        (func (export "run") async (canon lift (core func $i "run") async)))"#;
    let error = sandbox().load(binary(text)).unwrap_err();
    assert!(matches!(error, LoadError::Async(_)), "{error:?}");
    assert!(error.help().unwrap().contains("callbacks"), "{error:?}");
}
