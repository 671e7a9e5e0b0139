//! `new` creates pipelines that run as they stand: a task in each language, or the functions of a component.
//! `build` knows the languages, and does nothing where a component is newer than its sources.

use cascade_host_tests::{
    Host, Language, Toolchain, build_preview1_guests, build_rust_guests, build_variables,
};
use serde_json::json;
use std::fs;
use std::path::Path;

/// Creates `words` in `folder`.
fn create(folder: &Path, arguments: [&str; 2]) -> String {
    Host::new(["new", "words"]).args(arguments).within(folder).run().expect(0).stderr
}

/// Adds variables by which builds keep what they compile.
fn built(host: Host) -> Host {
    build_variables().into_iter().fold(host, |host, (name, value)| host.env(name, &value))
}

/// Creates a pipeline in a language, runs and tests it, and builds it again after a change of its source. With a toolchain,
/// its packages are those that other tests have installed.
fn lives_with(language: &str, source: &str, toolchain: Option<Language>) {
    let place = tempfile::tempdir().expect("a folder");
    let said = create(place.path(), ["--lang", language]);
    assert!(said.contains(source) && said.contains("run --build words/manifest.toml"), "{said}");
    assert!(!said.contains("missing"), "{said}");
    if let Some(toolchain) = toolchain {
        toolchain.install_into(&place.path().join("words"));
    }
    let run =
        || built(Host::new(["run", "--build", "words/manifest.toml"])).within(place.path()).run().expect(0);
    let shown = run().json();
    assert_eq!(
        shown["words"],
        json!([{ "text": "to", "times": 2 }, { "text": "be", "times": 2 }, { "text": "or", "times": 1 }, { "text": "not", "times": 1 }])
    );
    let tested = Host::new(["test", "words/manifest.toml"]).within(place.path()).run().expect(0).text();
    assert!(tested.contains("2 passed, 0 failed"), "{tested}");
    if language == "rust" {
        return; // Cargo decides what is to be built
    }
    run().says(["words: newer than its sources, not built"]);
    let source = place.path().join("words").join(source);
    let code = fs::read_to_string(&source).expect("it was created");
    fs::write(&source, code + "\n").expect("it is ours");
    run().says(["building words: "]);
}

/// As a new user does: the build installs the packages.
fn lives(language: &str, source: &str) {
    lives_with(language, source, None);
}

/// As before, with packages that are there already.
fn lives_with_shared_packages(language: &str, source: &str) {
    let toolchain = Language::of(language);
    if !toolchain.is_declined() {
        lives_with(language, source, Some(toolchain));
    }
}

#[test]
fn a_pipeline_in_rust_lives() {
    lives("rust", "src/lib.rs");
}

#[test]
fn a_pipeline_in_c_lives() {
    lives_with_shared_packages("c", "task.c");
}

#[test]
fn a_pipeline_in_cpp_lives() {
    lives_with_shared_packages("cpp", "task.cpp");
}

#[test]
fn a_pipeline_in_zig_lives() {
    lives_with_shared_packages("zig", "task.zig");
}

#[test]
fn a_pipeline_in_go_lives() {
    lives_with_shared_packages("go", "export_my_task_words/words.go");
}

#[test]
fn a_pipeline_in_assemblyscript_lives() {
    lives_with_shared_packages("assemblyscript", "task.ts");
}

#[test]
fn a_pipeline_in_nim_lives() {
    lives_with_shared_packages("nim", "task.nim");
}

#[test]
fn a_pipeline_in_python_lives() {
    if !Toolchain::Python.is_declined() {
        lives("python", "task.py");
    }
}

#[test]
fn a_pipeline_in_javascript_lives() {
    if !Toolchain::JavaScript.is_declined() {
        lives("javascript", "task.js");
    }
}

#[test]
fn a_pipeline_in_typescript_lives() {
    lives_with_shared_packages("typescript", "task.ts");
}

#[test]
fn a_component_becomes_a_manifest_that_runs() {
    let place = tempfile::tempdir().expect("a folder");
    let component = build_rust_guests().join("shapes.wasm");
    fs::copy(&component, place.path().join("my.shapes.wasm")).expect("the component is built");
    let said = create(place.path(), ["--from", "my.shapes.wasm"]);
    assert!(said.contains("cascade-host run words/manifest.toml"), "{said}");
    let manifest = fs::read_to_string(place.path().join("words/manifest.toml")).expect("it was created");
    assert!(manifest.contains("path = \"../my.shapes.wasm\"\n"), "{manifest}");
    assert!(manifest.contains("\nargs.of = { dot = { x = 1.5, y = 1.5 } }\n"), "{manifest}");
    let host = Host::new(["run", "words/manifest.toml", "--target", "by"]);
    let shown = host.within(place.path()).run().expect(0).json();
    assert_eq!(shown["by"], json!({ "dot": { "x": 3.0, "y": 3.0 } }));
}

/// All that is ever wrong with such a manifest is a grant, and the manifest has the line.
#[test]
fn the_manifest_of_every_component_passes_check() {
    let place = tempfile::tempdir().expect("a folder");
    let folders =
        [build_rust_guests(), build_preview1_guests()].map(|folder| fs::read_dir(folder).expect("built"));
    let components = folders.into_iter().flatten().flatten().map(|entry| entry.path());
    let mut seen = 0;
    for component in components.filter(|path| path.extension().is_some_and(|extension| extension == "wasm")) {
        let name = format!("p{seen}");
        let path = component.display().to_string();
        Host::new(["new", &name, "--from", &path]).within(place.path()).run().expect(0);
        let manifest = place.path().join(&name).join("manifest.toml");
        let text = fs::read_to_string(&manifest).expect("it was created");
        fs::write(&manifest, with_grants(&text)).expect("it is ours");
        Host::new(["check", &manifest.display().to_string()]).within(place.path()).run().expect(0);
        seen += 1;
    }
    assert!(seen > 10, "{seen} components");
}

/// Removes the `#`s of the lines with grants.
fn with_grants(manifest: &str) -> String {
    let mut is_inside = false;
    let line = |line: &str| {
        is_inside = line.starts_with("# [components.") || is_inside && line.starts_with("# ");
        format!("{}\n", if is_inside { line.trim_start_matches("# ") } else { line })
    };
    manifest.lines().map(line).collect()
}

#[test]
fn what_is_there_already_stays() {
    let place = tempfile::tempdir().expect("a folder");
    create(place.path(), ["--lang", "python"]);
    let source = place.path().join("words/task.py");
    fs::write(&source, "mine").expect("it was created");
    let again = || Host::new(["new", "words", "--lang", "rust"]).within(place.path()).run();
    again().expect(2).says(["error: the folder `words` has files already"]);
    assert_eq!(fs::read_to_string(&source).expect("it is there"), "mine");
    assert!(!place.path().join("words/Cargo.toml").exists());
    for (name, languages) in [("other", "ruby"), ("..", "rust")] {
        Host::new(["new", name, "--lang", languages]).within(place.path()).run().expect(2);
    }
    assert!(!place.path().join("other").exists());
}

#[test]
fn tools_that_are_missing_are_named_with_what_installs_them() {
    let place = tempfile::tempdir().expect("a folder");
    let shell = place.path().join("bin");
    fs::create_dir(&shell).expect("the folder is empty");
    std::os::unix::fs::symlink("/bin/sh", shell.join("sh")).expect("there is a shell");
    let path = shell.display().to_string();
    let host = |arguments: [&str; 2]| Host::new(arguments).env("PATH", &path).within(place.path());
    host(["new", "words"]).args(["--lang", "python"]).run().expect(0).says([
        "missing Python 3.10 or later: apt-get install",
        "cascade-host run --build words/manifest.toml",
    ]);
    host(["run", "--build"]).args(["words/manifest.toml"]).run().expect(2).says([
        "Python 3.10 or later is missing: apt-get install python3 python3-venv\n",
        "error: the build command of words failed",
    ]);
}

/// An interface with a world of another name than `task`, functions at its root and in an interface, and names that are
/// words of languages.
const PRICES: &str = "package acme:prices@1.2.0;
interface table {
    record price { name: string, cents: u64, note: option<string> }
    variant fault { unknown, many(list<string>) }
    look-up: func(var: string, limit: option<u32>) -> result<price, fault>;
}
world shop {
    use table.{price};
    export table;
    export cheapest: func(of: list<price>) -> option<price>;
}
";

/// Begins a pipeline from an interface, and builds it: its functions fail until they are written.
fn begins(language: &str, says: &str) {
    let toolchain = Language::of(language);
    if toolchain.is_declined() {
        return;
    }
    let place = tempfile::tempdir().expect("a folder");
    fs::write(place.path().join("prices.wit"), PRICES).expect("the folder is empty");
    Host::new(["new", "words", "--lang", language, "--wit", "prices.wit"])
        .within(place.path())
        .run()
        .expect(0);
    toolchain.install_into(&place.path().join("words"));
    let run = built(Host::new(["run", "--build", "--keep-going", "words/manifest.toml"]));
    let told = run.within(place.path()).run().expect(1);
    told.says(["failed     cheapest  trap: ", "failed     look-up  trap: ", says]);
}

#[test]
fn an_interface_becomes_a_pipeline_whose_functions_are_to_be_written() {
    begins("c", "core.wasm!abort");
    begins("zig", "panic: to be written");
    begins("nim", "cheapest is to be written");
    begins("python", "to be written");
    begins("typescript", "cheapest is to be written");
}

#[test]
fn an_interface_becomes_a_pipeline_in_go() {
    let place = tempfile::tempdir().expect("a folder");
    fs::write(place.path().join("prices.wit"), PRICES.replace("var: ", "name: "))
        .expect("the folder is empty");
    let toolchain = Language::of("go");
    if !toolchain.is_declined() {
        Host::new(["new", "words", "--lang", "go", "--wit", "prices.wit"])
            .within(place.path())
            .run()
            .expect(0);
        toolchain.install_into(&place.path().join("words"));
        let run = built(Host::new(["run", "--build", "--keep-going", "words/manifest.toml"]));
        run.within(place.path()).run().expect(1).says(["  | panic: not implemented"]);
    }
}

#[test]
fn an_interface_that_cannot_be_begun_says_why() {
    let place = tempfile::tempdir().expect("a folder");
    let refused = |wit: &str, language: &str, says: &str| {
        fs::write(place.path().join("x.wit"), wit).expect("the folder is ours");
        let host = Host::new(["new", "words", "--lang", language, "--wit", "x.wit"]).within(place.path());
        host.run().expect(2).says([says]);
        assert!(!place.path().join("words").exists());
    };
    refused("package a:b; world w { export f: fun(); }", "rust", "x.wit:1:");
    refused("package a:b; world w {} world v {}", "rust", "the worlds `w`, `v`: choose one");
    refused("package a:b; world w {}", "python", "the world `w` exports no function");
    refused(PRICES, "assemblyscript", "`--wit` cannot begin a task in AssemblyScript");
    refused("package a:b; world w { export f: async func(); }", "go", "is async or belongs to a resource");
}

#[test]
fn bindings_and_wrap_make_components_and_refuse_what_is_none() {
    let place = tempfile::tempdir().expect("a folder");
    fs::write(place.path().join("prices.wit"), PRICES).expect("the folder is empty");
    let host = |line: &str| {
        let words = line.split(' ');
        let host = Host::new([]).within(place.path());
        words.fold(host, |host, word| host.args([word])).run()
    };
    host("bindings prices.wit --lang c")
        .expect(0)
        .says(["wrote bindings: shop.c, shop.h, shop_component_type.o"]);
    let header = place.path().join("bindings/shop.h");
    let before = fs::metadata(&header).and_then(|data| data.modified()).expect("it was written");
    host("bindings prices.wit --lang zig").expect(0);
    assert_eq!(fs::metadata(&header).and_then(|data| data.modified()).expect("it is there"), before);
    host("bindings prices.wit --lang python")
        .expect(2)
        .says(["writes no bindings for Python", "componentize-py"]);
    host("bindings none.wit --lang c").expect(2).says(["cannot read the WIT `none.wit`"]);
    let fixed = "package a:b; world w { export f: func(at: list<f32, 3>); }";
    fs::write(place.path().join("fixed.wit"), fixed).expect("the folder is ours");
    host("bindings fixed.wit --lang c").expect(2).says(["does not support this interface: "]);
    let module = "(module (memory (export \"memory\") 1) (func (export \"add\") (param i32 i32) (result i32) \
        (i32.add (local.get 0) (local.get 1))))";
    fs::write(place.path().join("add.wasm"), wat::parse_str(module).expect("it is valid"))
        .expect("the folder is ours");
    let wit = "package a:b; world w { export add: func(a: s32, b: s32) -> s32; }";
    fs::write(place.path().join("add.wit"), wit).expect("the folder is ours");
    host("wrap add.wasm -o out.wasm").expect(2).says(["does not carry its interface"]);
    host("wrap add.wasm --wit prices.wit -o out.wasm").expect(2).says(["cannot make a component"]);
    host("wrap add.wasm --wit add.wit -o sub/out.wasm").expect(0).says(["wrote sub/out.wasm ("]);
    host("wrap sub/out.wasm -o out.wasm").expect(2).says(["this is a component already"]);
    assert!(host("inspect sub/out.wasm").expect(0).text().contains("add: func(a: s32, b: s32) -> s32"));
    assert!(!place.path().join("out.wasm").exists());
}
