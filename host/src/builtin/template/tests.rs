//! Templates by example: results, faults, and a comparison with minijinja's own rendering.
//! The bounds are tested in the parent module.

use crate::builtin::budget::{Budget, Stop};
use crate::builtin::show::Escape;
use crate::builtin::template::{check, render};
use crate::model::{Datum, Limits, Size};
use crate::value::wire::Reader;
use crate::value::{Type, encode};
use std::sync::atomic::AtomicBool;

fn rendered(template: &str, ty: &str, json: &str, escape: Escape) -> Result<String, Stop> {
    let ty = Type::parse(ty).unwrap();
    let datum: Datum = serde_json::from_str(json).unwrap();
    let values = encode(&ty, &datum).unwrap();
    let is_stopped = AtomicBool::new(false);
    let budget = Budget::new(Limits::default(), &is_stopped);
    let shown = render((template, ("values", &ty, &values)), escape, &budget)?;
    Ok(Reader::new(&shown).str().unwrap().to_owned())
}

fn shown(template: &str, ty: &str, json: &str) -> String {
    rendered(template, ty, json, Escape::None).unwrap_or_else(|stop| format!("{stop:?}"))
}

fn faults(template: &str, ty: &str) -> Vec<String> {
    let faults = check(template, &Type::parse(ty).unwrap()).unwrap_err();
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn every_type_is_shown() {
    for (ty, json, text) in [
        ("bool", "true", "true"),
        ("s64", "-5", "-5"),
        ("f64", "2", "2.0"),
        ("f32", "0.1", "0.1"),
        ("f64", "\"NaN\"", "NaN"),
        ("f32", "\"-Infinity\"", "-Infinity"),
        ("char", "\"é\"", "é"),
        ("string", r#""a \"b\" <c>""#, "a \"b\" <c>"),
        ("list<u8>", "\"AP8=\"", "AP8="),
        ("list<string>", r#"["a"]"#, r#"["a"]"#),
        ("tuple<u8, string>", r#"[1, "a"]"#, r#"[1,"a"]"#),
        ("record { a: u8 }", r#"{"a": 1}"#, r#"{"a":1}"#),
        ("map<string, u8>", r#"{"a": 1}"#, r#"{"a":1}"#),
        ("enum { on, off }", "\"on\"", "on"),
        ("variant { a, b(u8) }", "\"a\"", "a"),
        ("variant { a, b(u8) }", r#"{"b": 1}"#, r#"{"b":1}"#),
        ("flags { r, w }", r#"["w"]"#, r#"["w"]"#),
        ("option<string>", "null", ""),
        ("option<string>", "\"x\"", "x"),
        ("option<option<f64>>", "[1]", "1.0"),
        ("result<u8, string>", r#"{"ok": 1}"#, r#"{"ok":1}"#),
    ] {
        assert_eq!(
            shown("<{{ x }}>", &format!("record {{ x: {ty} }}"), &format!("{{\"x\": {json}}}")),
            format!("<{text}>")
        );
    }
}

const PAGE: &str = "record { title: string, first-name: string, rows: list<record { name: string, size: option<u32>, tags: list<string> }>, \
                    best: option<record { name: string }>, done: result<u8, string>, pair: tuple<u8, u16> }";
const VALUES: &str = r#"{"title": "T", "first-name": "F", "rows": [{"name": "a", "size": 1, "tags": ["x", "y"]}, {"name": "b", "tags": []}],
                    "done": {"err": "E"}, "pair": [1, 2]}"#;

#[test]
fn loops_conditions_and_paths() {
    for (template, text) in [
        ("{{ title }}{{ first_name }}{{ pair[1] }}{{ rows[1].name }}\n", "TF2b\n"),
        ("{{ best.name }}|{{ done.ok }}|{{ done.err }}", "||E"),
        (
            "{% for r in rows %}{{ r.name }}{% if r.size %}={{ r.size }}{% else %}!{% endif %};{% endfor %}",
            "a=1;b!;",
        ),
        (
            "{% for r in rows %}{% for t in r.tags %}{{ title }}{{ r.name }}{{ t }} {% else %}none{% endfor %}{% endfor %}",
            "Tax Tay none",
        ),
        (
            "{% for r in rows %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}",
            "10truefalse2 21falsetrue2 ",
        ),
        ("{% if best %}b{% elif rows %}r{% endif %}", "r"),
        ("{% if best.name %}b{% else %}n{% endif %}", "n"),
        ("a {%- if rows -%} b {%- endif %} c{# comment #}", "ab c"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
    ] {
        assert_eq!(shown(template, PAGE, VALUES), text, "{template}");
    }
    let quoted = r#"{{ ["x"] }}{{ title["x"] }}"#;
    assert_eq!(faults(quoted, PAGE).len(), 2);
}

#[test]
fn everything_else_of_jinja_is_refused_with_its_line() {
    for (template, message) in [
        ("\n{{ titel }}", "line 2 of the template: the values have no `titel`; did you mean `title`?"),
        ("{{ rows[0].nme }}", "line 1 of the template: the record has no `nme`; did you mean `name`?"),
        ("{{ pair[2] }}", "line 1 of the template: the tuple has no element [2]"),
        ("{{ title.x }}", "line 1 of the template: a `string` has no part `x`"),
        (
            "{% for x in title %}{% endfor %}",
            "line 1 of the template: `for` runs over a list, not over a `string`",
        ),
        (
            "{% if title %}{% endif %}",
            "line 1 of the template: `if` takes a bool, a list or an option, not a `string`",
        ),
        (
            "{{ title | upper }}",
            "line 1 of the template: `{{ … }}` takes a path, not a filter; compute the value in a task before",
        ),
        ("{{ title ~ title }}", "an operation"),
        ("{{ first-name }}", "write `first_name` or `[\"first-name\"]`"),
        ("{{ title() }}", "a call"),
        ("{{ 1 }}", "a constant"),
        ("{{ title is defined }}", "a test"),
        ("{{ title if rows else title }}", "a condition"),
        ("{{ rows[pair[0]] }}", "an index that is computed"),
        ("{% set x = title %}", "a template has no `set`"),
        ("{% with x = title %}{% endwith %}", "a template has no `with`"),
        ("{% include 'x' %}", "line 1 of the template: unknown statement include"),
        ("{% macro f() %}{% endmacro %}", "unknown statement macro"),
        ("{% for a, b in rows %}{% endfor %}", "`for` has one name"),
        ("{% for a in rows if a.size %}{% endfor %}", "`for` has neither a condition"),
        ("{% for a in rows recursive %}{% endfor %}", "`for` has neither a condition"),
        ("\n\n{% for a in rows %}", "line 3 of the template: unexpected end"),
        ("{% for r in rows %}{{ loop.depth }}{% endfor %}", "`loop` has no `depth`"),
        ("{{ loop.index }}", "the values have no `loop`"),
    ] {
        let faults = faults(template, PAGE);
        assert!(faults.len() == 1 && faults[0].contains(message), "{template}: {faults:?}");
    }
    assert_eq!(faults("{{ a }}{{ b }}", PAGE).len(), 2);
    for deep in ["{% if rows %}", "{{ (", "{% for a in rows %}", "{{ [", "{{ a[", "{{ not "] {
        assert!(!faults(&deep.repeat(100_000), PAGE).is_empty(), "{deep}");
    }
    let nested = format!("{}x{}", "{% if rows %}".repeat(140), "{% endif %}".repeat(140));
    assert_eq!(shown(&nested, PAGE, VALUES), "x");
}

#[test]
fn html_is_escaped_in_values_alone() {
    let ty = "record { x: string, y: list<string> }";
    let json = r#"{"x": "<a href='x'>&\"", "y": ["<"]}"#;
    let html = rendered("<p>{{ x }}{{ y }}</p>", ty, json, Escape::Html).unwrap();
    assert_eq!(html, "<p>&lt;a href=&#39;x&#39;&gt;&amp;&quot;[&quot;&lt;&quot;]</p>");
}

#[test]
fn missing_elements_are_input_failures() {
    let stop = rendered("\n{{ xs[3] }}", "record { xs: list<u8> }", r#"{"xs": [1]}"#, Escape::None);
    let message = "line 2 of the template: there is no element [3]; the list has 1";
    assert_eq!(stop, Err(Stop::Input(message.into())));
}

#[test]
fn template_that_is_not_read_takes_no_memory() {
    let ty = Type::parse("record { x: u8 }").unwrap();
    let values = encode(&ty, &serde_json::from_str(r#"{"x": 1}"#).unwrap()).unwrap();
    let is_stopped = AtomicBool::new(false);
    let memory = Size::bytes(100_000);
    let budget = Budget::new(Limits { memory, ..Limits::default() }, &is_stopped);
    let stop = render(("{{x}}".repeat(10_000).as_str(), ("values", &ty, &values)), Escape::None, &budget);
    assert_eq!(stop, Err(Stop::Memory(memory)));
}

/// What both have in common is the same: text, whitespace, strings, integers, loops and conditions.
#[test]
fn minijinja_itself_renders_the_same() {
    let json = r#"{"a": "x", "n": 5, "b": true, "c": false, "xs": ["p", "q"], "ys": []}"#;
    let ty = "record { a: string, n: u8, b: bool, c: bool, xs: list<string>, ys: list<string> }";
    let context: std::collections::BTreeMap<String, serde_json::Value> = serde_json::from_str(json).unwrap();
    let mut engine = minijinja::Environment::empty();
    engine.set_keep_trailing_newline(true);
    let mut compared = 0;
    let pieces = [
        "{{ a }}",
        "{{- n -}}",
        " \n ",
        "{%- if b %}",
        "{% if c -%}",
        "{% if ys %}",
        "{% else %}",
        "{% endif %}",
        "{% for x in xs %}",
        "{% for a in ys %}",
        "{{ x }}",
        "{% endfor -%}",
        "{# c #}",
        "t",
    ];
    let mut random = crate::model::Random::seeded(7);
    for _ in 0..30_000 {
        let len = random.below(9) + 1;
        let template: String = (0..len).map(|_| pieces[usize::try_from(random.below(14)).unwrap()]).collect();
        let ours = rendered(&template, ty, json, Escape::None);
        let theirs = engine.render_str(&template, &context);
        if let (Ok(ours), Ok(theirs)) = (&ours, &theirs) {
            assert_eq!(ours, theirs, "{template}");
            compared += 1;
        }
        assert!(ours.is_err() || theirs.is_ok(), "{template}");
    }
    assert!(compared > 1000, "only {compared} templates were rendered");
}
