//! Tests of a guest's view of the world with and without grants, and of its output.
//! `hostile` tests limits and traps.

use crate::invoke::{Call, Failure, Grants, Invoker, Outcome, Returned};
use crate::model::{FailureClass, Size};
use crate::sandbox::testing::{
    RecordingListener, binary, call, component, granted, prepare, returned, run, value,
};
use crate::sandbox::{Metering, Sandbox, Settings};
use bytes::Bytes;
use std::sync::Arc;

/// A function that a component imports.
struct Import<'a> {
    interface: &'a str,
    function: &'a str,
    ty: &'a str,
    core_type: &'a str,
}

/// Returns a component that imports one function of one interface and forwards to it.
fn forward(import: &Import<'_>, body: &str, run_type: &str) -> String {
    let Import { interface, function, ty, core_type } = import;
    format!(
        r#"(component
            (import "{interface}" (instance $host (export "{function}" (func {ty}))))
            (core module $libc
                (memory (export "memory") 1)
                (data (i32.const 0) "hello\nworld")
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
            (core instance $libc (instantiate $libc))
            (core func $f (canon lower (func $host "{function}")
                (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
            (core module $m
                (import "" "memory" (memory 1))
                (import "" "f" (func $f {core_type}))
                (func (export "run") {body}))
            (core instance $i (instantiate $m
                (with "" (instance (export "memory" (memory $libc "memory")) (export "f" (func $f))))))
            (func (export "run") {run_type} (canon lift (core func $i "run")
                (memory (core memory $libc "memory")) (realloc (core func $libc "realloc")))))"#
    )
}

fn clock_component(body: &str) -> String {
    let interface = "wasi:clocks/monotonic-clock@0.2.0";
    forward(
        &Import { interface, function: "now", ty: "(result u64)", core_type: "(result i64)" },
        body,
        "(result u64)",
    )
}

fn random_component() -> String {
    // The argument is unused: it only makes the call a different one.
    let import = Import {
        interface: "wasi:random/random@0.2.0",
        function: "get-random-u64",
        ty: "(result u64)",
        core_type: "(result i64)",
    };
    forward(&import, "(param i32) (result i64) (call $f)", r#"(param "x" u32) (result u64)"#)
}

async fn draw(grants: Grants, argument: &str) -> Bytes {
    returned(granted(&random_component(), grants, vec![value("u32", argument)], |_| ()).await)
}

#[tokio::test]
async fn logical_clock_starts_at_a_constant_and_advances_per_read() {
    let first = clock_component("(result i64) (call $f)");
    let third = clock_component("(result i64) (drop (call $f)) (drop (call $f)) (call $f)");
    assert_eq!(returned(run(&first, Vec::new(), |_| ()).await), value("u64", "1000000000"));
    assert_eq!(returned(run(&third, Vec::new(), |_| ()).await), value("u64", "1000002000"));
    let real = granted(&first, Grants { clock: true, ..Grants::default() }, Vec::new(), |_| ()).await;
    assert_ne!(returned(real), value("u64", "1000000000"));
}

#[tokio::test]
async fn randomness_derives_from_the_call_unless_real_randomness_is_granted() {
    let real = Grants { random: true, ..Grants::default() };
    assert_eq!(draw(Grants::default(), "1").await, draw(Grants::default(), "1").await);
    assert_ne!(draw(Grants::default(), "1").await, draw(Grants::default(), "2").await);
    assert_ne!(draw(real.clone(), "1").await, draw(real, "1").await);
}

/// Returns a component whose function, of a given type, exits with a status.
fn exiting(status: i32, body: &str, run_type: &str) -> String {
    let import = Import {
        interface: "wasi:cli/exit@0.2.0",
        function: "exit",
        ty: r#"(param "status" (result))"#,
        core_type: "(param i32)",
    };
    forward(&import, &format!("{body} (call $f (i32.const {status})) unreachable"), run_type)
}

#[tokio::test]
async fn exit_status_is_the_result_of_a_command() {
    let exit_with = |status| run_command(status, "(result (result))");
    let nil = Bytes::from_static(&[0xc0]);
    assert_eq!(exit_with(0).await.unwrap().outcome, Outcome::Value(nil.clone()));
    assert_eq!(exit_with(1).await.unwrap().outcome, Outcome::Error(nil));
}

#[tokio::test]
async fn exit_is_a_trap_if_the_function_returns_no_status() {
    for (status, message) in [
        (0, "the guest called exit with a success status"),
        (1, "the guest called exit with a failure status"),
    ] {
        for ty in ["(result (result u8))", "(result u8)", "(result (result (error bool)))"] {
            let failure = run_command(status, ty).await.unwrap_err();
            assert_eq!((failure.class, &*failure.message), (FailureClass::Trap, message), "{ty}");
        }
        let failure = run(&exiting(status, "", ""), Vec::new(), |_| ()).await.unwrap_err();
        assert_eq!((failure.class, &*failure.message), (FailureClass::Trap, message));
    }
}

async fn run_command(status: i32, ty: &str) -> Result<Returned, Failure> {
    run(&exiting(status, "(result i32)", ty), Vec::new(), |_| ()).await
}

fn progress_component(body: &str) -> String {
    let ty = r#"(param "fraction" f64) (param "message" string)"#;
    let interface = "cascade:task/progress@0.1.0";
    forward(&Import { interface, function: "report", ty, core_type: "(param f64 i32 i32)" }, body, "")
}

#[tokio::test]
async fn progress_is_clamped() {
    let recorder = Arc::new(RecordingListener::default());
    let listener = Arc::clone(&recorder);
    let body = "(call $f (f64.const 0.5) (i32.const 0) (i32.const 5)) (call $f (f64.const nan) (i32.const 0) (i32.const 1))
        (call $f (f64.const 7) (i32.const 0) (i32.const 1))";
    run(&progress_component(body), Vec::new(), |call| call.listener = listener).await.unwrap();
    assert_eq!(recorder.recorded(), ["0.5 hello", "0 h", "1 h"]);
}

#[tokio::test]
async fn endless_progress_hits_the_limit_of_logs() {
    let text = progress_component("(loop (call $f (f64.const 0.5) (i32.const 0) (i32.const 5)) (br 0))");
    let failure = run(&text, Vec::new(), |call| call.limits.logs = Size::bytes(1000)).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Limit);
    let expected =
        "`limits.logs` = 1000B reached: the guest writes more to its outputs; raise it with `limits.logs";
    assert!(failure.message.starts_with(expected), "{}", failure.message);
}

/// Returns a component that writes `hello\nworld` to an output in two pieces, and then runs `rest`.
fn writer_component(stream: &str, rest: &str) -> String {
    format!(
        r#"(component
            (import "wasi:io/error@0.2.0" (instance $errors (export "error" (type (sub resource)))))
            (alias export $errors "error" (type $error))
            (import "wasi:io/streams@0.2.0" (instance $streams
                (export "output-stream" (type $stream (sub resource)))
                (alias outer 1 $error (type $error'))
                (export "error" (type $error'' (eq $error')))
                (type $failure' (variant (case "last-operation-failed" (own $error'')) (case "closed")))
                (export "stream-error" (type $failure (eq $failure')))
                (export "[method]output-stream.blocking-write-and-flush" (func
                    (param "self" (borrow $stream)) (param "contents" (list u8)) (result (result (error $failure)))))))
            (alias export $streams "output-stream" (type $stream))
            (import "wasi:cli/{stream}@0.2.0" (instance $out
                (alias outer 1 $stream (type $s'))
                (export "output-stream" (type $s (eq $s')))
                (export "get-{stream}" (func (result (own $s))))))
            (core module $libc
                (memory (export "memory") 1)
                (data (i32.const 0) "hello\nworld")
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
            (core instance $libc (instantiate $libc))
            (core func $get (canon lower (func $out "get-{stream}")))
            (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush")
                (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
            (core module $m
                (import "" "get" (func $get (result i32)))
                (import "" "write" (func $write (param i32 i32 i32 i32)))
                (func (export "run")
                    (local $out i32)
                    (local.set $out (call $get))
                    (loop
                        (call $write (local.get $out) (i32.const 0) (i32.const 3) (i32.const 64))
                        (call $write (local.get $out) (i32.const 3) (i32.const 8) (i32.const 64))
                        {rest})))
            (core instance $i (instantiate $m
                (with "" (instance (export "get" (func $get)) (export "write" (func $write))))))
            (func (export "run") (canon lift (core func $i "run"))))"#
    )
}

async fn run_writer(
    stream: &str,
    rest: &str,
    change: impl FnOnce(&mut Call),
) -> (Result<Returned, Failure>, Vec<String>) {
    let recorder = Arc::new(RecordingListener::default());
    let listener = Arc::clone(&recorder);
    let text = writer_component(stream, rest);
    let returned = run(&text, Vec::new(), |call| {
        call.listener = listener;
        change(call);
    });
    let returned = returned.await;
    (returned, recorder.recorded())
}

#[tokio::test]
async fn output_arrives_in_lines_and_completely_before_the_call_ends() {
    for (stream, expected) in
        [("stdout", ["Stdout hello\n", "Stdout world"]), ("stderr", ["Stderr hello\n", "Stderr world"])]
    {
        let (returned, lines) = run_writer(stream, "", |_| ()).await;
        assert!(returned.is_ok());
        assert_eq!(lines, expected);
    }
}

#[tokio::test]
async fn endless_output_hits_the_limit_of_logs() {
    let (returned, lines) = run_writer("stdout", "(br 0)", |call| call.limits.logs = Size::bytes(100)).await;
    let failure = returned.unwrap_err();
    assert_eq!(failure.class, FailureClass::Limit, "{}", failure.message);
    let expected =
        "`limits.logs` = 100B reached: the guest writes more to its outputs; raise it with `limits.logs";
    assert!(failure.message.starts_with(expected), "{}", failure.message);
    assert_eq!(
        lines.concat().matches('\n').count(),
        1,
        "all that was within the limit: a line counts as 64 bytes"
    );
}

/// Returns a component that logs `hello` as a warning in the context `w`.
fn logger_component(interface: &str) -> String {
    format!(
        r#"(component
            (import "{interface}" (instance $host
                (type $level' (enum "trace" "debug" "info" "warn" "error" "critical"))
                (export "level" (type $level (eq $level')))
                (export "log" (func (param "level" $level) (param "context" string) (param "message" string)))))
            (core module $libc (memory (export "memory") 1) (data (i32.const 0) "hellow"))
            (core instance $libc (instantiate $libc))
            (core func $f (canon lower (func $host "log") (memory (core memory $libc "memory"))))
            (core module $m
                (import "" "f" (func $f (param i32 i32 i32 i32 i32)))
                (func (export "run") (call $f (i32.const 3) (i32.const 5) (i32.const 1) (i32.const 0) (i32.const 5))))
            (core instance $i (instantiate $m (with "" (instance (export "f" (func $f))))))
            (func (export "run") (canon lift (core func $i "run"))))"#
    )
}

#[tokio::test]
async fn logging_works_with_and_without_a_version() {
    for interface in ["wasi:logging/logging", "wasi:logging/logging@0.1.0-draft"] {
        let recorder = Arc::new(RecordingListener::default());
        let listener = Arc::clone(&recorder);
        run(&logger_component(interface), Vec::new(), |call| call.listener = listener).await.unwrap();
        assert_eq!(recorder.recorded(), ["Log warn w: hello"]);
    }
}

#[tokio::test]
async fn context_without_its_grant_names_the_grant() {
    let import = Import {
        interface: "cascade:task/context@0.1.0",
        function: "cancelled",
        ty: "(result bool)",
        core_type: "(result i32)",
    };
    let text = forward(&import, "(result i32) (call $f)", "(result bool)");
    let failure = run(&text, Vec::new(), |_| ()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Trap);
    assert_eq!(
        failure.message,
        "`cascade:task/context` is not granted to this task; grant it with `context = true`"
    );
    let context = Grants { context: true, ..Grants::default() };
    assert_eq!(returned(granted(&text, context, Vec::new(), |_| ()).await), value("bool", "false"));
}

#[tokio::test]
async fn missing_folder_cannot_be_granted() {
    let read = Grants { read: vec![("/no/such/folder".into(), "/data".into())], ..Grants::default() };
    let failure =
        granted(&clock_component("(result i64) (call $f)"), read, Vec::new(), |_| ()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Input);
    assert!(failure.message.contains("/no/such/folder"), "{}", failure.message);
}

#[tokio::test]
async fn no_call_sees_memory_of_an_earlier_call() {
    // Reads memory, then marks it: near the start, beyond the resident part, in grown pages, and in a table.
    let body = "(local $seen i32)
        (drop (memory.grow (i32.const 100)))
        (local.set $seen (i32.or (i32.or (i32.load (i32.const 512)) (i32.load (i32.const 200000))) (i32.load (i32.const 6000000))))
        (i32.store (i32.const 512) (i32.const 7))
        (i32.store (i32.const 200000) (i32.const 7))
        (i32.store (i32.const 6000000) (i32.const 7))
        (local.set $seen (i32.or (local.get $seen) (i32.eqz (ref.is_null (table.get 0 (i32.const 9000))))))
        (table.set 0 (i32.const 9000) (ref.func $run))
        (local.get $seen)";
    let definitions = "(table 10000 funcref) (elem declare func $run)";
    let text = component(definitions, "(result i32)", body, "(result u32)");
    let sandbox = Sandbox::new(Settings { calls: 1, code_cache: None }).unwrap();
    let component = sandbox.load(binary(&text)).unwrap();
    let function = prepare(&sandbox, &component, Grants::default(), Metering::Time).unwrap();
    for _ in 0..20 {
        assert_eq!(returned(sandbox.invoke(Arc::new(call(function, Vec::new()))).await), value("u32", "0"));
    }
}
