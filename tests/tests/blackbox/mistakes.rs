//! Mistakes that need a component or a file to be seen: each is refused with exit code 2, and nothing runs.
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

fn basic(body: &str) -> Project {
    Project::new(&format!("{}{body}", component(Guest::Basic)))
}

#[test]
fn a_mistyped_edge_names_both_types_and_where_they_differ() {
    let project = basic(
        "[tasks.people]\ncall = \"g.echo-people\"\nargs.value = []\n\
         [tasks.shapes]\ncall = \"g.echo-shapes\"\nargs.value = { task = \"people\" }\n",
    );
    refused(&project).says(["list<record", "list<variant", "manifest.toml:10:14", "does not fit"]);
}

#[test]
fn a_cycle_is_shown_whole() {
    let project = basic(
        "[tasks.a]\ncall = \"g.double\"\nargs.x = { task = \"b\" }\n[tasks.b]\ncall = \"g.double\"\nargs.x = { task = \"a\" }\n",
    );
    refused(&project).says(["cycle", "`a`", "`b`"]);
}

#[test]
fn a_missing_file_says_what_to_do() {
    let project = Project::new(
        "[components.g]\npath = \"nowhere.wasm\"\nbuild = \"make\"\n[tasks.t]\ncall = \"g.f\"\n",
    );
    refused(&project).says(["nowhere.wasm", "--build"]);
    let input = basic("[tasks.t]\ncall = \"g.echo-string\"\nargs.value = { file = \"nowhere.txt\" }\n");
    input.run().expect(2).says(["nowhere.txt", "manifest.toml:7"]);
}

#[test]
fn a_wrong_hash_shows_the_right_one() {
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
fn what_is_no_component_is_told_apart() {
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
fn imports_that_no_host_knows_are_named() {
    let project = Project::new(&format!("{}[tasks.t]\ncall = \"g.run\"\n", component(Guest::UnknownImport)));
    refused(&project).says(["test:nowhere/thing@1.0.0"]);
}

#[test]
fn calls_that_could_mean_several_functions_list_them() {
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
fn functions_with_handles_cannot_be_tasks_and_others_beside_them_can() {
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
    let project = basic(
        "colour = 1\n[tasks.a]\ncall = \"g.double\"\nargs.x = \"text\"\n[tasks.b]\ncall = \"g.double\"\nargs.x = { task = \"c\" }\n\
         [tasks.d]\ncall = \"g.dubble\"\nargs.x = 1\n",
    );
    refused(&project).says(["`colour`", "expected u32", "`c`", "did you mean `double`?", "4 faults"]);
}

#[test]
fn no_manifest_is_no_panic() {
    Host::new(["run", "nowhere.toml"]).run().expect(2).says(["nowhere.toml"]);
    Host::new(["run", "/"]).run().expect(2);
    Host::new(["run"]).run().expect(2).says(["MANIFEST"]);
    let binary = Project::raw("");
    binary.file("manifest.toml", &[0xff, 0xfe, 0]);
    binary.run().expect(2).says(["UTF-8"]);
    let project = basic("[tasks.t]\ncall = \"g.args\"\n");
    project.host().args(["--run-id", "a:b"]).run().expect(2).says(["run id"]);
    let cluster = ["--state", "redis+cluster://localhost"];
    project.host().args(cluster).run().expect(2).says(["cluster"]);
}

/// An interface that the host knows, with a function of another type than WASI has.
const ODD: &str = r#"(component
    (import "wasi:cli/exit@0.2.0" (instance (export "exit" (func (param "status" u32)))))
    (core module $m (func (export "run")))
    (core instance $i (instantiate $m))
    (func (export "run") (canon lift (core func $i "run"))))"#;

#[test]
fn an_import_of_another_type_is_found_by_every_command_before_anything_runs() {
    let project = Project::new("[components.g]\npath = \"g.wasm\"\n[tasks.t]\ncall = \"g.run\"\n");
    project.file("g.wasm", &wat::parse_str(ODD).expect("it is a component"));
    for command in ["check", "plan", "run"] {
        let refused = project.command(command).run().expect(2);
        refused.says(["cannot load the component `g`", "wasi:cli/exit", "Build against the WIT"]);
    }
}
