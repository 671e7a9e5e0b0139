//! Values of every WIT type through a component and back, as JSON and as MessagePack.
//! Properties of the codecs are tested beside them; these tests show the user's view.

use crate::component;
use crate::guests::Guest;
use cascade_host_tests::Project;
use serde_json::{Value, json};

/// Calls one echo function with a literal, and returns the result.
fn echo(function: &str, literal: &str) -> Value {
    let task = format!("[tasks.t]\ncall = \"g.echo-{function}\"\nargs.value = {literal}\n");
    let project = Project::basic(&task);
    project.run().expect(0).json()["t"].clone()
}

#[test]
fn every_type_survives_a_round_trip() {
    let cases = [
        ("bool", "true", json!(true)),
        ("u8", "255", json!(255)),
        ("u16", "65535", json!(65535)),
        ("u32", "4294967295", json!(4_294_967_295_u32)),
        ("u64", "9223372036854775807", json!(9_223_372_036_854_775_807_u64)),
        ("s8", "-128", json!(-128)),
        ("s16", "-32768", json!(-32768)),
        ("s32", "-2147483648", json!(-2_147_483_648_i64)),
        ("s64", "-9223372036854775808", json!(i64::MIN)),
        ("f32", "1.5", json!(1.5)),
        ("f64", "3", json!(3.0)),
        ("f64", "nan", json!("NaN")),
        ("f64", "-inf", json!("-Infinity")),
        ("char", "\"ß\"", json!("ß")),
        ("string", "\"héllo\\n\"", json!("héllo\n")),
        ("bytes", "[0, 255]", json!("AP8=")),
        ("bytes", "\"AP8=\"", json!("AP8=")),
        ("strings", "[\"a\", \"\"]", json!(["a", ""])),
        ("options", "{ value = [1, 2] }", json!([1, 2])),
        ("tuple", "[7, \"x\", true]", json!([7, "x", true])),
        ("point", "{ y = 2, x = 1.5 }", json!({ "x": 1.5, "y": 2.0 })),
        (
            "person",
            "{ name = \"A\", tags = [] }",
            json!({ "name": "A", "age": null, "home": null, "tags": [] }),
        ),
        ("shape", "\"empty\"", json!("empty")),
        ("shape", "{ circle = 2 }", json!({ "circle": 2.0 })),
        ("shape", "{ polygon = [{ x = 0, y = 1 }] }", json!({ "polygon": [{ "x": 0.0, "y": 1.0 }] })),
        ("shape", "{ maybe = 3 }", json!({ "maybe": 3 })),
        ("colour", "\"green\"", json!("green")),
        ("rights", "[\"execute\", \"read\"]", json!(["read", "execute"])),
        ("option", "5", json!(5)),
    ];
    for (function, literal, expected) in cases {
        assert_eq!(echo(function, literal), expected, "echo-{function} of {literal}");
    }
}

#[test]
fn nested_options_distinguish_none_from_some_none() {
    let task = "[params.v]\ntype = \"option<option<u32>>\"\n[tasks.t]\ncall = \"g.echo-option-option\"\nargs.value = { param = \"v\" }\n";
    let project = Project::basic(task);
    for text in ["null", "[null]", "[7]"] {
        let finished = project.host().args(["-p", &format!("v={text}")]).run().expect(0);
        let expected: Value = serde_json::from_str(text).expect("the case is JSON");
        assert_eq!(finished.json()["t"], expected, "{text}");
    }
}

#[test]
fn result_values_keep_ok_and_err() {
    let params = r#"{"both": {"err": "no"}, "only-ok": {"ok": 1}, "only-err": {"ok": null}, "neither": {"err": null}}"#;
    let ty = "record { both: result<u32, string>, only-ok: result<u32>, only-err: result<_, string>, neither: result }";
    let task = "[tasks.t]\ncall = \"g.echo-outcome\"\nargs.value = { param = \"v\" }\n";
    let project = Project::new(&format!("[params.v]\ntype = \"{ty}\"\n{}{task}", component(Guest::Basic)));
    let finished = project.host().args(["-p", &format!("v={params}")]).run().expect(0);
    let expected: Value = serde_json::from_str(params).expect("the case is JSON");
    assert_eq!(finished.json()["t"], expected);
}

#[test]
fn many_parameters_arrive_in_order() {
    let args = "{ a = 1, b = 2, c = 3, d = 4, e = -5, f = -6, g = -7, h = -8, i = 1.5, j = 2.5, k = true, l = \"l\", \
                m = \"m\", n = [1], o = 9, p = \"blue\", q = [\"write\"] }";
    let project = Project::basic(&format!("[tasks.t]\ncall = \"g.echo-many\"\nargs = {args}\n"));
    let shown = project.run().expect(0).json()["t"].clone();
    let expected = ["1 2 3 4 -5 -6 -7 -8", "1.5 2.5 true l m [1] Some(9)", "Colour::Blue Rights(WRITE)"];
    assert_eq!(shown, json!(expected));
}

#[test]
fn edges_drop_fields_wrap_options_and_widen_numbers() {
    let project = Project::basic(
        r#"
        [tasks.person]
        call = "g.echo-person"
        args.value = { name = "Ada", tags = ["x"] }
        [tasks.name]
        call = "g.name-of"
        args.who = { task = "person" }
        [tasks.point]
        call = "g.echo-point"
        args.value = { x = 1, y = 2 }
        [tasks.height]
        call = "g.height-of"
        args.place = { task = "point" }
        [tasks.small]
        call = "g.echo-u8"
        args.value = 200
        [tasks.wide]
        call = "g.echo-option"
        args.value = { task = "small" }
        [tasks.colour]
        call = "g.pick-colour"
        args.n = 1
        [tasks.paint]
        call = "g.describe-paint"
        args.paint = { task = "colour" }
        "#,
    );
    let shown = project.run().expect(0).json();
    assert_eq!(
        (&shown["name"], &shown["height"], &shown["wide"]),
        (&json!("Ada"), &Value::Null, &json!(200))
    );
    assert!(shown["paint"].as_str().is_some_and(|paint| paint.contains("green")), "{shown}");
}

#[test]
fn eight_mebibytes_survive_a_round_trip() {
    let task = "[tasks.t]\ncall = \"g.big\"\nargs.bytes = 8388608\n[tasks.u]\ncall = \"g.echo-bytes\"\nargs.value = { task = \"t\" }\n";
    let project = Project::basic(task);
    let finished = project.host().args(["-o", "raw"]).run().expect(0);
    assert_eq!(finished.stdout.len(), 8 << 20);
}
