//! Examples of each built-in task, its failures, and its bounds.
//! `properties` has any values; templates have tests of their own.

use crate::builtin::budget::{Budget, Stop};
use crate::builtin::oracle::call;
use crate::builtin::{Builtin, Builtins, Function, Messages};
use crate::invoke::{Attempt, Call, FunctionId, Invoker, Listener, Outcome, Stream};
use crate::model::{Datum, FailureClass, Limits, Name, RunId, Size, TaskName};
use crate::value::{Signature, Type, encode, to_json_text};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

fn datum(json: &str) -> Datum {
    serde_json::from_str(json).unwrap()
}

/// Prepares a task with these types of its parameters and its result.
fn function(name: &str, types: &[&str]) -> Function {
    let builtin = Builtin::find(name).unwrap();
    let (result, params) = types.split_last().unwrap();
    let params = builtin.row().params.iter().zip(params);
    let params = params.map(|(param, ty)| (param.name.into(), Type::parse(ty).unwrap())).collect();
    Function {
        builtin,
        signature: Signature { params, result: Some(Type::parse(result).unwrap()) },
        messages: Messages::Full,
    }
}

fn args(function: &Function, json: &[&str]) -> Vec<Bytes> {
    let params = function.signature.params.iter().zip(json);
    params.map(|((_, ty), json)| encode(ty, &datum(json)).unwrap()).collect()
}

/// Returns the result as JSON, or the message of a failure.
fn run(name: &str, types: &[&str], json: &[&str]) -> String {
    let function = function(name, types);
    match call(&function, &args(&function, json)) {
        Ok(value) => to_json_text(function.signature.result.as_ref().unwrap(), &value).unwrap(),
        Err(stop) => stop
            .failure()
            .map_or_else(|| "stopped".to_owned(), |(class, message)| format!("{class}: {message}")),
    }
}

#[test]
fn lists() {
    let (list, lists) = ("list<u32>", "list<list<u32>>");
    assert_eq!(run("flatten", &[lists, list], &["[[1, 2], [], [3]]"]), "[1,2,3]");
    assert_eq!(run("flatten", &["list<list<u8>>", "list<u8>"], &["[[1, 2], [], [200]]"]), "\"AQLI\"");
    assert_eq!(
        run("zip", &[list, "list<string>", "list<tuple<u32, string>>"], &["[1, 2]", r#"["a", "b"]"#]),
        r#"[[1,"a"],[2,"b"]]"#
    );
    assert_eq!(
        run("zip", &[list, "list<string>", "list<tuple<u32, string>>"], &["[1, 2]", r#"["a"]"#]),
        "input: `a` has 2 elements, and `b` has 1; they must be equally long"
    );
    assert_eq!(run("chunk", &[list, "u32", lists], &["[1, 2, 3]", "2"]), "[[1,2],[3]]");
    assert_eq!(
        run("chunk", &["list<u8>", "u32", "list<list<u8>>"], &["[1, 2, 3]", "2"]),
        r#"["AQI=","Aw=="]"#
    );
    assert!(run("chunk", &[list, "u32", lists], &["[1]", "0"]).starts_with("input: `size` is 0"));
    assert_eq!(run("first", &[list, "option<u32>"], &["[1, 2]"]), "1");
    assert_eq!(run("last", &[list, "option<u32>"], &["[1, 2]"]), "2");
    assert_eq!(run("last", &[list, "option<u32>"], &["[]"]), "null");
    let nested = ["list<option<u8>>", "option<option<u8>>"];
    assert_eq!(run("first", &nested, &["[null]"]), "[null]");
    assert_eq!(run("length", &[list, "u32"], &["[1, 2]"]), "2");
    assert_eq!(run("filter", &[list, "list<bool>", list], &["[1, 2, 3]", "[true, false, true]"]), "[1,3]");
    assert!(run("filter", &[list, "list<bool>", list], &["[1]", "[]"]).contains("equally long"));
    assert_eq!(run("compact", &["list<option<u32>>", list], &["[1, null, 3]"]), "[1,3]");
    assert_eq!(run("unwrap-or", &["option<u32>", "u32", "u32"], &["null", "7"]), "7");
    assert_eq!(run("unwrap-or", &["option<u32>", "u32", "u32"], &["1", "7"]), "1");
}

const PERSONS: &str = "list<record { name: string, age: option<u8>, ok: bool }>";
const SOME: &str =
    r#"[{"name":"b","age":3,"ok":true},{"name":"a","ok":false},{"name":"b","age":1,"ok":true}]"#;

fn names(json: &str) -> String {
    let Datum::Array(items) = datum(json) else { return json.to_owned() };
    let name = |item: &Datum| match item {
        Datum::Table(fields) => format!("{:?}{:?}", fields[0].1, fields[1].1),
        other => format!("{other:?}"),
    };
    let all: Vec<String> = items.iter().map(name).collect();
    all.join(" ")
        .replace("Text(\"", "")
        .replace("\")", "")
        .replace("Int(", "")
        .replace(')', "")
        .replace("Null", "-")
}

#[test]
fn paths_into_elements() {
    let sorted = |path: &str, descending: &str| {
        names(&run("sort-by", &[PERSONS, "string", "bool", PERSONS], &[SOME, path, descending]))
    };
    assert_eq!(sorted("\"name\"", "false"), "a- b3 b1");
    assert_eq!(sorted("\"name\"", "true"), "b3 b1 a-");
    assert_eq!(sorted("\"age\"", "false"), "a- b1 b3");
    assert_eq!(names(&run("unique-by", &[PERSONS, "string", PERSONS], &[SOME, "\"name\""])), "b3 a-");
    assert_eq!(names(&run("filter-by", &[PERSONS, "string", PERSONS], &[SOME, "\"ok\""])), "b3 b1");
    assert_eq!(
        run("map-path", &[PERSONS, "string", "list<string>"], &[SOME, "\"name\""]),
        r#"["b","a","b"]"#
    );
    assert_eq!(
        run("map-path", &[PERSONS, "string", "list<u8>"], &[SOME, "\"age.some\""]),
        "input: `items[1]` has no part at `age.some`"
    );
    let groups = "list<record { key: u8, items: list<u8> }>";
    assert_eq!(
        run("group-by", &["list<u8>", "string", groups], &["[3, 1, 3]", "\"\""]),
        r#"[{"key":3,"items":"AwM="},{"key":1,"items":"AQ=="}]"#
    );
}

#[test]
fn every_type_has_an_order() {
    for (ty, sorted) in [
        ("bool", "[false, true]"),
        ("s8", "[-1, 0, 1]"),
        ("f64", r#"["-Infinity", -1.5, 0.0, 2.0, "Infinity", "NaN"]"#),
        ("string", r#"["", "B", "a", "aa", "é", "😀"]"#),
        ("char", r#"["Z", "a", "😀"]"#),
        ("list<u8>", r#"["", "AA==", "AAA=", "AQ=="]"#),
        ("list<s8>", "[[], [-1], [-1, 0], [0]]"),
        ("option<u8>", "[null, 0, 1]"),
        ("option<option<u8>>", "[null, [null], [0]]"),
        ("tuple<u8, bool>", "[[0, true], [1, false], [1, true]]"),
        ("record { b: u8, a: u8 }", r#"[{"b":0,"a":9},{"b":1,"a":0}]"#),
        ("enum { z, a }", r#"["z", "a"]"#),
        ("variant { z(u8), a }", r#"[{"z":1},{"z":2},"a"]"#),
        ("flags { r, w }", r#"[[], ["w"], ["r"], ["r", "w"]]"#),
        ("result<u8, u8>", r#"[{"ok":1},{"ok":2},{"err":0}]"#),
        ("map<string, u8>", r#"[{},{"a":1},{"a":1,"b":0},{"a":2}]"#),
    ] {
        let list = format!("list<{ty}>");
        let Datum::Array(mut items) = datum(sorted) else { panic!("{sorted}") };
        items.reverse();
        let function = function("sort-by", &[&list, "string", "bool", &list]);
        let mut args = args(&function, &["[]", "\"\"", "false"]);
        let ty = Type::parse(&list).unwrap();
        args[0] = encode(&ty, &Datum::Array(items)).unwrap();
        assert_eq!(call(&function, &args).unwrap(), encode(&ty, &datum(sorted)).unwrap(), "{list}");
    }
}

#[test]
fn texts() {
    assert_eq!(run("lines", &["string", "list<string>"], &[r#""a\r\nb\n\nc""#]), r#"["a","b","","c"]"#);
    assert_eq!(run("lines", &["string", "list<string>"], &[r#""a\n""#]), r#"["a"]"#);
    assert_eq!(
        run("join", &["list<string>", "string", "string"], &[r#"["a", "", "c"]"#, "\", \""]),
        r#""a, , c""#
    );
    let json = ["record { a: u8, b: option<f64> }", "string"];
    assert_eq!(run("to-json", &json, &[r#"{"a":1,"b":2}"#]), r#""{\"a\":1,\"b\":2.0}""#);
    let from = ["string", "record { a: u8, b: option<f64> }"];
    assert_eq!(run("from-json", &from, &[r#"" {\"a\": 1}""#]), r#"{"a":1,"b":null}"#);
    for (text, message) in [
        (r#"{\"a\": 300}"#, ".a: expected u8, found 300"),
        (r#"{\"a\": 1, \"c\": 2}"#, "no field `c`; expected one of a, b"),
        (r#"{\"a\": 1"#, "EOF while parsing an object at line 1 column 7"),
        (r#"{\"a\": 1} x"#, "trailing characters at line 1 column 10"),
    ] {
        let message = format!("input: the text is not JSON of the type: {message}");
        assert_eq!(run("from-json", &from, &[&format!("\"{text}\"")]), message);
    }
}

const ROW: &str = "list<record { name: string, n: option<s8>, x: f32, ok: bool }>";

#[test]
fn csv_has_a_header_and_quotes_where_it_must() {
    let items = r#"[{"name":"a,\"b\"","n":-1,"x":0.5,"ok":true},{"name":"","x":"NaN","ok":false}]"#;
    let csv = r#""name,n,x,ok\r\n\"a,\"\"b\"\"\",-1,0.5,true\r\n,,NaN,false\r\n""#;
    assert_eq!(run("to-csv", &[ROW, "string"], &[items]), csv);
    let read = |text: &str| run("from-csv", &["string", ROW], &[&serde_json::to_string(text).unwrap()]);
    let again = r#"[{"name":"a,\"b\"","n":-1,"x":0.5,"ok":true},{"name":"","n":null,"x":"NaN","ok":false}]"#;
    assert_eq!(run("from-csv", &["string", ROW], &[csv]), again);
    // Columns in any order, without that of an option, with other line ends and a mark.
    assert_eq!(read("\u{feff}ok,x,name\ntrue,1,é\n"), r#"[{"name":"é","n":null,"x":1.0,"ok":true}]"#);
    for (text, message) in [
        ("", "the CSV has no header"),
        ("name,n,x\n", "the CSV has no column `ok: bool`"),
        ("name,n,x,okay\n", "the CSV has an unknown column `okay`; did you mean `ok`?"),
        ("name,n,x,ok,ok\n", "the CSV has the column `ok` twice"),
        ("name,n,x,ok\na,1,1,true\nb,1\n", "line 3 of the CSV has 2 cells, and the header has 4"),
        ("name,n,x,ok\na,300,1,true\n", "line 2 of the CSV, column `n`: expected s8, found 300"),
        ("name,n,x,ok\na, 3,1,true\n", "line 2 of the CSV, column `n`: expected s8"),
        ("name,n,x,ok\na,3,inf,true\n", "line 2 of the CSV, column `x`: expected f32, found a string"),
        ("name,n,x,ok\na,3,1,yes\n", "line 2 of the CSV, column `ok`: expected `true` or `false`"),
        ("name,n,x,ok\n\"a,3,1,yes\n", "line 2 of the CSV opens a quote that is never closed"),
        ("name,n,x,ok\na\"b,3,1,yes\n", "line 2 of the CSV has a quote inside of a cell without quotes"),
        ("name,n,x,ok\n\"a\"b,3,1,yes\n", "line 2 of the CSV has text after a closing quote"),
    ] {
        assert_eq!(read(text), format!("input: {message}"), "{text}");
    }
}

fn limited(function: &Function, args: &[Bytes], limits: Limits) -> Stop {
    let is_stopped = AtomicBool::new(false);
    function.call(args, &Budget::new(limits, &is_stopped)).unwrap_err()
}

#[test]
fn output_and_memory_are_bounded_while_they_grow() {
    let join = function("join", &["list<string>", "string", "string"]);
    let many = format!("[{}]", vec!["\"\""; 1000].join(","));
    let args = args(&join, &[&many, &format!("\"{}\"", "x".repeat(1000))]);
    let small = Size::bytes(10_000);
    let hit = limited(&join, &args, Limits { output: small, ..Limits::default() });
    assert_eq!(hit, Stop::Output(small));
    assert_eq!(
        hit.failure().unwrap().1,
        "`limits.output` = 10000B reached: the result is larger; raise it with `limits.output = \"20000B\"`"
    );
    assert_eq!(limited(&join, &args, Limits { memory: small, ..Limits::default() }), Stop::Memory(small));
    let sort = function("sort-by", &["list<u32>", "string", "bool", "list<u32>"]);
    let numbers = format!("[{}]", vec!["1"; 1000].join(","));
    let args = self::args(&sort, &[&numbers, "\"\"", "false"]);
    assert_eq!(limited(&sort, &args, Limits { memory: small, ..Limits::default() }), Stop::Memory(small));
}

#[test]
fn call_that_was_told_to_stop_stops() {
    let flatten = function("flatten", &["list<list<u32>>", "list<u32>"]);
    let args = args(&flatten, &[&format!("[[{}]]", vec!["1"; 10_000].join(","))]);
    let is_stopped = AtomicBool::new(true);
    let stopped = flatten.call(&args, &Budget::new(Limits::default(), &is_stopped));
    assert_eq!(stopped, Err(Stop::Stopped));
}

struct Silent;

impl Listener for Silent {
    fn on_output(&self, _: Stream, _: &str) {}

    fn on_progress(&self, _: f64, _: &str) {}
}

fn call_of(function: usize, args: Vec<Bytes>, timeout: Duration) -> Arc<Call> {
    Arc::new(Call {
        function: FunctionId(function),
        args,
        limits: Limits::default(),
        timeout,
        run_deadline: None,
        attempt: Attempt {
            run: RunId::new("r").unwrap(),
            task: TaskName::from(Name::new("t").unwrap()),
            item: None,
            iteration: None,
            number: 1,
            epoch: 1,
        },
        listener: Arc::new(Silent),
    })
}

#[tokio::test]
async fn invoker_counts_from_its_first_function_and_keeps_the_time() {
    let template = function("template", &["string", "record { xs: list<u32> }", "string"]);
    let xs = format!("{{\"xs\":[{}]}}", vec!["1"; 2000].join(","));
    let endless =
        r#""{% for a in xs %}{% for b in xs %}{% for c in xs %}{% endfor %}{% endfor %}{% endfor %}""#;
    let args = self::args(&template, &[endless, &xs]);
    let length = function("length", &["list<u32>", "u32"]);
    let numbers = self::args(&length, &["[1, 2]"]);
    let builtins = Builtins::new(3, vec![template, length]);
    let served = [0, 3, 4, 5].map(|function| builtins.serves(&call_of(function, Vec::new(), Duration::MAX)));
    assert_eq!(served, [false, true, true, false]);
    let returned = builtins.invoke(call_of(4, numbers, Duration::from_mins(1))).await.unwrap();
    assert_eq!(returned.outcome, Outcome::Value(Bytes::from_static(&[2])));
    let failure = builtins.invoke(call_of(3, args, Duration::from_millis(20))).await.unwrap_err();
    assert_eq!(
        (failure.class, failure.message.as_str()),
        (FailureClass::Timeout, "`timeout` = 20ms reached: the task did not end")
    );
}
