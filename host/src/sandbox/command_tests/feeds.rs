//! What a program gets: arguments, variables, input and files.
//! `results` has what it gives back.

use crate::invoke::{Grants, Outcome};
use crate::model::FailureClass;
use crate::sandbox::GuestKind;
use crate::sandbox::command_tests::trial::{Trial, command, steps, text, trial};
use crate::sandbox::testing::value;
use crate::value::{Collected, Feed};
use std::sync::Arc;

#[tokio::test]
async fn program_gets_its_name_then_the_granted_arguments_then_its_own() {
    let mut trial = steps(&["say=own", "arguments"]);
    trial.grants.args = vec!["say=granted".to_owned()];
    let shown = r#"["tool", "say=granted", "say=own", "arguments"]"#;
    assert_eq!(trial.lines().await, ["granted", "own", shown]);
}

#[tokio::test]
async fn numbers_are_arguments_as_json_has_them() {
    let trial = ["-7", "18446744073709551615"].iter().fold(steps(&["say=x"]), |trial, number| {
        let ty = if number.starts_with('-') { "s64" } else { "u64" };
        trial.feed(Feed::Env(format!("N{ty}").into()), value(ty, number))
    });
    let trial = trial
        .feed(Feed::Env("F".into()), value("f64", "0.5"))
        .feed(Feed::Env("G".into()), value("f32", "\"-Infinity\""))
        .feed(Feed::Env("B".into()), value("bool", "true"))
        .steps(&["variables"]);
    assert_eq!(
        trial.lines().await,
        ["x", "B=true", "F=0.5", "G=-Infinity", "Ns64=-7", "Nu64=18446744073709551615"]
    );
}

#[tokio::test]
async fn variable_of_the_task_replaces_the_granted_one() {
    let mut trial = steps(&["variables"]).feed(Feed::Env("MODE".into()), text("task"));
    trial.grants.env = vec![("MODE".into(), "granted".into()), ("LANG".into(), "C".into())];
    assert_eq!(trial.lines().await, ["LANG=C", "MODE=task"]);
}

#[tokio::test]
async fn stdin_of_either_type_is_copied_to_either_output() {
    let long = "ä".repeat(100_000);
    let copied = steps(&["copy"]).feed(Feed::Stdin, text(&long)).json().await;
    assert_eq!(copied, format!("\"{long}\""));
    let bytes = trial(Collected::Bytes).steps(&["copy"]).feed(Feed::Stdin, value("list<u8>", "\"/wD+\""));
    assert_eq!(bytes.json().await, "\"/wD+\"");
    assert_eq!(steps(&["copy"]).json().await, "\"\"", "without stdin");
    for len in [0, 31, 32, 255, 256, 65_535, 65_536] {
        let text = "x".repeat(len);
        let say = steps(&["copy"]).feed(Feed::Stdin, value("string", &format!("\"{text}\"")));
        assert_eq!(say.run().await.unwrap().outcome, Outcome::Value(value("string", &format!("\"{text}\""))));
    }
}

#[tokio::test]
async fn stdin_ends_again_and_again_and_can_be_polled_and_dropped() {
    let input = |step: &str| steps(&[step]).feed(Feed::Stdin, text("twelve bytes"));
    assert_eq!(input("endless-input").lines().await, ["read 12"]);
    assert_eq!(input("poll").lines().await, ["12 StreamError::Closed"]);
    let dropped = steps(&["drop-input", "copy"]).feed(Feed::Stdin, text("x"));
    assert_eq!(dropped.lines().await, ["x"]);
}

#[tokio::test]
async fn arguments_that_no_program_can_get_are_refused() {
    let nul = steps(&["say=a"]).feed(Feed::Arg, text("a\0b")).failure().await;
    assert_eq!(nul.0, FailureClass::Input);
    assert_eq!(nul.1, "argument 2 of the command contains a NUL character, which would end it");
    let taken = steps(&["say=a"]).file("a", "x").file("a/b", "y").failure().await;
    assert_eq!(taken.1, "the file `a/b` of the command has the path of another file, or is below one");
    let missing = Trial { args: Vec::new(), ..steps(&["say=a"]) }.failure().await;
    assert_eq!(missing.1, "the function has 1 parameters, but the call has 0 arguments");
}

#[tokio::test]
async fn same_call_shows_the_same_and_another_command_other_randomness() {
    let shown = async |path: &str, program: &str| {
        let mut trial = steps(&["write=new/z:x", "write=a:x", "tree", "surroundings"]).file(path, "x");
        trial.command.program = program.into();
        trial.lines().await
    };
    let first = shown("in/b", "tool").await;
    assert_eq!(first, shown("in/b", "tool").await);
    let files = [
        "a 1 946684800000007000",
        "in 0 946684800000002000",
        "in/b 1 946684800000002000",
        "new 0 946684800000004000",
        "new/z 1 946684800000005000",
    ];
    assert_eq!(first[..5], files);
    let rest = first[5..].join("\n");
    for line in ["folder /", "initial Some(\"/\")", "absolute true", "folders [\"/\", \"/tmp\", \"/dev\"]"] {
        assert!(rest.contains(line), "{rest}");
    }
    let random = |lines: &[String]| lines.iter().find(|line| line.starts_with("drawn")).cloned();
    assert_ne!(random(&first), random(&shown("in/c", "tool").await), "another path");
    assert_ne!(random(&first), random(&shown("in/b", "other").await), "another program");
}

#[tokio::test]
async fn devices_are_the_streams_of_the_program_and_its_random_bytes() {
    let streams = ["say=a", "write=/dev/stdout:b\n", "read=/dev/stdin", "append=dev/stdout:d\n", "say=e"];
    let copied = steps(&streams).feed(Feed::Stdin, text("c\n"));
    assert_eq!(copied.lines().await, ["a", "b", "c", "d", "e"]);
    let complaint = steps(&["write=/dev/stderr:why\n", "exit-with-code=1"]);
    assert_eq!(complaint.error().await, r#"{"status":1,"stderr":"why\n"}"#);
    let sink = steps(&["write=/dev/zero:x", "write=/dev/stdin:x", "read=/dev/null", "read=/dev/stdout"]);
    assert_eq!(sink.json().await, "\"\"");

    let drawn = async |is_granted: bool| {
        let mut trial =
            steps(&["draw=/dev/zero", "draw=/dev/urandom", "draw=/dev/urandom", "draw=/dev/random"]);
        trial.grants.random = is_granted;
        trial.lines().await
    };
    let first = drawn(false).await;
    assert_eq!(first[0], format!("[{}]", ["00"; 16].join(", ")));
    let distinct: std::collections::HashSet<_> = first.iter().collect();
    assert_eq!(distinct.len(), first.len(), "{first:?}");
    assert_eq!(drawn(false).await, first, "the call determines them");
    assert_ne!(drawn(true).await[1], drawn(true).await[1]);
}

#[tokio::test]
async fn endless_device_is_read_until_the_time_is_over() {
    for path in ["/dev/urandom", "/dev/zero"] {
        let reading = steps(&[&format!("spill={path}")]);
        let failure = reading.run_with(|call| call.timeout = std::time::Duration::from_millis(200)).await;
        assert_eq!(failure.unwrap_err().class, FailureClass::Timeout, "{path}");
    }
}

#[tokio::test]
async fn folder_at_the_working_directory_is_refused() {
    let (sandbox, component) = command();
    let command = Arc::new(steps(&[]).command);
    let export = component.exports().first().unwrap();
    for guest in ["/", ".", "./"] {
        let grants = Grants { read: vec![("/".into(), guest.to_owned())], ..Grants::default() };
        let error =
            sandbox.prepare(component, export, Some(&command), grants, &[GuestKind::PLAIN]).unwrap_err();
        assert!(error.help().unwrap().contains("data:/data"), "{error}");
    }
}
