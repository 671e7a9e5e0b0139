//! Tests of commands: what a program gets, what becomes its result, and how it ends.
//! The guest `command` takes the steps that its arguments name.

use crate::invoke::{Call, Failure, Grants, Invoker, Outcome, Returned};
use crate::model::{FailureClass, Limits, Size};
use crate::sandbox::testing::{RecordingListener, call, mebibytes, sandbox, value};
use crate::sandbox::{Component, Metering, Sandbox};
use crate::value::{Collected, Command, CommandOutput, Feed, Type, to_json_text};
use bytes::Bytes;
use std::sync::{Arc, OnceLock};

/// A command under test, with the arguments of one call.
struct Trial {
    command: Command,
    args: Vec<Bytes>,
    grants: Grants,
    limits: Limits,
}

fn trial(output: Collected) -> Trial {
    let command = Command {
        program: "tool".into(),
        feeds: Vec::new(),
        output: CommandOutput::One(output),
        ok_status: vec![0],
    };
    Trial { command, args: Vec::new(), grants: Grants::default(), limits: Limits::default() }
}

/// Returns a command of some steps whose result is its stdout.
fn steps(steps: &[&str]) -> Trial {
    trial(Collected::Text).steps(steps)
}

fn file(path: &str) -> Collected {
    Collected::File { path: path.into(), is_text: true }
}

fn files(pattern: &str) -> Collected {
    Collected::Files { pattern: pattern.into(), is_text: true }
}

fn text(text: &str) -> Bytes {
    value("string", &serde_json::to_string(text).unwrap())
}

impl Trial {
    fn feed(mut self, feed: Feed, arg: Bytes) -> Self {
        self.command.feeds.push(feed);
        self.args.push(arg);
        self
    }

    fn steps(self, steps: &[&str]) -> Self {
        steps.iter().fold(self, |trial, step| trial.feed(Feed::Arg, text(step)))
    }

    fn file(self, path: &str, content: &str) -> Self {
        self.feed(Feed::File(path.into()), text(content))
    }

    fn outputs(mut self, outputs: &[(&str, Collected)]) -> Self {
        let outputs = outputs.iter().map(|(name, collected)| ((*name).into(), collected.clone()));
        self.command.output = CommandOutput::Several(outputs.collect());
        self
    }

    fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    async fn run(self) -> Result<Returned, Failure> {
        self.run_with(|_| ()).await
    }

    async fn run_with(self, change: impl FnOnce(&mut Call)) -> Result<Returned, Failure> {
        let (sandbox, component) = command();
        let command = Arc::new(self.command);
        let export = component.exports().iter().find(|export| &*export.function == "run").unwrap();
        let function =
            sandbox.prepare(component, export, Some(&command), self.grants, Metering::Time).unwrap();
        let mut call = Call { limits: self.limits, ..call(function, self.args) };
        change(&mut call);
        sandbox.invoke(Arc::new(call)).await
    }

    /// Runs a command that succeeds, and returns its result as JSON.
    async fn json(self) -> String {
        let ty = self.command.output.ty();
        let returned = self.run().await.unwrap();
        match returned.outcome {
            Outcome::Value(bytes) => to_json_text(&ty, &bytes).unwrap(),
            Outcome::Error(bytes) => panic!("{}", to_json_text(&Command::error_type(), &bytes).unwrap()),
        }
    }

    /// Runs a command whose result is a text, and returns its lines.
    async fn lines(self) -> Vec<String> {
        let text: String = serde_json::from_str(&self.json().await).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Runs a command that ends with a wrong status, and returns the payload of its error.
    async fn error(self) -> String {
        match self.run().await.unwrap().outcome {
            Outcome::Error(bytes) => to_json_text(&Command::error_type(), &bytes).unwrap(),
            Outcome::Value(bytes) => panic!("a value: {bytes:?}"),
        }
    }

    async fn failure(self) -> (FailureClass, String) {
        let failure = self.run().await.unwrap_err();
        (failure.class, failure.message)
    }
}

/// Returns the guest, compiled once.
fn command() -> &'static (Sandbox, Component) {
    static LOADED: OnceLock<(Sandbox, Component)> = OnceLock::new();
    LOADED.get_or_init(|| {
        let path = cascade_host_tests::build_rust_guests().join("command.wasm");
        let sandbox = sandbox();
        let component = sandbox.load(std::fs::read(path).unwrap().into()).unwrap();
        (sandbox, component)
    })
}

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
        assert_eq!(
            say.run().await.unwrap().outcome,
            Outcome::Value(super::testing::value("string", &format!("\"{text}\"")))
        );
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
    let error = async |step: &str| steps(&["complain=why", step]).error().await;
    assert_eq!(error("exit-with-code=3").await, r#"{"status":3,"stderr":"why\n"}"#);
    assert!(error("fail").await.starts_with(r#"{"status":"#), "{}", error("fail").await);
    let returned = steps(&["complain=why", "exit-with-code=1"]).run().await.unwrap();
    assert_eq!(returned.stderr, "why\n");
    let mut accepted = steps(&["say=found", "exit-with-code=3"]);
    accepted.command.ok_status = vec![0, 3];
    assert_eq!(accepted.lines().await, ["found"]);
    let mut refused = steps(&["say=x"]);
    refused.command.ok_status = vec![1];
    assert_eq!(refused.error().await, r#"{"status":0,"stderr":""}"#);
    println!("{}", error("exit=3").await);
}

#[tokio::test]
async fn trap_of_a_program_stays_a_trap_with_its_stderr() {
    let failure = steps(&["complain=why", "panic"]).run().await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Trap);
    assert!(
        failure.stderr.starts_with("why\n") && failure.stderr.contains("as you wish"),
        "{}",
        failure.stderr
    );
}

#[tokio::test]
async fn result_that_is_not_what_the_output_says_is_an_error_with_its_cause() {
    let failed = async |output: Collected, step: &str| {
        let failure = trial(output).steps(&["complain=why", step]).run().await.unwrap_err();
        assert_eq!((failure.class, &*failure.stderr), (FailureClass::Error, "why\n"));
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
    assert_eq!(failed(file("d"), "write=d/out.png:x").await, "`d` is a folder, and no file");
    let several = steps(&["bytes"]).outputs(&[("log", Collected::Text)]).failure().await;
    assert_eq!(several.1, "output `log`: stdout is not UTF-8 at byte 0; use `\"bytes\"` for `\"text\"`");
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
    println!("{first:#?}");
    let names: Vec<&str> = first
        .iter()
        .take_while(|line| !line.starts_with("random"))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(names, ["a", "in", "in/b", "new", "new/z"]);
    let random = |lines: &[String]| lines.iter().find(|line| line.starts_with("drawn")).cloned();
    assert_ne!(random(&first), random(&shown("in/c", "tool").await), "another path");
    assert_ne!(random(&first), random(&shown("in/b", "other").await), "another program");
}

#[tokio::test]
async fn folder_at_the_working_directory_is_refused() {
    let (sandbox, component) = command();
    let command = Arc::new(steps(&[]).command);
    let export = component.exports().first().unwrap();
    for guest in ["/", ".", "./"] {
        let grants = Grants { read: vec![("/".into(), guest.to_owned())], ..Grants::default() };
        let error = sandbox.prepare(component, export, Some(&command), grants, Metering::Time).unwrap_err();
        assert!(error.help().unwrap().contains("data:/data"), "{error}");
    }
}

#[tokio::test]
async fn every_hostile_program_hits_the_limit_that_it_is_for() {
    let small = |step: &str| steps(&[step]).limits(|limits| limits.disk = mebibytes(1));
    let (class, message) =
        small("endless-output").limits(|limits| limits.output = mebibytes(1)).failure().await;
    assert_eq!(class, FailureClass::Limit);
    assert!(
        message.starts_with("`limits.output` = 1MiB reached: the guest writes more to stdout"),
        "{message}"
    );
    for step in ["fill=a", "fill=/tmp/a", "many-files", "hold-removed=a", "deep-folders=100000"] {
        let (class, message) = small(step).failure().await;
        assert_eq!(class, FailureClass::Limit, "{step}: {message}");
        let expected =
            "`limits.disk` = 1MiB reached: the guest's files in its working directory and `/tmp` need more";
        assert!(message.starts_with(expected), "{step}: {message}");
    }
    let given = small("say=x").file("a", &"x".repeat(1 << 20)).failure().await;
    assert!(given.1.starts_with("`limits.disk` = 1MiB reached"), "{}", given.1);
    let memory = steps(&["fill=a"]).limits(|limits| limits.memory = mebibytes(4)).failure().await;
    assert!(memory.1.starts_with("`limits.memory` = 4MiB reached"), "{}", memory.1);
    println!("{:?}", small("links").lines().await);
}

#[tokio::test]
async fn result_is_bounded_by_the_output_limit_whatever_it_consists_of() {
    let kib = |trial: Trial| trial.limits(|limits| limits.output = Size::bytes(1024));
    let write = format!("write=a:{}", "x".repeat(600));
    let class = async |trial: Trial| kib(trial).run().await.err().map(|failure| failure.class);
    assert_eq!(class(trial(file("a")).steps(&[&write])).await, None);
    assert_eq!(
        class(trial(file("a")).steps(&[&write, &format!("append=a:{}", "x".repeat(600))])).await,
        Some(FailureClass::Limit)
    );
    let twice = steps(&[&write]).outputs(&[("a", file("a")), ("b", file("a"))]);
    assert_eq!(class(twice).await, Some(FailureClass::Limit));
    let copies = trial(files("*")).steps(&[&write, &write.replace("=a:", "=b:")]);
    assert_eq!(class(copies).await, Some(FailureClass::Limit));
}

#[tokio::test]
async fn deep_folders_neither_overflow_the_stack_nor_match() {
    let deep = trial(files("**/f")).steps(&["deep-folders=30000"]).failure().await;
    assert_eq!(deep.1, "the program left a path of more than 4096 bytes, which `**/f` cannot match");
    let missing = trial(file("x")).steps(&["deep-folders=30000"]).failure().await;
    assert_eq!(missing.1, "the program left no file `x`; its working directory has no files");
    let shallow = trial(files("d/*")).steps(&["deep-folders=30000"]).json().await;
    assert_eq!(shallow, "[]");
}
