//! The hostile guests as WebAssembly text, so that no component files have to be shipped.
//! `probe` lists how each must end.

/// Returns a component whose function `run` has this body; `definitions` go into the same module.
pub(crate) fn run_guest(definitions: &str, body: &str) -> String {
    component(definitions, "", body, "")
}

/// Returns a component whose function `run` returns a list of bytes. The body yields a pointer to its address and
/// length.
pub(crate) fn result_guest(body: &str) -> String {
    component("", "(result i32)", body, "(result (list u8))")
}

fn component(definitions: &str, core_type: &str, body: &str, ty: &str) -> String {
    format!(
        r#"(component
            (core module $m
                (memory (export "memory") 1) {definitions}
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
                (func $run (export "run") {core_type} {body}))
            (core instance $i (instantiate $m))
            (func (export "run") {ty} (canon lift (core func $i "run")
                (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
    )
}

/// Returns a guest that reports progress forever, with a text each time.
pub(crate) fn progress_guest() -> String {
    r#"(component
        (import "cascade:task/progress@0.1.0" (instance $host
            (export "report" (func (param "fraction" f64) (param "message" string)))))
        (core module $libc (memory (export "memory") 1))
        (core instance $libc (instantiate $libc))
        (core func $report (canon lower (func $host "report") (memory (core memory $libc "memory"))))
        (core module $m
            (import "" "report" (func $report (param f64 i32 i32)))
            (func (export "run") (loop (call $report (f64.const 0.5) (i32.const 0) (i32.const 100)) (br 0))))
        (core instance $i (instantiate $m (with "" (instance (export "report" (func $report))))))
        (func (export "run") (canon lift (core func $i "run"))))"#
        .to_owned()
}

/// Returns a guest with this body, which may use `$timer` (creates a one-hour timer) and `$block` (waits for one).
pub(crate) fn timer_guest(body: &str) -> String {
    format!(
        r#"(component
            (import "wasi:io/poll@0.2.0" (instance $poll
                (export "pollable" (type $p (sub resource)))
                (export "[method]pollable.block" (func (param "self" (borrow $p))))))
            (alias export $poll "pollable" (type $pollable))
            (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
                (alias outer 1 $pollable (type $p'))
                (export "pollable" (type $p (eq $p')))
                (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
            (core func $block (canon lower (func $poll "[method]pollable.block")))
            (core func $subscribe (canon lower (func $clock "subscribe-duration")))
            (core module $m
                (import "" "block" (func $block (param i32)))
                (import "" "subscribe" (func $subscribe (param i64) (result i32)))
                (func $timer (result i32) (call $subscribe (i64.const 3600000000000)))
                (func (export "run") {body}))
            (core instance $i (instantiate $m
                (with "" (instance (export "block" (func $block)) (export "subscribe" (func $subscribe))))))
            (func (export "run") (canon lift (core func $i "run"))))"#
    )
}

/// Returns a guest that traps if it finds an environment variable.
pub(crate) fn environment_guest() -> String {
    list_check_guest(
        "get-environment",
        r#"(import "wasi:cli/environment@0.2.0" (instance $host
            (export "get-environment" (func (result (list (tuple string string)))))))"#,
        0,
    )
}

/// Returns a guest that traps if it finds more folders than the two of its private disk.
pub(crate) fn folders_guest() -> String {
    list_check_guest(
        "get-directories",
        r#"(import "wasi:filesystem/types@0.2.0" (instance $types (export "descriptor" (type (sub resource)))))
        (alias export $types "descriptor" (type $descriptor))
        (import "wasi:filesystem/preopens@0.2.0" (instance $host
            (alias outer 1 $descriptor (type $d'))
            (export "descriptor" (type $d (eq $d')))
            (export "get-directories" (func (result (list (tuple (own $d) string)))))))"#,
        2,
    )
}

/// Returns a guest that writes to a file of its private disk for ever.
pub(crate) fn disk_guest() -> String {
    let codes = "access would-block already bad-descriptor busy deadlock quota exist file-too-large \
        illegal-byte-sequence in-progress interrupted invalid io is-directory loop too-many-links message-size \
        name-too-long no-device no-entry no-lock insufficient-memory insufficient-space not-directory not-empty \
        not-recoverable unsupported no-tty no-such-device overflow not-permitted pipe read-only invalid-seek \
        text-file-busy cross-device";
    let codes: Vec<String> = codes.split_whitespace().map(|code| format!("\"{code}\"")).collect();
    let codes = codes.join(" ");
    format!(
        r#"(component
            (import "wasi:filesystem/types@0.2.0" (instance $types
                (export "descriptor" (type $d (sub resource)))
                (type $code' (enum {codes}))
                (export "error-code" (type $code (eq $code')))
                (type $path-flags' (flags "symlink-follow"))
                (export "path-flags" (type $path-flags (eq $path-flags')))
                (type $open-flags' (flags "create" "directory" "exclusive" "truncate"))
                (export "open-flags" (type $open-flags (eq $open-flags')))
                (type $flags' (flags "read" "write" "file-integrity-sync" "data-integrity-sync"
                    "requested-write-sync" "mutate-directory"))
                (export "descriptor-flags" (type $flags (eq $flags')))
                (export "[method]descriptor.open-at" (func
                    (param "self" (borrow $d)) (param "path-flags" $path-flags) (param "path" string)
                    (param "open-flags" $open-flags) (param "flags" $flags)
                    (result (result (own $d) (error $code)))))
                (export "[method]descriptor.write" (func
                    (param "self" (borrow $d)) (param "buffer" (list u8)) (param "offset" u64)
                    (result (result u64 (error $code)))))))
            (alias export $types "descriptor" (type $descriptor))
            (import "wasi:filesystem/preopens@0.2.0" (instance $folders
                (alias outer 1 $descriptor (type $d'))
                (export "descriptor" (type $d (eq $d')))
                (export "get-directories" (func (result (list (tuple (own $d) string)))))))
            (core module $libc
                (memory (export "memory") 2)
                (global $top (mut i32) (i32.const 4096))
                (data (i32.const 0) "x")
                (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                    (global.set $top (i32.add (global.get $top) (i32.const 256)))
                    (global.get $top)))
            (core instance $libc (instantiate $libc))
            (core func $get (canon lower (func $folders "get-directories")
                (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
            (core func $open (canon lower (func $types "[method]descriptor.open-at")
                (memory (core memory $libc "memory"))))
            (core func $write (canon lower (func $types "[method]descriptor.write")
                (memory (core memory $libc "memory"))))
            (core module $m
                (import "" "memory" (memory 2))
                (import "" "get" (func $get (param i32)))
                (import "" "open" (func $open (param i32 i32 i32 i32 i32 i32 i32)))
                (import "" "write" (func $write (param i32 i32 i32 i64 i32)))
                (func (export "run") (local $at i64)
                    (call $get (i32.const 64))
                    (call $open (i32.load (i32.load (i32.const 64))) (i32.const 0) (i32.const 0) (i32.const 1)
                        (i32.const 1) (i32.const 3) (i32.const 80))
                    (if (i32.load8_u (i32.const 80)) (then unreachable))
                    (loop
                        (call $write (i32.load (i32.const 84)) (i32.const 0) (i32.const 65536) (local.get $at)
                            (i32.const 96))
                        (if (i32.load8_u (i32.const 96)) (then unreachable))
                        (local.set $at (i64.add (local.get $at) (i64.const 65536)))
                        (br 0))))
            (core instance $i (instantiate $m
                (with "" (instance (export "memory" (memory $libc "memory")) (export "get" (func $get))
                    (export "open" (func $open)) (export "write" (func $write))))))
            (func (export "run") (canon lift (core func $i "run"))))"#
    )
}

/// Returns a guest that traps if a function of the imported instance `$host` returns a list of more than `most`.
fn list_check_guest(function: &str, imports: &str, most: usize) -> String {
    format!(
        r#"(component
            {imports}
            (core module $libc
                (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
            (core instance $libc (instantiate $libc))
            (core func $get (canon lower (func $host "{function}")
                (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
            (core module $m
                (import "" "memory" (memory 1))
                (import "" "get" (func $get (param i32)))
                (func (export "run")
                    (call $get (i32.const 64))
                    (if (i32.gt_u (i32.load (i32.const 68)) (i32.const {most})) (then unreachable))))
            (core instance $i (instantiate $m
                (with "" (instance (export "memory" (memory $libc "memory")) (export "get" (func $get))))))
            (func (export "run") (canon lift (core func $i "run"))))"#
    )
}

/// Returns a function of this many additions. Some hundred thousand exceed the compiler's limits.
pub(crate) fn long_function(additions: usize) -> String {
    run_guest(
        "(global $g (mut i32) (i32.const 0))",
        &"(global.set 0 (i32.add (global.get 0) (i32.const 1)))".repeat(additions),
    )
}

/// Returns a memory initialised with this many bytes.
pub(crate) fn large_data(bytes: usize) -> String {
    let data = "x".repeat(bytes);
    format!("(component (core module (memory {}) (data (i32.const 0) \"{data}\")))", bytes / 65_536 + 1)
}

/// Returns components nested this deep.
pub(crate) fn nested_components(depth: usize) -> String {
    format!("{}{}", "(component ".repeat(depth), ")".repeat(depth))
}
