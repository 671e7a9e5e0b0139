//! Failures that do not end a run: `on-error` makes them values, or leaves elements out of their list.
//! Retries come first: they are in `retries`.

use cascade_host_tests::{Events, Finished, Host, Project, Redis};
use serde_json::{Value, json};

/// Runs a check on a run with its state in memory, and then in Redis.
fn everywhere(check: impl Fn(&str)) {
    let server = Redis::start("");
    for uri in ["memory:", &server.uri()] {
        check(uri);
    }
}

/// Runs a command on a stored run.
fn command(uri: &str, words: &[&str]) -> Finished {
    let host = words[1..].iter().fold(Host::new([words[0]]), |host, word| host.args([*word]));
    host.args(["--state", uri]).run()
}

fn warnings(events: &Events) -> Vec<Value> {
    let left_out = events.of("warning").filter(|event| event["code"] == "elements-left-out");
    left_out.map(|event| event["message"].clone()).collect()
}

/// A list of which every odd number fails, and two steps after it.
const ODD_FAIL: &str = r#"
    [params.n]
    type = "u32"
    default = 6
    [tasks.even]
    call = "g.maybe-fail"
    for-each.x = { range = { param = "n" } }
    args.x = { item = "x" }
    on-error = "skip"
    [tasks.doubled]
    call = "g.double"
    for-each.x = { task = "even" }
    args.x = { item = "x" }
    [tasks.pair]
    call = "g.add"
    for-each.a = { task = "even" }
    for-each.b = { task = "doubled" }
    args = { a = { item = "a" }, b = { item = "b" } }
    [tasks.count]
    call = "std.length"
    args.items = { task = "even" }
    [outputs]
    even = { task = "even" }
    pair = { task = "pair" }
    count = { task = "count" }
    "#;

#[test]
fn failed_elements_are_left_out_and_named() {
    everywhere(|uri| {
        let project = Project::basic(ODD_FAIL);
        let run = || project.host().args(["--state", uri, "--run-id", "r1"]).run();
        let finished = run().expect(0);
        assert_eq!(finished.json(), json!({ "even": [0, 2, 4], "pair": [0, 6, 12], "count": 3 }));
        let message = "3 of 6 elements of `even` failed, and `on-error = \"skip\"` leaves them out: `even[1]`, \
                       `even[3]`, `even[5]`; `--rerun 'even[left-out]'` calls them again";
        finished.says([message, "left out   even[3]  error: the function returned the error \"3 is odd\""]);
        let events = project.events();
        assert_eq!(warnings(&events), [message]);
        let skipped: Vec<_> = events
            .of("task.skipped")
            .filter(|event| event["item"] == 3)
            .map(|event| (event["task"].clone(), event["reason"].clone(), event["cause"].clone()))
            .collect();
        let expected = [
            ("even", "ElementFailed", Value::Null),
            ("doubled", "UpstreamElementFailed", json!("even[3]")),
            ("pair", "UpstreamElementFailed", json!("even[3]")),
        ];
        assert_eq!(skipped, expected.map(|(task, reason, cause)| (json!(task), json!(reason), cause)));
        if uri == "memory:" {
            return;
        }
        // Nothing runs again, and every command tells what is missing.
        let resumed = run().expect(0);
        assert_eq!(resumed.json(), json!({ "even": [0, 2, 4], "pair": [0, 6, 12], "count": 3 }));
        resumed.says(["an earlier session are left out of their lists: `even[1]`, `even[3]`, `even[5]`"]);
        assert!(project.events().tasks("task.started").is_empty());
        let command = |words: &[&str]| command(uri, words);
        let shown = command(&["show", "r1"]).expect(0).text();
        for part in ["even[1]", "ElementFailed", "the function returned the error \"5 is odd\""] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let shown = command(&["show", "r1", "--json"]).expect(0).json();
        let row = shown["tasks"].as_array().unwrap().iter().find(|row| row["name"] == "even[3]").unwrap();
        assert_eq!((&row["state"], &row["failure"]["class"]), (&json!("skipped"), &json!("error")));
        assert_eq!(command(&["output", "r1", "even[2]"]).expect(0).json(), json!(2));
        // Elements keep their numbers, although the list is shorter.
        command(&["output", "r1", "even[6]"]).expect(4).says(["`even` has 6 elements"]);
        command(&["logs", "r1", "doubled[6]"]).expect(4);
        command(&["output", "r1", "even[3]"]).expect(4).says(["it was skipped: ElementFailed"]);
        command(&["logs", "r1", "even[3]"]).expect(0);
    });
}

#[test]
fn failures_of_left_out_elements_are_stored_with_the_run() {
    let server = Redis::start("");
    let uri = server.uri();
    Project::basic(ODD_FAIL).host().args(["--state", &uri, "--run-id", "r1"]).run().expect(0);
    // A host that is killed may lose the last lines of its journal.
    server.command(&["DEL", "cascade:run:r1:notes"]);
    let shown = command(&uri, &["show", "r1", "--json"]).expect(0).json();
    let row = shown["tasks"].as_array().unwrap().iter().find(|row| row["name"] == "even[3]").unwrap();
    assert_eq!((&row["state"], &row["attempts"]), (&json!("skipped"), &json!(1)));
    let message = row["failure"]["message"].as_str().unwrap();
    assert!(message.contains("the function returned the error \"3 is odd\""), "{message}");
}

#[test]
fn every_failure_of_a_call_becomes_a_value() {
    everywhere(|uri| {
        let project = Project::basic(
            r#"
            [tasks.odd]
            call = "g.maybe-fail"
            for-each.x = { range = 2 }
            args.x = { item = "x" }
            on-error = "failure"
            [tasks.traps]
            call = "g.trap"
            on-error = "failure"
            retry = { attempts = 2, delay = "1ms" }
            [tasks.slow]
            call = "g.spin"
            timeout = "50ms"
            on-error = "failure"
            [tasks.none]
            call = "g.numbers"
            args.n = 0
            [tasks.misses]
            call = "g.double"
            args.x = { task = "none", path = "[0]" }
            on-error = "failure"
            [tasks.next]
            call = "std.to-json"
            args.value = { task = "misses" }
            "#,
        );
        let found = project.host().args(["--state", uri]).run().expect(0).json();
        let odd = json!([{ "ok": 0 }, { "err": { "class": "error", "message": "\"1 is odd\"" } }]);
        assert_eq!(found["odd"], odd);
        let missing =
            r#"{"err":{"class":"input","message":"the output of task `none` has nothing at `[0]`"}}"#;
        assert_eq!(found["next"], missing);
        for (task, class, text) in [("traps", "trap", "unreachable"), ("slow", "timeout", "`timeout` = 50ms")]
        {
            assert_eq!(found[task]["err"]["class"], class);
            let message = found[task]["err"]["message"].as_str().unwrap();
            assert!(message.contains(text) && !message.contains("backtrace"), "{message}");
        }
        let events = project.events();
        assert_eq!(events.of("task.failed").count(), 0);
        assert_eq!(events.of("task.retrying").count(), 1);
    });
}

#[test]
fn failure_as_a_value_has_a_type_that_the_plan_checks() {
    let project = Project::basic(
        r#"
        [tasks.a]
        call = "g.maybe-fail"
        args.x = 1
        on-error = "failure"
        [tasks.b]
        call = "g.double"
        args.x = { task = "a" }
        "#,
    );
    let ty = "result<u32, record { class: enum { error, trap, timeout, limit, input }, message: string }>";
    project.host().run().expect(2).says([ty, "does not fit `u32`"]);
}

#[test]
fn pipeline_leaves_out_elements_in_which_a_task_fails() {
    everywhere(|uri| {
        let project = Project::basic(
            r#"
            [tasks.each]
            manifest = "each.toml"
            for-each.n = { range = [1, 5] }
            args.n = { item = "n" }
            on-error = "skip"
            [tasks.sums]
            call = "g.sum"
            for-each.one = { task = "each" }
            args.xs = { item = "one", path = "even" }
            [outputs]
            each = { task = "each" }
            sums = { task = "sums" }
            "#,
        );
        // Of the numbers below `n`, the odd ones fail; `all` fails with them, `even` leaves them out.
        project.include(
            "each.toml",
            r#"
            [params.n]
            type = "u32"
            [tasks.even]
            call = "g.maybe-fail"
            for-each.x = { range = { param = "n" } }
            args.x = { item = "x" }
            on-error = "skip"
            [tasks.last]
            call = "g.maybe-fail"
            args.x = { param = "n" }
            [outputs]
            even = { task = "even" }
            last = { task = "last" }
            "#,
        );
        let finished = project.host().args(["--state", uri, "--run-id", "p1"]).run().expect(0);
        let records = json!([{ "even": [0], "last": 2 }, { "even": [0, 2], "last": 4 }]);
        assert_eq!(finished.json(), json!({ "each": records, "sums": [0, 2] }));
        let messages = warnings(&project.events());
        let named = |text: &str| messages.iter().any(|message| message.as_str().unwrap().contains(text));
        assert!(named("2 of 4 elements of `each/last` failed"), "{messages:?}");
        assert!(named("4 of 10 elements of `each/even` failed"), "{messages:?}");
        if uri != "memory:" {
            let command = |words: &[&str]| command(uri, words);
            assert_eq!(command(&["output", "p1", "each"]).expect(0).json(), records);
            command(&["output", "p1", "each[0]"]).expect(0).says(["`last` lies in an element that failed"]);
            command(&["output", "p1", "each[0]/last"]).expect(4).says(["ElementFailed"]);
        }
    });
}

/// Pipelines over lists of which half is left out: flowing, zipped, and combined.
const SHORTENED: &str = r#"
        [tasks.flat]
        call = "g.maybe-fail"
        for-each.x = { range = 7 }
        args.x = { item = "x" }
        on-error = "skip"
        [tasks.first]
        manifest = "first.toml"
        for-each.n = { range = 8 }
        args.n = { item = "n" }
        on-error = "skip"
        [tasks.over-first]
        manifest = "record.toml"
        for-each.one = { task = "first" }
        args.one = { item = "one" }
        [tasks.over-flat]
        manifest = "number.toml"
        for-each.n = { task = "flat" }
        args.n = { item = "n" }
        [tasks.third]
        manifest = "record.toml"
        for-each.one = { task = "over-first" }
        args.one = { item = "one", path = "same" }
        [tasks.zipped]
        manifest = "record.toml"
        for-each.one = { task = "first" }
        for-each.n = { task = "flat" }
        args.one = { item = "one" }
        [tasks.all]
        manifest = "record.toml"
        product = true
        for-each.n = { task = "flat" }
        for-each.one = { task = "first" }
        args.one = { item = "one" }
        [outputs]
        first = { task = "first" }
        over-first = { task = "over-first" }
        over-flat = { task = "over-flat" }
        third = { task = "third" }
        zipped = { task = "zipped" }
        all = { task = "all" }
    "#;

#[test]
fn output_of_pipelines_over_shortened_lists_is_what_the_run_printed() {
    let project = Project::basic(SHORTENED);
    project.include(
        "first.toml",
        r#"
        [params.n]
        type = "u32"
        [tasks.try]
        call = "g.maybe-fail"
        args.x = { param = "n" }
        [outputs]
        out = { task = "try" }
        "#,
    );
    let double = |param: &str, argument: &str| {
        format!(
            r#"
            [params.{param}]
            type = "{}"
            [tasks.double]
            call = "g.double"
            args.x = {argument}
            [outputs]
            same = {{ param = "{param}" }}
            double = {{ task = "double" }}
            "#,
            if param == "n" { "u32" } else { "record { out: u32, note: option<string> }" }
        )
    };
    project.include("number.toml", &double("n", r#"{ param = "n" }"#));
    project.include("record.toml", &double("one", r#"{ param = "one", path = "out" }"#));
    let redis = Redis::start("");
    let uri = redis.uri();
    let printed = project.host().args(["--state", &uri, "--run-id", "s1"]).run().expect(0).json();
    let doubles: Vec<_> = printed["third"].as_array().unwrap().iter().map(|one| &one["double"]).collect();
    assert_eq!(doubles, [0, 4, 8, 12]);
    for (name, value) in printed.as_object().unwrap() {
        let stored = command(&uri, &["output", "s1", name]).expect(0).json();
        assert_eq!(stored, *value, "{name}");
    }
    let one = command(&uri, &["output", "s1", "over-first[2]"]).expect(0).json();
    assert_eq!(one["same"], json!({ "out": 2, "note": null }));
    let left_out = command(&uri, &["output", "s1", "over-first[1]"]).expect(4);
    left_out.says(["`same` lies in an element that failed"]);
}

#[test]
fn list_that_fails_in_an_element_leaves_out_that_element() {
    let project = Project::basic(
        r#"
        [tasks.tops]
        call = "std.from-json"
        args.text = "[4, 1, 3]"
        type = "list<u32>"
        [tasks.each]
        manifest = "list.toml"
        for-each.top = { task = "tops" }
        args.top = { item = "top" }
        on-error = "skip"
        "#,
    );
    // A range from 2 to 1 is a failure of the list, and not of its elements.
    project.include(
        "list.toml",
        r#"
        [params.top]
        type = "u32"
        [tasks.list]
        call = "g.maybe-fail"
        for-each.x = { range = [2, { param = "top" }] }
        args.x = { item = "x" }
        on-error = "skip"
        "#,
    );
    everywhere(|uri| {
        let finished = project.host().args(["--state", uri]).run().expect(0);
        assert_eq!(finished.json(), json!({ "each": [{ "list": [2] }, { "list": [2] }] }));
        finished.says(["left out   each[1]/list  input: the range of `x` ends at 1", "each[0]/list[1]"]);
    });
}
