//! Tests of loading: bytes that are no component, imports, types, and the cache of compiled code.
//! `hermetic` and `hostile` test calls.

use crate::invoke::{Grants, Invoker};
use crate::sandbox::testing::{binary, call, component, prepare, sandbox};
use crate::sandbox::{Component, LoadError, Metering, Offer, Sandbox, Settings};
use bytes::Bytes;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn refused(bytes: impl Into<Bytes>) -> LoadError {
    sandbox().load(bytes.into()).unwrap_err()
}

fn small() -> String {
    component("", "(result i32)", "(i32.const 7)", "(result u32)")
}

#[test]
fn what_is_not_a_component_is_named() {
    assert_eq!(refused("").to_string(), "the component is empty");
    assert_eq!(refused("(component)").to_string(), "this is the text of a component, not its binary form");
    assert_eq!(refused("\u{7f}ELF and more").to_string(), "this is not WebAssembly");
    let module = refused(wat::parse_str("(module)").unwrap());
    assert_eq!(module.to_string(), "this is a core WebAssembly module, not a component");
    assert!(module.help().unwrap().contains("wasm-tools component new"));
    let whole = binary(&small());
    for len in [8, 9, whole.len() / 2, whole.len() - 1] {
        let error = sandbox().load(whole.slice(..len));
        assert!(len == 8 || matches!(error, Err(LoadError::Damaged(_))), "{len} {error:?}");
    }
    assert!(matches!(refused(&b"\0asm\x0d\0\x01\0garbage and more"[..]), LoadError::Damaged(_)));
}

#[test]
fn no_damaged_byte_causes_a_panic() {
    let sandbox = sandbox();
    let whole = binary(&small());
    for at in 0..whole.len() {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 0x55;
        drop(sandbox.load(bytes.into()));
    }
}

#[test]
fn precompiled_code_is_never_accepted() {
    let engine = wasmtime::Engine::default();
    let code = engine.precompile_component(&binary(&small())).unwrap();
    assert!(matches!(refused(code), LoadError::Precompiled));
}

#[test]
fn an_invalid_component_says_why_it_does_not_compile() {
    let text = "(component (core module $m (func (export \"run\") (result i32) (i64.const 1))))";
    let error = refused(binary(text));
    assert!(matches!(error, LoadError::Compile(_)), "{error:?}");
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap();
    assert!(!cause.is_empty());
}

#[test]
fn later_wasi_and_async_functions_are_refused_by_name() {
    let later = refused(binary(r#"(component (import "wasi:cli/stdout@0.3.0" (instance)))"#));
    assert_eq!(
        later.to_string(),
        "the component imports `wasi:cli/stdout@0.3.0`, and only WASI 0.2 is supported"
    );
    let text = r#"(component
        (core module $m (func (export "run") (result i32) (i32.const 0)) (func (export "cb") (param i32 i32 i32) (result i32) (i32.const 0)))
        (core instance $i (instantiate $m))
        (func (export "run") async (canon lift (core func $i "run") async (callback (core func $i "cb")))))"#;
    let error = refused(binary(text));
    assert!(matches!(error, LoadError::Async(_)), "{error:?}");
    assert!(error.to_string().contains("async"), "{error}");
}

#[test]
fn imports_are_data_and_unknown_ones_refuse_the_call() {
    let text = format!(
        r#"(component
            (import "acme:tools/hammer@1.2.0" (instance (export "hit" (func)) (export "miss" (func))))
            (import "wasi:clocks/monotonic-clock@0.2.3" (instance (export "now" (func (result u64)))))
            (component $c {})
            (instance $c (instantiate $c))
            (export "run" (func $c "run")))"#,
        small().trim_start_matches("(component").strip_suffix(')').unwrap()
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
fn an_import_of_another_type_is_named() {
    let text = format!(
        r#"(component
            (import "wasi:clocks/monotonic-clock@0.2.0" (instance (export "now" (func (result string)))))
            (component $c {})
            (instance $c (instantiate $c))
            (export "run" (func $c "run")))"#,
        small().trim_start_matches("(component").strip_suffix(')').unwrap()
    );
    let sandbox = sandbox();
    let component = sandbox.load(binary(&text)).unwrap();
    let error = prepare(&sandbox, &component, Grants::default(), Metering::Time).unwrap_err();
    let LoadError::ImportType { interface, source } = error else { panic!("{error:?}") };
    assert_eq!(interface, "wasi:clocks/monotonic-clock@0.2.0");
    assert!(source.to_string().contains("`now` has the wrong type"), "{source}");
}

#[test]
fn functions_are_listed_with_their_types_or_with_what_forbids_them() {
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

fn keeping(folder: &Path) -> Sandbox {
    Sandbox::new(Settings { calls: 1, code_cache: Some(folder.to_owned()) }).unwrap()
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

async fn answer(sandbox: &Sandbox, component: &Component) -> Bytes {
    let id = prepare(sandbox, component, Grants::default(), Metering::Time).unwrap();
    crate::sandbox::testing::returned(sandbox.invoke(Arc::new(call(id, Vec::new()))).await)
}

#[tokio::test]
async fn code_is_kept_and_taken_again() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("code");
    for _ in 0..2 {
        let sandbox = keeping(&folder);
        let component = sandbox.load(binary(&small())).unwrap();
        assert_eq!(sandbox.take_warnings(), Vec::<String>::new());
        assert_eq!(&*answer(&sandbox, &component).await, b"\x07");
        assert_eq!(files(&folder, "code").len(), 1);
    }
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(folder.join("secret")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn damaged_or_forged_code_is_compiled_again() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("code");
    keeping(&folder).load(binary(&small())).unwrap();
    let [code] = &*files(&folder, "code") else { panic!("one file of code") };
    let [seal] = &*files(&folder, "seal") else { panic!("one seal") };
    let (whole, right) = (fs::read(code).unwrap(), fs::read(seal).unwrap());
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for (bytes, sealed) in [
        (&flipped[..], &right[..]),
        (&whole[..100], &right),
        (b"", &right),
        (&whole, b"forged"),
        (&whole, b""),
    ] {
        fs::write(code, bytes).unwrap();
        fs::write(seal, sealed).unwrap();
        let sandbox = keeping(&folder);
        let component = sandbox.load(binary(&small())).unwrap();
        assert_eq!(&*answer(&sandbox, &component).await, b"\x07");
        assert_eq!(fs::read(code).unwrap().len(), whole.len(), "what was damaged was replaced");
    }
}

#[tokio::test]
async fn code_that_cannot_be_kept_goes_to_another_folder_or_to_memory_and_says_so() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("code");
    let nowhere = scratch.path().join("nowhere");
    for (aside, names) in [(scratch.path(), 1), (&*nowhere, 2)] {
        let sandbox = keeping(&folder).with_scratch(aside.to_owned());
        fs::remove_dir_all(&folder).unwrap();
        for _ in 0..2 {
            let component = sandbox.load(binary(&small())).unwrap();
            assert_eq!(&*answer(&sandbox, &component).await, b"\x07");
        }
        let warnings = sandbox.take_warnings();
        assert_eq!(warnings.len(), names, "{warnings:?}");
        let kept = format!("compiled code is not kept in `{}`: ", folder.display());
        assert!(
            warnings[0].starts_with(&kept) && warnings[0].contains("`CASCADE_CODE_CACHE`"),
            "{warnings:?}"
        );
        if let Some(held) = warnings.get(1) {
            let written = format!("compiled code cannot be written to `{}`", nowhere.display());
            assert!(held.starts_with(&written) && held.contains("`TMPDIR`"), "{held}");
        }
    }
}

#[test]
fn a_folder_that_others_may_write_to_is_not_used_and_said_so() {
    let scratch = tempfile::tempdir().unwrap();
    for mode in [0o770, 0o707, 0o777] {
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(mode)).unwrap();
        let sandbox = keeping(scratch.path());
        let warnings = sandbox.take_warnings();
        let [warning] = &*warnings else { panic!("one warning") };
        assert!(
            warning.contains(&format!("others may write to it (mode {mode:o}); give it the mode 700")),
            "{warning}"
        );
        sandbox.load(binary(&small())).unwrap();
        assert!(files(scratch.path(), "code").is_empty());
    }
}

#[test]
fn a_secret_that_others_may_read_is_not_trusted() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("code");
    drop(keeping(&folder));
    fs::set_permissions(folder.join("secret"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(keeping(&folder).take_warnings()[0].contains("may be read by others"));
    fs::write(scratch.path().join("file"), "").unwrap();
    assert!(!keeping(&scratch.path().join("file")).take_warnings().is_empty());
}

#[test]
fn a_secret_that_is_a_pipe_or_a_link_is_not_trusted_and_nobody_waits() {
    let scratch = tempfile::tempdir().unwrap();
    let kept = scratch.path().join("kept");
    drop(keeping(&kept));
    for kind in ["pipe", "link", "dangling", "folder"] {
        let folder = scratch.path().join(kind);
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        let secret = folder.join("secret");
        match kind {
            "pipe" => {
                let made = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&secret).status();
                assert!(made.unwrap().success());
            }
            "link" => std::os::unix::fs::symlink(kept.join("secret"), &secret).unwrap(),
            "dangling" => std::os::unix::fs::symlink(kept.join("nothing"), &secret).unwrap(),
            _ => fs::create_dir(&secret).unwrap(),
        }
        let warnings = keeping(&folder).take_warnings();
        assert!(warnings[0].contains("remove the folder"), "{kind}: {warnings:?}");
    }
    assert!(!kept.join("nothing").exists());
}

#[tokio::test]
async fn links_and_pipes_in_the_place_of_code_are_not_followed() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("code");
    keeping(&folder).load(binary(&small())).unwrap();
    let [code] = &*files(&folder, "code") else { panic!("one file of code") };
    let elsewhere = scratch.path().join("elsewhere");
    fs::rename(code, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, code).unwrap();
    let component = keeping(&folder).load(binary(&small())).unwrap();
    assert_eq!(&*answer(&keeping(&folder), &component).await, b"\x07");
    assert!(fs::symlink_metadata(code).unwrap().is_file(), "the link was replaced by code");
    fs::remove_file(code).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(code).status().unwrap().success());
    keeping(&folder).load(binary(&small())).unwrap();
    assert!(fs::symlink_metadata(code).unwrap().is_file());
}

#[test]
fn too_many_of_something_is_refused_before_it_is_compiled() {
    let deep = |depth: usize| format!("{}{}", "(component ".repeat(depth), ")".repeat(depth));
    let error = refused(binary(&deep(70)));
    assert_eq!(
        error.to_string(),
        "the component has more than 64 components inside of each other, and no host takes more"
    );
    assert!(error.help().is_some());
    assert!(sandbox().load(binary(&deep(60))).is_ok());
    let wide = format!("(component {})", "(core module)".repeat(2001));
    assert!(refused(binary(&wide)).to_string().contains("more than 2000 modules and components"));
}

#[test]
fn types_that_double_at_each_level_are_refused_before_they_fill_the_memory() {
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
fn names_that_are_written_once_and_used_often_are_refused_before_they_fill_the_memory() {
    let many = |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<String>();
    let names = many(1000, &|nth| format!(r#" "case-{nth}""#));
    let functions = many(1000, &|nth| format!(r#"(export "f{nth}" (func))"#));
    let enums = |count: usize| {
        format!(
            r#"(component
                (type $e' (enum {names}))
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
        let interfaces = many(count, &|nth| format!(r#"(export "a:b/c{nth}" (instance $all))"#));
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
        let imports = many(count, &|nth| format!(r#"(import "a:b/c{nth}" (instance (type $t)))"#));
        format!("(component (type $t (instance {functions})) {imports})")
    };
    let long = format!(
        r#"(component
            (core module $m (func (export "run")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "run")))
            (instance $all (export "{}" (func $f)))
            {})"#,
        "x".repeat(90_000),
        many(400, &|nth| format!(r#"(export "a:b/c{nth}" (instance $all))"#))
    );
    for few in [enums(100), exported(100), imported(100)] {
        assert!(sandbox().load(binary(&few)).is_ok());
    }
    for amplified in [enums(600), exported(600), imported(600), long] {
        let error = refused(binary(&amplified)).to_string();
        assert!(error.contains("more than 500000 types and names"), "{error}");
    }
}
