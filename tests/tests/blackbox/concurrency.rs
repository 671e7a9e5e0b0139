//! Async functions over WASI 0.2, streams and futures, from three toolchains.
//! Guests that misuse them are in `hostile`.

use crate::guests::Guest;
use crate::named;
use cascade_host_tests::{
    Host, Project, Toolchain, build_javascript_later, build_python_later, build_rust_guests,
};
use serde_json::{Value, json};

/// Runs tasks of the guest `flows`, each with its arguments, and returns their results.
fn run(tasks: &[(&str, &str)]) -> Value {
    let mut body = named("f", Guest::Flows);
    for (call, args) in tasks {
        body.push_str(&format!("[tasks.{call}]\ncall = \"f.{call}\"\n{args}\n"));
    }
    Project::new(&body).run().expect(0).json()
}

#[test]
fn async_functions_are_tasks_like_others() {
    let shown = run(&[
        ("double", "args.x = 21"),
        ("patient", "args.name = \"Ada\""),
        ("sixteen", "args.x = 9"),
        ("seventeen", "args.x = 9"),
        ("join", "args.words = [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\", \"i\"]"),
        ("plain", "args.text = \"beside\""),
    ]);
    let sixteen: Vec<u32> = [9].into_iter().chain(1..16).collect();
    let seventeen: Vec<u32> = [9].into_iter().chain(1..17).collect();
    let expected = json!({
        "double": 42,
        "patient": "hello Ada",
        "sixteen": sixteen,
        "seventeen": seventeen,
        "join": "a b c d e f g h i",
        "plain": "BESIDE",
    });
    assert_eq!(shown, expected);
}

#[test]
fn streams_are_lists_and_futures_are_values() {
    let shown = run(&[
        ("sum", "args.numbers = [1, 2, -30]"),
        ("shout", "args.words = [\"a\", \"\", \"d\u{e9}f\"]"),
        ("invert", "args.data = \"aGVsbG8=\""),
        ("later", "args.text = \"soon\""),
        ("count", "args.to = 4"),
        ("pass", "args.data = \"aGVsbG8=\""),
        ("pass-future", "args.value = 1.5"),
        (
            "sizes",
            "args = { bools = [true, false, true], letter = \"\u{e9}\", floats = [1.5, 2.5], blobs = [\"AAAA\", \"\"] }",
        ),
        ("bools", ""),
        ("letter", ""),
        ("floats", ""),
        ("blobs", ""),
        ("smalls", ""),
        ("late-blob", ""),
        ("unread", "args.data = \"aGVsbG8=\""),
        ("first", "args.data = \"aGVsbG8=\""),
    ]);
    let expected = json!({
        "sum": -27,
        "shout": ["A", "", "D\u{c9}F"],
        "invert": "l5qTk5A=",
        "later": "SOON",
        "count": [0, 1, 2, 3],
        "pass": "aGVsbG8=",
        "pass-future": 1.5,
        "sizes": [2, 2, 4, 3],
        "bools": [true, false],
        "letter": "\u{20ac}",
        "floats": [0.5, "NaN"],
        "blobs": ["AQI=", ""],
        "smalls": [-128, 127],
        "late-blob": "AQID",
        "unread": 7,
        "first": 104,
    });
    assert_eq!(shown, expected);
    let empty = run(&[
        ("sum", "args.numbers = []"),
        ("shout", "args.words = []"),
        ("invert", "args.data = \"\""),
        ("count", "args.to = 0"),
    ]);
    assert_eq!(empty, json!({ "sum": 0, "shout": [], "invert": "", "count": [] }));
}

#[test]
fn large_streams_pass_from_task_to_task() {
    let project = Project::new(&format!(
        "[params]\ndata = {{ type = \"list<u8>\" }}\n{}{}",
        named("f", Guest::Flows),
        r#"
        [tasks.inverted]
        call = "f.invert"
        args.data = { param = "data" }
        [tasks.back]
        call = "f.invert"
        args.data = { task = "inverted" }
        [tasks.passed]
        call = "f.pass"
        args.data = { task = "back" }
        [tasks.numbers]
        call = "f.count"
        args.to = 1_000_000
        [tasks.sum]
        call = "f.sum"
        args.numbers = { task = "numbers" }
        [outputs]
        given = { param = "data" }
        passed = { task = "passed" }
        sum = { task = "sum" }
        "#
    ));
    let data: Vec<u8> =
        (0..9_000_001_u32).map(|nth| u8::try_from(nth * 7 % 251).expect("it is small")).collect();
    project.file("data.bin", &data);
    let shown = project.host().args(["-p", "data=@data.bin"]).run().expect(0).json();
    assert_eq!(shown["sum"], 499_999_500_000_u64);
    let text = |name: &str| shown[name].as_str().expect("bytes are shown as text").to_owned();
    assert_eq!(text("given").len(), data.len() / 3 * 4 + 4);
    assert!(text("passed") == text("given"), "the bytes have changed on their way");
}

#[test]
fn error_of_an_async_function_fails_its_task() {
    let body = format!("{}[tasks.t]\ncall = \"f.patient\"\nargs.name = \"\"\n", named("f", Guest::Flows));
    let project = Project::new(&body);
    project.run().expect(1);
    let events = project.events();
    let failed = events.of("task.failed").next().expect("the task fails");
    assert_eq!(
        (failed["class"].as_str(), failed["error"].as_str()),
        (Some("error"), Some("the function returned the error \"nobody\""))
    );
    let logs: Vec<_> = events.of("task.log").filter_map(|event| event["text"].as_str()).collect();
    assert_eq!(logs, ["waited for "]);
}

#[test]
fn trap_in_the_middle_of_a_stream_fails_its_task() {
    let body = format!("{}[tasks.t]\ncall = \"f.broken\"\n", named("f", Guest::Flows));
    let project = Project::new(&body);
    let finished = project.run().expect(1);
    assert!(finished.stderr.contains("in the middle"), "{}", finished.stderr);
    assert_eq!(project.events().of("task.failed").next().expect("it fails")["class"], "trap");
}

#[test]
fn inspect_shows_a_function_as_it_is_in_wit_and_as_a_task() {
    let path = build_rust_guests().join("flows.wasm").display().to_string();
    let shown = Host::new(["inspect", &path]).run().expect(0).text();
    let expected = "    sum: async func(numbers: stream<s64>) -> s64
        as a task: func(numbers: list<s64>) -> s64
        call = \"flows.sum\"\n";
    assert!(shown.contains(expected), "{shown}");
    for expected in [
        "    double: async func(x: u32) -> u32\n        call",
        "    plain: func(text: string) -> string\n        call",
        "cannot be a task: `the result` has the type `stream`, which cannot cross an edge",
        "cannot be a task: `the result` is a `stream` whose elements cannot cross an edge",
        "cannot be a task: `the result` is a `future` whose elements cannot cross an edge",
    ] {
        assert!(shown.contains(expected), "{expected}\n{shown}");
    }
    let json = Host::new(["inspect", "--json", &path]).run().expect(0).json();
    let exports = json["exports"].as_array().expect("a list");
    let of = |call: &str| exports.iter().find(|export| export["call"] == call).expect("it is exported");
    assert_eq!(of("flows.later")["signature"], "func(text: string) -> string");
    assert_eq!(of("flows.later")["wit"], "async func(text: future<string>) -> future<string>");
    assert_eq!(of("flows.plain").get("wit"), None);
}

#[test]
fn arguments_of_streams_are_typed_as_lists() {
    let body = format!("{}[tasks.t]\ncall = \"f.sum\"\nargs.numbers = [\"x\"]\n", named("f", Guest::Flows));
    let finished = Project::new(&body).command("check").run().expect(2);
    assert!(finished.stderr.contains("s64"), "{}", finished.stderr);
}

#[test]
fn python_component_with_async_functions_runs() {
    if Toolchain::Python.is_declined() {
        return;
    }
    let project = Project::new(&format!(
        "[components.py]\npath = \"{}\"\n{}",
        build_python_later().display(),
        r#"
        [tasks.greet]
        call = "py.greet"
        args.name = "Ada"
        [tasks.nobody]
        call = "py.greet"
        args.name = ""
        on-error = "value"
        [tasks.shout]
        call = "py.shout"
        args.words = ["a", "bc"]
        [tasks.total]
        call = "py.total"
        args.numbers = "AQID"
        [tasks.louder]
        call = "py.louder"
        args.text = "soon"
        [tasks.plain]
        call = "py.plain"
        args.x = 4
        "#
    ));
    let expected = json!({
        "greet": "hello Ada",
        "nobody": { "err": "nobody" },
        "shout": ["A", "BC"],
        "total": 6,
        "louder": "SOON",
        "plain": 5,
    });
    let shown = project.run().expect(0).json();
    assert_eq!(shown, expected);
}

#[test]
fn javascript_component_with_the_async_abi_runs() {
    if Toolchain::JavaScript.is_declined() {
        return;
    }
    let project = Project::new(&format!(
        "[components.js]\npath = \"{}\"\n{}",
        build_javascript_later().display(),
        r#"
        [tasks.shout]
        call = "js.shout"
        args.text = "hey"
        [tasks.parse]
        call = "js.parse"
        args.text = "12"
        [tasks.none]
        call = "js.parse"
        args.text = "x"
        on-error = "value"
        [tasks.greet]
        call = "js.greet"
        args.name = "Ada"
        "#
    ));
    let expected =
        json!({ "shout": "HEY", "parse": 12, "none": { "err": "no number" }, "greet": "hello Ada" });
    assert_eq!(project.run().expect(0).json(), expected);
}
