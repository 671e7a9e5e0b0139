//! The hostile guests with async functions, as WebAssembly text.
//! `guests` has all others, and `probe` lists how each must end.

/// Callback codes of the canonical ABI: what an async function does next.
const YIELD: &str = "(i32.const 1)";
const END: &str = "(i32.const 0)";

/// Returns a guest with an async function of this body and callback, each of which leaves a callback code. They may use
/// `$new-set`, `$wait`, and of a stream of bytes `$new`, `$write` and `$return`.
fn async_guest(body: &str, callback: &str, ty: &str) -> String {
    format!(
        r#"(component
            (type $s (stream u8))
            (core module $libc (memory (export "memory") 1))
            (core instance $libc (instantiate $libc))
            (alias core export $libc "memory" (core memory $memory))
            (core func $new-set (canon waitable-set.new))
            (core func $wait (canon waitable-set.wait (memory $memory)))
            (core func $new (canon stream.new $s))
            (core func $write (canon stream.write $s async (memory $memory)))
            (core func $return (canon task.return (result $s)))
            (core module $m
                (import "" "memory" (memory 1))
                (import "" "new-set" (func $new-set (result i32)))
                (import "" "wait" (func $wait (param i32 i32) (result i32)))
                (import "" "new" (func $new (result i64)))
                (import "" "write" (func $write (param i32 i32 i32) (result i32)))
                (import "" "return" (func $return (param i32)))
                (func (export "run") (result i32) (local $pair i64) {body})
                (func (export "callback") (param i32 i32 i32) (result i32) {callback}))
            (core instance $i (instantiate $m (with "" (instance
                (export "memory" (memory $memory)) (export "new-set" (func $new-set)) (export "wait" (func $wait))
                (export "new" (func $new)) (export "write" (func $write)) (export "return" (func $return))))))
            (func (export "run") async {ty}
                (canon lift (core func $i "run") async (callback (core func $i "callback")))))"#
    )
}

/// Returns a guest that yields for ever.
pub(crate) fn restless_guest() -> String {
    async_guest(YIELD, YIELD, "")
}

/// Returns a guest that waits for nothing.
pub(crate) fn deadlocked_guest() -> String {
    // The callback code 2 waits for the set in the bits above.
    async_guest("(i32.or (i32.const 2) (i32.shl (call $new-set) (i32.const 4)))", END, "")
}

/// Returns a guest that opens streams for ever.
pub(crate) fn hoarding_guest() -> String {
    async_guest(&format!("(loop (drop (call $new)) (br 0)) {END}"), END, "")
}

/// Returns a guest that writes to the stream of its result for ever.
pub(crate) fn writing_guest() -> String {
    let body = format!(
        "(local.set $pair (call $new))
         (call $return (i32.wrap_i64 (local.get $pair)))
         (i32.store (i32.const 0) (i32.wrap_i64 (i64.shr_u (local.get $pair) (i64.const 32))))
         {YIELD}"
    );
    let write = "(drop (call $write (i32.load (i32.const 0)) (i32.const 0) (i32.const 4096)))";
    async_guest(&body, &format!("{write} {YIELD}"), "(result $s)")
}

/// Returns a composition with a guest that calls this many others, each of which waits on a stack of its own.
pub(crate) fn waiting_guests(count: usize) -> String {
    let waiting = async_guest("(call $wait (call $new-set) (i32.const 0))", END, "");
    let each = |text: &str| (0..count).map(|nth| text.replace('#', &nth.to_string())).collect::<String>();
    format!(
        r#"(component
            (component $waiting {}
            (component $caller
                {}
                (core module $m
                    {}
                    (func (export "run") (result i32) {} {YIELD})
                    (func (export "callback") (param i32 i32 i32) (result i32) {YIELD}))
                (core instance $i (instantiate $m (with "" (instance {}))))
                (func (export "run") async
                    (canon lift (core func $i "run") async (callback (core func $i "callback")))))
            {}
            (instance $caller (instantiate $caller {}))
            (export "run" (func $caller "run")))"#,
        waiting.trim_start_matches("(component"),
        each(r#"(import "w#" (func $w# async)) (core func $w# (canon lower (func $w#) async))"#),
        each(r#"(import "" "w#" (func $w# (result i32)))"#),
        each("(drop (call $w#))"),
        each(r#"(export "w#" (func $w#))"#),
        each("(instance $waiting# (instantiate $waiting))"),
        each(r#"(with "w#" (func $waiting# "run"))"#),
    )
}
