//! Imports that the manifest satisfies, with the guests `links`: top imports middle and base, middle imports base.
//! Faults of single keys are golden cases.

use cascade_host_tests::{Host, Project};
use serde_json::{Value, json};

/// The whole chain. Only `top` and `middle` have imports; one import of `middle` is in no component.
const CHAIN: &str = r#"
    [components.base]
    path = "{guest:link-base}"
    [components.middle]
    path = "{guest:link-middle}"
    [components.middle.imports]
    "test:links/counting" = { component = "base" }
    "test:links/rare@1.0.0" = "trap"
    [components.top]
    path = "{guest:link-top}"
    [components.top.imports]
    "test:links/counting@1.2.0" = { component = "base" }
    "test:links/greeting@1.2.0" = { component = "middle" }
"#;

fn chain(tasks: &str) -> Project {
    Project::new(&format!("{CHAIN}{tasks}"))
}

#[test]
fn chain_of_three_shares_one_sandbox_and_passes_resources() {
    let project = chain(
        r#"
        [tasks.run]
        call = "top.run"
        args.names = ["Ada", "Bob"]
        [tasks.calls]
        call = "top.calls"
        [tasks.hello]
        call = "middle.hello"
        args.name = "Cy"
        "#,
    );
    let shown = project.run().expect(0).json();
    let notes = json!([{ "number": 2, "text": "Hello, Ada, number 1!" }, { "number": 4, "text": "Hello, Bob, number 3!" }]);
    assert_eq!(shown["run"], notes);
    assert_eq!(shown["calls"], json!([1, 2]), "one instance of the base counts the calls of both importers");
    assert_eq!(shown["hello"], "Hello, Cy, number 7!");
    project.command("check").run().expect(0);
    let plan = project.command("plan").run().expect(0).text();
    let imports = "imports test:links/counting@1.2.0 from base, test:links/greeting@1.2.0 from middle";
    assert!(plan.contains(imports) && plan.contains("test:links/rare@1.2.0 in middle as a trap"), "{plan}");
    let json: Value = project.command("plan").args(["--json"]).run().expect(0).json();
    let task = json["tasks"].as_array().unwrap().iter().find(|task| task["name"] == "hello").unwrap();
    let from = |import: &str, from: Value| json!({ "import": import, "of": "middle", "from": from });
    assert_eq!(
        task["imports"],
        json!([from("test:links/counting@1.2.0", "base".into()), from("test:links/rare@1.2.0", Value::Null)])
    );
}

#[test]
fn sharing_an_instance_is_part_of_the_cache_key() {
    let project = counters(
        r#"
        [tasks.shared]
        call = "top.go"
        [tasks.own]
        call = "divided.go"
        after = ["shared"]
        [tasks.again]
        call = "top.go"
        after = ["own"]
        "#,
    );
    let finished = project.run().expect(0);
    assert_eq!(finished.json(), json!({ "shared": 2, "own": 1, "again": 2 }));
    assert_eq!(finished.stderr.matches("cached ").count(), 1, "{}", finished.stderr);
}

/// Returns a project of `base`, a counter, `middle`, which exports the counter of its import, and `top`, which counts by
/// its own import and then by that of `middle`. In `divided`, these are two instances.
fn counters(tasks: &str) -> Project {
    let project = Project::new(&format!(
        r#"
        [cache]
        uri = "memory:"
        [components.base]
        path = "base.wasm"
        [components.other]
        path = "base.wasm"
        [components.middle]
        path = "middle.wasm"
        imports."t:l/counting" = {{ component = "base" }}
        [components.apart]
        path = "middle.wasm"
        imports."t:l/counting" = {{ component = "other" }}
        [components.top]
        path = "top.wasm"
        imports."t:l/counting" = {{ component = "base" }}
        imports."t:l/relay" = {{ component = "middle" }}
        [components.divided]
        path = "top.wasm"
        imports."t:l/counting" = {{ component = "base" }}
        imports."t:l/relay" = {{ component = "apart" }}
        {tasks}"#
    ));
    for (name, text) in [("base", BASE), ("middle", MIDDLE), ("top", TOP)] {
        let component = wat::parse_str(text).expect("the guest is valid");
        project.file(&format!("{name}.wasm"), &component);
    }
    project
}

const BASE: &str = r#"(component
    (core module $counter
        (global $count (mut i32) (i32.const 0))
        (func (export "next") (result i32)
            (global.set $count (i32.add (global.get $count) (i32.const 1)))
            (global.get $count)))
    (core instance $counter (instantiate $counter))
    (func $next (result u32) (canon lift (core func $counter "next")))
    (instance $counting (export "next" (func $next)))
    (export "t:l/counting" (instance $counting)))"#;

const MIDDLE: &str = r#"(component
    (import "t:l/counting" (instance $counting (export "next" (func (result u32)))))
    (core func $next (canon lower (func $counting "next")))
    (core module $main
        (import "counting" "next" (func $next (result i32)))
        (func (export "next") (result i32) (call $next)))
    (core instance $main (instantiate $main (with "counting" (instance (export "next" (func $next))))))
    (func $relayed (result u32) (canon lift (core func $main "next")))
    (instance $relay (export "next" (func $relayed)))
    (export "t:l/relay" (instance $relay)))"#;

const TOP: &str = r#"(component
    (import "t:l/counting" (instance $counting (export "next" (func (result u32)))))
    (import "t:l/relay" (instance $relay (export "next" (func (result u32)))))
    (core func $own (canon lower (func $counting "next")))
    (core func $relayed (canon lower (func $relay "next")))
    (core module $main
        (import "own" "next" (func $own (result i32)))
        (import "relay" "next" (func $relayed (result i32)))
        (func (export "go") (result i32) (drop (call $own)) (call $relayed)))
    (core instance $main (instantiate $main
        (with "own" (instance (export "next" (func $own))))
        (with "relay" (instance (export "next" (func $relayed))))))
    (func (export "go") (result u32) (canon lift (core func $main "go"))))"#;

#[test]
fn resources_of_two_instances_are_a_fault_with_a_sentence() {
    let project = chain(
        r#"
        [components.other-base]
        path = "{guest:link-base}"
        [components.divided]
        path = "{guest:link-top}"
        [components.divided.imports]
        "test:links/counting@1.2.0" = { component = "other-base" }
        "test:links/greeting@1.2.0" = { component = "middle" }
        [tasks.calls]
        call = "divided.calls"
        "#,
    );
    let finished = project.command("check").run().expect(2).says([
        "cannot load the component `divided`",
        "let all of them import that interface from the same component",
    ]);
    assert!(!finished.stderr.contains("ResourceId"), "{}", finished.stderr);
}

#[test]
fn called_trap_fails_the_task_and_names_the_function() {
    let project = chain("[tasks.t]\ncall = \"top.rarely\"\nargs.x = 1\n");
    project.run().expect(1).says(["test:links/rare@1.2.0.never", "an import that is set to `\"trap\"`"]);
    assert_eq!(project.events().of("task.failed").next().unwrap()["class"], "trap");
}

#[test]
fn grants_and_limits_of_the_importer_hold_for_all() {
    let granted = "[components.base.grants]\nenv = [\"WORD=base\"]\n";
    let tasks = "[tasks.t]\ncall = \"top.variable\"\nargs.name = \"WORD\"\n";
    assert_eq!(chain(&format!("{granted}{tasks}")).run().expect(0).json(), json!({ "t": null }));
    let granted = "[components.top.grants]\nenv = [\"WORD=top\"]\n";
    assert_eq!(chain(&format!("{granted}{tasks}")).run().expect(0).json(), json!({ "t": "top" }));
    let large = "[tasks.t]\ncall = \"top.fill\"\nargs.mebibytes = 40\nlimits.memory = \"32MiB\"\n";
    chain(large).run().expect(1).says(["`limits.memory` = 32MiB"]);
    let fuel = "[tasks.t]\ncall = \"top.fill\"\nargs.mebibytes = 1\nlimits.fuel = 1000000000\n";
    assert_eq!(chain(fuel).run().expect(0).json(), json!({ "t": 1 }));
}

/// A component that exports `test:links/rare` in a version, with a result of a type of 32 bits.
fn rare(version: &str, result: u32, ty: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (core module $m (func (export "never") (param i32) (result i32) i32.const {result}))
            (core instance $m (instantiate $m))
            (func $never (param "x" {ty}) (result {ty}) (canon lift (core func $m "never")))
            (instance $rare (export "never" (func $never)))
            (export "test:links/rare@{version}" (instance $rare)))"#
    );
    wat::parse_str(text).expect("the text is a component")
}

/// The chain with a component for the import that traps otherwise.
fn with_rare(result: u32) -> Project {
    let manifest = CHAIN.replace("\"trap\"", "{ component = \"rare\" }");
    let project = Project::new(&format!(
        "{manifest}[components.rare]\npath = \"rare.wasm\"\n[tasks.t]\ncall = \"top.rarely\"\nargs.x = 1\n\
         [tasks.other]\ncall = \"base.calls\"\n"
    ));
    project.file("rare.wasm", &rare("1.3.0", result, "u32"));
    project
}

#[test]
fn another_component_at_the_end_of_a_chain_is_another_call() {
    let project = with_rare(7);
    let redis = cascade_host_tests::Redis::start("");
    let run = || {
        let finished = project.host().args(["--cache", &redis.uri()]).run().expect(0);
        let mut cached = project.events().tasks("task.cached");
        cached.sort();
        (finished.json()["t"].clone(), cached)
    };
    assert_eq!(run(), (json!(7), Vec::new()));
    assert_eq!(run(), (json!(7), vec!["other".to_owned(), "t".to_owned()]));
    project.file("rare.wasm", &rare("1.3.0", 8, "u32"));
    assert_eq!(run(), (json!(8), vec!["other".to_owned()]));
    let stored = ["--state", &redis.uri(), "--run-id", "linked"];
    project.host().args(stored).run().expect(0);
    project.file("rare.wasm", &rare("1.3.0", 9, "u32"));
    project.host().args(stored).run().expect(2).says(["task `t`: `call` has changed"]);
}

#[test]
fn types_that_differ_are_a_fault_that_names_both_components() {
    let project = with_rare(7);
    project.file("rare.wasm", &rare("1.3.0", 7, "s32"));
    let says = [
        "the export `test:links/rare@1.3.0` of `rare` does not fit the import `test:links/rare@1.2.0` of `middle`",
    ];
    project.run().expect(2).says(says);
    project.file("rare.wasm", &rare("2.0.0", 7, "u32"));
    project
        .run()
        .expect(2)
        .says(["`rare` does not export `test:links/rare@1.2.0`", "versions are not compatible"]);
}

#[test]
fn components_of_a_sandbox_are_within_the_bounds_of_one_together() {
    let sizes = ["base", "middle", "top"].map(|name| {
        let path = cascade_host_tests::build_rust_guests().join(format!("link_{name}.wasm"));
        std::fs::metadata(path).expect("the guest is built").len()
    });
    let largest = sizes.into_iter().max().expect("three guests");
    let project = chain("[tasks.t]\ncall = \"top.calls\"\n");
    let refused = project.host().env("CASCADE_COMPONENT_SIZE", &format!("{largest}B")).run().expect(2);
    refused.says(["cannot load the component `top` with what it imports", "`component-size`"]);
}

#[test]
fn missing_imports_print_lines_to_paste() {
    let (base, _) = CHAIN.split_once("[components.middle.imports]").unwrap();
    let tasks = "[tasks.t]\ncall = \"middle.hello\"\nargs.name = \"Ada\"\n";
    let project = Project::new(&format!("{base}{tasks}"));
    let finished = project.run().expect(2).says([
        "imports `test:links/rare@1.2.0`, which this host does not provide",
        "[components.middle.imports]",
        "\"test:links/counting@1.2.0\" = { component = \"base\" }",
        "\"test:links/rare@1.2.0\" = \"trap\"",
    ]);
    let line = |start: &str| {
        let mut lines = finished.stderr.lines().map(|line| line.trim_start_matches([' ', '|', '=']));
        lines.find(|line| line.starts_with(start)).expect("the line is printed").to_owned()
    };
    let pasted = [
        line("[components.middle"),
        line("\"test:links/counting@1.2.0\" = {"),
        line("\"test:links/rare@1.2.0\" = \""),
    ];
    project.write(&format!("cascade = 1\nname = \"test\"\n{base}{}\n{tasks}", pasted.join("\n")));
    assert_eq!(project.run().expect(0).json(), json!({ "t": "Hello, Ada, number 7!" }));
    let guest = cascade_host_tests::build_rust_guests().join("link_middle.wasm");
    Host::new(["inspect", &guest.display().to_string()]).run().expect(0).says([]);
    let inspected = Host::new(["inspect", &guest.display().to_string()]).run().expect(0).text();
    for line in [
        "[components.link_middle.imports]",
        "\"test:links/rare@1.2.0\" = \"trap\"",
        "# \"test:links/rare@1.2.0\" = { component = \"NAME\" }",
    ] {
        assert!(inspected.contains(line), "{inspected}");
    }
}

#[test]
fn imports_of_the_host_can_trap_unless_another_part_has_them() {
    let tasks = "[tasks.t]\ncall = \"g.double\"\nargs.x = 21\n[tasks.u]\ncall = \"g.variables\"\n";
    let component = "[components.g]\npath = \"{guest:basic}\"\n[components.g.imports]\n\"wasi:cli/environment\" = \"trap\"\n";
    let project = Project::new(&format!("{component}{}", tasks.split("[tasks.u]").next().unwrap()));
    assert_eq!(project.run().expect(0).json(), json!({ "t": 42 }));
    let divided = CHAIN.replace(
        "\"test:links/rare@1.0.0\" = \"trap\"",
        "\"test:links/rare\" = \"trap\"\n\"wasi:cli/exit\" = \"trap\"",
    );
    let project = Project::new(&format!("{divided}[tasks.t]\ncall = \"top.calls\"\n"));
    project.run().expect(2).says(["cannot trap in `middle` alone"]);
}

#[test]
fn suggestions_for_import_names_leave_out_types() {
    let component = "[components.g]\npath = \"{guest:shapes}\"\n[components.g.imports]\n\"test:shapes/typs@1.0.0\" = \"trap\"\n";
    let project = Project::new(&format!("{component}[tasks.t]\ncall = \"g.t\"\n"));
    let finished = project
        .command("check")
        .run()
        .expect(2)
        .says(["the component `g` imports no `test:shapes/typs@1.0.0`"]);
    assert!(!finished.stderr.contains("test:shapes/types"), "{}", finished.stderr);
}

#[test]
fn import_from_itself_is_one_fault() {
    let own = CHAIN
        .replace("\"test:links/rare@1.0.0\" = \"trap\"", "\"test:links/rare\" = { component = \"middle\" }");
    assert_ne!(own, CHAIN);
    let project = Project::new(&format!("{own}[tasks.t]\ncall = \"top.calls\"\n"));
    let finished =
        project.command("check").run().expect(2).says(["component `middle` cannot import from itself"]);
    assert!(!finished.stderr.contains("does not export"), "{}", finished.stderr);
}

#[test]
fn inspect_shows_the_signatures_of_imports_that_the_host_does_not_have() {
    let text = r#"(component
        (import "acme:tools/hammer@1.0.0" (instance
            (export "nail" (type $nail (sub resource)))
            (export "hit" (func (param "times" u32) (param "name" (option string)) (result (list u8))))
            (export "make" (func (result (own $nail))))))
        (import "wasi:cli/environment@0.2.0" (instance
            (export "initial-cwd" (func (result (option string)))))))"#;
    let project = Project::raw("");
    project.file("c.wasm", &wat::parse_str(text).expect("it is a component"));
    let inspect = || Host::new(["inspect", "c.wasm"]).within(project.folder());
    let shown = inspect().run().expect(0).text();
    for line in [
        "hit: func(times: u32, name: option<string>) -> list<u8>\n",
        "make: `the result` has the type `own`",
        "initial-cwd\n",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    let imports = inspect().args(["--json"]).run().expect(0).json()["imports"].clone();
    assert_eq!(imports[0]["signatures"]["hit"], "func(times: u32, name: option<string>) -> list<u8>");
    assert!(imports[1]["signatures"].is_null(), "{imports}");
}
