//! Tests of malicious and broken guests: each call ends with the limit or trap that it hit, and others succeed.
//! `hermetic` tests well-behaved guests.

use crate::invoke::{FunctionId, Grants, Invoker};
use crate::model::{FailureClass, Size, Stack};
use crate::sandbox::testing::{
    binary, call, component, mebibytes, prepare, returned, run, run_failing, sandbox, value,
};
use crate::sandbox::{Bounds, CompilePool, GuestKind, LoadError, Metering, Sandbox, Settings};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

fn component_running(definitions: &str, body: &str) -> String {
    component(definitions, "", body, "")
}

fn with_short_timeout(call: &mut crate::invoke::Call) {
    call.timeout = Duration::from_millis(50);
}

#[tokio::test]
async fn endless_loop_hits_its_timeout() {
    let (class, message) = run_failing(&component_running("", "(loop (br 0))"), with_short_timeout).await;
    assert_eq!(
        (class, &*message),
        (FailureClass::Timeout, "`timeout` = 50ms reached: the guest did not return")
    );
}

#[tokio::test]
async fn endless_start_function_hits_its_timeout() {
    let text = component_running("(func $forever (loop (br 0))) (start $forever)", "");
    assert_eq!(run_failing(&text, with_short_timeout).await.0, FailureClass::Timeout);
}

#[tokio::test]
async fn endless_allocator_hits_its_timeout() {
    let text = r#"(component
        (core module $m
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (loop (br 0)) unreachable)
            (func (export "run") (param i32 i32)))
        (core instance $i (instantiate $m))
        (func (export "run") (param "x" string)
            (canon lift (core func $i "run") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#;
    let failure = run(text, vec![value("string", "\"a\"")], with_short_timeout).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Timeout);
}

#[tokio::test]
async fn memory_above_its_limit_ends_the_call() {
    let text = component_running("", "(drop (memory.grow (i32.const 1000)))");
    let (class, message) = run_failing(&text, |call| call.limits.memory = mebibytes(16)).await;
    assert_eq!(class, FailureClass::Limit);
    assert_eq!(
        message,
        "`limits.memory` = 16MiB reached: the guest's linear memories need more; raise it with `limits.memory = \"64MiB\"`"
    );
    assert!(
        run(&text, Vec::new(), |call| call.limits.memory = mebibytes(64)).await.unwrap().usage.memory
            > 62 << 20
    );
}

#[tokio::test]
async fn memory_is_summed_over_all_memories() {
    let text = component_running("(memory 200) (memory 200)", "");
    let (class, message) = run_failing(&text, |call| call.limits.memory = mebibytes(16)).await;
    assert_eq!(class, FailureClass::Limit, "{message}");
    assert!(run(&text, Vec::new(), |call| call.limits.memory = mebibytes(32)).await.is_ok());
}

#[tokio::test]
async fn more_memories_than_the_pool_has_for_one_guest_run_without_it() {
    let text = component_running(&"(memory 1)".repeat(40), "");
    assert_eq!(run(&text, Vec::new(), |_| ()).await.unwrap().usage.memory, 41 << 16);
}

#[tokio::test]
async fn tables_count_as_memory() {
    let text =
        component_running("(table 0 funcref)", "(drop (table.grow (ref.null func) (i32.const 150000)))");
    let (class, message) = run_failing(&text, |call| call.limits.memory = mebibytes(1)).await;
    assert_eq!(class, FailureClass::Limit);
    assert_eq!(
        message,
        "`limits.memory` = 1MiB reached: the guest's tables need more; raise it with `limits.memory = \"4MiB\"`"
    );
}

#[tokio::test]
async fn table_above_the_pool_limit_ends_the_call() {
    let text =
        component_running("(table 0 funcref)", "(drop (table.grow (ref.null func) (i32.const 1000000)))");
    let (class, message) = run_failing(&text, |_| ()).await;
    assert_eq!(class, FailureClass::Limit);
    assert_eq!(message, "a table of the guest would have more than 200000 elements");
}

#[tokio::test]
async fn guest_is_limited_by_the_host_memory_if_that_is_below_its_limit() {
    let sandbox = sandbox().with_budget(mebibytes(8));
    let component =
        sandbox.load(binary(&component_running("", "(drop (memory.grow (i32.const 160)))"))).unwrap();
    prepare(&sandbox, &component, Grants::default(), Metering::Time).unwrap();
    let failure = sandbox.invoke(Arc::new(call(FunctionId(0), Vec::new()))).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Limit);
    assert_eq!(
        failure.message,
        "the memory of this host for its tasks, 8MiB, reached: the guest's linear memories need more, within \
         `limits.memory` = 256MiB; raise it with `--memory 16MiB`, or add a host with that much memory to the run"
    );
}

#[tokio::test]
async fn growth_above_a_declared_maximum_returns_minus_one() {
    let text = component("(memory 1 2)", "(result i32)", "(memory.grow 1 (i32.const 5))", "(result s32)");
    assert_eq!(&*returned(run(&text, Vec::new(), |_| ()).await), b"\xff");
}

#[tokio::test]
async fn deep_recursion_overflows_the_guests_stack_only() {
    let endless = component_running("", "(call $run)");
    let hints = ["; raise it with `limits.stack = \"2MiB\"`", "; raise it with `limits.stack = \"8MiB\"`"];
    for (stack, hint) in Stack::ALL.into_iter().zip(hints.into_iter().chain([", and no larger stack exists"]))
    {
        let (class, message) = run_failing(&endless, |call| call.limits.stack = stack).await;
        let reached =
            format!("`limits.stack` = {} reached: the guest's calls nest deeper{hint}", stack.size());
        assert_eq!((class, message), (FailureClass::Limit, reached));
    }
}

#[tokio::test]
async fn larger_stack_lets_calls_nest_deeper() {
    // Each call takes at least 16 bytes of the stack, and less than 128.
    let nested = |depth: u32| {
        component_running(
            "(func $down (param i32) (result i32)
                (if (result i32) (local.get 0)
                    (then (i32.add (call $down (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
                    (else (i32.const 0))))",
            &format!("(drop (call $down (i32.const {depth})))"),
        )
    };
    for (depth, fitting) in [(1000, Stack::Small), (12_000, Stack::Medium), (60_000, Stack::Large)] {
        returned(run(&nested(depth), Vec::new(), |call| call.limits.stack = fitting).await);
    }
    for (depth, small) in [(33_000, Stack::Small), (132_000, Stack::Medium), (525_000, Stack::Large)] {
        let (class, _) = run_failing(&nested(depth), |call| call.limits.stack = small).await;
        assert_eq!(class, FailureClass::Limit, "{small:?}");
    }
}

#[test]
fn code_is_compiled_once_for_all_stacks() {
    let folder = tempfile::tempdir().unwrap();
    for code_cache in [None, Some(folder.path().join("code"))] {
        let sandbox = Sandbox::new(Settings { calls: 1, code_cache }).unwrap();
        let component = sandbox.load(binary(&component_running("", ""))).unwrap();
        let no_compiler = CompilePool {
            program: folder.path().join("none"),
            bounds: Bounds::default(),
            max_processes: 1,
            cores: 1,
        };
        let sandbox = sandbox.with_compile_pool(no_compiler);
        let prepared = |guest| {
            let export = component.exports().first().unwrap();
            sandbox.prepare(&component, export, None, Grants::default(), &[guest])
        };
        for stack in Stack::ALL {
            prepared(GuestKind { stack, ..GuestKind::PLAIN }).unwrap();
        }
        let fuel = prepared(GuestKind { metering: Metering::Fuel, ..GuestKind::PLAIN });
        assert!(matches!(fuel, Err(LoadError::Compiler(_))), "{fuel:?}");
    }
}

#[tokio::test]
async fn fuel_ends_the_call_and_is_counted() {
    let endless = component_running("", "(loop (br 0))");
    let (class, message) = run_failing(&endless, |call| call.limits.fuel = Some(10_000)).await;
    assert_eq!(class, FailureClass::Limit);
    assert_eq!(
        message,
        "`limits.fuel` = 10000 reached: the guest computes for longer; raise it with `limits.fuel = 20000`"
    );
    let used = run(&component_running("", "(drop (i32.const 1))"), Vec::new(), |call| {
        call.limits.fuel = Some(10_000);
    })
    .await;
    assert!((1..100).contains(&used.unwrap().usage.fuel.unwrap()));
    assert_eq!(run(&component_running("", ""), Vec::new(), |_| ()).await.unwrap().usage.fuel, None);
}

#[tokio::test]
async fn trap_has_a_backtrace() {
    let text = component_running("(func $deep unreachable) (func $middle (call $deep))", "(call $middle)");
    let failure = run(&text, Vec::new(), |_| ()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Trap);
    assert_eq!(failure.message, "wasm `unreachable` instruction executed");
    let backtrace = failure.backtrace.unwrap();
    let frames: Vec<_> = backtrace.lines().map(|line| line.rsplit('!').next().unwrap()).collect();
    assert_eq!(frames, ["deep", "middle", "run"], "{backtrace}");
}

#[tokio::test]
async fn function_name_cannot_forge_a_frame() {
    let forged = "x\\0a  1: 0x1 - innocent.wasm!main\\1b[2J";
    let text = component_running(&format!("(func $deep (@name \"{forged}\") unreachable)"), "(call $deep)");
    let failure = run(&text, Vec::new(), |_| ()).await.unwrap_err();
    let backtrace = failure.backtrace.unwrap();
    let [first, second] = &*backtrace.lines().collect::<Vec<_>>() else { panic!("{backtrace}") };
    assert!(
        first.starts_with("0: ") && first.ends_with(r"!x\n  1: 0x1 - innocent.wasm!main\u{1b}[2J"),
        "{first}"
    );
    assert!(second.starts_with("1: ") && second.ends_with("!run"), "{second}");
}

#[tokio::test]
async fn result_above_its_limit_ends_the_call() {
    // The length at address 12 says how much of memory is the result.
    let bytes = |len: u32| {
        component(
            "",
            "(result i32)",
            &format!("(i32.store (i32.const 12) (i32.const {len})) (i32.const 8)"),
            "(result (list u8))",
        )
    };
    let limit = |call: &mut crate::invoke::Call| call.limits.output = Size::bytes(1000);
    let failure = run(&bytes(1000), Vec::new(), limit).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Limit);
    assert_eq!(
        failure.message,
        "`limits.output` = 1000B reached: the result is larger; raise it with `limits.output = \"2000B\"`"
    );
    assert!(run(&bytes(997), Vec::new(), limit).await.is_ok());
}

#[tokio::test]
async fn repeated_string_counts_each_time() {
    // A list of 8000 byte lists, all of which are the same 60,000 bytes: 480 MB from a few pages of memory.
    let fill = "(local $i i32)
        (loop $next
            (i32.store (i32.add (i32.const 16) (i32.mul (local.get $i) (i32.const 8))) (i32.const 16))
            (i32.store (i32.add (i32.const 20) (i32.mul (local.get $i) (i32.const 8))) (i32.const 60000))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $i) (i32.const 8000))))
        (i32.store (i32.const 0) (i32.const 16))
        (i32.store (i32.const 4) (i32.const 8000))
        (i32.const 0)";
    let text = component("", "(result i32)", fill, "(result (list (list u8)))");
    let failure = run(&text, Vec::new(), |_| ()).await.unwrap_err();
    assert_eq!(
        failure.message,
        "`limits.output` = 64MiB reached: the result is larger; raise it with `limits.output = \"128MiB\"`"
    );
}

#[tokio::test]
async fn malformed_results_are_traps() {
    for (ty, body, expected) in [
        ("char", "(i32.const 0xd800)", "an invalid char"),
        (
            "(list u8)",
            "(i32.store (i32.const 4) (i32.const 100000)) (i32.const 0)",
            "an address outside of its memory",
        ),
        (
            "(list u8)",
            "(i32.store (i32.const 4) (i32.const -1)) (i32.const 0)",
            "an address outside of its memory",
        ),
        ("(list u32)", "(i32.store (i32.const 0) (i32.const 2)) (i32.const 0)", "a misaligned address"),
        (
            "(list u32)",
            "(i32.store (i32.const 4) (i32.const 0x40000000)) (i32.const 0)",
            "an address outside of its memory",
        ),
        (
            "string",
            "(i32.store (i32.const 4) (i32.const 1)) (i32.store8 (i32.const 8) (i32.const 255)) (i32.store (i32.const 0) (i32.const 8)) (i32.const 0)",
            "a string that is not UTF-8",
        ),
        ("string", "(i32.const 2)", "a misaligned address"),
        ("string", "(i32.const -4)", "an address outside of its memory"),
        ("(result)", "(i32.const 256)", "a result that is neither ok nor err"),
        (
            "(option u8)",
            "(i32.store8 (i32.const 0) (i32.const 2)) (i32.const 0)",
            "an option that is neither none nor some",
        ),
    ] {
        let text = component("", "(result i32)", body, &format!("(result {ty})"));
        let failure = run(&text, Vec::new(), |_| ()).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Trap, "{ty} {body}");
        assert_eq!(
            failure.message,
            format!("the guest returned a malformed value: {expected}"),
            "{ty} {body}"
        );
    }
}

#[tokio::test]
async fn lying_allocator_harms_only_its_guest() {
    for answer in ["-4", "65536", "3"] {
        let text = format!(
            r#"(component
                (core module $m
                    (memory (export "memory") 1)
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const {answer}))
                    (func (export "run") (param i32 i32)))
                (core instance $i (instantiate $m))
                (func (export "run") (param "x" (list u32))
                    (canon lift (core func $i "run") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
        );
        let failure = run(&text, vec![value("list<u32>", "[1]")], |_| ()).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Trap);
        assert!(failure.message.starts_with("realloc return"), "{}", failure.message);
    }
}

#[tokio::test]
async fn malformed_arguments_are_refused_with_their_path() {
    let text = component("", "(param i32 i32)", "", r#"(param "xs" (list u8))"#);
    let failure = run(&text, vec![b"\x92\x01\x02"[..].into()], |_| ()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Input);
    assert_eq!(failure.message, "the argument `xs` is malformed: expected a bin, found an array");
    let failure = run(&text, Vec::new(), |_| ()).await.unwrap_err();
    assert_eq!(failure.message, "the function has 1 parameters, but the call has 0 arguments");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundred_calls_run_beside_an_endless_loop() {
    let sandbox = Arc::new(Sandbox::new(Settings { calls: 16, code_cache: None }).unwrap());
    for text in [component_running("", "(loop (br 0))"), component_running("", "")] {
        let component = sandbox.load(binary(&text)).unwrap();
        prepare(&sandbox, &component, Grants::default(), Metering::Time).unwrap();
    }
    let invoke = |function| {
        let sandbox = Arc::clone(&sandbox);
        async move { sandbox.invoke(Arc::new(call(FunctionId(function), Vec::new()))).await.map(drop) }
    };
    let mut endless = JoinSet::new();
    endless.spawn(invoke(0));
    let mut quick = JoinSet::new();
    (0..100).for_each(|_| drop(quick.spawn(invoke(1))));
    let results = quick.join_all().await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let loops = endless.try_join_next();
    assert!(loops.is_none(), "the endless loop has ended: {loops:?}");
}

#[tokio::test]
async fn dropped_call_frees_its_slot() {
    let sandbox = Sandbox::new(Settings { calls: 1, code_cache: None }).unwrap();
    let component = sandbox.load(binary(&component_running("", "(loop (br 0))"))).unwrap();
    prepare(&sandbox, &component, Grants::default(), Metering::Time).unwrap();
    for _ in 0..3 {
        let given_up = tokio::time::timeout(
            Duration::from_millis(30),
            sandbox.invoke(Arc::new(call(FunctionId(0), Vec::new()))),
        );
        assert!(given_up.await.is_err());
    }
    let quick = sandbox.load(binary(&component_running("", ""))).unwrap();
    let id = prepare(&sandbox, &quick, Grants::default(), Metering::Time).unwrap();
    assert!(sandbox.invoke(Arc::new(call(id, Vec::new()))).await.is_ok());
}

#[tokio::test]
async fn huge_modules_may_have_few_instances() {
    let globals = "(global (mut i64) (i64.const 0))".repeat(400_000);
    let instances: String = (0..50)
        .map(|index| format!("(core instance $i{index} (instantiate $m))"))
        .collect::<Vec<_>>()
        .concat();
    let text = format!(
        "(component (core module $m {globals} (func (export \"run\"))) {instances}
            (func (export \"run\") (canon lift (core func $i0 \"run\"))))"
    );
    let (class, message) = run_failing(&text, |_| ()).await;
    let expected = "the guest would have 11 core instances, more than its large modules allow";
    assert_eq!((class, &*message), (FailureClass::Limit, expected));
}
