//! Which fan-outs flow, and from what.
//! How their elements are handed out is tested with the backends, and their values in `engine`.

use crate::graph::inline_tests::{resolved, sound, task};
use crate::graph::{FanOut, Graph};
use crate::model::IndexPath;

/// A task that runs over these lists.
fn each(name: &str, lists: &[&str]) -> String {
    let names = ["i", "j", "k"];
    let lists = names.iter().zip(lists).map(|(item, list)| format!("for-each.{item} = {list}\n"));
    task(name, &format!("{}args.x = {{ item = \"i\" }}", lists.collect::<String>()))
}

fn name(graph: &Graph, of: FanOut) -> &str {
    match of {
        FanOut::Task(task) => graph.nodes()[task.index()].name.as_str(),
        FanOut::Pipeline(pipeline) => graph.pipelines()[pipeline].name.as_str(),
    }
}

/// Returns the root of a task's flow, and the source of each item; `-` for none.
fn flow(graph: &Graph, task: &str) -> String {
    let node = graph.nodes().iter().find(|node| node.name.as_str() == task).unwrap();
    let Some(flow) = &node.flow else { return "-".to_owned() };
    let sources = flow.sources.iter().map(|source| source.map_or("-", |source| name(graph, source)));
    format!("{}: {}", name(graph, flow.root), sources.collect::<Vec<_>>().join(" "))
}

#[test]
fn whole_outputs_of_one_root_flow() {
    let text = [
        each("a", &["{ file = \"f\" }"]),
        each("b", &["{ task = \"a\" }"]),
        each("c", &["{ task = \"b\" }", "{ task = \"a\" }", "{ file = \"f\" }"]),
        each("part", &["{ task = \"a\", path = \"x\" }"]),
        each("other", &["[1, 2]"]),
        each("both", &["{ task = \"a\" }", "{ task = \"other\" }"]),
        each("all", &["{ task = \"a\" }", "{ task = \"b\" }"]) + "product = true\n",
        task("one", "args.x = 1"),
        each("whole", &["{ task = \"one\" }"]),
    ];
    let graph = sound(&[("m", &text.concat())]);
    let flows = ["a", "b", "c", "part", "other", "both", "all", "whole"].map(|task| flow(&graph, task));
    assert_eq!(flows, ["-", "a: a", "a: b a -", "-", "-", "-", "-", "-"]);
}

#[test]
fn tasks_of_finally_wait_for_whole_lists_of_others() {
    let finally = |text: String| text.replace("[tasks.", "[finally.");
    let text = [
        each("a", &["{ file = \"f\" }"]),
        each("b", &["{ task = \"a\" }"]),
        finally(each("y", &["{ task = \"b\" }"])),
        finally(each("z", &["{ task = \"y\" }"])),
    ];
    let graph = sound(&[("m", &text.concat())]);
    assert_eq!(["b", "y", "z"].map(|task| flow(&graph, task)), ["a: a", "-", "y: y"]);
    assert_eq!(graph.first_finally(), 2);
    // No task waits for one on the other side, and none is consumed there.
    assert!(graph.nodes().iter().all(|node| node.waits_for.is_empty()));
    let outputs: Vec<&str> = graph.outputs().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(outputs, ["b"]);
    assert_eq!(graph.nodes().iter().map(|node| node.height).collect::<Vec<_>>(), [2, 1, 2, 1]);
}

#[test]
fn lists_flow_across_the_borders_of_pipelines() {
    let outer = [
        each("a", &["{ file = \"f\" }"]),
        "[tasks.in]\nmanifest = \"inner\"\nargs = { p = { task = \"a\" }, q = { file = \"f\" } }\n"
            .to_owned(),
        each("c", &["{ task = \"in\", path = \"b\" }"]),
        "[tasks.each]\nmanifest = \"one\"\nfor-each.i = { task = \"a\" }\nargs.p = { item = \"i\" }\n"
            .to_owned(),
        each("d", &["{ task = \"each\" }"]),
    ];
    let inner = "[params]\np = { type = \"list<u64>\" }\nq = { type = \"list<u8>\" }\n".to_owned()
        + &each("b", &["{ param = \"p\" }", "{ param = \"q\" }"])
        + "[outputs]\nb = { task = \"b\" }\n";
    let one = "[params.p]\ntype = \"u64\"\n".to_owned() + &task("t", "args.x = { param = \"p\" }");
    let graph = sound(&[("m", &outer.concat()), ("inner", &inner), ("one", &one)]);
    assert_eq!(["in/b", "c", "d"].map(|task| flow(&graph, task)), ["a: a -", "a: in/b", "a: each"]);
}

#[test]
fn a_list_from_outside_does_not_flow_into_each_element() {
    let outer = each("a", &["[1]"])
        + "[tasks.in]\nmanifest = \"inner\"\nfor-each.i = [1, 2]\nargs.p = { task = \"a\" }\n";
    let inner = "[params.p]\ntype = \"list<u64>\"\n".to_owned() + &each("b", &["{ param = \"p\" }"]);
    let graph = sound(&[("m", &outer), ("inner", &inner)]);
    assert_eq!(flow(&graph, "in/b"), "-");
}

#[test]
fn lists_nest_in_lists_to_a_bound() {
    let chain = |own: &str| {
        let outer = |at: usize| {
            let body = format!("[tasks.t]\nmanifest = \"m{}\"\nfor-each.i = [1]\n", at + 1);
            (format!("m{at}"), body)
        };
        let mut texts: Vec<(String, String)> = (0..IndexPath::MAX_LEN).map(outer).collect();
        texts.push((format!("m{}", texts.len()), task("t", own)));
        let texts: Vec<(&str, String)> = texts.iter().map(|(name, body)| (&**name, body.clone())).collect();
        resolved(&texts).faults.to_string()
    };
    assert_eq!(chain(""), "");
    assert!(chain("for-each.i = [1]").contains("lists are nested in lists at most 15 levels deep"));
}

#[test]
fn long_chain_has_one_root_in_any_order() {
    let link = |at: u32| each(&format!("t{at}"), &[&format!("{{ task = \"t{}\" }}", at - 1)]);
    let mut texts: Vec<String> = (1..20_000).map(link).collect();
    texts.insert(0, each("t0", &["[1]"]));
    for text in [texts.concat(), texts.iter().rev().cloned().collect()] {
        let graph = sound(&[("m", &text)]);
        let mut flows = graph.nodes().iter().filter_map(|node| node.flow.as_ref());
        assert!(flows.all(|flow| name(&graph, flow.root) == "t0"));
    }
}
