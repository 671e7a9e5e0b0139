//! Guests that cause much work in the host with little of their own: slow host calls, values that grow on an edge.
//! Endless work of the guest itself is in `endless`.

use super::{Ends, HOST, Row, Source, check, row};

/// Host calls of some milliseconds each, one after the other in a function without loops: it never reaches a point
/// where wasmtime interrupts guests.
fn host_calls_without_loops() -> String {
    let set = "(drop (call $set (local.get $r) (i32.const 1) (i32.const 0) (i32.const 7900000)))";
    format!(
        r#"(component
            (import "wasi:http/types@0.2.0" (instance $h
                (export "fields" (type $f (sub resource)))
                (export "outgoing-request" (type $r (sub resource)))
                (export "[constructor]fields" (func (result (own $f))))
                (export "[constructor]outgoing-request" (func (param "headers" (own $f)) (result (own $r))))
                (export "[method]outgoing-request.set-authority"
                    (func (param "self" (borrow $r)) (param "authority" (option string)) (result (result))))))
            (core module $libc
                (memory (export "memory") 460)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
            (core instance $libc (instantiate $libc))
            (core func $fields (canon lower (func $h "[constructor]fields")))
            (core func $request (canon lower (func $h "[constructor]outgoing-request")))
            (core func $set (canon lower (func $h "[method]outgoing-request.set-authority") string-encoding=utf16
                (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
            (core module $m
                (import "" "memory" (memory 1))
                (import "" "fields" (func $fields (result i32)))
                (import "" "request" (func $request (param i32) (result i32)))
                (import "" "set" (func $set (param i32 i32 i32 i32) (result i32)))
                (func (export "run") (local $r i32)
                    (local.set $r (call $request (call $fields)))
                    {}))
            (core instance $i (instantiate $m (with "" (instance
                (export "memory" (memory $libc "memory"))
                (export "fields" (func $fields))
                (export "request" (func $request))
                (export "set" (func $set))))))
            (func (export "run") (canon lift (core func $i "run"))))"#,
        set.repeat(2000)
    )
}

#[test]
fn long_sequences_of_host_calls_are_stopped() {
    check(&[row(Source::Made(host_calls_without_loops), "run", "", Ends::InTime)]);
}

/// A list of small records, for a consumer whose records have a thousand more optional fields.
fn growing_value() -> String {
    let fields: Vec<String> = (0..1000).map(|nth| format!(r#" (field "f{nth}" (option u8))"#)).collect();
    let fields = fields.concat();
    format!(
        r#"(component
            (type $small' (record (field "z" u8)))
            (export $small "small" (type $small'))
            (type $wide' (record (field "z" u8){fields}))
            (export $wide "wide" (type $wide'))
            (core module $m
                (memory (export "memory") 8)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
                (func (export "make") (result i32)
                    (i32.store (i32.const 0) (i32.const 16))
                    (i32.store (i32.const 4) (i32.const 300000))
                    (i32.const 0))
                (func (export "take") (param i32 i32)))
            (core instance $i (instantiate $m))
            (func (export "make") (result (list $small))
                (canon lift (core func $i "make") (memory (core memory $i "memory"))))
            (func (export "take") (param "x" (list $wide))
                (canon lift (core func $i "take") (memory (core memory $i "memory"))
                    (realloc (core func $i "realloc")))))"#
    )
}

#[test]
fn value_that_grows_on_an_edge_is_limited() {
    let more = "args.x = { task = \"make\" }\n[tasks.make]\ncall = \"h.make\"\n";
    let message = "a value exceeds 64MiB when converted to the type of its target; the limit is twice `limits.memory` = 32MiB, \
                but at least 16MiB; raise `limits.memory`";
    // The result is written to a vector that doubles.
    check(&[Row {
        peak: 160 + HOST,
        ..row(Source::Made(growing_value), "take", more, Ends::Failed("limit", message))
    }]);
}

/// A function that fails with a text six times as long in JSON.
fn complaining() -> String {
    r#"(component
        (core module $m
            (memory (export "memory") 460)
            (func (export "run") (result i32)
                (memory.fill (i32.const 100) (i32.const 1) (i32.const 30000000))
                (i32.store (i32.const 0) (i32.const 1))
                (i32.store (i32.const 4) (i32.const 100))
                (i32.store (i32.const 8) (i32.const 30000000))
                (i32.const 0)))
        (core instance $i (instantiate $m))
        (func (export "run") (result (result (error string)))
            (canon lift (core func $i "run") (memory (core memory $i "memory")))))"#
        .to_owned()
}

#[test]
fn huge_error_is_truncated() {
    let keys = "timeout = \"5m\"\nlimits = { memory = \"32MiB\", output = \"32MiB\" }\n";
    let row = Row { keys, peak: 128 + HOST, ..row(Source::Made(complaining), "run", "", Ends::Returned("")) };
    let project = row.project();
    let finished = project.host().args(["-j", "4", "--keep-going", "--log-level", "error"]).run().expect(1);
    assert!(finished.peak >> 20 <= row.peak, "{} MiB", finished.peak >> 20);
    assert!(finished.stderr.len() < 100_000, "{} bytes", finished.stderr.len());
    let events = project.events();
    let failed = events.of("task.failed").next().expect("it fails");
    let message = failed["error"].as_str().expect("an error is text");
    assert!(
        message.starts_with("the function returned the error \"\\u0001") && message.ends_with('…'),
        "{message}"
    );
}
