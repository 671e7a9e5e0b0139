//! The rules of the graph, one by one.
//! Properties of every graph are tested in `properties`.

use crate::graph::sample::sample;
use crate::graph::{Expr, Graph, NeededIf, Resolved, resolve};
use crate::manifest;
use crate::model::{Effort, Fault, TaskIdx};
use std::sync::Arc;
use std::time::Duration;

fn sound(text: &str) -> Graph {
    let Resolved { graph, faults } = resolve(sample(text));
    assert!(faults.is_empty(), "{faults}");
    graph
}

fn faulty(text: &str) -> (Graph, Vec<String>) {
    let Resolved { graph, faults } = resolve(sample(text));
    let shown = faults.list.iter().map(|fault| described(text, fault)).collect();
    (graph, shown)
}

/// Returns the fault's message with the text that it points at, and all its help.
fn described(text: &str, fault: &Fault) -> String {
    let at = fault.location.as_ref().map_or("", |location| &text[location.span.clone()]);
    let more: Vec<String> = fault.helps.iter().chain(&fault.notes).map(|more| format!(" ({more})")).collect();
    format!("{at}: {}{}", fault.message, more.concat())
}

fn index(graph: &Graph, name: &str) -> TaskIdx {
    let position = graph.nodes().iter().position(|node| node.name.as_str() == name).unwrap();
    TaskIdx::new(u32::try_from(position).unwrap())
}

fn names(graph: &Graph, tasks: &[TaskIdx]) -> String {
    let names = tasks.iter().map(|task| graph.nodes()[task.index()].name.as_str());
    names.collect::<Vec<_>>().join(" ")
}

fn waits(graph: &Graph, name: &str) -> String {
    names(graph, &graph.nodes()[index(graph, name).index()].waits_for)
}

fn condition(graph: &Graph, name: &str) -> Option<Arc<NeededIf>> {
    graph.nodes()[index(graph, name).index()].needed_if.clone()
}

/// Formats a condition: `s=one&t=two (…)` per clause with its consumer's condition, clauses joined by `|`; `always`
/// for none.
fn shown(graph: &Graph, condition: Option<&Arc<NeededIf>>) -> String {
    let Some(condition) = condition else {
        return "always".to_owned();
    };
    let clauses = condition.any.iter().map(|clause| {
        let gates = clause.gates.iter().map(|gate| {
            let mut tasks = Vec::new();
            crate::graph::uses::each_task(&gate.selector.value, &mut |task| tasks.push(task));
            format!("{}={}", names(graph, &tasks), gate.case)
        });
        let gates = gates.collect::<Vec<_>>().join("&");
        match &clause.consumer {
            None => gates,
            Some(consumer) => format!("{gates}({})", shown(graph, Some(consumer))),
        }
    });
    clauses.collect::<Vec<_>>().join("|")
}

fn condition_of(text: &str, name: &str) -> String {
    let graph = sound(text);
    shown(&graph, condition(&graph, name).as_ref())
}

#[test]
fn independent_tasks_keep_manifest_order() {
    let graph = sound("d: a\na:\nc:\nb: c");
    assert_eq!(names(&graph, graph.order()), "a d c b");
}

#[test]
fn names_of_every_kind_become_positions() {
    let graph = sound(
        "component other\nparam p = string\nparam q = string\nresource cpu = 1\nresource gpu = 2\n\
         a: each.i=$q each.j=$p x=#j call=other.run use.gpu=2 use.cpu=0\nb: a >a",
    );
    let [a, b] = graph.nodes() else { panic!("two tasks") };
    assert_eq!((a.component, b.component), (Some(1), Some(0)));
    assert_eq!(a.resources, [(1, 2)]);
    assert_eq!(b.after, [index(&graph, "a")]);
    assert!(matches!(a.args[0].1.value, crate::graph::Expr::Item { item: 1, .. }));
    assert!(matches!(a.for_each[0].1.value, crate::graph::Expr::Param { param: 1, .. }));
}

#[test]
fn unknown_names_are_reported_with_span_and_suggestion() {
    let (_, faults) = faulty(
        "param text = string\nsplit: $txt\ncount: splt >coun call=d.run\nresource gpu = 1\nx: use.gpus=1",
    );
    assert_eq!(
        faults,
        [
            "txt: there is no param `txt` (did you mean `text`?)",
            "splt: there is no task `splt` (did you mean `split`?)",
            "coun: there is no task `coun` (did you mean `count`?)",
            "d.run: there is no component `d`",
            "1: there is no resource `gpus` (did you mean `gpu`?)",
        ]
    );
    assert_eq!(faulty("a: $x").1, ["x: there is no param `x` (the manifest has no params)"]);
}

#[test]
fn left_out_names_cause_no_further_faults() {
    let text = "lost task t\nlost param p\nlost component d\nlost resource r\n\
                a: t\nb: $p\nc: call=d.run\ne: use.r=1 >t\nf: a\nout o = t";
    assert_eq!(faulty(text).1, [""; 0]);
    assert_eq!(faulty("partial\na: t $p >x use.r=1\nb: call=d.run").1, [""; 0]);
}

#[test]
fn faulty_name_keeps_the_rest_of_the_graph() {
    let (graph, faults) = faulty("bad: nothing a\na:\nb: bad\nc: [b, nowhere, a]\nout x = c\nout y = none");
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert_eq!(names(&graph, graph.order()), "a bad b c");
    assert_eq!((waits(&graph, "bad"), waits(&graph, "c")), ("a".to_owned(), "a b".to_owned()));
    let Expr::Array(parts) = &graph.nodes()[index(&graph, "c").index()].args[0].1.value else { panic!() };
    assert_eq!(parts[1].value, Expr::Faulty);
    assert_eq!(graph.outputs()[1].1.value, Expr::Faulty);
}

#[test]
fn names_in_faulty_values_are_resolved() {
    let mut parsed = sample("a: b [b, nowhere]\nb: $p");
    for task in parsed.manifest.tasks.values_mut() {
        for (_, arg) in task.args.values_mut() {
            arg.value = manifest::Expr::Faulty(vec![arg.clone()]);
        }
    }
    let faults = resolve(parsed).faults;
    let messages: Vec<&str> = faults.list.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(messages, ["there is no task `nowhere`", "there is no param `p`"]);
}

#[test]
fn references_in_selects_are_kept_beside_faulty_ones() {
    let (graph, _) = faulty("bad: nothing\ns:\na:\nb: (s ? x=[a, s])");
    assert_eq!(waits(&graph, "b"), "s");
    assert_eq!(shown(&graph, condition(&graph, "a").as_ref()), "s=x");
}

#[test]
fn resource_request_above_the_amount_is_a_fault() {
    let (_, faults) = faulty("resource gpu = 1\na: use.gpu=2\nb: use.gpu=1");
    assert_eq!(
        faults,
        [
            "2: the task requests more of resource `gpu` than the manifest has (request at most 1, or the task can never start)"
        ]
    );
}

#[test]
fn resources_of_the_defaults_are_reported_once() {
    let mut parsed = sample("a: use.gpu=1\nb: use.gpu=1");
    let shared = Arc::clone(&parsed.manifest.tasks["a"].policy);
    parsed.manifest.tasks["b"].policy = shared;
    assert_eq!(resolve(parsed).faults.list.len(), 1);
}

#[test]
fn items_are_valid_only_in_args_of_their_task() {
    let (_, faults) = faulty(
        "param p = list\na: each.chunk=$p x=#chunk y=#chnk\nb: #chunk\nc: each.i=$p each.j=#i\nd: each.i=$p when=#i\nout o = #i",
    );
    assert_eq!(
        faults,
        [
            "chnk: `for-each` of task `a` has no item `chnk` (did you mean `chunk`?) (its items are chunk)",
            "chunk: task `b` has no `for-each` (add `for-each.chunk = …`, a list that the task runs over)",
            "i: a list of `for-each` cannot refer to an item (lists are evaluated before items exist; use `item` in `args`)",
            "i: `when` cannot refer to an item (to choose for each element, use `select` in `args`; in an included manifest, `when` may read a param) (the condition is evaluated once per task)",
            "i: an output cannot refer to an item (refer to the whole list with `{ task = … }`)",
        ]
    );
}

#[test]
fn cycle_is_reported_once_with_its_path() {
    let text = "a: c\nb: a\nc: >b\nd: c\ne:";
    let Resolved { graph, faults } = resolve(sample(text));
    let [fault] = &*faults.list else { panic!("one fault: {faults}") };
    assert_eq!(fault.message, "tasks wait for each other in a cycle: a -> c -> b -> a");
    let labels: Vec<&str> = fault.related.iter().map(|location| location.label.as_str()).collect();
    assert_eq!(fault.location.as_ref().unwrap().label, "`a` needs `c`");
    assert_eq!(labels, ["`c` runs after `b`", "`b` needs `a`"]);
    // The reported cycle is broken up, and the rest is checked.
    assert_eq!(names(&graph, graph.order()), "a b c d e");
    assert_eq!((waits(&graph, "a"), waits(&graph, "d")), (String::new(), "c".to_owned()));
}

#[test]
fn every_cycle_is_reported() {
    let (_, faults) = faulty("a: b c\nb: a\nc: a\nd: e\ne: d\nf: f\ng: >g");
    let messages: Vec<&str> = faults.iter().map(|fault| fault.split(" (").next().unwrap()).collect();
    assert_eq!(
        messages,
        [
            "b: tasks wait for each other in a cycle: a -> b -> a",
            "a: tasks wait for each other in a cycle: c -> a -> c",
            "e: tasks wait for each other in a cycle: d -> e -> d",
            "f: task `f` needs its own output",
            "g: task `g` cannot run after itself",
        ]
    );
}

#[test]
fn cycle_through_a_faulty_task_is_reported_too() {
    let (_, faults) = faulty("a: b $p\nb: a");
    assert_eq!(faults.len(), 2);
}

#[test]
fn cycle_through_a_case_of_a_select_is_one() {
    let (_, faults) = faulty("s:\na: (s ? x=b)\nb: a");
    assert_eq!(faults.len(), 1);
}

#[test]
fn long_cycle_is_abbreviated() {
    let line = |at: usize| format!("t{at}: t{}", (at + 1) % 100);
    let text = (0..100).map(line).collect::<Vec<_>>().join("\n");
    let Resolved { faults, .. } = resolve(sample(&text));
    let message = &faults.list[0].message;
    assert!(message.ends_with("t10 -> … 88 more … -> t99 -> t0"), "{message}");
}

#[test]
fn task_waits_for_selectors_but_not_for_cases() {
    let graph = sound("s:\na:\nb:\nc: (s ? x=a, y=b) b");
    assert_eq!(waits(&graph, "c"), "s b");
    assert_eq!(waits(&graph, "a"), "s");
    assert_eq!(shown(&graph, condition(&graph, "a").as_ref()), "s=x");
    assert_eq!(shown(&graph, condition(&graph, "b").as_ref()), "always");
    assert_eq!(names(&graph, graph.order()), "s a b c");
}

#[test]
fn unread_task_is_always_needed() {
    assert_eq!(condition_of("a:\nb: >a", "a"), "always");
}

#[test]
fn after_does_not_keep_a_task_from_being_lazy() {
    let graph = sound("s:\na:\nc: (s ? x=a)\nd: >a");
    assert_eq!(shown(&graph, condition(&graph, "a").as_ref()), "s=x");
    assert_eq!(waits(&graph, "d"), "a");
}

#[test]
fn tasks_needed_only_by_lazy_tasks_are_lazy() {
    let text = "s:\na:\nb: a\nc: b\nd: (s ? x=c)";
    assert_eq!(condition_of(text, "a"), "s=x");
    let graph = sound(text);
    assert_eq!(waits(&graph, "a"), "s");
    assert_eq!(waits(&graph, "c"), "s b");
    assert!(Arc::ptr_eq(&condition(&graph, "a").unwrap(), &condition(&graph, "c").unwrap()));
}

#[test]
fn conditions_of_consumers_are_inherited() {
    let text = "s:\nt:\na:\nb: (t ? y=a)\nc: (s ? x=b)";
    assert_eq!(condition_of(text, "a"), "t=y(s=x)");
    assert_eq!(condition_of(text, "t"), "s=x");
    let graph = sound(text);
    assert_eq!(waits(&graph, "a"), "s t");
}

#[test]
fn nested_selects_open_their_gates_from_outside_in() {
    assert_eq!(condition_of("s:\nt:\na:\nb: (s ? x=(t ? y=a))", "a"), "s=x&t=y");
    assert_eq!(condition_of("s:\nt:\na:\nb: (s ? x=(t ? y=a))", "t"), "s=x");
}

#[test]
fn every_case_adds_a_clause() {
    assert_eq!(condition_of("s:\na:\nb: (s ? x=a, y=a)\nc: (s ? z=[a, a])", "a"), "s=z|s=x|s=y");
}

#[test]
fn direct_read_overrides_the_cases_of_a_consumer() {
    assert_eq!(condition_of("s:\nt:\na:\nb: a (t ? y=a)\nc: (s ? x=b)", "a"), "s=x");
}

#[test]
fn named_outputs_need_their_tasks_and_default_ones_do_not() {
    let graph = "s:\na:\nb: (s ? x=a)\n";
    assert_eq!(condition_of(graph, "a"), "s=x");
    assert_eq!(condition_of(&format!("{graph}out o = a"), "a"), "always");
    assert_eq!(condition_of(&format!("{graph}out o = (s ? z=a)"), "a"), "s=z|s=x");
    assert_eq!(condition_of("s:\na:\nout o = (s ? z=a)", "a"), "s=z");
}

#[test]
fn selector_by_item_waits_for_the_lists() {
    let graph = sound("lists:\na:\nb: each.i=lists (#i ? x=a)");
    assert_eq!(waits(&graph, "a"), "lists");
}

#[test]
fn task_that_its_own_selector_needs_is_needed() {
    assert_eq!(condition_of("a:\ns: a\nb: (s ? x=a)", "a"), "always");
    assert_eq!(condition_of("a:\nm: a\ns: m\nb: (s ? x=a)", "a"), "always");
    // `b` is lazy, and so is its selector, which always needs `a`.
    assert_eq!(condition_of("a:\ns: a\nt:\nb: (s ? x=a)\nc: (t ? y=b)", "a"), "t=y");
}

#[test]
fn task_that_its_own_selector_may_need_is_needed() {
    let graph = sound("a:\nt:\ns: (t ? y=a)\nb: (s ? x=a)");
    assert_eq!(shown(&graph, condition(&graph, "a").as_ref()), "always");
    let graph = sound("a:\nt:\ns: (t ? y=a)\nb: a\nc: (s ? x=b)");
    assert_eq!(shown(&graph, condition(&graph, "a").as_ref()), "always");
    assert_eq!(shown(&graph, condition(&graph, "b").as_ref()), "s=x");
}

#[test]
fn default_outputs_are_the_unconsumed_tasks() {
    let graph = sound("a:\nb: a\nc: >b\nd:");
    let outputs: Vec<&str> = graph.outputs().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(outputs, ["b", "c", "d"]);
    let graph = sound("a:\nb: a\nout x = a");
    assert_eq!(graph.outputs()[0].0, "x");
}

#[test]
fn height_is_the_longest_path_to_an_end() {
    let graph = sound("a:\nb: a\nc: b a\nd: >a");
    let heights: Vec<u32> = graph.nodes().iter().map(|node| node.height).collect();
    assert_eq!(heights, [3, 2, 1, 1]);
}

/// Resolves a sample and returns the time that took, without reading the sample.
fn timed(text: &str) -> (Resolved, Duration) {
    let parsed = sample(text);
    let effort = Effort::begin();
    let resolved = resolve(parsed);
    (resolved, effort.spent())
}

const MANY: usize = 100_000;

/// Time limit: ample for a linear algorithm, far too short for a quadratic one.
const LIMIT: Duration = Duration::from_secs(20);

/// Joins one line per number.
fn lines(line: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for at in 0..MANY {
        text.push_str(&line(at));
        text.push('\n');
    }
    text
}

#[test]
fn many_tasks_take_linear_time_and_little_stack() {
    let chain = lines(|at| format!("t{at}: t{}", at + 1)) + &format!("t{MANY}:");
    let fan = lines(|at| format!("t{at}: root"))
        + "root:\nend: ["
        + &lines(|at| format!("t{at},")).replace('\n', "")
        + "]";
    for text in [chain, fan] {
        let (resolved, spent) = timed(&text);
        assert!(resolved.faults.is_empty());
        assert!(spent < LIMIT, "{spent:?}");
    }
}

#[test]
fn many_lazy_tasks_take_linear_time_and_little_stack() {
    let direct = lines(|at| format!("t{at}: t{}", at + 1)) + &format!("t{MANY}:\ns:\nend: (s ? x=t0)");
    let gated = lines(|at| format!("s{at}:\nt{at}: (s{at} ? x=t{})", at + 1)) + &format!("t{MANY}:");
    let backwards =
        lines(|at| format!("t{}: (s ? x=t{})", MANY - at, MANY - at + 1)) + &format!("t{}:\ns:", MANY + 1);
    for text in [direct, gated, backwards] {
        let (resolved, spent) = timed(&text);
        assert!(resolved.faults.is_empty());
        assert!(spent < LIMIT, "{spent:?}");
        assert!(resolved.graph.nodes().iter().all(|node| node.waits_for.len() < 40));
    }
}

#[test]
fn many_faults_take_linear_time() {
    let unknown = lines(|at| format!("t{at}: nothing{at}"));
    let ring = lines(|at| format!("t{at}: t{}", (at + 1) % MANY));
    let mesh = lines(|at| format!("t{at}: t{}{}", (at + 1) % MANY, if at > 0 { " t0" } else { "" }));
    for text in [unknown, ring, mesh] {
        let (resolved, spent) = timed(&text);
        assert!(!resolved.faults.is_empty());
        assert!(spent < LIMIT, "{spent:?}");
    }
}
