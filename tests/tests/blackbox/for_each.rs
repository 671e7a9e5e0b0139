//! `for-each`: one call per element, results in order, zipped lists, `max-parallel`.
//! Failures of elements are in `policies`.

use cascade_host_tests::Project;
use serde_json::json;

#[test]
fn results_keep_the_order_of_the_elements() {
    let project = Project::basic(
        r#"
        [tasks.numbers]
        call = "g.numbers"
        args.n = 100
        [tasks.doubled]
        call = "g.double"
        for-each.x = { task = "numbers" }
        args.x = { item = "x" }
        [tasks.total]
        call = "g.sum"
        args.xs = { task = "doubled" }
        [outputs]
        total = { task = "total" }
        tenth = { task = "doubled", path = "[10]" }
        "#,
    );
    assert_eq!(project.run().expect(0).json(), json!({ "total": 9900, "tenth": 20 }));
    let events = project.events();
    assert_eq!(events.tasks("task.started").iter().filter(|task| task.starts_with("doubled[")).count(), 100);
    // The task around its elements emits ready and finished, but never started.
    assert!(!events.tasks("task.started").contains(&"doubled".to_owned()));
    assert_eq!(events.tasks("task.ready").iter().filter(|task| *task == "doubled").count(), 1);
    assert_eq!(events.tasks("task.finished").iter().filter(|task| *task == "doubled").count(), 1);
}

#[test]
fn lists_are_zipped_and_must_be_equally_long() {
    let body = |second: &str| {
        format!(
            "[tasks.sums]\ncall = \"g.add\"\nfor-each.a = [1, 2, 3]\nfor-each.b = {second}\n\
             args = {{ a = {{ item = \"a\" }}, b = {{ item = \"b\" }} }}\n"
        )
    };
    assert_eq!(Project::basic(&body("[10, 20, 30]")).run().expect(0).json(), json!({ "sums": [11, 22, 33] }));
    let uneven = Project::basic(&body("[10, 20]"));
    uneven.run().expect(1).says(["`a` has 3", "`b` has 2"]);
    assert_eq!(uneven.events().of("task.failed").next().expect("a failure")["class"], "input");
}

#[test]
fn empty_list_gives_an_empty_list() {
    let project = Project::basic(
        r#"
        [tasks.none]
        call = "g.numbers"
        args.n = 0
        [tasks.doubled]
        call = "g.double"
        for-each.x = { task = "none" }
        args.x = { item = "x" }
        "#,
    );
    assert_eq!(project.run().expect(0).json(), json!({ "doubled": [] }));
}

#[test]
fn max_parallel_limits_concurrent_elements() {
    let project = Project::basic(
        r#"
        [tasks.slow]
        call = "g.slow-echo"
        for-each.text = ["a", "b", "c", "d", "e", "f"]
        args = { text = { item = "text" }, ms = 20 }
        max-parallel = 2
        "#,
    );
    let finished = project.host().args(["-j", "6"]).run().expect(0);
    assert_eq!(finished.json(), json!({ "slow": ["a", "b", "c", "d", "e", "f"] }));
    let mut running: i32 = 0;
    for event in project.events().0.iter().filter(|event| event["item"].is_u64()) {
        match event["event"].as_str() {
            Some("task.started") => running += 1,
            Some("task.finished") => running -= 1,
            _ => {}
        }
        assert!(running <= 2, "{running} at once");
    }
}

#[test]
fn arguments_without_an_item_are_shared_by_all_elements() {
    let project = Project::basic(
        r#"
        [tasks.base]
        call = "g.double"
        args.x = 50
        [tasks.sums]
        call = "g.add"
        for-each.x = [1, 2]
        args = { a = { task = "base" }, b = { item = "x" } }
        "#,
    );
    assert_eq!(project.run().expect(0).json(), json!({ "sums": [101, 102] }));
}

#[test]
fn too_long_list_hits_a_limit_without_using_memory() {
    let over = |list: &str| {
        Project::basic(&format!(
            "[params.many]\ntype = \"list<u8>\"\ndefault = []\n[tasks.big]\ncall = \"g.big\"\nargs.bytes = 10_000_002\n\
             [tasks.t]\ncall = \"g.double\"\nfor-each.x = {list}\nargs.x = {{ item = \"x\" }}\n"
        ))
    };
    // A param is known before anything runs. Base64 of 10,000,002 bytes.
    let project = over("{ param = \"many\" }");
    project.file("many.json", format!("{{\"many\":\"{}\"}}", "A".repeat(3_333_334 * 4)).as_bytes());
    let finished = project.host().args(["--params-file", "many.json"]).run().expect(2);
    let finished = finished.says(["the list has 10000002 elements", "a `for-each` takes at most 10000000"]);
    assert!(finished.peak < 200 << 20, "{} bytes", finished.peak);
    let project = over("{ task = \"big\" }");
    let finished = project.run().expect(1);
    let finished = finished.says(["the list has 10000002 elements; a `for-each` takes at most 10000000"]);
    assert!(finished.peak < 200 << 20, "{} bytes", finished.peak);
    assert_eq!(project.events().of("task.failed").next().expect("a failure")["class"], "limit");
}
