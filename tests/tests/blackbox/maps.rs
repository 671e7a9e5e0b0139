//! Maps cross edges, and are written in manifests and on the command line, whatever form the guest has.
//! The forms of single values are in the host's own tests.

use crate::{Guest, named};
use cascade_host_tests::{Host, Project, build_preview1_guests};
use serde_json::json;

/// Tables of the same guest as a component and as a module, under the names `g` and `m`.
fn guests() -> String {
    let module = build_preview1_guests().join("preview1.wasm");
    format!("{}[components.m]\npath = \"{}\"\n", named("g", Guest::Preview1), module.display())
}

#[test]
fn maps_cross_edges_in_the_order_of_their_encoded_keys() {
    let mut shown = Vec::new();
    for name in ["g", "m"] {
        let project = Project::new(&format!(
            r#"{}
            [tasks.tally]
            call = "{name}.tally"
            args.text = "bb a ccc a bb a"
            [tasks.by-times]
            call = "{name}.by-times"
            args.of = {{ task = "tally" }}
            [tasks.flip]
            call = "{name}.flip"
            args.of = [[true, "x"], [false, "y"]]
            [outputs]
            tally = {{ task = "tally" }}
            by-times = {{ task = "by-times" }}
            flip = {{ task = "flip" }}
            "#,
            guests()
        ));
        shown.push(project.run().expect(0).text());
    }
    // A short text comes before a long one, since its length is encoded in front of it.
    let line = r#"{"tally":{"a":3,"bb":2,"ccc":1},"by-times":{"1":["ccc"],"2":["bb"],"3":["a"]},"flip":{"x":true,"y":false}}"#;
    assert_eq!(shown, [format!("{line}\n"), format!("{line}\n")]);
}

#[test]
fn maps_are_tables_pairs_and_json() {
    let project = Project::new(&format!(
        r#"
        [params.sizes]
        type = "map<string, u8>"
        default = {{ one = 1, two = 2 }}
        {}
        [tasks.literal]
        call = "g.by-times"
        args.of = {{ "a key" = 7, other = {{ task = "length" }} }}
        [tasks.length]
        call = "g.add"
        args = {{ a = 3, b = 4 }}
        [tasks.param]
        call = "g.by-times"
        args.of = {{ param = "sizes" }}
        [tasks.pairs]
        call = "g.by-times"
        args.of = [["x", 1], ["y", {{ task = "count" }}]]
        [tasks.count]
        call = "g.tally"
        args.text = ""
        "#,
        guests()
    ));
    let finished = project.run().expect(2);
    finished.says(["`s32` does not fit `u32`", "`map<string, u32>` does not fit `u32`"]);
    let fitting = std::fs::read_to_string(project.folder().join("manifest.toml")).expect("it is there");
    let fitting = fitting.replace("{ task = \"length\" }", "{ param = \"seven\" }");
    let fitting = fitting
        .replace("{ task = \"count\" }", "1")
        .replace("[params.sizes]", "[params.seven]\ntype = \"u16\"\ndefault = 7\n[params.sizes]");
    project.write(&fitting);
    let shown = project.run().expect(0).json();
    assert_eq!(shown["literal"], json!({ "7": ["a key", "other"] }));
    assert_eq!(shown["param"], json!({ "1": ["one"], "2": ["two"] }));
    assert_eq!(shown["pairs"], json!({ "1": ["x", "y"] }));
    let given = project.host().args(["-p", r#"sizes={"three": 3}"#]).run().expect(0).json();
    assert_eq!(given["param"], json!({ "3": ["three"] }));
    let refused = project.host().args(["-p", r#"sizes={"three": 300, "four": "4"}"#]).run().expect(2);
    refused.says([".three: expected u8, found 300", ".four: expected u8", "its type is `map<string, u8>`"]);
}

#[test]
fn mistakes_in_a_map_are_named() {
    let project = |args: &str| {
        let task = format!("[tasks.t]\ncall = \"g.flip\"\nargs.of = {args}\n");
        Project::new(&format!("{}{task}", guests())).command("check").run().expect(2)
    };
    project("{ yes = \"x\" }").says([".yes: the key is no bool"]);
    project("[[true, \"x\"], [true, \"y\"]]").says(["duplicate key"]);
    project("[[true, \"x\", 1]]").says(["[0]: expected 2 elements, found 3"]);
    project("{ true = \"xy\" }").says([".true: expected one character, found 2"]);
    let flags = "[tasks.f]\ncall = \"g.add\"\nargs = { a = 1, b = 2 }\n";
    let task = "[tasks.t]\ncall = \"g.by-times\"\nargs.of = { a = { task = \"f\" } }\n";
    let mistyped = Project::new(&format!("{}{flags}{task}", guests()));
    mistyped.command("check").run().expect(2).says(["`s32` does not fit `u32`"]);
    let type_of_param = Project::new(&format!("[params.p]\ntype = \"map<f32, u8>\"\n{}{flags}", guests()));
    type_of_param.command("check").run().expect(2).says(["`f32` cannot be a key"]);
}

#[test]
fn inspect_shows_maps() {
    let module = build_preview1_guests().join("preview1.wasm");
    let shown = Host::new(["inspect"]).args([&module.display().to_string()]).run().expect(0).text();
    assert!(shown.contains("by-times: func(of: map<string, u32>) -> map<u32, list<string>>"), "{shown}");
}
