//! Types at the borders of pipelines, the simplest form of what crosses them, and secret params.
//! Names and order are tested with the graph, in `graph/inline_tests`.

use crate::graph::resolve;
use crate::manifest::{Texts, load};
use crate::model::{Digest, RunId, Source};
use crate::plan::sample::interface;
use crate::plan::{BindRequest, Binding, InputKind, Plan, PlanRecord, bind, compile};
use std::path::Path;
use std::sync::Arc;

const HEAD: &str = "cascade = 1\nname = \"n\"\n[components.c]\npath = \"c.wasm\"\n";

const FUNCTIONS: &[&str] = &[
    "number() -> u32",
    "wide(x: u64) -> u64",
    "text(t: string) -> string",
    "person() -> record { name: string, age: u8 }",
    "maybe(x: option<u32>) -> u32",
    "nothing()",
    "list() -> list<u32>",
    "takes(p: record { name: string })",
];

fn compiled(outer: &str, inner: &str) -> Result<Plan, String> {
    let texts = [("m", outer), ("inner", inner)];
    let files = texts.iter().map(|(name, body)| (Path::new(name).to_owned(), format!("{HEAD}{body}")));
    let mut files = Texts(files.collect(), 0);
    let source = Source { name: "m".into(), text: format!("{HEAD}{outer}").into() };
    let resolved = resolve(load(source, Path::new(""), None, &mut files));
    let interfaces: Vec<_> =
        resolved.graph.manifests().components().map(|_| Some(interface(FUNCTIONS))).collect();
    compile(&resolved.graph, &interfaces, resolved.faults).map_err(|faults| faults.to_string())
}

fn plan(outer: &str, inner: &str) -> Plan {
    compiled(outer, inner).unwrap_or_else(|faults| panic!("{faults}"))
}

fn faults(outer: &str, inner: &str) -> String {
    compiled(outer, inner).map(drop).unwrap_err()
}

fn arg<'p>(plan: &'p Plan, task: &str) -> &'p Binding {
    &plan.tasks().iter().find(|found| found.name.as_str() == task).unwrap().args[0]
}

/// A param of this type, and a task that passes it to a function.
fn inner(ty: &str, rest: &str, call: &str, arg: &str) -> String {
    format!("[params.p]\ntype = \"{ty}\"\n{rest}\n[tasks.t]\ncall = \"c.{call}\"\n{arg}\n")
}

const INCLUDE: &str = "[tasks.in]\nmanifest = \"inner\"\n";

#[test]
fn arguments_are_converted_to_the_type_of_the_param() {
    // A u32 fits u64, and the inner task takes a u64.
    let outer = format!("{INCLUDE}args.p = {{ task = \"n\" }}\n[tasks.n]\ncall = \"c.number\"\n");
    let built = plan(&outer, &inner("u64", "", "wide", "args.x = { param = \"p\" }"));
    assert!(matches!(arg(&built, "in/t"), Binding::Task { .. }));
    // A field that the param does not have is no part of it.
    let outer = format!("{INCLUDE}args.p = {{ task = \"n\" }}\n[tasks.n]\ncall = \"c.person\"\n");
    let narrow = inner("record { name: string }", "", "text", "args.t = { param = \"p\", path = \"name\" }");
    assert!(matches!(arg(&plan(&outer, &narrow), "in/t"), Binding::Part { .. }));
    let beyond = inner("record { name: string }", "", "maybe", "args.x = { param = \"p\", path = \"age\" }");
    assert!(faults(&outer, &beyond).starts_with("inner:10:10: no such part: the record has no field `age`"));
}

#[test]
fn misfits_are_reported_at_the_border_with_the_param() {
    let outer = format!("{INCLUDE}args.p = \"text\"\n");
    let shown = faults(&outer, &inner("u64", "", "wide", "args.x = { param = \"p\" }"));
    assert_eq!(shown, "m:7:10: param `p`: expected u64, found a string");
    let outer = format!("{INCLUDE}args.p = {{ task = \"n\" }}\n[tasks.n]\ncall = \"c.number\"\n");
    let shown = faults(&outer, &inner("u8", "", "nothing", ""));
    assert_eq!(shown, "m:7:10: the output of task `n` does not fit param `p`");
    // What is wrong inside is a fault of the included manifest, whatever the argument is.
    let shown =
        faults(&format!("{INCLUDE}args.p = 1\n"), &inner("u64", "", "text", "args.t = { param = \"p\" }"));
    assert_eq!(shown, "inner:10:10: param `p` does not fit parameter `t`");
}

#[test]
fn params_with_a_default_or_an_option_type_may_be_left_out() {
    let takes = "args.x = { param = \"p\" }";
    assert!(matches!(
        arg(&plan(INCLUDE, &inner("u64", "default = 7", "wide", takes)), "in/t"),
        Binding::Constant(_)
    ));
    assert!(matches!(
        arg(&plan(INCLUDE, &inner("option<u32>", "", "maybe", takes)), "in/t"),
        Binding::Constant(_)
    ));
    assert_eq!(
        faults(INCLUDE, &inner("u64", "", "wide", takes)),
        "m:6:12: param `p` of `inner` gets no value"
    );
    let shown = faults(INCLUDE, &inner("u64", "default = \"x\"", "wide", takes));
    assert_eq!(shown, "inner:7:11: expected u64, found a string");
    assert_eq!(
        faults(&format!("{INCLUDE}args.p = 1\n"), &inner("u65", "", "wide", takes)),
        "inner:6:8: the type of param `p` is not a WIT type"
    );
}

#[test]
fn records_of_outputs_leave_out_tasks_without_a_result() {
    let two = "[tasks.a]\ncall = \"c.number\"\n[tasks.b]\ncall = \"c.nothing\"\n";
    let built = plan(INCLUDE, two);
    let shown: Vec<String> =
        built.outputs().iter().map(|output| format!("{}: {}", output.name, output.ty)).collect();
    assert_eq!(shown, ["in: record { a: u32 }"]);
    let built = plan(INCLUDE, "[tasks.b]\ncall = \"c.nothing\"\n");
    assert!(built.outputs().is_empty());
    let reads = format!("{INCLUDE}[tasks.x]\ncall = \"c.text\"\nargs.t = {{ task = \"in\" }}\n");
    assert_eq!(
        faults(&reads, "[tasks.b]\ncall = \"c.nothing\"\n"),
        "m:9:10: the output of pipeline `in` is empty"
    );
}

#[test]
fn outputs_are_typed_even_if_nothing_reads_them() {
    let shown =
        faults(INCLUDE, "[tasks.a]\ncall = \"c.person\"\n[outputs]\nx = { task = \"a\", path = \"size\" }\n");
    assert!(shown.starts_with("inner:8:5: no such part"), "{shown}");
}

#[test]
fn defaults_of_references_to_outputs_are_typed() {
    let outer = format!(
        "{INCLUDE}[tasks.x]\ncall = \"c.wide\"\nargs.x = {{ task = \"in\", path = \"n\", default = \"none\" }}\n"
    );
    let inner = "[tasks.a]\ncall = \"c.number\"\n[outputs]\nn = { task = \"a\" }\n";
    assert_eq!(faults(&outer, inner), "m:9:47: parameter `x`: expected u64, found a string");
}

#[test]
fn a_literal_list_of_a_pipeline_has_the_type_of_the_param() {
    let outer = |list: &str| format!("{INCLUDE}for-each.i = [{list}]\nargs.p = {{ item = \"i\" }}\n");
    let inner = inner("u64", "", "wide", "args.x = { param = \"p\" }");
    assert_eq!(plan(&outer("1, 2"), &inner).pipelines()[0].for_each[0].ty.to_string(), "list<u64>");
    let misfit = faults(&outer("1, -2"), &inner);
    assert!(misfit.starts_with("m:7:14: `for-each.i`"), "{misfit}");
}

#[test]
fn all_that_is_passed_into_a_secret_param_is_secret() {
    let outer = format!(
        "[params.open]\ntype = \"string\"\ndefault = \"x\"\n{INCLUDE}args.p = [\"literal\", {{ param = \"open\" }}, {{ env = \"E\" }}]\n"
    );
    let secret = inner("list<string>", "secret = true", "nothing", "");
    let built = plan(&outer, &secret);
    let shown: Vec<(&str, bool)> = built
        .inputs()
        .iter()
        .map(|input| match &input.kind {
            InputKind::Param { .. } => ("param", input.is_secret),
            InputKind::Env { .. } => ("env", input.is_secret),
            InputKind::File(_) => ("file", input.is_secret),
            InputKind::Files { .. } => ("files", input.is_secret),
            InputKind::Literal { .. } => ("literal", input.is_secret),
        })
        .collect();
    assert_eq!(shown, [("param", true), ("env", true), ("literal", true)]);
    let misfit = faults(&format!("{INCLUDE}args.p = 7\n"), &secret);
    assert_eq!(misfit, "m:7:10: the value of the secret param `p` does not fit");
}

#[test]
fn a_changed_argument_is_named_with_what_reads_it() {
    let bound = |value: &str| {
        let outer = format!("{INCLUDE}args.p = {value}\n");
        let plan = Arc::new(plan(&outer, &inner("u64", "", "wide", "args.x = { param = \"p\" }")));
        let run = RunId::new("r").unwrap();
        let grants = vec![Digest::of_bytes(b"none")];
        let source = Source { name: "m".into(), text: "".into() };
        bind(&plan, BindRequest::without_inputs(grants, &run), &source.into()).unwrap()
    };
    let before = PlanRecord::decode(bound("1").record()).unwrap();
    let shown: Vec<String> = bound("2").differences(&before).iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["task `in`: `args.p` has changed", "task `in/t`: `args.x` has changed"]);
    assert!(bound("1").differences(&before).is_empty());
}
