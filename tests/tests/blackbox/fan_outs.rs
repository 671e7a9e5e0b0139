//! The lists of a `for-each`: ranges, products and their bounds, and built-in tasks as elements.
//! One list is in `for_each`, what flows in `flows`.

use crate::gates::{open, two_texts};
use cascade_host_tests::Project;
use serde_json::json;

/// A task that joins two numbers of these lists as texts, `a` first.
fn pairs(lists: &str) -> Project {
    Project::basic(&format!(
        "[params.n]\ntype = \"s64\"\ndefault = 2\n\
         [tasks.three]\ncall = \"g.add\"\nargs = {{ a = 1, b = 2 }}\n\
         [tasks.pairs]\ncall = \"g.echo-tuple\"\n{lists}\n\
         [outputs]\npairs = {{ task = \"pairs\" }}\n"
    ))
}

/// Returns the manifest's keys for `echo-tuple`, with a number and a text.
fn tuple(product: &str, numbers: &str, texts: &str) -> String {
    format!(
        "for-each.n = {numbers}\nfor-each.t = {texts}\n{product}\
         args.value = [{{ item = \"n\" }}, {{ item = \"t\" }}, true]\n"
    )
}

#[test]
fn product_has_all_combinations_with_the_last_list_fastest() {
    let project = pairs(&tuple("product = true\n", "[1, 2]", "[\"a\", \"b\", \"c\"]"));
    let expected = [(1, "a"), (1, "b"), (1, "c"), (2, "a"), (2, "b"), (2, "c")];
    let expected = expected.map(|(number, text)| json!([number, text, true]));
    assert_eq!(project.run().expect(0).json(), json!({ "pairs": expected }));
    // The same lists in pairs have different lengths.
    pairs(&tuple("", "[1, 2]", "[\"a\", \"b\", \"c\"]")).run().expect(1).says(["`n` has 2", "`t` has 3"]);
}

#[test]
fn product_of_three_lists_and_of_an_empty_one() {
    let project = Project::basic(
        r#"
        [tasks.all]
        call = "g.sum"
        for-each.hundreds = { range = [1, 3] }
        for-each.tens = [10, 20]
        for-each.ones = { task = "ones" }
        product = true
        args.xs = [{ task = "hundred", path = "[0]" }, { item = "hundreds" }, { item = "tens" }, { item = "ones" }]
        [tasks.ones]
        call = "g.numbers"
        args.n = 3
        [tasks.hundred]
        call = "g.double"
        for-each.x = [500]
        args.x = { item = "x" }
        [tasks.empty]
        call = "g.add"
        for-each.a = [1, 2]
        for-each.b = { range = 0 }
        product = true
        args = { a = { item = "a" }, b = { item = "b" } }
        "#,
    );
    let finished = project.run().expect(0).json();
    let expected: Vec<u32> = (1..3)
        .flat_map(|hundreds| [10, 20].map(|tens| (hundreds, tens)))
        .flat_map(|(hundreds, tens)| [0, 1, 2].map(|ones| 1000 + hundreds + tens + ones))
        .collect();
    assert_eq!(finished, json!({ "all": expected, "empty": [] }));
}

#[test]
fn product_of_results_waits_for_whole_lists() {
    let project = Project::basic(
        r#"
        [tasks.a]
        call = "g.double"
        for-each.x = { range = 3 }
        args.x = { item = "x" }
        [tasks.sums]
        call = "g.add"
        for-each.x = { task = "a" }
        for-each.y = { task = "a" }
        product = true
        args = { a = { item = "x" }, b = { item = "y" } }
        [tasks.flows-on]
        call = "g.double"
        for-each.x = { task = "sums" }
        args.x = { item = "x" }
        [outputs]
        sums = { task = "sums" }
        doubled = { task = "flows-on" }
        "#,
    );
    let sums = [0, 2, 4, 2, 4, 6, 4, 6, 8];
    let expected = json!({ "sums": sums, "doubled": sums.map(|sum| 2 * sum) });
    assert_eq!(project.host().args(["-j", "1"]).run().expect(0).json(), expected);
    let events = project.events();
    let whole = |event: &&serde_json::Value| event["task"] == "a" && event["item"].is_null();
    let end = events.of("task.finished").find(whole).expect("it ends");
    let start = events.of("task.started").find(|event| event["task"] == "sums").expect("it starts");
    let place = |event| events.0.iter().position(|other| std::ptr::eq(other, event));
    assert!(place(end) < place(start));
}

#[test]
fn ranges_have_literal_and_referenced_ends() {
    let project = Project::basic(
        r#"
        [params.n]
        type = "s64"
        default = 2
        [params.pair]
        type = "record { low: u8, high: option<u16> }"
        default = { low = 4, high = 6 }
        [tasks.three]
        call = "g.add"
        args = { a = 1, b = 2 }
        [tasks.upto]
        call = "g.double"
        for-each.x = { range = 3 }
        args.x = { item = "x" }
        [tasks.between]
        call = "g.echo-u64"
        for-each.x = { range = [1, 3] }
        args.value = { item = "x" }
        [tasks.of-param]
        call = "g.echo-f64"
        for-each.x = { range = { param = "n" } }
        args.value = { item = "x" }
        [tasks.of-both]
        call = "g.echo-u32"
        for-each.x = { range = [{ param = "n" }, { task = "three" }] }
        args.value = { item = "x" }
        [tasks.of-parts]
        call = "g.echo-u32"
        for-each.x = { range = [{ param = "pair", path = "low" }, { param = "pair", path = "high.some" }] }
        args.value = { item = "x" }
        [tasks.of-choice]
        call = "g.echo-u32"
        for-each.x = { range = { select = { value = "b" }, cases = { a = 9, b = { task = "three" } } } }
        args.value = { item = "x" }
        [tasks.nothing]
        call = "g.echo-u32"
        for-each.x = { range = [4_294_967_295, 4_294_967_295] }
        args.value = { item = "x" }
        [tasks.zipped]
        call = "g.add"
        for-each.a = { range = [10, 13] }
        for-each.b = { task = "upto" }
        args = { a = { item = "a" }, b = { item = "b" } }
        "#,
    );
    let expected = json!({
        "between": [1, 2], "of-param": [0.0, 1.0], "of-both": [2], "of-parts": [4, 5], "of-choice": [0, 1, 2],
        "nothing": [], "zipped": [10, 13, 16],
    });
    assert_eq!(project.run().expect(0).json(), expected);
    let more = project.host().args(["-p", "n=0", "--output", "of-both"]).run().expect(0);
    assert_eq!(more.json(), json!({ "of-both": [0, 1, 2] }));
}

#[test]
fn ends_of_a_range_are_judged_when_they_are_known() {
    let project = Project::basic(
        "[params.n]\ntype = \"s64\"\n[tasks.t]\ncall = \"g.double\"\nfor-each.x = { range = [3, { param = \"n\" }] }\n\
         args.x = { item = \"x\" }\n",
    );
    for (end, class, message) in [
        ("2", "input", "the range of `x` ends at 2, before 3"),
        ("-1", "input", "a range runs from 0 to 4294967295 at most, not over -1"),
    ] {
        let finished = project.host().args(["-p", &format!("n={end}")]).run().expect(1).says([message]);
        assert!(finished.peak < 200 << 20, "{} bytes", finished.peak);
        assert_eq!(project.events().of("task.failed").next().expect("a failure")["class"], class, "{end}");
    }
    for (end, count) in [("4294967295", "4294967292"), ("4294967296", "4294967293"), ("10000004", "10000001")]
    {
        let fault = format!("the range has {count} elements");
        for command in ["run", "plan"] {
            let finished = project.command(command).args(["-p", &format!("n={end}")]).run().expect(2);
            finished.says([
                &fault,
                "manifest.toml:",
                "a `for-each` takes at most 10000000",
                "nothing was run",
            ]);
        }
    }
    assert_eq!(project.host().args(["-p", "n=3"]).run().expect(0).json(), json!({ "t": [] }));
}

#[test]
fn secret_length_of_a_range_is_no_fault_that_shows_it() {
    let project = Project::basic(
        "[params.n]\ntype = \"u32\"\nsecret = true\n[tasks.t]\ncall = \"g.double\"\nfor-each.x = { range = { param = \"n\" } }\n\
         args.x = { item = \"x\" }\n",
    );
    project.write_to("secret.json", "{ \"n\": 10000001 }");
    let finished =
        project.host().args(["--params-file", "secret.json"]).within(project.folder()).run().expect(1);
    assert!(!finished.stderr.contains("10000001"), "{}", finished.stderr);
}

#[test]
fn product_that_is_too_large_hits_a_limit_without_using_memory() {
    let lists = |count: usize| {
        let list = |at| format!("for-each.x{at} = {{ range = 4_000_000_000 }}\n");
        (1..count).map(list).collect::<String>()
    };
    // The lengths are results. Known ones are faults: `cases/manifest/for-each-of-too-many`.
    let product = |lists: &str| {
        Project::basic(&format!(
            "[tasks.n]\ncall = \"g.echo-u32\"\nargs.value = 4000\n[tasks.t]\ncall = \"g.double\"\n{lists}product = true\n\
             for-each.x = {{ range = {{ task = \"n\" }} }}\nargs.x = {{ item = \"x\" }}\n"
        ))
    };
    for (lists, says) in [
        ("for-each.x1 = { range = 4000 }\n".to_owned(), "the lists combine to 16000000 elements"),
        (lists(7), "the lists combine to too many elements"),
    ] {
        let project = product(&lists);
        let finished = project.run().expect(1).says([says, "takes at most 10000000"]);
        assert!(finished.peak < 200 << 20, "{} bytes", finished.peak);
        assert_eq!(project.events().of("task.failed").next().expect("a failure")["class"], "limit");
    }
    // An empty list makes any product empty.
    let project = product(&format!("{}for-each.y = {{ range = 0 }}\n", lists(7)));
    assert_eq!(project.run().expect(0).json(), json!({ "t": [] }));
}

#[test]
fn elements_of_elements_that_are_too_many_are_a_fault() {
    let project = Project::new(
        "[params.n]\ntype = \"list<u32>\"\ndefault = [1, 2]\n\
         [tasks.of-literals]\nmanifest = \"inner.toml\"\nfor-each.i = [1, 2, 3]\nargs.i = { item = \"i\" }\n\
         [tasks.of-param]\nmanifest = \"inner.toml\"\nfor-each.i = { param = \"n\" }\nargs.i = { item = \"i\" }\n",
    );
    project.include(
        "inner.toml",
        "[params.i]\ntype = \"u32\"\n[tasks.a]\ncall = \"g.double\"\nfor-each.x = { range = 4_000_000 }\n\
         args.x = { item = \"x\" }\n[tasks.b]\ncall = \"g.double\"\nfor-each.x = { task = \"a\" }\nargs.x = { item = \"x\" }\n",
    );
    let says = "4000000 elements in each of 3 elements are 12000000";
    let check = || project.command("check").run();
    check().expect(2).says([says, "takes at most 10000000", "inner.toml"]);
    let literals = "for-each.i = [1, 2, 3]";
    let manifest = std::fs::read_to_string(project.folder().join("manifest.toml")).expect("it is there");
    project.file("manifest.toml", manifest.replace(literals, "for-each.i = [1, 2]").as_bytes());
    check().expect(0);
    let run = project.host().args(["-p", "n=[1, 2, 3]"]).run();
    run.expect(2).says([says]);
}

#[test]
fn elements_of_built_in_tasks_flow_too() {
    let project = two_texts(
        r#"
        [tasks.last]
        call = "std.last"
        for-each.text = { task = "texts" }
        args.items = [{ item = "text" }]
        [tasks.joined]
        call = "std.join"
        for-each.text = { task = "texts" }
        args = { items = [{ item = "text" }], separator = ", " }
        [tasks.known]
        call = "std.unwrap-or"
        for-each.value = { task = "last" }
        for-each.other = { task = "joined" }
        args = { value = { item = "value" }, default = { item = "other" } }
        [tasks.doubled]
        call = "g.concat"
        for-each.x = { task = "known" }
        args.parts = [{ item = "x" }, { item = "x" }]
        [outputs]
        doubled = { task = "doubled" }
        "#,
    );
    let mut running = project.host().args(["-j", "2", "--log-level", "debug"]).start();
    open(&project, "a");
    running.until("finished   doubled[0]");
    open(&project, "b");
    assert_eq!(running.wait().expect(0).json(), json!({ "doubled": ["aa", "bb"] }));
}
