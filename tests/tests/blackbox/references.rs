//! Every form of reference, and its behaviour if the value is missing.
//! Mistakes found before anything runs are in `mistakes`.

use cascade_host_tests::Project;
use serde_json::json;

#[test]
fn literals_tasks_and_params_are_values() {
    let project = Project::basic(
        r#"
        [params.start]
        type = "u32"
        default = 20
        [tasks.first]
        call = "g.double"
        args.x = { param = "start" }
        [tasks.second]
        call = "g.add"
        args = { a = { task = "first" }, b = 2 }
        "#,
    );
    assert_eq!(project.run().expect(0).json(), json!({ "second": 42 }));
    let other = project.host().args(["-p", "start=1"]).run().expect(0);
    assert_eq!(other.json(), json!({ "second": 4 }));
}

#[test]
fn references_work_inside_arrays_and_tables() {
    let project = Project::basic(
        r#"
        [params.name]
        type = "string"
        default = "Ada"
        [tasks.one]
        call = "g.double"
        args.x = 1
        [tasks.sum]
        call = "g.sum"
        args.xs = [{ task = "one" }, 10, { task = "one" }]
        [tasks.person]
        call = "g.echo-person"
        args.value = { name = { param = "name" }, tags = ["a", { param = "name" }], home = { x = 1, y = 2.5 } }
        "#,
    );
    let person = json!({ "name": "Ada", "age": null, "home": { "x": 1.0, "y": 2.5 }, "tags": ["a", "Ada"] });
    assert_eq!(project.run().expect(0).json(), json!({ "sum": 14, "person": person }));
}

#[test]
fn value_table_is_always_a_literal() {
    let project = Project::basic(
        r#"
        [tasks.place]
        call = "g.echo-strings"
        args.value = { value = ["task", "param"] }
        "#,
    );
    assert_eq!(project.run().expect(0).json(), json!({ "place": ["task", "param"] }));
}

#[test]
fn paths_select_parts_of_tasks_params_and_items() {
    let project = Project::basic(
        r#"
        [params.all]
        type = "list<tuple<u32, string>>"
        default = [[1, "a"], [2, "b"]]
        [tasks.person]
        call = "g.echo-person"
        args.value = { name = "Ada", tags = ["x", "y"], home = { x = 3, y = 4 } }
        [tasks.tag]
        call = "g.echo-string"
        args.value = { task = "person", path = "tags[1]" }
        [tasks.width]
        call = "g.echo-f64"
        args.value = { task = "person", path = "home.some.x" }
        [tasks.second]
        call = "g.double"
        args.x = { param = "all", path = "[1][0]" }
        [tasks.names]
        call = "g.echo-string"
        for-each.pair = { param = "all" }
        args.value = { item = "pair", path = "[1]" }
        "#,
    );
    let expected = json!({ "tag": "y", "width": 3.0, "second": 4, "names": ["a", "b"] });
    assert_eq!(project.run().expect(0).json(), expected);
}

#[test]
fn missing_path_uses_the_default_or_fails_as_input() {
    let body = |reference: &str| {
        format!(
            "[tasks.list]\ncall = \"g.echo-strings\"\nargs.value = [\"only\"]\n\
             [tasks.last]\ncall = \"g.echo-string\"\nargs.value = {reference}\n"
        )
    };
    let project = Project::basic(&body(r#"{ task = "list", path = "[7]", default = "none" }"#));
    assert_eq!(project.run().expect(0).json(), json!({ "last": "none" }));
    let project = Project::basic(&body(r#"{ task = "list", path = "[7]" }"#));
    let failed = project.run().expect(1).says(["[7]"]);
    assert!(failed.stdout.is_empty());
    let events = project.events();
    let failure = events.of("task.failed").next().expect("the task failed");
    assert_eq!((&failure["task"], &failure["class"]), (&json!("last"), &json!("input")));
}

#[test]
fn variables_and_files_become_values() {
    let project = Project::basic(
        r#"
        [tasks.variable]
        call = "g.echo-string"
        args.value = { env = "COLOUR" }
        [tasks.fallback]
        call = "g.echo-string"
        args.value = { env = "NO_SUCH_VARIABLE", default = "plain" }
        [tasks.text]
        call = "g.echo-string"
        args.value = { file = "data.txt" }
        [tasks.bytes]
        call = "g.echo-bytes"
        args.value = { file = "data.txt" }
        "#,
    );
    project.file("data.txt", "hé".as_bytes());
    let finished = project.host().env("COLOUR", "green").run().expect(0);
    let expected = json!({ "variable": "green", "fallback": "plain", "text": "hé", "bytes": "aMOp" });
    assert_eq!(finished.json(), expected);
    project.host().run().expect(2).says(["`COLOUR` is not set"]);
}

#[test]
fn select_chooses_the_named_case() {
    let project = Project::basic(
        r#"
        [params.n]
        type = "u32"
        [tasks.colour]
        call = "g.pick-colour"
        args.n = { param = "n" }
        [tasks.warm]
        call = "g.double"
        args.x = 10
        [tasks.cold]
        call = "g.double"
        args.x = 50
        [tasks.chosen]
        call = "g.double"
        args.x = { select = { task = "colour" }, cases = { red = { task = "warm" }, blue = { task = "cold" } }, default = 0 }
        [outputs]
        chosen = { task = "chosen" }
        "#,
    );
    for (n, chosen, pruned) in [(0, 40, "cold"), (2, 200, "warm")] {
        let finished = project.host().args(["-p", &format!("n={n}")]).run().expect(0);
        assert_eq!(finished.json(), json!({ "chosen": chosen }));
        let events = project.events();
        let skipped: Vec<_> = events.of("task.skipped").collect();
        assert_eq!(skipped.len(), 1, "{skipped:?}");
        assert_eq!((&skipped[0]["task"], &skipped[0]["reason"]), (&json!(pruned), &json!("Pruned")));
    }
    let neither = project.host().args(["-p", "n=1"]).run().expect(0);
    assert_eq!(neither.json(), json!({ "chosen": 0 }));
    assert_eq!(project.events().tasks("task.skipped").len(), 2);
}

#[test]
fn selector_without_a_case_or_default_fails_as_input() {
    let project = Project::basic(
        r#"
        [params.which]
        type = "string"
        [tasks.chosen]
        call = "g.double"
        args.x = { select = { param = "which" }, cases = { a = 1, b = 2 } }
        "#,
    );
    let good = project.host().args(["-p", "which=b"]).run().expect(0);
    assert_eq!(good.json(), json!({ "chosen": 4 }));
    project.host().args(["-p", "which=c"]).run().expect(1).says(["`c`"]);
    assert_eq!(project.events().of("task.failed").next().expect("a failure")["class"], "input");
}

#[test]
fn after_orders_without_data() {
    let project = Project::basic(
        r#"
        [tasks.late]
        call = "g.double"
        args.x = 1
        after = ["early"]
        [tasks.early]
        call = "g.slow-echo"
        args = { text = "x", ms = 50 }
        "#,
    );
    let finished = project.run().expect(0);
    assert_eq!(finished.json(), json!({ "late": 2, "early": "x" }));
    let events = project.events();
    assert!(events.position("task.finished", "early") < events.position("task.started", "late"));
}
