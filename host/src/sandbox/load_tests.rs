//! Tests of loading: bytes that are no component, imports, types, and the cache of compiled code.
//! `hermetic` and `hostile` test calls.

use crate::invoke::{Grants, Invoker};
use crate::model::Size;
use crate::sandbox::testing::{binary, call, component, prepare, sandbox};
use crate::sandbox::{Component, LoadError, Metering, Offer, Sandbox, Settings, Toolchain};
use bytes::Bytes;
use futures_util::FutureExt as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn load_error(bytes: impl Into<Bytes>) -> LoadError {
    sandbox().load(bytes.into()).unwrap_err()
}

fn small_component() -> String {
    component("", "(result i32)", "(i32.const 7)", "(result u32)")
}

#[test]
fn errors_name_files_that_are_no_component() {
    assert_eq!(load_error("").to_string(), "the component is empty");
    assert_eq!(load_error("(component)").to_string(), "this is the text of a component, not its binary form");
    assert_eq!(load_error("\u{7f}ELF and more").to_string(), "this is not WebAssembly");
    let module = load_error(wat::parse_str("(module)").unwrap());
    assert_eq!(module.to_string(), "this is a core WebAssembly module that does not carry its interface");
    assert!(module.help().unwrap().contains("`wit = \"wit\"`"));
    let bytes = binary(&small_component());
    for len in [8, 9, bytes.len() / 2, bytes.len() - 1] {
        let error = sandbox().load(bytes.slice(..len));
        assert!(len == 8 || matches!(error, Err(LoadError::Damaged(_))), "{len} {error:?}");
    }
    assert!(matches!(load_error(&b"\0asm\x0d\0\x01\0garbage and more"[..]), LoadError::Damaged(_)));
}

#[test]
fn toolchain_is_recognised_by_its_producers_section() {
    let loaded = |text: &str| sandbox().load(binary(text)).unwrap().toolchain();
    let built_by = |tool| {
        format!(r#"(component (@producers (processed-by "wit-component" "1") (processed-by "{tool}" "2")))"#)
    };
    assert_eq!(loaded(&built_by("ComponentizeJS")), Some(Toolchain::StarlingMonkey));
    assert_eq!(loaded(&built_by("clang")), None);
    assert_eq!(loaded(&small_component()), None);
}

#[test]
fn no_damaged_byte_causes_a_panic() {
    let sandbox = sandbox();
    let bytes = binary(&small_component());
    for index in 0..bytes.len() {
        let mut bytes = bytes.to_vec();
        bytes[index] ^= 0x55;
        drop(sandbox.load(bytes.into()));
    }
}

#[test]
fn precompiled_code_is_never_accepted() {
    let engine = wasmtime::Engine::default();
    let code = engine.precompile_component(&binary(&small_component())).unwrap();
    assert!(matches!(load_error(code), LoadError::Precompiled));
}

#[test]
fn error_of_an_invalid_component_has_the_cause() {
    let text = "(component (core module $m (func (export \"run\") (result i32) (i64.const 1))))";
    let error = load_error(binary(text));
    assert!(matches!(error, LoadError::Compile(_)), "{error:?}");
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap();
    assert!(!cause.is_empty());
}

#[test]
fn errors_name_later_wasi() {
    let later = load_error(binary(r#"(component (import "wasi:cli/stdout@0.3.0" (instance)))"#));
    assert_eq!(
        later.to_string(),
        "the component imports `wasi:cli/stdout@0.3.0`, but this host supports only WASI 0.2"
    );
}

#[test]
fn unknown_imports_are_listed_and_rejected_when_prepared() {
    let text = format!(
        r#"(component
            (import "acme:tools/hammer@1.2.0" (instance (export "hit" (func)) (export "miss" (func))))
            (import "wasi:clocks/monotonic-clock@0.2.3" (instance (export "now" (func (result u64)))))
            (component $c {})
            (instance $c (instantiate $c))
            (export "run" (func $c "run")))"#,
        small_component().trim_start_matches("(component").strip_suffix(')').unwrap()
    );
    let sandbox = sandbox();
    let component = sandbox.load(binary(&text)).unwrap();
    let imports: Vec<_> = component.imports().iter().map(|import| (&*import.name, import.offer)).collect();
    assert_eq!(
        imports,
        [
            ("acme:tools/hammer@1.2.0", Offer::Unknown),
            ("wasi:clocks/monotonic-clock@0.2.3", Offer::Granted(&[crate::model::Grant::Clock])),
        ]
    );
    let error = prepare(&sandbox, &component, Grants::default(), Metering::Time).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the component imports `acme:tools/hammer@1.2.0` (`hit`), which this host does not have"
    );
}

#[test]
fn error_names_the_import_of_another_type() {
    let text = format!(
        r#"(component
            (import "wasi:clocks/monotonic-clock@0.2.0" (instance (export "now" (func (result string)))))
            (component $c {})
            (instance $c (instantiate $c))
            (export "run" (func $c "run")))"#,
        small_component().trim_start_matches("(component").strip_suffix(')').unwrap()
    );
    let sandbox = sandbox();
    let component = sandbox.load(binary(&text)).unwrap();
    let error = prepare(&sandbox, &component, Grants::default(), Metering::Time).unwrap_err();
    let LoadError::ImportType { interface, source } = error else { panic!("{error:?}") };
    assert_eq!(interface, "wasi:clocks/monotonic-clock@0.2.0");
    assert!(source.to_string().contains("`now` has the wrong type"), "{source}");
}

#[test]
fn functions_are_listed_with_their_types_or_why_they_are_unsupported() {
    let text = r#"(component
        (type $thing' (resource (rep i32)))
        (export $thing "thing" (type $thing'))
        (core module $m
            (memory (export "memory") 1)
            (func (export "one") (param i32 i32) (result i32) (i32.const 0))
            (func (export "two") (result i32) (i32.const 0)))
        (core instance $i (instantiate $m))
        (func $two (result (own $thing)) (canon lift (core func $i "two")))
        (export "two" (func $two))
        (component $inner
            (import "one" (func $one (param "n" u32) (param "x" (option char)) (result (list (tuple u8 string)))))
            (export "one" (func $one)))
        (core module $n
            (memory (export "memory") 1)
            (func (export "one") (param i32 i32 i32) (result i32) (i32.const 0)))
        (core instance $n (instantiate $n))
        (func $one (param "n" u32) (param "x" (option char)) (result (list (tuple u8 string)))
            (canon lift (core func $n "one") (memory (core memory $n "memory"))))
        (instance $inner (instantiate $inner (with "one" (func $one))))
        (export "acme:math/ops@1.0.0" (instance $inner)))"#;
    let component = sandbox().load(binary(text)).unwrap();
    let listed: Vec<_> = component
        .exports()
        .iter()
        .map(|export| {
            let signature = match &export.signature {
                Ok(signature) => format!("{signature}"),
                Err(unsupported) => unsupported.to_string(),
            };
            (
                export.interface.as_deref().unwrap_or_default().to_owned(),
                export.function.to_string(),
                signature,
            )
        })
        .collect();
    let expected = [
        ("", "two", "`the result` has the type `own`, which cannot cross an edge"),
        ("acme:math/ops@1.0.0", "one", "func(n: u32, x: option<char>) -> list<tuple<u8, string>>"),
    ];
    assert_eq!(
        listed,
        expected.map(|(interface, function, ty)| (interface.to_owned(), function.to_owned(), ty.to_owned()))
    );
}

fn sandbox_with_cache(folder: &Path) -> Sandbox {
    Sandbox::new(Settings { calls: 1, code_cache: Some(folder.to_owned()) }).unwrap()
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

async fn call_component(sandbox: &Sandbox, component: &Component) -> Bytes {
    let id = prepare(sandbox, component, Grants::default(), Metering::Time).unwrap();
    crate::sandbox::testing::returned(sandbox.invoke(Arc::new(call(id, Vec::new()))).await)
}

#[tokio::test]
async fn code_is_cached_and_reused() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("code");
    for _ in 0..2 {
        let sandbox = sandbox_with_cache(&folder);
        let component = sandbox.load(binary(&small_component())).unwrap();
        assert_eq!(sandbox.take_warnings(), Vec::<String>::new());
        assert_eq!(&*call_component(&sandbox, &component).await, b"\x07");
        assert_eq!(files(&folder, "code").len(), 1);
    }
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(folder.join("secret")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn damaged_or_forged_code_is_compiled_again() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("code");
    sandbox_with_cache(&folder).load(binary(&small_component())).unwrap();
    let [code] = &*files(&folder, "code") else { panic!("one file of code") };
    let [seal] = &*files(&folder, "seal") else { panic!("one seal") };
    let (bytes, valid_seal) = (fs::read(code).unwrap(), fs::read(seal).unwrap());
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    for (changed, sealed) in [
        (&damaged[..], &valid_seal[..]),
        (&bytes[..100], &valid_seal),
        (b"", &valid_seal),
        (&bytes, b"forged"),
        (&bytes, b""),
    ] {
        fs::write(code, changed).unwrap();
        fs::write(seal, sealed).unwrap();
        let sandbox = sandbox_with_cache(&folder);
        let component = sandbox.load(binary(&small_component())).unwrap();
        assert_eq!(&*call_component(&sandbox, &component).await, b"\x07");
        assert_eq!(fs::read(code).unwrap().len(), bytes.len(), "what was damaged was replaced");
    }
}

#[tokio::test]
async fn code_that_cannot_be_cached_goes_to_scratch_or_memory_with_a_warning() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("code");
    let nowhere = scratch.path().join("nowhere");
    for (scratch_folder, warnings_expected) in [(scratch.path(), 1), (&*nowhere, 2)] {
        let sandbox = sandbox_with_cache(&folder).with_scratch(scratch_folder.to_owned());
        fs::remove_dir_all(&folder).unwrap();
        for _ in 0..2 {
            let component = sandbox.load(binary(&small_component())).unwrap();
            assert_eq!(&*call_component(&sandbox, &component).await, b"\x07");
        }
        let warnings = sandbox.take_warnings();
        assert_eq!(warnings.len(), warnings_expected, "{warnings:?}");
        let cache = format!("compiled code is not cached in `{}`: ", folder.display());
        assert!(
            warnings[0].starts_with(&cache) && warnings[0].contains("`CASCADE_CODE_CACHE`"),
            "{warnings:?}"
        );
        if let Some(in_memory) = warnings.get(1) {
            let written = format!("compiled code cannot be written to `{}`", nowhere.display());
            assert!(in_memory.starts_with(&written) && in_memory.contains("`TMPDIR`"), "{in_memory}");
        }
    }
}

#[test]
fn folder_writable_by_others_is_not_used_with_a_warning() {
    let scratch = tempfile::tempdir().unwrap();
    for mode in [0o770, 0o707, 0o777] {
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(mode)).unwrap();
        let sandbox = sandbox_with_cache(scratch.path());
        let warnings = sandbox.take_warnings();
        let [warning] = &*warnings else { panic!("one warning") };
        assert!(
            warning.contains(&format!(
                "other users may write to the folder (mode {mode:o}); give it the mode 700"
            )),
            "{warning}"
        );
        sandbox.load(binary(&small_component())).unwrap();
        assert!(files(scratch.path(), "code").is_empty());
    }
}

#[test]
fn secret_readable_by_others_is_not_trusted() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("code");
    drop(sandbox_with_cache(&folder));
    fs::set_permissions(folder.join("secret"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(sandbox_with_cache(&folder).take_warnings()[0].contains("is readable by other users"));
    fs::write(scratch.path().join("file"), "").unwrap();
    assert!(!sandbox_with_cache(&scratch.path().join("file")).take_warnings().is_empty());
}

#[test]
fn secret_that_is_a_pipe_or_a_link_is_not_trusted_and_does_not_block() {
    let scratch = tempfile::tempdir().unwrap();
    let cache = scratch.path().join("kept");
    drop(sandbox_with_cache(&cache));
    for kind in ["pipe", "link", "dangling", "folder"] {
        let folder = scratch.path().join(kind);
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        let secret = folder.join("secret");
        match kind {
            "pipe" => {
                let status = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&secret).status();
                assert!(status.unwrap().success());
            }
            "link" => std::os::unix::fs::symlink(cache.join("secret"), &secret).unwrap(),
            "dangling" => std::os::unix::fs::symlink(cache.join("nothing"), &secret).unwrap(),
            _ => fs::create_dir(&secret).unwrap(),
        }
        let warnings = sandbox_with_cache(&folder).take_warnings();
        assert!(warnings[0].contains("remove the folder"), "{kind}: {warnings:?}");
    }
    assert!(!cache.join("nothing").exists());
}

#[tokio::test]
async fn links_and_pipes_in_place_of_cached_code_are_not_followed() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("code");
    sandbox_with_cache(&folder).load(binary(&small_component())).unwrap();
    let [code] = &*files(&folder, "code") else { panic!("one file of code") };
    let moved = scratch.path().join("elsewhere");
    fs::rename(code, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, code).unwrap();
    let component = sandbox_with_cache(&folder).load(binary(&small_component())).unwrap();
    assert_eq!(&*call_component(&sandbox_with_cache(&folder), &component).await, b"\x07");
    assert!(fs::symlink_metadata(code).unwrap().is_file(), "the link was replaced by code");
    fs::remove_file(code).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(code).status().unwrap().success());
    sandbox_with_cache(&folder).load(binary(&small_component())).unwrap();
    assert!(fs::symlink_metadata(code).unwrap().is_file());
}

#[test]
fn counts_above_their_maximum_are_rejected_before_compiling() {
    let deep = |depth: usize| format!("{}{}", "(component ".repeat(depth), ")".repeat(depth));
    let error = load_error(binary(&deep(70)));
    assert_eq!(
        error.to_string(),
        "the component has more than 64 levels of nested components, the maximum on every host"
    );
    assert!(error.help().is_some());
    assert!(sandbox().load(binary(&deep(60))).is_ok());
    let wide = format!("(component {})", "(core module)".repeat(2001));
    assert!(load_error(binary(&wide)).to_string().contains("more than 2000 modules and components"));
}

#[test]
fn types_that_double_at_each_level_are_rejected_before_they_fill_the_memory() {
    let levels = |levels: u32| {
        let tuple = |level: u32| format!("(type $t{} (tuple $t{level} $t{level}))", level + 1);
        let tuples: Vec<_> = (0..levels).map(tuple).collect();
        let tuples = tuples.concat();
        let text = format!(
            r#"(component
                (type $t0 u8) {tuples}
                (core module $m (memory (export "memory") 1)
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
                    (func (export "run") (param i32)))
                (core instance $i (instantiate $m))
                (func (export "run") (param "x" $t{levels}) (canon lift (core func $i "run")
                    (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
        );
        sandbox().load(binary(&text))
    };
    assert!(levels(10).is_ok());
    for count in [18, 19, 40, 90] {
        let error = levels(count).unwrap_err().to_string();
        assert!(
            error.contains("more than 500000 types and names") || error.contains("does not compile"),
            "{error}"
        );
    }
}

#[test]
fn names_that_are_shared_often_are_rejected_before_they_fill_the_memory() {
    let repeat = |count: usize, item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<String>();
    let warnings_expected = repeat(1000, &|nth| format!(r#" "case-{nth}""#));
    let functions = repeat(1000, &|nth| format!(r#"(export "f{nth}" (func))"#));
    let enums = |count: usize| {
        format!(
            r#"(component
                (type $e' (enum {warnings_expected}))
                (export $e "e" (type $e'))
                (type $t (tuple {}))
                (core module $m (memory (export "memory") 1)
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
                    (func (export "run") (param i32)))
                (core instance $i (instantiate $m))
                (func (export "run") (param "x" $t) (canon lift (core func $i "run")
                    (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#,
            "$e ".repeat(count)
        )
    };
    let exported = |count: usize| {
        let functions = functions.replace("(func)", "(func $f)");
        let interfaces = repeat(count, &|nth| format!(r#"(export "a:b/c{nth}" (instance $all))"#));
        format!(
            r#"(component
                (core module $m (func (export "run")))
                (core instance $i (instantiate $m))
                (func $f (canon lift (core func $i "run")))
                (instance $all {functions})
                {interfaces})"#
        )
    };
    let imported = |count: usize| {
        let imports = repeat(count, &|nth| format!(r#"(import "a:b/c{nth}" (instance (type $t)))"#));
        format!("(component (type $t (instance {functions})) {imports})")
    };
    let long_name = format!(
        r#"(component
            (core module $m (func (export "run")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "run")))
            (instance $all (export "{}" (func $f)))
            {})"#,
        "x".repeat(90_000),
        repeat(400, &|nth| format!(r#"(export "a:b/c{nth}" (instance $all))"#))
    );
    for small in [enums(100), exported(100), imported(100)] {
        assert!(sandbox().load(binary(&small)).is_ok());
    }
    for amplified in [enums(600), exported(600), imported(600), long_name] {
        let error = load_error(binary(&amplified)).to_string();
        assert!(error.contains("more than 500000 types and names"), "{error}");
    }
}

#[tokio::test]
async fn runs_share_a_budget_and_a_larger_limit_waits_for_all_of_it() {
    let mib = |count: u64| Size::bytes(count << 20);
    let host = sandbox().with_budget(mib(300)).with_shared_budget();
    let (one, other) = (host.for_another_run(), host.for_another_run());
    let first = one.reserve_memory(mib(256)).await.unwrap();
    assert!(other.reserve_memory(mib(44)).now_or_never().is_some(), "there is room");
    assert!(other.reserve_memory(mib(45)).now_or_never().is_none(), "there is no room");
    assert!(other.reserve_memory(mib(1000)).now_or_never().is_none(), "it needs the whole budget");
    drop(first);
    assert!(other.reserve_memory(mib(1000)).now_or_never().is_some(), "it runs alone");
    assert!(sandbox().for_another_run().reserve_memory(mib(1000)).await.is_none(), "nothing is shared");
}
