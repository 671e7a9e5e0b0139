//! The rules of edges and literals, one by one.
//! Digests are tested in `digests`.

use crate::graph::resolve;
use crate::graph::sample::sample;
use crate::manifest::{Action, CachePolicy};
use crate::model::{Effort, Fault, Faults};
use crate::plan::sample::{compiled_with, faults, plan};
use crate::plan::{Binding, CacheRule, InputKind, Plan, compile};
use std::sync::Arc;
use std::time::Duration;

/// Functions that the tests call: a producer of each type, and a consumer.
const FUNCTIONS: &[&str] = &[
    "run(x: u8)",
    "number() -> u32",
    "small() -> u8",
    "text() -> string",
    "color() -> enum { red, green }",
    "flag() -> bool",
    "texts() -> list<string>",
    "person() -> record { name: string, age: option<u32> }",
    "fallible() -> result<u32, variant { busy, bad(string) }>",
    "silent() -> result",
    "nothing()",
    "takes-number(n: u32)",
    "takes-text(t: string)",
    "takes-texts(t: list<string>) -> u32",
    "takes-optional(o: option<string>; n: u32) -> u32",
    "takes-person(p: record { name: string, age: option<u32> })",
    "takes-bytes(b: list<u8>)",
    "takes-pair(p: tuple<u32, string>)",
    "takes-variant(v: variant { none, one(u32) })",
    "echo(t: string) -> string",
];

fn ok(text: &str) -> Plan {
    plan(FUNCTIONS, text)
}

fn bad(text: &str) -> Vec<String> {
    faults(FUNCTIONS, text)
}

fn constant(plan: &Plan, task: usize) -> &[u8] {
    match &plan.tasks()[task].args[0] {
        Binding::Constant(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn mistyped_edge_names_both_types_and_points_at_the_reference() {
    assert_eq!(
        bad("a: call=c.number\nb: call=c.takes-text t=a"),
        [
            "a: the output of task `a` does not fit parameter `t`; `u32` does not fit `string`; the output of task `a` \
             has the type `u32`; parameter `t` has the type `string`"
        ]
    );
}

#[test]
fn mistyped_edge_names_the_path_where_the_types_differ() {
    let functions = &[
        "make() -> record { xs: list<record { y: u64 }> }",
        "take(p: record { xs: list<record { y: u32 }> })",
    ];
    let [fault] = &*faults(functions, "a: call=c.make\nb: call=c.take p=a") else { panic!("one fault") };
    assert!(fault.contains("at `.xs[].y`: `u64` does not fit `u32`"), "{fault}");
}

#[test]
fn missing_unknown_and_mistyped_arguments_are_reported_together() {
    assert_eq!(
        bad("a: call=c.takes-number m=1\nb: call=c.takes-number n=-1"),
        [
            "c.takes-number: parameter `n` gets no value; the signature is `func(n: u32)` => add `args.n = …` of type `u32`",
            "m: `m` is not a parameter of `takes-number`; its signature is `func(n: u32)`",
            "-1: parameter `n`: expected u32, found -1; the type here is `u32`",
        ]
    );
    assert!(bad("a: call=c.takes-optional optn='x' n=1")[0].contains("`optn` is not a parameter"));
}

#[test]
fn optional_parameters_may_be_left_out() {
    let plan = ok("a: call=c.takes-optional n=1");
    assert_eq!(constant(&plan, 0), [0xc0]);
}

#[test]
fn paths_must_exist_in_the_type() {
    let faults = bad(
        "a: call=c.person\nb: call=c.takes-text t=a.nme\nc: call=c.takes-number n=a.age\nd: call=c.takes-text t=e.x\ne: call=c.number",
    );
    assert_eq!(faults.len(), 3);
    assert!(
        faults[0].starts_with("a.nme: no such part: the record has no field `nme`; did you mean `name`?"),
        "{}",
        faults[0]
    );
    assert!(
        faults[1].contains("`.age` of the output of task `a` does not fit parameter `n`"),
        "{}",
        faults[1]
    );
    assert!(faults[2].starts_with("e.x: no such part"), "{}", faults[2]);
    ok("a: call=c.person\nb: call=c.takes-text t=a.name\nc: call=c.takes-number n=a.age.some");
}

#[test]
fn for_each_runs_over_lists_only() {
    assert_eq!(
        bad("a: call=c.number\nb: call=c.takes-number each.i=a n=#i"),
        [
            "a: `for-each` runs over a list; this has the type `u32` => to run once per number from 0, write this as `{ range = … }`"
        ]
    );
}

#[test]
fn for_each_makes_a_list_of_the_output() {
    let plan = ok("a: call=c.texts\nb: call=c.echo each.i=a each.j=a t=#j\nc: call=c.takes-texts t=b");
    assert_eq!(plan.tasks()[1].for_each.len(), 2);
    assert!(matches!(plan.tasks()[1].args[0], Binding::Item { item: 1, .. }));
    assert!(
        bad("a: call=c.texts\nb: call=c.takes-number each.i=a n=#i")[0]
            .contains("the item does not fit parameter `n`")
    );
}

#[test]
fn literal_list_takes_its_type_from_the_uses_of_its_items() {
    let plan = ok("a: call=c.takes-number each.i=[1, 2] n=#i");
    assert_eq!(plan.tasks()[0].for_each[0].ty.to_string(), "list<u32>");
    let both = &["two(wide: u32; narrow: u8)"];
    let plan = crate::plan::sample::plan(both, "a: call=c.two each.i=[1, 2] wide=#i narrow=#i");
    assert_eq!(plan.tasks()[0].for_each[0].ty.to_string(), "list<u8>");
    assert!(bad("a: call=c.takes-number each.i=[1, 'x'] n=#i")[0].contains("expected u32"));
}

#[test]
fn literal_list_without_typed_uses_has_its_natural_type() {
    let plan = ok(
        "b: call=c.number\nt: call=c.small\na: call=c.nothing each.i=['x']\nd: call=c.nothing each.i=[b, t]",
    );
    assert_eq!(plan.tasks()[2].for_each[0].ty.to_string(), "list<string>");
    assert_eq!(plan.tasks()[3].for_each[0].ty.to_string(), "list<u32>");
    assert!(bad("a: call=c.nothing each.i=[]")[0].contains("the type of this value is unknown"));
}

#[test]
fn when_needs_a_bool_or_a_literal_to_compare_with() {
    assert_eq!(
        bad("a: call=c.number\nb: call=c.nothing when=a"),
        [
            "a: `when` needs a `bool`; this has the type `u32` => compare it with a literal: `equals = …` beside the reference"
        ]
    );
    ok("a: call=c.flag\nb: call=c.nothing when=a");
    ok("a: call=c.number\nb: call=c.nothing when=a equals=5");
    assert_eq!(bad("a: call=c.color\nb: call=c.nothing when=a equals='blue'").len(), 1);
}

#[test]
fn selectors_are_strings_or_enums_with_all_named_cases() {
    assert_eq!(
        bad("s: call=c.number\nb: call=c.takes-number n=(s ? red=1)"),
        ["s: a selector is a string or an enum; the selector has the type `u32`"]
    );
    assert_eq!(
        bad("s: call=c.color\nb: call=c.takes-number n=(s ? red=1, gren=2)"),
        [
            "gren: `gren` is not a case of the selector; the selector has the type `enum { red, green }` => did you mean `green`?"
        ]
    );
    ok("s: call=c.text\nb: call=c.takes-number n=(s ? red=1, whatever=2 | 3)");
}

#[test]
fn every_case_is_typed_by_the_parameter() {
    let faults =
        bad("s: call=c.color\na: call=c.text\nb: call=c.takes-number n=(s ? red=a, green='x' | 'y')");
    assert_eq!(faults.len(), 3);
}

#[test]
fn choice_without_a_parameter_has_the_type_that_all_cases_fit() {
    let text = "s: call=c.color\na: call=c.small\nb: call=c.number\nout o = (s ? red=a, green=b)";
    assert_eq!(ok(text).outputs()[0].ty.to_string(), "u32");
    let text = "s: call=c.color\na: call=c.small\nb: call=c.text\nout o = (s ? red=a, green=b)";
    let [fault] = &*bad(text) else { panic!("one fault") };
    assert!(
        fault.starts_with("b: the output of task `b` does not fit output `o`; `string` does not fit `u8`"),
        "{fault}"
    );
}

#[test]
fn defaults_are_typed_by_their_targets() {
    ok("a: call=c.small\nb: call=c.takes-number n=a|70000");
    assert_eq!(
        bad("a: call=c.number\nb: call=c.takes-number n=a|'x'\nc: call=c.takes-text t=%HOME|5"),
        [
            "'x': parameter `n`: expected u32, found a string; the type here is `u32`",
            "5: parameter `t`: expected string, found 5; the type here is `string`"
        ]
    );
    assert_eq!(
        bad("param p = u8 | 300\na: call=c.nothing"),
        ["300: expected u8, found 300; param `p` has the type `u8`"]
    );
}

#[test]
fn errors_as_values_need_a_result() {
    assert!(bad("a: call=c.number on-error=value")[0].contains("needs a function that returns a `result`"));
    let plan = ok(
        "a: call=c.fallible on-error=value\nb: call=c.fallible\nc: call=c.fallible each.i=['x'] on-error=value",
    );
    let outputs: Vec<String> =
        plan.tasks().iter().map(|task| task.output.as_ref().unwrap().to_string()).collect();
    let result = "result<u32, variant { busy, bad(string) }>";
    assert_eq!(outputs, [result, "u32", &format!("list<{result}>")]);
}

#[test]
fn permanent_errors_are_cases_of_the_error() {
    ok("a: call=c.fallible permanent=bad");
    let [fault] = &*bad("a: call=c.fallible permanent=bsy") else { panic!("one fault") };
    assert!(
        fault.starts_with("bsy: the function's error has no case `bsy`")
            && fault.ends_with("=> did you mean `busy`?")
    );
    assert_eq!(bad("a: call=c.number permanent=busy").len(), 1);
}

#[test]
fn calls_name_one_function() {
    let functions = &["a:b/one@1.0.0#go()", "a:b/two#go()", "odd!", "a:b/two#gather()"];
    assert_eq!(
        faults(functions, "a: call=c.go"),
        ["c.go: several interfaces of `c` export `go` => write `c#a:b/one@1.0.0.go` => write `c#a:b/two.go`"]
    );
    assert!(faults(functions, "a: call=c.odd")[0].starts_with("c.odd: `odd` cannot be a task; `the result`"));
    assert!(faults(functions, "a: call=c.gathr")[0].ends_with("=> did you mean `gather`?"));
    let mut parsed = sample("a: call=c.go");
    let Some(Action::Call(call)) = parsed.manifest.tasks["a"].action.as_mut().map(|action| &mut action.value)
    else {
        panic!("a call");
    };
    call.interface = Some("a:b/one@1.0.0".into());
    let plan = compiled_with(functions, parsed).unwrap();
    assert_eq!(plan.functions()[0].component().unwrap().export.interface.as_deref(), Some("a:b/one@1.0.0"));
}

#[test]
fn output_of_a_function_without_a_result_cannot_be_read() {
    for function in ["nothing", "silent"] {
        let [fault] = &*bad(&format!("a: call=c.{function}\nb: call=c.takes-text t=a")) else {
            panic!("one fault")
        };
        assert!(
            fault.starts_with("a: task `a` has no output") && fault.contains("after = [\"a\"]"),
            "{fault}"
        );
    }
    assert_eq!(bad("a: call=c.nothing\nout o = a").len(), 1);
}

#[test]
fn default_outputs_leave_out_tasks_without_a_result() {
    let plan = ok("a: call=c.nothing\nb: call=c.number\nc: call=c.silent");
    let names: Vec<&str> = plan.outputs().iter().map(|output| output.name.as_str()).collect();
    assert_eq!(names, ["b"]);
}

#[test]
fn references_inside_literals_are_typed() {
    ok(
        "a: call=c.number\nt: call=c.text\nb: call=c.takes-pair p=[a, t]\nc: call=c.takes-person p={ name=t }\n\
        d: call=c.takes-person p={ name='x', age=a }\ne: call=c.takes-variant v={ one=a }\nf: call=c.takes-texts t=[t, 'x']",
    );
    let faults = bad(
        "a: call=c.number\nb: call=c.takes-pair p=[a]\nc: call=c.takes-person p={ nme=a }\nd: call=c.takes-variant v={ two=a }\ne: call=c.takes-number n=[a]",
    );
    let messages: Vec<&str> = faults.iter().map(|fault| fault.split(';').next().unwrap()).collect();
    assert_eq!(
        messages,
        [
            "[a]: an array of 1 does not fit parameter `p`",
            "nme: the record has no field `nme`",
            "two: no case `two` with a payload",
            "[a]: an array of 1 does not fit parameter `n`",
        ]
    );
}

#[test]
fn files_are_text_or_bytes_by_parameter_and_read_once() {
    let plan = ok(
        "a: call=c.takes-bytes b=@f\nb: call=c.takes-text t=@f\nc: call=c.takes-text t=@f\nd: call=c.takes-text t=%V\ne: call=c.takes-text t=%V",
    );
    let types: Vec<String> = plan.inputs().iter().map(|input| input.ty.to_string()).collect();
    assert_eq!(types, ["list<u8>", "string", "string"]);
    assert!(matches!(&plan.inputs()[2].kind, InputKind::Env { name, default: None } if name == "V"));
    assert!(bad("a: call=c.takes-number n=@f")[0].contains("a file does not fit parameter `n`"));
}

#[test]
fn faulty_params_are_reported_once_and_suppress_dependent_faults() {
    let faults = bad("param p = strng\na: call=c.takes-text t=$p\nb: call=c.takes-number n=$p");
    assert_eq!(faults.len(), 1);
    assert!(faults[0].starts_with("strng: the type of param `p` is not a WIT type"), "{}", faults[0]);
}

#[test]
fn line_of_a_secret_default_is_never_shown() {
    for text in
        ["secret p = u8 | 'hunter2'\na: call=c.nothing", "secret p = strng | 'hunter2'\na: call=c.nothing"]
    {
        let faults = crate::plan::sample::compiled(FUNCTIONS, text).map(|_| ()).unwrap_err();
        assert!(
            faults.iter().all(|fault| fault.is_secret && !format!("{fault:?}").contains("hunter2")),
            "{faults:?}"
        );
    }
}

#[test]
fn tasks_of_unloadable_components_cause_no_further_faults() {
    let resolved = resolve(sample(
        "component d\na: call=d.run\nb: call=c.takes-number n=a\ns: call=d.run\ne: call=c.takes-text t=(s ? x=a)\nf: call=c.takes-number n='x'",
    ));
    let mut earlier = Faults::none(resolved.graph.manifests().sources().clone());
    earlier.push(Fault::of_file("component `d` could not be loaded"));
    let interfaces = [Some(crate::plan::sample::interface(FUNCTIONS)), None];
    let found = compile(&resolved.graph, &interfaces, earlier).unwrap_err();
    let messages: Vec<&str> = found.list.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(
        messages,
        ["component `d` could not be loaded", "parameter `n`: expected u32, found a string"]
    );
}

#[test]
fn faults_of_all_stages_come_in_the_order_of_the_text() {
    let faults =
        bad("a: call=c.takes-number n='x'\nb: call=c.takes-text t=nowhere\nc: call=c.takes-text t=1");
    let locations: Vec<&str> = faults.iter().map(|fault| fault.split(':').next().unwrap()).collect();
    assert_eq!(locations, ["'x'", "nowhere", "1"]);
}

#[test]
fn pruning_conditions_keep_selectors_and_items() {
    let plan = ok("l: call=c.texts\na: call=c.number\nb: call=c.takes-number each.i=l n=(#i ? x=a | 1)");
    let condition = plan.tasks()[1].needed_if.as_ref().unwrap();
    assert_eq!(condition.any[0].gates[0].ty.to_string(), "string");
    assert!(condition.any[0].gates[0].selector.uses_items(1));
    // A faulty selector is reported once, not for every task behind it.
    assert_eq!(bad("s: call=c.number\na: call=c.number\nb: call=c.takes-number n=(s ? x=a)").len(), 1);
}

#[test]
fn function_with_equal_grants_is_listed_once() {
    let mut parsed = sample("a: call=c.nothing\nb: call=c.nothing\nc: call=c.nothing");
    parsed.manifest.tasks["c"].grants =
        Some(Box::new(crate::manifest::Grants { clock: true, ..Default::default() }));
    let plan = compiled_with(FUNCTIONS, parsed).unwrap();
    let functions: Vec<usize> = plan.tasks().iter().map(|task| task.function).collect();
    assert_eq!(functions, [0, 0, 1]);
    assert_eq!(plan.tasks()[0].cache, CacheRule::Shared(None));
    assert_eq!(plan.tasks()[2].cache, CacheRule::Impure);
}

#[test]
fn authors_may_vouch_for_impure_tasks() {
    let rule = |cache: CachePolicy| {
        let mut parsed = sample("a: call=c.nothing");
        parsed.manifest.tasks["a"].grants =
            Some(Box::new(crate::manifest::Grants { dns: true, ..Default::default() }));
        Arc::make_mut(&mut parsed.manifest.tasks["a"].policy).cache = cache;
        compiled_with(FUNCTIONS, parsed).unwrap().tasks()[0].cache
    };
    let day = Duration::from_hours(24);
    assert_eq!(rule(CachePolicy::Always), CacheRule::Shared(None));
    assert_eq!(rule(CachePolicy::For(day)), CacheRule::Shared(Some(day)));
    assert_eq!(rule(CachePolicy::Never), CacheRule::Off);
}

/// Time limit: ample for a linear algorithm, far too short for a quadratic one.
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn many_tasks_are_compiled_in_linear_time_and_little_stack() {
    let lines = |line: fn(usize) -> String| (0..100_000).map(line).collect::<Vec<_>>().join("\n");
    let chain = lines(|at| format!("t{at}: call=c.echo t=t{}", at + 1)) + "\nt100000: call=c.text";
    let lazy = lines(|at| format!("t{at}: call=c.echo t=(s ? x=t{} | 'x')", at + 1))
        + "\nt100000: call=c.text\ns: call=c.text";
    let faulty = lines(|at| format!("t{at}: call=c.takes-number n=t{}", at + 1)) + "\nt100000: call=c.text";
    for text in [chain, lazy, faulty] {
        let resolved = resolve(sample(&text));
        let interfaces = [Some(crate::plan::sample::interface(FUNCTIONS))];
        let effort = Effort::begin();
        drop(compile(&resolved.graph, &interfaces, resolved.faults));
        assert!(effort.spent() < LIMIT, "{:?}", effort.spent());
    }
}
