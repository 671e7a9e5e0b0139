//! What becomes the result of a program, and how it ends.
//! `feeds` has what it gets.

use crate::model::FailureClass;
use crate::sandbox::command_tests::trial::{error, file, files, load, steps, text, trial};
use crate::sandbox::testing::RecordingListener;
use crate::value::{Collected, Feed, Type};
use std::sync::Arc;

#[tokio::test]
async fn files_are_in_the_working_directory_and_become_the_result() {
    let changed = trial(file("out/a.txt"))
        .file("in/style.css", "style")
        .file("out/a.txt", "given")
        .steps(&["append=out/a.txt: and appended", "write=b:x"]);
    assert_eq!(changed.json().await, "\"given and appended\"");
    let given = trial(file("./in/../in/a")).file("in/a", "given").steps(&["read=in/a", "read=/in/a"]);
    assert_eq!(given.json().await, "\"given\"");
    let bytes = trial(Collected::File { path: "a".into(), is_text: false }).file("a", "x").steps(&["say=x"]);
    assert_eq!(bytes.json().await, "\"eA==\"");
    let scratch = trial(file("tmp/a")).file("tmp/b", "b").steps(&["write=/tmp/a:x", "read=/tmp/b"]);
    assert_eq!(scratch.json().await, "\"x\"", "`/tmp` is in the working directory");
}

#[tokio::test]
async fn files_that_match_a_pattern_are_sorted_by_name() {
    let write = ["write=out/b.txt:b", "write=out/a.txt:a", "write=out/a/c.txt:c", "write=out/d:d"];
    let names = async |pattern: &str| {
        let json = trial(files(pattern)).file("in.txt", "i").steps(&write).json().await;
        let files: serde_json::Value = serde_json::from_str(&json).unwrap();
        let files = files.as_array().unwrap().iter();
        files.map(|file| file["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("out/*.txt").await, "out/a.txt out/b.txt");
    assert_eq!(names("./out/?").await, "out/d");
    assert_eq!(names("*").await, "in.txt");
    assert_eq!(names("**/*.txt").await, "in.txt out/a.txt out/a/c.txt out/b.txt");
    assert_eq!(names("**").await, "in.txt out/a.txt out/a/c.txt out/b.txt out/d");
    assert_eq!(names("nothing/*").await, "");
    let links = ["write=a:x", "link=a:b", "link=nothing:c", "link=c:d", "link=.:e", "link=e/b:f"];
    let json = trial(files("?")).steps(&links).json().await;
    let file = |name| format!(r#"{{"name":"{name}","content":"x"}}"#);
    assert_eq!(json, format!("[{},{},{}]", file("a"), file("b"), file("f")), "links to files are files");
    let json = trial(files("out/?.txt")).steps(&write).json().await;
    assert_eq!(json, r#"[{"name":"out/a.txt","content":"a"},{"name":"out/b.txt","content":"b"}]"#);
}

#[tokio::test]
async fn several_outputs_are_a_record() {
    let several = steps(&["write=a:x", "say=[1,2]"]).outputs(&[
        ("log", Collected::Text),
        ("raw", Collected::Bytes),
        ("numbers", Collected::Json(Type::parse("list<u8>").unwrap())),
        ("file", file("a")),
        ("all", files("*")),
    ]);
    assert_eq!(
        several.json().await,
        r#"{"log":"[1,2]\n","raw":"WzEsMl0K","numbers":"AQI=","file":"x","all":[{"name":"a","content":"x"}]}"#
    );
}

#[tokio::test]
async fn stdout_that_is_a_result_is_not_logged_and_other_stdout_is() {
    let logged = async |output: Collected| {
        let listener = Arc::new(RecordingListener::default());
        let trial = trial(output).steps(&["write=a:x", "say=out", "complain=err"]);
        trial.run_with(|call| call.listener = Arc::<RecordingListener>::clone(&listener)).await.unwrap();
        listener.recorded()
    };
    assert_eq!(logged(Collected::Text).await, ["Stderr err\n"]);
    assert_eq!(logged(file("a")).await, ["Stdout out\n", "Stderr err\n"]);
}

#[tokio::test]
async fn wrong_status_is_an_error_with_the_status_and_the_end_of_stderr() {
    let failed = async |step: &str| steps(&["complain=why", step]).error().await;
    assert_eq!(failed("exit-with-code=3").await, r#"{"status":3,"stderr":"why\n"}"#);
    assert_eq!(
        failed("exit=3").await,
        r#"{"status":null,"stderr":"why\n"}"#,
        "by `exit`, which tells no number"
    );
    let returned_err = r#"{"status":null,"stderr":"why\nError: \"fail: as you wish\"\n"}"#;
    assert_eq!(failed("fail").await, returned_err);
    let returned = steps(&["complain=why", "exit-with-code=1"]).run().await.unwrap();
    assert_eq!(returned.last.stderr, "why\n");
    let mut accepted = steps(&["say=found", "exit-with-code=3"]);
    accepted.command.ok_status = vec![0, 3];
    assert_eq!(accepted.lines().await, ["found"]);
    let mut refused = steps(&["say=x"]);
    refused.command.ok_status = vec![1];
    assert_eq!(refused.error().await, r#"{"status":0,"stderr":""}"#);
}

#[tokio::test]
async fn module_of_preview_1_is_a_command_too() {
    let module = load(&cascade_host_tests::build_preview1_guests().join("preview1-command.wasm"));
    let copy = steps(&["a"]).feed(Feed::Stdin, text("in\n")).feed(Feed::Env("A".into()), text("b"));
    let returned = copy.run_in(&module, |_| ()).await.unwrap();
    let expected = text("arguments: [\"tool\", \"a\"]\nA=b\nin\ncopied: 3\n");
    assert_eq!(returned.outcome, crate::invoke::Outcome::Value(expected));
    // The lowest byte counts, as in POSIX.
    for (exit, status) in [("exit=3", 3), ("exit=259", 3), ("exit=-1", 255)] {
        let failed = steps(&[exit]).run_in(&module, |_| ()).await.unwrap();
        let told = error(&failed);
        let expected = format!("{{\"status\":{status},\"stderr\":\"as you wish: ");
        assert!(told.starts_with(&expected), "{told}");
    }
    let mut accepted = steps(&["exit=3"]);
    accepted.command.ok_status = vec![0, 3];
    let accepted = accepted.run_in(&module, |_| ()).await.unwrap();
    assert!(matches!(accepted.outcome, crate::invoke::Outcome::Value(_)), "{accepted:?}");
}

/// Returns what was heard of stdout.
fn stdout(listener: &RecordingListener) -> String {
    listener.recorded().iter().filter_map(|heard| heard.strip_prefix("Stdout ")).collect()
}

#[tokio::test]
async fn stdout_of_a_program_that_failed_is_logged_and_kept() {
    for (steps, output) in [
        (&["say=why", "exit-with-code=3"][..], Collected::Text),
        (&["say=why", "fail"], Collected::Bytes),
        (&["say=why"], Collected::Json(Type::U8)),
        (&["say=why", "panic"], Collected::Text),
    ] {
        let listener = Arc::new(RecordingListener::default());
        let heard = Arc::clone(&listener);
        let ended = trial(output).steps(steps).run_with(|call| call.listener = heard).await;
        let last = match ended {
            Ok(returned) => returned.last,
            Err(failure) => failure.last,
        };
        assert_eq!(last.stdout, "why\n", "{steps:?}");
        assert_eq!(stdout(&listener), "why\n", "{steps:?}");
    }
    let listener = Arc::new(RecordingListener::default());
    let heard = Arc::clone(&listener);
    let bytes = trial(Collected::Bytes).steps(&["bytes", "exit-with-code=3"]);
    let returned = bytes.run_with(|call| call.listener = heard).await.unwrap();
    assert_eq!((&*returned.last.stdout, &*stdout(&listener)), ("", ""), "it is no text");
}

#[tokio::test]
async fn as_much_of_stdout_is_logged_as_the_limit_allows() {
    let listener = Arc::new(RecordingListener::default());
    let heard = Arc::clone(&listener);
    let lines: Vec<String> = (0..100).map(|nth| format!("say=line {nth}")).collect();
    let steps: Vec<&str> = lines.iter().map(String::as_str).chain(["exit-with-code=3"]).collect();
    // A line costs 64 bytes, and stderr counts first.
    let trial = trial(Collected::Text).steps(&["complain=x"]).steps(&steps);
    let trial = trial.limits(|limits| limits.logs = crate::model::Size::bytes(5 * 64 + 1));
    trial.run_with(|call| call.listener = heard).await.unwrap();
    assert_eq!(stdout(&listener), "…\nline 96\nline 97\nline 98\nline 99\n");
}

#[tokio::test]
async fn trap_of_a_program_stays_a_trap_with_its_stderr() {
    let failure = steps(&["complain=why", "panic"]).run().await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Trap);
    assert!(
        failure.last.stderr.starts_with("why\n") && failure.last.stderr.contains("as you wish"),
        "{}",
        failure.last.stderr
    );
}

#[tokio::test]
async fn result_that_is_not_what_the_output_says_is_an_error_with_its_cause() {
    let failed = async |output: Collected, step: &str| {
        let failure = trial(output).steps(&["complain=why", step]).run().await.unwrap_err();
        assert_eq!((failure.class, &*failure.last.stderr), (FailureClass::Error, "why\n"));
        failure.message
    };
    let numbers = || Collected::Json(Type::parse("list<u8>").unwrap());
    assert_eq!(
        failed(Collected::Text, "bytes").await,
        "stdout is not UTF-8 at byte 0; use `\"bytes\"` for `\"text\"`"
    );
    assert_eq!(
        failed(numbers(), "say=[1, 300]").await,
        "stdout is not JSON of the type `list<u8>`: [1]: expected u8, found 300"
    );
    assert_eq!(
        failed(numbers(), "say=[1").await,
        "stdout is not JSON of the type `list<u8>`: EOF while parsing a list at line 2 column 0"
    );
    assert_eq!(
        failed(file("out.svg"), "say=x").await,
        "the program left no file `out.svg`; its working directory has no files"
    );
    assert_eq!(
        failed(file("out.svg"), "write=d/out.png:x").await,
        "the program left no file `out.svg`; its working directory has `d/out.png`"
    );
    let many = trial(file("z")).steps(
        &["a", "b", "c", "d", "e", "f", "g"]
            .map(|name| format!("write={name}:x"))
            .each_ref()
            .map(String::as_str),
    );
    assert_eq!(
        many.failure().await.1,
        "the program left no file `z`; its working directory has `a`, `b`, `c`, `d`, `e` and 2 more"
    );
    assert_eq!(failed(file("d"), "write=d/out.png:x").await, "`d` is a folder, and no file");
    let several = steps(&["bytes"]).outputs(&[("log", Collected::Text)]).failure().await;
    assert_eq!(several.1, "output `log`: stdout is not UTF-8 at byte 0; use `\"bytes\"` for `\"text\"`");
}
