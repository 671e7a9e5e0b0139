//! Tasks that include a manifest: runs, names, borders, faults of several files, and what commands do with them.
//! The bounds and the inlining itself are tested beside the code.

use cascade_host_tests::{Host, Project, Redis, Running};
use serde_json::{Value, json};
use std::fs;

/// Doubles each of some numbers and adds a bonus; the sum of the bonus alone is an output too.
const SUMS: &str = r#"
[params.numbers]
type = "list<u32>"
[params.bonus]
type = "u32"
default = 5
[tasks.twice]
call = "g.double"
for-each.x = { param = "numbers" }
args.x = { item = "x" }
[tasks.sum]
call = "g.sum"
args.xs = { task = "twice" }
[tasks.extra]
call = "g.add"
args = { a = { param = "bonus" }, b = 1 }
[tasks.total]
call = "g.add"
args = { a = { task = "sum" }, b = { task = "extra" } }
[outputs]
total = { task = "total" }
extra = { task = "extra" }
both = { list = [{ task = "sum" }, { param = "bonus" }], fixed = "x" }
"#;

/// Includes `SUMS` in a folder, once by way of another manifest.
fn nested() -> Project {
    let project = Project::basic(
        r#"
        [tasks.numbers]
        call = "g.numbers"
        args.n = 4
        [tasks.first]
        manifest = "lib/sums.toml"
        args.numbers = { task = "numbers" }
        [tasks.outer]
        manifest = "lib/outer.toml"
        args.seed = { task = "first", path = "total" }
        [tasks.end]
        call = "g.add"
        args = { a = { task = "outer", path = "result" }, b = { task = "first", path = "both.list[1]" } }
        [outputs]
        end = { task = "end" }
        first = { task = "first" }
        whole = { task = "outer" }
        "#,
    );
    project.include("lib/sums.toml", SUMS);
    project.include(
        "lib/outer.toml",
        r#"
        [params.seed]
        type = "u64"
        [tasks.inner]
        manifest = "sums.toml"
        args = { numbers = [1, 2], bonus = 100 }
        [tasks.plus]
        call = "g.echo-u64"
        args.value = { param = "seed" }
        [outputs]
        result = { task = "inner", path = "total" }
        seed = { task = "plus" }
        "#,
    );
    project
}

/// 2·(0+1+2+3) + 5+1 = 18; 2·(1+2) + 100+1 = 107.
fn expected() -> Value {
    json!({
        "end": 112,
        "first": { "total": 18, "extra": 6, "both": { "list": [12, 5], "fixed": "x" } },
        "whole": { "result": 107, "seed": 18 },
    })
}

#[test]
fn nested_pipelines_run_as_their_tasks() {
    let project = nested();
    assert_eq!(project.run().expect(0).json(), expected());
    let events = project.events();
    let finished = events.tasks("task.finished");
    for task in ["first/twice[3]", "first/total", "outer/inner/twice[0]", "outer/inner/total", "outer/plus"] {
        assert!(finished.contains(&task.to_owned()), "{task} is not in {finished:?}");
    }
    assert!(!finished.iter().any(|task| task == "first" || task == "outer" || task == "outer/inner"));
    // `outer/inner` has all that it needs at the start: there is no barrier around a pipeline.
    assert!(
        events.position("task.ready", "outer/inner/extra") < events.position("task.finished", "first/total")
    );
    project.command("check").run().expect(0).says(["11 tasks and 3 components are valid"]);
}

#[test]
fn plan_shows_the_nesting() {
    let project = nested();
    let shown = project.command("plan").run().expect(0).text();
    for line in [
        "  first  4 tasks of lib/sums.toml",
        "  outer  5 tasks of lib/outer.toml",
        "    outer/inner  4 tasks of lib/sums.toml",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in:\n{shown}");
    }
    let plan = project.command("plan").args(["--json"]).run().expect(0).json();
    let tasks = plan["tasks"].as_array().expect("a list");
    let inner = tasks.iter().find(|task| task["name"] == "outer/inner/sum").expect("the task is there");
    assert_eq!(
        (&inner["manifest"], &inner["needs"]),
        (&json!("lib/sums.toml"), &json!(["outer/inner/twice"]))
    );
    assert_eq!(plan["pipelines"][2]["name"], "outer/inner");
}

#[test]
fn targets_name_pipelines_and_their_tasks() {
    let project = nested();
    let of_pipeline = project.host().args(["--target", "outer/inner"]).run().expect(0);
    let record = json!({ "total": 107, "extra": 101, "both": { "list": [6, 100], "fixed": "x" } });
    assert_eq!(of_pipeline.json(), json!({ "outer/inner": record }));
    let of_task = project.host().args(["--target", "first/extra"]).run().expect(0);
    assert_eq!(of_task.json(), json!({ "first/extra": 6 }));
    assert_eq!(project.events().tasks("task.finished"), ["first/extra"]);
    let unknown = project.host().args(["--target", "outer/iner"]).run().expect(2);
    unknown.says(["did you mean `outer/inner` by `outer/iner`?"]);
}

fn stored(command: &str, uri: &str, task: &str) -> Host {
    Host::new([command, "r1", task, "--state", uri])
}

#[test]
fn stored_runs_are_read_by_full_names() {
    let server = Redis::start("");
    let uri = server.uri();
    let project = nested();
    project.host().args(["--run-id", "r1", "--state", &uri]).run().expect(0);
    assert_eq!(server.command(&["HEXISTS", "cascade:run:r1:results", "outer/inner/sum"]), "1");
    assert_eq!(server.command(&["HEXISTS", "cascade:run:r1:results", "outer"]), "0");
    assert_eq!(stored("output", &uri, "outer/inner/total").run().expect(0).json(), json!(107));
    assert_eq!(stored("output", &uri, "first/twice[2]").run().expect(0).json(), json!(4));
    assert_eq!(stored("output", &uri, "outer").run().expect(0).json(), json!({ "result": 107, "seed": 18 }));
    // A param of the pipeline that was a literal is stored with the run.
    let record = json!({ "total": 107, "extra": 101, "both": { "list": [6, 100], "fixed": "x" } });
    assert_eq!(stored("output", &uri, "outer/inner").run().expect(0).json(), record);
    stored("output", &uri, "outer/iner").run().expect(4).says(["did you mean `outer/inner`?"]);
    stored("logs", &uri, "outer/inner/total").run().expect(0);
    stored("logs", &uri, "outer/inner").run().expect(4).says(["is a pipeline", "outer/inner/twice"]);
    let shown = Host::new(["show", "r1", "--state", &uri]).run().expect(0).text();
    assert!(shown.contains("outer/inner/extra"), "{shown}");
}

#[test]
fn changed_arguments_are_named_and_update_keeps_the_rest() {
    let server = Redis::start("");
    let uri = server.uri();
    let project = nested();
    let run = |flags: [&str; 1]| project.host().args(["--run-id", "r1", "--state", &uri]).args(flags).run();
    run(["--keep-going"]).expect(0);
    let text = fs::read_to_string(project.folder().join("lib/outer.toml")).expect("it was written");
    project.file("lib/outer.toml", text.replace("bonus = 100", "bonus = 200").as_bytes());
    run(["--keep-going"]).expect(2).says([
        "task `outer/inner`: `args.bonus` has changed",
        "task `outer/inner/extra`: `args.a` has changed",
    ]);
    let updated = run(["--update"]).expect(0).json();
    assert_eq!(updated["whole"]["result"], 207);
    let mut finished = project.events().tasks("task.finished");
    finished.sort();
    assert_eq!(finished, ["end", "outer/inner/extra", "outer/inner/total"]);
}

#[test]
fn two_hosts_finish_a_pipeline_and_agree() {
    let server = Redis::start("");
    let uri = server.uri();
    let project = nested();
    let start = |host: Host| -> Running { host.args(["--run-id", "r1", "--state", &uri, "-j", "1"]).start() };
    let (one, other) = (start(project.host()), start(project.other_host("other.jsonl")));
    for finished in [one.wait(), other.wait()] {
        assert_eq!(finished.expect(0).json(), expected());
    }
    let mut all = project.events().tasks("task.finished");
    all.extend(project.events_in("other.jsonl").tasks("task.finished"));
    let total = all.iter().filter(|task| *task == "outer/inner/total").count();
    assert_eq!(total, 1, "{all:?}");
}

#[test]
fn equal_pipelines_share_cached_results() {
    let server = Redis::start("");
    let uri = server.uri();
    let body = r#"
        [tasks.a]
        manifest = "sums.toml"
        args.numbers = [1, 2, 3]
        [tasks.b]
        manifest = "sums.toml"
        args.numbers = [1, 2, 3]
        after = ["a"]
        [outputs]
        b = { task = "b", path = "total" }
    "#;
    let project = Project::new(body);
    project.include("sums.toml", SUMS);
    let finished = project.host().args(["--cache", &uri]).run().expect(0);
    assert_eq!(finished.json(), json!({ "b": 18 }));
    let events = project.events();
    let cached = events.tasks("task.cached");
    assert!(
        cached.contains(&"b/total".to_owned()) && cached.contains(&"b/twice[1]".to_owned()),
        "{cached:?}"
    );
    // `b` waited for all of `a`.
    let last = ["a/total", "a/extra"].map(|task| events.position("task.finished", task)).into_iter().max();
    assert!(last < Some(events.position("task.ready", "b/extra")));
}

#[test]
fn condition_of_a_pipeline_skips_all_its_tasks() {
    let project = Project::basic(
        r#"
        [params.go]
        type = "bool"
        [tasks.sums]
        manifest = "sums.toml"
        args.numbers = [1]
        when = { param = "go" }
        [tasks.copes]
        call = "g.double"
        args.x = { task = "sums", path = "total", default = 50 }
        [tasks.composed]
        call = "g.sum"
        args.xs = [{ task = "sums", path = "both.list[0]", default = 7 }]
        [tasks.chosen]
        call = "g.double"
        args.x = { select = { task = "name" }, cases = { left = { task = "lazy", path = "total" }, right = 1 } }
        [tasks.name]
        call = "g.choose"
        args.n = 1
        [tasks.lazy]
        manifest = "sums.toml"
        args.numbers = [1]
        [outputs]
        copes = { task = "copes" }
        composed = { task = "composed" }
        chosen = { task = "chosen" }
        "#,
    );
    // The second output shares tasks with the first: what only `lazy` needs is pruned.
    project.include("sums.toml", &SUMS.replace("extra = { task = \"extra\" }\n", ""));
    let yes = project.host().args(["-p", "go=true"]).run().expect(0);
    assert_eq!(yes.json(), json!({ "copes": 16, "composed": 2, "chosen": 2 }));
    let no = project.host().args(["-p", "go=false"]).run().expect(0);
    assert_eq!(no.json(), json!({ "copes": 100, "composed": 7, "chosen": 2 }));
    let events = project.events();
    let reason = |task: &str| {
        let skipped = events.of("task.skipped").find(|event| event["task"] == task);
        skipped.map_or_else(String::new, |event| event["reason"].as_str().unwrap_or_default().to_owned())
    };
    for task in ["sums/twice", "sums/sum", "sums/extra", "sums/total"] {
        assert_eq!(reason(task), "ConditionFalse", "{task}");
    }
    for task in ["lazy/twice", "lazy/sum", "lazy/extra", "lazy/total"] {
        assert_eq!(reason(task), "Pruned", "{task}");
    }
}

#[test]
fn faults_of_all_files_are_reported_once_with_both_places() {
    let project = Project::basic(
        r#"
        [tasks.a]
        manifest = "sums.toml"
        args.numbers = ["one"]
        [tasks.b]
        manifest = "./sums.toml"
        args = { nubers = [1] }
        [tasks.c]
        manifest = "sums.toml"
        args.numbers = [1]
        retry = 3
        [tasks.d]
        call = "g.double"
        args.x = { task = "c", path = "totl" }
        [tasks.e]
        manifest = "lost.toml"
        "#,
    );
    project.include("sums.toml", &SUMS.replace("xs = { task = \"twice\" }", "xs = { task = \"extra\" }"));
    let finished = project.command("check").run().expect(2).says([
        "the output of task `extra` does not fit parameter `xs`",
        "included here, and at 2 other places",
        "`nubers` is not a param of `sums.toml`",
        "`retry` cannot stand on a task with `manifest`",
        "the pipeline `c` has no output `totl`",
        "did you mean `total`?",
        "cannot read the manifest `lost.toml`",
        "6 faults in manifest.toml and the manifests that it includes",
    ]);
    let stderr = &finished.stderr;
    assert_eq!(stderr.matches("does not fit parameter `xs`").count(), 1, "{stderr}");
    let json = project.command("check").args(["--log-format", "json"]).run().expect(2);
    let inside =
        json.stderr.lines().find(|line| line.contains("parameter `xs`")).expect("the fault is there");
    assert!(inside.contains("\"file\":\"sums.toml\""), "{inside}");
    assert!(inside.contains("manifest.toml:7:20: included here, and at 2 other places"), "{inside}");
}

#[test]
fn manifests_that_include_each_other_are_a_fault() {
    let project = Project::new("[tasks.a]\nmanifest = \"b.toml\"\n");
    project.include("b.toml", "[tasks.b]\nmanifest = \"sub/../manifest.toml\"\n");
    project.file("sub/keep", b"");
    project.command("check").run().expect(2).says(["manifest.toml -> b.toml -> manifest.toml"]);
}

#[test]
fn values_may_not_go_around_in_circles_through_borders() {
    let project = Project::basic(
        "[tasks.a]\nmanifest = \"sums.toml\"\nargs = { numbers = [1], bonus = { task = \"t\" } }\n\
         [tasks.t]\ncall = \"g.double\"\nargs.x = { task = \"a\", path = \"total\" }\n",
    );
    project.include("sums.toml", SUMS);
    let cycle = "tasks wait for each other in a cycle: a/extra -> t -> a/total -> a/extra";
    project.command("check").run().expect(2).says([cycle]);
    // An output that does not need the argument closes no circle.
    let body = fs::read_to_string(project.folder().join("manifest.toml")).expect("it was written");
    let body = body
        .replace("bonus = { task = \"t\" }", "bonus = 1")
        .replace("[1]", "[{ task = \"a\", path = \"extra\" }]");
    project.file("manifest.toml", body.as_bytes());
    assert_eq!(project.run().expect(0).json(), json!({ "t": 12 }));
}

const SECRET: &str = "s3cret-Value-of-a-pipeline";

/// Tells what it is given.
const TELLER: &str = r#"
[params.key]
type = "string"
secret = true
[params.open]
type = "string"
default = "nothing"
[tasks.tell]
call = "g.tell-lines"
args.text = { param = "key" }
[tasks.more]
call = "g.tell-lines"
args.text = { param = "open" }
"#;

#[test]
fn secrets_stay_secret_across_borders() {
    let server = Redis::start("");
    for (params, args, flags) in [
        // A literal, a param and a variable that are not secret outside.
        ("", format!("key = \"{SECRET}\""), vec![]),
        ("[params.plain]\ntype = \"string\"\n", "key = { param = \"plain\" }".to_owned(), vec!["plain"]),
        ("", "key = { env = \"PLAIN\" }".to_owned(), vec![]),
        // A secret outside that is passed into a param which is none.
        (
            "[params.hidden]\ntype = \"string\"\nsecret = true\n",
            "key = \"other-Value\", open = { param = \"hidden\" }".to_owned(),
            vec!["hidden"],
        ),
    ] {
        let project =
            Project::new(&format!("{params}[tasks.t]\nmanifest = \"teller.toml\"\nargs = {{ {args} }}\n"));
        project.include("teller.toml", TELLER);
        let pair = flags.first().map(|name| format!("{name}={SECRET}")).unwrap_or_default();
        let host = project.host().args(["--run-id", "r1", "--state", &server.uri(), "--fresh"]);
        let host = host.args(["--log-level", "debug"]).env("PLAIN", SECRET);
        let host = if flags.is_empty() { host } else { host.args(["-p", &pair]) };
        let finished = host.run().expect(0);
        let logs = stored("logs", &server.uri(), if flags == ["hidden"] { "t/more" } else { "t/tell" });
        let logs = logs.run().expect(0).text();
        assert!(logs.contains("***"), "the guest has told: {logs}");
        let events = fs::read_to_string(project.folder().join("events.jsonl")).expect("there are events");
        for (what, text) in [("stderr", &finished.stderr), ("logs", &logs), ("events", &events)] {
            assert!(!text.contains(SECRET), "{args}: {what} has the secret:\n{text}");
        }
    }
    let misfit = Project::new(&format!("[tasks.t]\nmanifest = \"teller.toml\"\nargs.key = [\"{SECRET}\"]\n"));
    misfit.include("teller.toml", TELLER);
    let shown =
        misfit.command("check").run().expect(2).says(["the value of the secret param `key` does not fit"]);
    assert!(!shown.stderr.contains(SECRET), "{}", shown.stderr);
}

#[test]
fn grants_of_an_included_manifest_hold_unless_they_are_taken_away() {
    let body = |grants: &str| {
        format!(
            "[tasks.t]\nmanifest = \"lib/reader.toml\"\n{grants}[outputs]\nread = {{ task = \"t\", path = \"read\" }}\n"
        )
    };
    let project = Project::new(&body(""));
    project.include(
        "lib/reader.toml",
        "[components.g.grants]\nenv = [\"GRANTED=by-the-included\"]\n[tasks.read]\ncall = \"g.env\"\nargs.name = \"GRANTED\"\n",
    );
    assert_eq!(project.run().expect(0).json(), json!({ "read": "by-the-included" }));
    let shown = project.command("plan").run().expect(0).text();
    assert!(shown.contains("grants env GRANTED (given by lib/reader.toml)"), "{shown}");
    let text = body("grants = \"none\"\n");
    project.write(&format!("cascade = 1\nname = \"test\"\n{text}"));
    assert_eq!(project.run().expect(0).json(), json!({ "read": null }));
    project.write(&format!("cascade = 1\nname = \"test\"\n{}", body("grants.env = [\"X\"]\n")));
    project
        .command("check")
        .run()
        .expect(2)
        .says(["`grants` of a task with `manifest` can only be `\"none\"`"]);
}

#[test]
fn resources_of_one_name_are_one() {
    let body = |amount: u32| {
        format!(
            "[resources]\ngpu = {amount}\n[tasks.t]\nmanifest = \"in.toml\"\n[tasks.own]\ncall = \"g.double\"\nargs.x = 1\n\
             resources = {{ gpu = 1 }}\n"
        )
    };
    let project = Project::basic(&body(1));
    project.include(
        "in.toml",
        "[resources]\ngpu = 1\n[tasks.t]\ncall = \"g.double\"\nargs.x = 2\nresources = { gpu = 1 }\n",
    );
    assert_eq!(project.run().expect(0).json(), json!({ "t": { "t": 4 }, "own": 2 }));
    project.write(&format!(
        "cascade = 1\nname = \"test\"\n[components.g]\npath = \"{{guest:basic}}\"\n{}",
        body(2)
    ));
    project
        .command("check")
        .run()
        .expect(2)
        .says(["the resource `gpu` differs from that of another manifest", "2 here"]);
}

#[test]
fn builds_cover_included_manifests() {
    let project = Project::new(
        "[tasks.t]\nmanifest = \"lib/in.toml\"\n[outputs]\nt = { task = \"t\", path = \"t\" }\n",
    );
    project.include("lib/real.toml", "");
    let real = fs::read_to_string(project.folder().join("lib/real.toml")).expect("it was written");
    let path = real.split('"').nth(3).expect("the head has the path of the guest").to_owned();
    project.file(
        "lib/in.toml",
        format!(
            "cascade = 1\nname = \"in\"\n[components.g]\npath = \"built.wasm\"\nbuild = \"cp {path} built.wasm\"\n\
             [tasks.t]\ncall = \"g.double\"\nargs.x = 21\n"
        )
        .as_bytes(),
    );
    project.run().expect(2).says(["lib/in.toml", "`--build`"]);
    assert_eq!(project.host().args(["--build"]).run().expect(0).json(), json!({ "t": 42 }));
}
