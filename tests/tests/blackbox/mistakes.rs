//! Mistakes that need a component or a file to be found: each is refused with exit code 2, and nothing runs.
//! Mistakes in the text alone are in `golden`.

use crate::component;
use crate::guests::Guest;
use cascade_host_tests::{Finished, Host, Project};

#[track_caller]
fn refused(project: &Project) -> Finished {
    project.command("check").run().expect(2);
    let finished = project.run().expect(2);
    assert!(finished.stdout.is_empty());
    assert!(!project.folder().join("events.jsonl").exists(), "nothing was to run");
    finished
}

#[test]
fn mistyped_edge_names_both_types_and_their_difference() {
    let project = Project::basic(
        "[tasks.people]\ncall = \"g.echo-people\"\nargs.value = []\n\
         [tasks.shapes]\ncall = \"g.echo-shapes\"\nargs.value = { task = \"people\" }\n",
    );
    refused(&project).says(["list<record", "list<variant", "manifest.toml:10:14", "does not fit"]);
}

#[test]
fn cycle_is_shown_completely() {
    let project = Project::basic(
        "[tasks.a]\ncall = \"g.double\"\nargs.x = { task = \"b\" }\n[tasks.b]\ncall = \"g.double\"\nargs.x = { task = \"a\" }\n",
    );
    refused(&project).says(["cycle", "`a`", "`b`"]);
}

#[test]
fn missing_file_has_help() {
    let project = Project::new(
        "[components.g]\npath = \"nowhere.wasm\"\nbuild = \"make\"\n[tasks.t]\ncall = \"g.f\"\n",
    );
    refused(&project).says(["nowhere.wasm", "--build"]);
    let input =
        Project::basic("[tasks.t]\ncall = \"g.echo-string\"\nargs.value = { file = \"nowhere.txt\" }\n");
    input.run().expect(2).says(["nowhere.txt", "manifest.toml:7"]);
}

#[test]
fn wrong_hash_shows_the_actual_one() {
    let path = component(Guest::Basic).replace("[components.g]\n", "");
    let pin = "0".repeat(64);
    let project =
        Project::new(&format!("[components.g]\n{path}sha256 = \"{pin}\"\n[tasks.t]\ncall = \"g.args\"\n"));
    let refused = refused(&project).says(["pinned"]);
    let is_hash = |text: &&str| text.bytes().all(|byte| byte.is_ascii_hexdigit()) && *text != pin;
    let found = refused.stderr.split("sha256 = \"").filter_map(|rest| rest.get(..64)).find(is_hash);
    let found = found.expect("the right hash is shown").to_owned();
    let right =
        Project::new(&format!("[components.g]\n{path}sha256 = \"{found}\"\n[tasks.t]\ncall = \"g.args\"\n"));
    right.run().expect(0);
}

#[test]
fn non_components_have_distinct_errors() {
    for (content, says) in [
        (&b"hello"[..], "WebAssembly"),
        (b"\0asm\x01\0\0\0", "core WebAssembly module"),
        (b"", "empty"),
        (b"\0asm\x0d\0\x01\0\x07", "component"),
    ] {
        let project = Project::new("[components.g]\npath = \"it.wasm\"\n[tasks.t]\ncall = \"g.f\"\n");
        project.file("it.wasm", content);
        refused(&project).says([says]);
    }
}

#[test]
fn unknown_imports_are_named() {
    let project = Project::new(&format!("{}[tasks.t]\ncall = \"g.run\"\n", component(Guest::UnknownImport)));
    refused(&project).says(["test:nowhere/thing@1.0.0"]);
}

#[test]
fn ambiguous_calls_list_the_functions() {
    let ambiguous = Project::new(&format!("{}[tasks.t]\ncall = \"g.run\"\n", component(Guest::TwoFaces)));
    refused(&ambiguous).says(["g#test:faces/a@1.0.0.run", "g#test:faces/b@1.0.0.run"]);
    let long = Project::new(&format!(
        "{}[tasks.t]\ncall = \"g#test:faces/b@1.0.0.run\"\n",
        component(Guest::TwoFaces)
    ));
    long.run().expect(0);
    let only = Project::new(&format!("{}[tasks.t]\ncall = \"g.only\"\n", component(Guest::TwoFaces)));
    only.run().expect(0);
}

#[test]
fn only_functions_without_handles_can_be_tasks() {
    let handles = Project::new(&format!(
        "{}[tasks.t]\ncall = \"g.consume\"\nargs.thing = 1\n",
        component(Guest::Unsupported)
    ));
    refused(&handles).says(["cannot be a task", "own"]);
    let plain = Project::new(&format!(
        "{}[tasks.t]\ncall = \"g.plain\"\nargs.x = 1\n",
        component(Guest::Unsupported)
    ));
    plain.run().expect(0);
}

#[test]
fn faults_of_every_stage_are_shown_together() {
    let project = Project::basic(
        "colour = 1\n[tasks.a]\ncall = \"g.double\"\nargs.x = \"text\"\n[tasks.b]\ncall = \"g.double\"\nargs.x = { task = \"c\" }\n\
         [tasks.d]\ncall = \"g.dubble\"\nargs.x = 1\n",
    );
    refused(&project).says(["`colour`", "expected u32", "`c`", "did you mean `double`?", "4 faults"]);
}

#[test]
fn missing_or_invalid_manifest_does_not_panic() {
    Host::new(["run", "nowhere.toml"]).run().expect(2).says(["nowhere.toml"]);
    Host::new(["run", "/"]).run().expect(2);
    Host::new(["run"]).run().expect(2).says(["MANIFEST"]);
    let binary = Project::raw("");
    binary.file("manifest.toml", &[0xff, 0xfe, 0]);
    binary.run().expect(2).says(["UTF-8"]);
    let project = Project::basic("[tasks.t]\ncall = \"g.args\"\n");
    project.host().args(["--run-id", "a:b"]).run().expect(2).says(["run id"]);
    let cluster = ["--state", "redis+cluster://localhost"];
    project.host().args(cluster).run().expect(2).says(["cluster"]);
}

/// A known interface with a function whose type differs from WASI's.
const ODD: &str = r#"(component
    (import "wasi:cli/exit@0.2.0" (instance (export "exit" (func (param "status" u32)))))
    (core module $m (func (export "run")))
    (core instance $i (instantiate $m))
    (func (export "run") (canon lift (core func $i "run"))))"#;

#[test]
fn import_of_the_wrong_type_is_refused_by_every_command() {
    let project = Project::new("[components.g]\npath = \"g.wasm\"\n[tasks.t]\ncall = \"g.run\"\n");
    project.file("g.wasm", &wat::parse_str(ODD).expect("it is a component"));
    for command in ["check", "plan", "run"] {
        let refused = project.command(command).run().expect(2);
        refused.says(["cannot load the component `g`", "wasi:cli/exit", "Build against the WIT"]);
    }
}

#[test]
fn unknown_function_suggests_the_nearest_ones() {
    for (call, meant) in
        [("g.echo-peson", "echo-person"), ("g.doubel", "double"), ("g.panic-wth", "panic-with")]
    {
        let project = Project::basic(&format!("[tasks.t]\ncall = \"{call}\"\n"));
        let suggestion = format!("did you mean `{meant}`?");
        let finished = refused(&project).says([&suggestion, " more; `cascade-host inspect` shows all"]);
        let first =
            finished.stderr.split("the component exports ").nth(1).and_then(|list| list.split(", ").next());
        assert!(first.is_some_and(|first| first.ends_with(&format!(".{meant}"))), "{}", finished.stderr);
    }
}

#[test]
fn input_and_graph_faults_are_reported_together() {
    let project = Project::basic(
        "[tasks.a]\ncall = \"g.echo-string\"\nargs.value = { file = \"nowhere.txt\" }\n\
         [tasks.b]\ncall = \"g.echo-string\"\nargs.value = { env = \"NOBODY_SETS_THIS\" }\n\
         [tasks.c]\ncall = \"g.double\"\nargs.x = { task = \"nobody\" }\n",
    );
    refused(&project).says(["nowhere.txt", "`NOBODY_SETS_THIS` is not set", "`nobody`", "3 faults"]);
}

#[test]
fn every_fault_of_a_param_value_is_reported() {
    let project = Project::basic(
        "[params.xs]\ntype = \"list<u8>\"\n[params.n]\ntype = \"u32\"\n[params.secret]\ntype = \"list<u8>\"\nsecret = true\n\
         [tasks.t]\ncall = \"g.echo-bytes\"\nargs.value = { param = \"xs\" }\n",
    );
    let finished =
        project.host().args(["-p", "xs=[1, 300, 2, -4]", "-p", "secret=[301, 302]"]).run().expect(2);
    let finished =
        finished.says(["[1]: expected u8, found 300", "[3]: expected u8, found -4", "`n` has no value"]);
    assert!(!finished.stderr.contains("301") && !finished.stderr.contains("302"), "{}", finished.stderr);
}

#[test]
fn unknown_names_on_the_command_line_list_the_known_ones() {
    let task = |at: u32| format!("[tasks.task-{at}]\ncall = \"g.numbers\"\nargs.n = 1\n");
    let tasks = (0..20).map(task).collect::<Vec<_>>().concat();
    let project = Project::basic(&format!("{tasks}[tasks.split]\ncall = \"g.numbers\"\nargs.n = 2\n"));
    let target = |names: &[&str]| {
        names.iter().fold(project.host(), |host, name| host.args(["--target", name])).run().expect(2)
    };
    target(&["splt", "nobody"]).says([
        "`--target splt` and `--target nobody` name no task",
        "did you mean `split` by `splt`?",
        "its tasks are split, ",
        "and 13 more",
    ]);
    target(&["split[1]"]).says(["`split[1]` is an element", "--target split"]);
    let output = project.host().args(["--output", "splt"]).run().expect(2);
    output.says(["there is no output `splt`", "did you mean `split`?", "and 13 more"]);
    project.host().args(["-p", "splt=1"]).run().expect(2).says(["the manifest has no params"]);
}

#[test]
fn build_command_without_its_component_fails() {
    let manifest = |command: &str| {
        format!("[components.g]\npath = \"made.wasm\"\nbuild = \"{command}\"\n[tasks.t]\ncall = \"g.f\"\n")
    };
    let idle = Project::new(&manifest("true"));
    let says = ["there is no component `g`", "made.wasm", "ran but did not create this file"];
    idle.command("build").run().expect(2).says(says);
    Project::new(&manifest("touch made.wasm")).command("build").run().expect(0);
}

#[test]
fn a_number_where_a_list_belongs_suggests_a_range() {
    let project = |list: &str| {
        Project::basic(&format!(
            "[tasks.n]\ncall = \"g.double\"\nargs.x = 3\n[tasks.s]\ncall = \"g.say\"\nargs.text = \"x\"\n\
             [tasks.t]\ncall = \"g.nothing\"\nfor-each.i = {{ task = \"{list}\" }}\n"
        ))
    };
    refused(&project("n")).says(["`for-each` runs over a list", "write this as `{ range = … }`"]);
    let text = refused(&project("s")).says(["`for-each` runs over a list"]);
    assert!(!text.stderr.contains("range"), "{}", text.stderr);
}

#[test]
fn a_task_that_reads_itself_is_shown_repeat() {
    let project = Project::basic("[tasks.t]\ncall = \"g.double\"\nargs.x = { task = \"t\" }\n");
    refused(&project).says(["task `t` needs its own output", "use `repeat`"]);
}
