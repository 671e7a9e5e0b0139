//! Modules of WASI preview 1 are tasks without any other tool: the host adapts them as it loads them.
//! Hostile modules are refused by the bounds of compiling; hostile components are in `compiling`.

use cascade_host_tests::{
    Finished, Host, Project, bombs, build_preview1_guests, repository, with_section, without_interface,
};
use serde_json::json;
use std::fs;
use std::path::PathBuf;

fn reactor() -> PathBuf {
    build_preview1_guests().join("preview1.wasm")
}

fn command() -> PathBuf {
    build_preview1_guests().join("preview1-command.wasm")
}

/// A component table under the name `m` for a file.
fn table(path: &std::path::Path, more: &str) -> String {
    format!("[components.m]\npath = \"{}\"\n{more}\n", path.display())
}

/// The WIT that the reactor was built by.
fn wit_of_reactor() -> String {
    repository().join("tests/guests/preview1/wit").display().to_string()
}

/// Runs `check` on a component table with one task, which has to be refused.
fn refused(project: &Project) -> Finished {
    project.command("check").run().expect(2)
}

const COUNT: &str = "[tasks.count]\ncall = \"m.count\"\nargs.text = \"to be or not to be\"\n";

#[test]
fn reactor_that_carries_its_interface_runs() {
    let project = Project::new(&format!(
        "{}{COUNT}{}",
        table(&reactor(), ""),
        r#"
        [tasks.none]
        call = "m.count"
        args.text = ""
        on-error = "value"
        [tasks.sum]
        call = "m.add"
        args = { a = -2, b = 44 }
        [tasks.say]
        call = "m.say"
        args.text = "hello"
        "#
    ));
    let shown = project.run().expect(0).says(["hello", "hello, as an error"]).json();
    assert_eq!(shown["count"][0], json!({ "word": "to", "times": 2 }));
    assert_eq!(shown["none"], json!({ "err": "empty" }));
    assert_eq!(shown["sum"], json!(42));
}

#[test]
fn module_sees_what_it_is_granted_and_nothing_else() {
    let tasks = r#"
        [tasks.variables]
        call = "m.variables"
        [tasks.read]
        call = "m.read"
        args.path = "data/text.txt"
        on-error = "value"
        [tasks.chance]
        call = "m.chance"
    "#;
    let project = Project::new(&format!("{}{tasks}", table(&reactor(), "")));
    fs::create_dir(project.folder().join("data")).expect("it is new");
    project.file("data/text.txt", b"some text");
    let first = project.run().expect(0).json();
    assert_eq!(first["variables"], json!([]));
    assert!(first["read"]["err"].is_string(), "{first}");
    // Clocks and random numbers of a module are as reproducible as those of a component.
    assert_eq!(project.run().expect(0).json(), first);

    let grants = "grants = { env = [\"NAME=value\"], read = [\"data\"], random = true }";
    project.write(&format!("cascade = 1\nname = \"test\"\n{}{tasks}", table(&reactor(), grants)));
    let granted = project.run().expect(0).json();
    assert_eq!(granted["variables"], json!([["NAME", "value"]]));
    assert_eq!(granted["read"], json!({ "ok": "some text" }));
    assert_ne!(granted["chance"][2], first["chance"][2]);
}

#[test]
fn panic_of_a_module_is_a_trap_with_its_message() {
    let task = "[tasks.t]\ncall = \"m.panic\"\nargs.message = \"it is so\"\n";
    let project = Project::new(&format!("{}{task}", table(&reactor(), "")));
    project.run().expect(1).says(["it is so"]);
    let events = project.events();
    let failed = events.of("task.failed").next().expect("the task failed");
    assert_eq!(failed["class"], "trap");
}

#[test]
fn command_is_called_by_its_run_function() {
    let task = "[tasks.t]\ncall = \"m.run\"\n";
    let grants = "grants = { args = [\"tool\", \"-x\"], env = [\"NAME=value\"] }";
    let project = Project::new(&format!("{}{task}", table(&command(), grants)));
    project.run().expect(0).says([r#"arguments: ["m", "tool", "-x"]"#, "NAME=value", "copied: 0"]);
    let failing = "grants = { args = [\"tool\", \"exit=3\"] }";
    project.write(&format!("cascade = 1\nname = \"test\"\n{}{task}", table(&command(), failing)));
    project.run().expect(1).says(["error: the function called exit(3)\n", "| as you wish: 3"]);
    let events = project.events();
    assert_eq!(events.of("task.failed").next().expect("the task failed")["class"], "error");
}

#[test]
fn module_without_interface_runs_by_the_wit_that_the_manifest_names() {
    let bare = without_interface(&fs::read(reactor()).expect("it was built"));
    let project = Project::new(&format!("[components.m]\npath = \"bare.wasm\"\n{COUNT}"));
    project.file("bare.wasm", &bare);
    refused(&project).says([
        "cannot load the component `m`",
        "a core WebAssembly module that does not carry its interface",
        "`wit = \"wit\"` in `[components.NAME]`",
    ]);
    let manifest = |keys: &str| {
        let head = "cascade = 1\nname = \"test\"\n[components.m]\npath = \"bare.wasm\"\n";
        project.write(&format!("{head}{keys}\n{COUNT}"));
    };
    let wit = wit_of_reactor();
    for keys in [
        format!("wit = \"{wit}\""),
        format!("wit = \"{wit}\"\nworld = \"task\""),
        format!("wit = \"{wit}/preview1.wit\"\nworld = \"test:preview1/task\""),
        // The pin is of the file alone.
        format!("wit = \"{wit}\"\nsha256 = \"{}\"", sha256(&project, "bare.wasm")),
    ] {
        manifest(&keys);
        assert_eq!(project.run().expect(0).json()["count"][1], json!({ "word": "be", "times": 2 }));
    }
    let inspect = Host::new(["inspect", "bare.wasm", "--world", "task", "--wit"]).args([&wit]);
    let shown = inspect.within(project.folder()).run().expect(0).text();
    assert!(shown.contains("call = \"bare.count\""), "{shown}");
    manifest(&format!("wit = \"{wit}\"\nworld = \"tsak\""));
    refused(&project).says(["the WIT has no world `tsak`; did you mean `task`?"]);
    manifest("wit = \"nowhere\"");
    refused(&project).says(["cannot read the WIT of the component `m`", "nowhere`"]);
}

fn sha256(project: &Project, file: &str) -> String {
    let pin = "0".repeat(64);
    let manifest = format!("[components.m]\npath = \"{file}\"\nsha256 = \"{pin}\"\n{COUNT}");
    let other = Project::new(&manifest);
    other.file(file, &fs::read(project.folder().join(file)).expect("it is there"));
    let said = other.command("check").run().expect(2).stderr;
    let (_, rest) = said.split_once("has the SHA-256 ").expect("the digest is shown");
    rest.chars().take(64).collect()
}

#[test]
fn wit_that_differs_from_the_module_is_refused() {
    let bare = without_interface(&fs::read(reactor()).expect("it was built"));
    let project = Project::new(&format!("[components.m]\npath = \"bare.wasm\"\nwit = \"wit\"\n{COUNT}"));
    project.file("bare.wasm", &bare);
    fs::create_dir(project.folder().join("wit")).expect("it is new");
    for (wit, says) in [
        ("package a:b; world w { export missing: func(); }", "failed to find export of function `missing`"),
        ("package a:b; world w { export add: func(a: f64) -> s32; }", "type mismatch for function `add`"),
        ("package a:b; world w { export count: funk(); }", "world.wit:1:42"),
        ("package a:b; world w {} world v {}", "the WIT has the worlds `w`, `v`"),
        ("package a:b; world w { import c:d/e; }", "package 'c:d' not found"),
        ("world w", "world.wit"),
    ] {
        project.file("wit/world.wit", wit.as_bytes());
        refused(&project).says(["the host cannot make a component of the module", says]);
    }
}

#[test]
fn dependencies_of_the_wit_are_in_its_deps_folder() {
    let module = r#"(module
        (func (export "acme:shapes/areas#area") (param f64 f64) (result f64)
            (f64.mul (local.get 0) (local.get 1))))"#;
    let task = "[tasks.t]\ncall = \"m.area\"\nargs.of = { width = 3, height = 4 }\n";
    let project = Project::new(&format!("[components.m]\npath = \"m.wasm\"\nwit = \"wit\"\n{task}"));
    project.file("m.wasm", &wat::parse_str(module).expect("it is a module"));
    fs::create_dir_all(project.folder().join("wit/deps/shapes")).expect("it is new");
    project.file("wit/task.wit", b"package my:task; world task { export acme:shapes/areas; }");
    let areas = "package acme:shapes; interface areas { record size { width: f64, height: f64 } area: func(of: size) -> f64; }";
    project.file("wit/deps/shapes/areas.wit", areas.as_bytes());
    project.file("wit/deps/shapes/more.wit", b"interface more {}");
    assert_eq!(project.run().expect(0).json(), json!({ "t": 12.0 }));
    // Another WIT is another component, also in the cache of compiled code.
    let larger = areas.replace("height: f64", "height: f64, depth: option<u8>");
    project.file("wit/deps/shapes/areas.wit", larger.as_bytes());
    refused(&project).says(["type mismatch for function `area`"]);
}

#[test]
fn modules_that_no_host_can_run_are_refused_by_name() {
    let project = Project::new(&format!("[components.m]\npath = \"m.wasm\"\n{COUNT}"));
    for (module, says) in [
        (r#"(module (import "env" "memory" (memory 1)) (func (export "_start")))"#, "`memory` from `env`"),
        (r#"(module (import "env" "emscripten_notify" (func)))"#, "`emscripten_notify` from `env`"),
        (
            r#"(module (import "acme:a/b" "c" (func)) (func (export "_start")))"#,
            "does not carry its interface",
        ),
        (
            r#"(module (import "wasi_snapshot_preview1" "fd_written" (func)) (func (export "_start")))"#,
            "fd_written",
        ),
    ] {
        project.file("m.wasm", &wat::parse_str(module).expect("it is a module"));
        let finished = refused(&project).says([says]);
        assert!(finished.stderr.contains("help: "), "{}", finished.stderr);
    }
    let component = Project::basic(&format!(
        "wit = \"{}\"\n[tasks.t]\ncall = \"g.double\"\nargs.x = 1\n",
        wit_of_reactor()
    ));
    refused(&component)
        .says(["this is a component, which carries its interface itself", "Remove `wit` and `world`"]);
}

/// A command that imports functions from two modules that no host has, and calls one with an argument.
const WITH_STRANGERS: &str = r#"(module
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (import "env" "call_host_function" (func $call (param i32 i64) (result f64)))
    (import "env" "notify" (func))
    (import "wasi" "thread-spawn" (func (param i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "_start")
        (drop (call $sizes (i32.const 0) (i32.const 4)))
        (if (i32.gt_u (i32.load (i32.const 0)) (i32.const 1))
            (then (drop (call $call (i32.const 1) (i64.const 2)))))
        (call $exit (i32.const 9))))"#;

#[test]
fn functions_that_no_host_has_may_trap() {
    let task = "[tasks.t]\ncommand = \"m\"\nok-status = [9]\n";
    let project = Project::new(&format!("[components.m]\npath = \"m.wasm\"\n{task}"));
    project.file("m.wasm", &wat::parse_str(WITH_STRANGERS).expect("it is a module"));
    let manifest = |imports: &str, args: &str| {
        let head = "cascade = 1\nname = \"test\"\n[components.m]\npath = \"m.wasm\"\n";
        project.write(&format!("{head}{imports}{task}{args}"));
    };
    refused(&project).says([
        "the component `m` imports `env`, which this host does not provide",
        "it asks for call_host_function, notify",
        "the component `m` imports `wasi`, which",
        "\"wasi\" = \"trap\"",
        "or build it for `wasm32-wasip2`",
    ]);
    let other = "[components.other]\npath = \"m.wasm\"\n";
    manifest(&format!("imports = {{ env = \"trap\", wasi = {{ component = \"other\" }} }}\n{other}"), "");
    refused(&project).says(["the import `wasi` is no interface, and no component can satisfy it"]);
    manifest("imports = { env = \"trap\", wasi = \"trap\" }\n", "");
    assert_eq!(project.run().expect(0).json(), json!({ "t": "" }));
    let plan = project.command("plan").run().expect(0).text();
    assert!(plan.contains("env as a trap"), "{plan}");
    manifest("imports = { env = \"trap\", wasi = \"trap\" }\n", "args = [\"x\"]\n");
    project
        .run()
        .expect(1)
        .says(["the guest called `env.call_host_function`, an import that is set to `\"trap\"`"]);
    assert_eq!(project.events().of("task.failed").next().expect("it failed")["class"], "trap");

    let shown = Host::new(["inspect", "m.wasm"]).within(project.folder()).run().expect(0).text();
    for line in ["no interface, unknown to this host", "call_host_function, notify", "\"env\" = \"trap\""] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
}

#[test]
fn modules_are_inspected_like_components() {
    let inspect = |path: PathBuf| Host::new(["inspect"]).args([&path.display().to_string()]);
    let shown = inspect(reactor()).run().expect(0).text();
    for line in [
        "a core module; the host adapts it to a component",
        "count: func(text: string)",
        "wasi:cli/stdout@0.2",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    let shown = inspect(command()).run().expect(0).text();
    for line in [
        "a WASI preview 1 command; the host adapts it to a component",
        "wasi:cli/run@0.2",
        "call = \"preview1-command.run\"",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    let document = inspect(command()).args(["--json"]).run().expect(0).json();
    assert_eq!(document["form"], "command");
    assert_eq!(document["sha256"].as_str().map(str::len), Some(64));
}

#[test]
fn adapted_code_is_cached_for_both_meterings() {
    let tasks = format!(
        "{COUNT}[tasks.metered]\ncall = \"m.add\"\nargs = {{ a = 1, b = 2 }}\nlimits.fuel = 1000000\n"
    );
    let project = Project::new(&format!("{}{tasks}", table(&reactor(), "")));
    let code = project.folder().join("code").display().to_string();
    let host = || project.host().env("CASCADE_CODE_CACHE", &code);
    assert_eq!(host().run().expect(0).json()["metered"], json!(3));
    // No compiler works within this limit, so a command fails if it adapts or compiles anything.
    host().env("CASCADE_COMPILE_MEMORY", "1MiB").run().expect(0);
}

#[test]
fn wit_of_a_run_is_not_replaced_by_its_events() {
    let bare = without_interface(&fs::read(reactor()).expect("it was built"));
    let project = Project::new(&format!("[components.m]\npath = \"bare.wasm\"\nwit = \"wit\"\n{COUNT}"));
    project.file("bare.wasm", &bare);
    fs::create_dir(project.folder().join("wit")).expect("it is new");
    let wit = fs::read(format!("{}/preview1.wit", wit_of_reactor())).expect("it is there");
    let copy = project.file("wit/preview1.wit", &wit);
    let host = Host::new(["run", "manifest.toml", "--events", "wit/preview1.wit"]).within(project.folder());
    host.run().expect(2).says(["the WIT of the component `m`"]);
    assert_eq!(fs::read(copy).expect("it is still there"), wit);
}

#[test]
fn hostile_modules_stay_within_the_bounds_of_compiling() {
    let module = fs::read(command()).expect("it was built");
    let interface = |data: &[u8]| with_section(&module, "component-type:bomb", data);
    let deep = (0..100_000).map(|_| "list<").collect::<String>() + "u8" + &">".repeat(100_000);
    // Each type has the one before twice.
    let doubling: String = (1..40)
        .map(|nth| format!("type t{nth} = tuple<t{}, t{}>; ", nth - 1, nth - 1))
        .collect::<Vec<_>>()
        .concat();
    let doubling = format!(
        "package a:b; interface i {{ type t0 = tuple<u8, u8>; {doubling} f: func() -> t39; }} world w {{ export i; }}"
    );
    let wide = (0..200_000).map(|nth| format!("type t{nth} = list<u8>; ")).collect::<Vec<_>>().concat();
    let wide = format!("package a:b; interface i {{ {wide} f: func() -> t1; }} world w {{ export i; }}");
    let deep = format!("package a:b; world w {{ export f: func(a: {deep}); }}");
    let export =
        r#"(module (memory (export "memory") 1) (func (export "a:b/i#f") (result i32) (i32.const 0)))"#;
    let plain = wat::parse_str(export).expect("it is a module");
    for (name, module, wit) in [
        ("deep interface", interface(&bombs::deep_components(1000)), None),
        ("garbage", interface(&vec![7; 50 << 20]), None),
        ("no interface inside", interface(b"\0asm\x0d\0\x01\0"), None),
        ("a module inside", interface(b"\0asm\x01\0\0\0"), None),
        ("deep types", plain.clone(), Some(deep)),
        ("types that double", plain.clone(), Some(doubling)),
        ("many types", plain.clone(), Some(wide)),
        ("large WIT", plain, Some(" ".repeat(9 << 20))),
    ] {
        let keys = if wit.is_some() { "wit = \"bomb.wit\"\n" } else { "" };
        let project =
            Project::new(&format!("[components.m]\npath = \"bomb.wasm\"\n{keys}[tasks.t]\ncall = \"m.f\"\n"));
        project.file("bomb.wasm", &module);
        if let Some(wit) = &wit {
            project.file("bomb.wit", wit.as_bytes());
        }
        let bounds = [("CASCADE_COMPILE_MEMORY", "512MiB"), ("CASCADE_COMPILE_TIMEOUT", "20s")];
        let host = bounds.iter().fold(project.command("check"), |host, (name, value)| host.env(name, value));
        let finished = host.run();
        eprintln!("{name}: {:?}, {} MiB\n{}", finished.took, finished.peak >> 20, finished.stderr);
        assert!(matches!(finished.code, Some(0 | 2)), "{name}: {:?}", finished.code);
        assert!(finished.peak < 400 << 20, "{name}: {} MiB", finished.peak >> 20);
        assert!(!finished.stderr.contains("panicked"), "{name}: {}", finished.stderr);
        assert!(!finished.stderr.contains("the compiler failed"), "{name}: {}", finished.stderr);
    }
}
