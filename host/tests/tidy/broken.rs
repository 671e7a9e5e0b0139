//! Tests each rule with text that breaks it, and with text that almost does.
//! The rules are in `main.rs`.

use crate::File;
use crate::check_cycles;
use crate::check_file;
use crate::code::code_of;
use crate::exported;
use crate::machine_paths;
use crate::test_children;
use crate::unexplained_dependencies;
use crate::unlocked_dependencies;

const NOTHING: [String; 0] = [];

/// Returns the complaints about a file with a valid first line.
fn complaints(path: &str, code: &str) -> Vec<String> {
    check_file(&File::new(path, &format!("//! Head.\n{code}")))
}

#[test]
fn head_and_length() {
    assert_eq!(check_file(&File::new("model/a.rs", "use std::fmt;\n")).len(), 1);
    assert_eq!(complaints("model/a.rs", &"\n".repeat(499)), NOTHING);
    assert_eq!(complaints("model/a.rs", &"\n".repeat(500)).len(), 1);
}

#[test]
fn exported_names_are_found() {
    let text = "pub use a::B;\n// pub use a::C;\npub use a::b::{\n    D, E,\n    F as G,\n};\npub use h::i as j;\nmod k;\n\
                pub mod l {\n    pub use a::{M, N};\n}\npub(crate) use o::P;\n";
    assert_eq!(exported(&format!("//! Head.\n{text}")), ["B", "D", "E", "G", "j", "l"]);
}

#[test]
fn code_that_breaks_a_rule_is_found() {
    for (path, code) in [
        ("model/a.rs", "use crate::value::Type;"),
        ("value/a.rs", "fn f(x: &crate::plan::Plan) {}"),
        ("stranger.rs", "const X: u8 = 0;"),
        ("plan/a.rs", "use crate::{graph, value};"),
        ("plan/a.rs", "use super::Plan;"),
        ("plan/a.rs", "#[cfg(test)]\nmod tests {\n}\nuse crate::engine::run;"),
        ("plan/a.rs", "#[cfg(test)]\nmod tests {\n    use super::super::Plan;\n}"),
        ("engine/a.rs", "#[cfg(test)]\nmod tests {\n    use crate::sandbox::Sandbox;\n}"),
        ("value/a.rs", "use wasmtime::component::Val;"),
        ("value/a.rs", "#[cfg(test)]\nmod tests {\n    use wasmtime::Engine;\n}"),
        ("app/a.rs", "use wasmtime_wasi as wasi;"),
        ("state/memory.rs", "use redis::Client;"),
        ("app/a.rs", "let x = std::env::var(name);"),
        ("engine/a.rs", "use std::time::SystemTime;"),
        ("engine/a.rs", "getrandom::fill(&mut bytes);"),
        ("engine/a.rs", "println!(\"{x}\");"),
        ("engine/a.rs", "use std::io::stderr;"),
        ("app/a.rs", "anstream::eprintln!(\"x\");"),
    ] {
        assert!(!complaints(path, code).is_empty(), "{path}: {code}");
    }
}

#[test]
fn code_that_breaks_none_is_left_alone() {
    for (path, code) in [
        ("plan/a.rs", "use crate::value::Type;\nuse crate::plan::Plan;"),
        ("plan/a.rs", "// crate::engine is not for us, nor is println!(…)"),
        ("plan/a.rs", "let x = \"crate::engine println!() wasmtime::x\";"),
        ("plan/a.rs", "let x = r#\"crate::engine \" println!()\"#; let y = '\"'; fn f<'a>() {}"),
        ("plan/a.rs", "#[cfg(test)]\nmod tests {\n    use super::*;\n    use crate::engine::run;\n}"),
        (
            "plan/a.rs",
            "#[cfg(test)]\nmod laws {\n    crate::plan_laws!(x);\n}\n\n#[cfg(test)]\nmod tests {\n}",
        ),
        ("model/clock.rs", "use std::time::SystemTime;"),
        ("sandbox/a.rs", "use wasmtime::Engine;"),
        ("state/redis/link/script.rs", "use redis::Script;"),
        ("state/mod.rs", "mod redis;\npub use redis::RedisBackend;"),
        ("app/a.rs", "use crate::state::redis::RedisBackend;"),
        ("cli/a.rs", "anstream::eprintln!(\"x\");"),
        ("engine/a.rs", "let pretty_println = 1; env!(\"X\");"),
    ] {
        assert_eq!(complaints(path, code), NOTHING, "{path}: {code}");
    }
}

#[test]
fn code_behind_strings_is_still_code() {
    for text in ["\"a\\\"b\"", "r\"a\\\"", "'\\''", "'\\u{1b}'", "/* x */", "b\"x\"", "// x\n"] {
        assert_eq!(code_of(&format!("{text}code")).trim_start_matches(['b', '\n']), "code", "{text}");
    }
}

#[test]
fn files_for_tests_alone() {
    let text = "#[cfg(test)]\nmod properties;\n#[cfg(test)]\n#[path = \"uri_tests.rs\"]\nmod tests;\n";
    assert_eq!(test_children(&File::new("value/mod.rs", text)), ["value/properties", "value/uri_tests"]);
    assert_eq!(test_children(&File::new("value/uri.rs", text)), ["value/uri/properties", "value/uri_tests"]);
}

#[test]
fn cycles() {
    let chain = [("plan/a.rs", "use crate::graph::Graph;"), ("graph/a.rs", "use crate::model::Name;")];
    assert_eq!(check_cycles(&chain.map(|(path, code)| File::new(path, code))), NOTHING);
    let knot =
        [("a/x.rs", "use crate::b::B;"), ("b/x.rs", "use crate::c::C;"), ("c/x.rs", "use crate::a::A;")];
    let complaints = check_cycles(&knot.map(|(path, code)| File::new(path, code)));
    assert_eq!(complaints, ["import cycle among, or above, a, b, c"]);
}

#[test]
fn dependencies_without_a_reason() {
    let text = "[workspace.dependencies]\n# Why.\na = \"1\"\nb = \"1\"\nc = \"1\" # why\n\
                # Why.\nd = { version = \"1\", features = [\n    \"x\",\n] }\ne = \"1\"\n\n[profile.dev]\nf = 1\n";
    assert_eq!(unexplained_dependencies(text), ["b", "e"]);
}

#[test]
fn paths_of_a_machine() {
    let text = format!("a\n{}me/somebody\n", "/ho");
    assert_eq!(machine_paths(&text).collect::<Vec<_>>(), [2]);
}

#[test]
fn dependencies_that_a_lock_file_lacks_are_found() {
    let host = "[dependencies]\na = \"1\"\nb.workspace = true\nc = { version = \"1\", optional = true }\nd = \"1\"\n";
    let lock = "[[package]]\nname = \"cascade-host\"\ndependencies = [\"a\", \"d 2.0.0\"]\n";
    assert_eq!(unlocked_dependencies(&host.parse().unwrap(), &lock.parse().unwrap()), ["b"]);
}
