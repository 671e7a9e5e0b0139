//! Types of built-in tasks, as the plan solves them; their faults are golden cases.
//! The tasks themselves are tested in the module `builtin`.

use crate::builtin::Messages;
use crate::graph::resolve;
use crate::manifest::parse;
use crate::model::{RunId, Source};
use crate::plan::{BindRequest, Bound, CacheRule, Plan, bind, compile};
use std::path::Path;
use std::sync::Arc;

fn source(body: &str) -> Source {
    Source { name: "cascade.toml".into(), text: format!("cascade = 1\nname = \"x\"\n{body}").into() }
}

/// Compiles a manifest without components.
fn plan(body: &str) -> Plan {
    let resolved = resolve(parse(source(body), Path::new("")));
    let faults = resolved.faults;
    compile(&resolved.graph, &[], faults).unwrap_or_else(|faults| panic!("{faults}"))
}

/// Returns the output types of all tasks, and their signatures.
fn types(body: &str) -> Vec<String> {
    let plan = plan(body);
    let shown = |task: &crate::plan::Task| {
        let signature = &plan.function_of(task).unwrap().signature;
        format!("{}: {} = {signature}", task.name, task.output.as_ref().unwrap())
    };
    plan.tasks().iter().map(shown).collect()
}

const PARAMS: &str = "[params.bytes]\ntype = \"list<u8>\"\n[params.numbers]\ntype = \"list<u32>\"\n\
     [params.maybe]\ntype = \"option<u8>\"\n[params.rows]\ntype = \"list<record { a: u8, b: option<string> }>\"\n\
     [params.outcome]\ntype = \"option<result<u8, string>>\"\n";

#[test]
fn references_decide_before_literals_and_the_widest_type_wins() {
    for (task, expected) in [
        (
            "call = \"std.flatten\"\nargs.lists = [{ param = \"bytes\" }, { param = \"numbers\" }, [5]]",
            "list<u32> = func(lists: list<list<u32>>) -> list<u32>",
        ),
        (
            "call = \"std.flatten\"\nargs.lists = [[1], [2.5]]",
            "list<f64> = func(lists: list<list<f64>>) -> list<f64>",
        ),
        (
            "call = \"std.flatten\"\nargs.lists = [[], [\"x\"]]",
            "list<string> = func(lists: list<list<string>>) -> list<string>",
        ),
        (
            "call = \"std.unwrap-or\"\nargs = { value = { param = \"maybe\" }, default = 7 }",
            "u8 = func(value: option<u8>, default: u8) -> u8",
        ),
        (
            "call = \"std.group-by\"\nargs = { items = { param = \"rows\" }, path = \"b.some\" }",
            "list<record { key: string, items: list<record { a: u8, b: option<string> }> }> = \
             func(items: list<record { a: u8, b: option<string> }>, path: string) -> \
             list<record { key: string, items: list<record { a: u8, b: option<string> }> }>",
        ),
        (
            "call = \"std.template\"\nargs.template = \"\"\n\
             args.values = { n = 1, rows = { param = \"rows\" }, all = [{ param = \"bytes\" }, { param = \"bytes\" }] }",
            "string = func(template: string, values: record { n: s64, rows: list<record { a: u8, b: option<string> }>, \
             all: list<list<u8>> }) -> string",
        ),
        (
            "call = \"std.chunk\"\nfor-each.size = [1, 2]\nargs = { items = { param = \"bytes\" }, size = { item = \"size\" } }",
            "list<list<list<u8>>> = func(items: list<u8>, size: u32) -> list<list<u8>>",
        ),
        (
            "call = \"std.from-csv\"\nargs.text = \"\"\ntype = \"list<record { a: u8 }>\"",
            "list<record { a: u8 }> = func(text: string) -> list<record { a: u8 }>",
        ),
        // A `result` that is given is a value, not the outcome of the task.
        (
            "call = \"std.unwrap-or\"\nargs = { value = { param = \"outcome\" }, default = { ok = 1 } }",
            "result<u8, string> = func(value: option<result<u8, string>>, default: result<u8, string>) -> result<u8, string>",
        ),
    ] {
        assert_eq!(types(&format!("{PARAMS}[tasks.t]\n{task}")), [format!("t: {expected}")]);
    }
}

#[test]
fn types_follow_through_a_chain_written_in_any_order() {
    let body = format!(
        "{PARAMS}[tasks.c]\ncall = \"std.first\"\nargs.items = {{ task = \"b\" }}\n\
         [tasks.b]\ncall = \"std.map-path\"\nargs = {{ items = {{ task = \"a\" }}, path = \"a\" }}\n\
         [tasks.a]\ncall = \"std.sort-by\"\nargs = {{ items = {{ param = \"rows\" }}, path = \"b\" }}\n"
    );
    let outputs: Vec<String> =
        types(&body).iter().map(|ty| ty.split(" = ").next().unwrap().to_owned()).collect();
    assert_eq!(outputs, ["c: option<u8>", "b: list<u8>", "a: list<record { a: u8, b: option<string> }>"]);
}

fn bound(body: &str) -> Bound {
    let run = RunId::new("r").unwrap();
    let plan = Arc::new(plan(body));
    let digests = vec![crate::model::Digest::of_bytes(b"grants"); plan.functions().len()];
    bind(&plan, BindRequest::without_inputs(digests, &run), &source(body).into()).unwrap()
}

#[test]
fn task_and_types_are_in_the_digest_of_the_run() {
    let body = |call: &str, ty: &str| {
        format!(
            "[tasks.t]\ncall = \"std.from-{call}\"\nargs.text = \"\"\ntype = \"list<record {{ a: {ty} }}>\"\n"
        )
    };
    let (first, retyped) = (bound(&body("json", "u8")), bound(&body("json", "u16")));
    let differences = |other: &Bound| {
        let stored = crate::plan::PlanRecord::decode(first.record()).unwrap();
        other.differences(&stored).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(differences(&retyped), ["task `t`: `type` has changed"]);
    assert_eq!(differences(&bound(&body("csv", "u8"))), ["task `t`: `call` has changed"]);
    assert_eq!(differences(&bound(&body("json", "u8"))), Vec::<String>::new());
    assert_ne!(first.digest(), retyped.digest());
    let task = &first.plan().tasks()[0];
    assert_eq!(task.cache, CacheRule::Builtin);
}

#[test]
fn tasks_that_may_read_secrets_are_discreet() {
    let plan = plan(
        "[params.key]\ntype = \"string\"\nsecret = true\n[params.plain]\ntype = \"string\"\n\
         [tasks.open]\ncall = \"std.lines\"\nargs.text = { param = \"plain\" }\n\
         [tasks.later]\ncall = \"std.join\"\nargs = { items = { task = \"direct\" }, separator = \"\" }\n\
         [tasks.direct]\ncall = \"std.lines\"\nargs.text = { param = \"key\" }\n\
         [tasks.behind]\ncall = \"std.lines\"\nargs.text = { task = \"later\" }\n",
    );
    let messages = |task: &crate::plan::Task| plan.function_of(task).unwrap().builtin().unwrap().messages;
    let found: Vec<Messages> = plan.tasks().iter().map(messages).collect();
    assert_eq!(found, [Messages::Full, Messages::Discreet, Messages::Discreet, Messages::Discreet]);
    assert_eq!(plan.tasks()[2].function, plan.tasks()[3].function);
}

#[test]
fn limits_of_guests_in_the_defaults_do_not_apply() {
    let plan = plan(
        "[defaults]\nlimits = { memory = \"1MiB\", fuel = 5, stack = \"8MiB\" }\n[tasks.t]\ncall = \"std.lines\"\nargs.text = \"\"\n",
    );
    let limits = plan.tasks()[0].limits;
    assert_eq!((limits.fuel, limits.host_memory().to_string().as_str()), (None, "1MiB"));
}
