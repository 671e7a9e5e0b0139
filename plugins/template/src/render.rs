//! Responsible for one rendering: its templates, its values, and the place of a mistake.
//! Leaves the exports to `lib`.

use crate::{Error, Mistake, Partial};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde_json::Value;
use std::fmt::Write as _;

/// The name of the template of the call, for messages and for partials that extend it.
const NAME: &str = "template";
/// Bounds loops in loops: some seconds.
const FUEL: u64 = 10_000_000;

/// Fills in values.
pub fn render(
    template: &str,
    values: &str,
    partials: &[Partial],
    escape: AutoEscape,
) -> Result<String, Error> {
    let values = object(values)?;
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(move |_| escape);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    environment.set_fuel(Some(FUEL));
    let partials = partials.iter().map(|partial| (partial.name.as_str(), partial.content.as_str()));
    for (name, content) in partials.chain([(NAME, template)]) {
        environment.add_template(name, content).map_err(|error| fault(name, &error))?;
    }
    let template = environment.get_template(NAME).map_err(|error| fault(NAME, &error))?;
    template.render(values).map_err(|error| fault(NAME, &error))
}

/// The values by their keys, and all of them as `values`.
fn object(values: &str) -> Result<Value, Error> {
    let parsed: Value = serde_json::from_str(values).map_err(|error| Error::Values(error.to_string()))?;
    let Value::Object(mut fields) = parsed else {
        return Err(Error::Values(
            "the values are no JSON object: `std.to-json` writes one of a record".to_owned(),
        ));
    };
    if !fields.contains_key("values") {
        fields.insert("values".to_owned(), Value::Object(fields.clone()));
    }
    Ok(Value::Object(fields))
}

fn fault(name: &str, error: &minijinja::Error) -> Error {
    let mut message = error.kind().to_string();
    if let Some(detail) = error.detail() {
        _ = write!(message, ": {detail}"); // writing to a text cannot fail
    }
    let mistake = Mistake {
        template: error.name().unwrap_or(name).to_owned(),
        line: error.line().and_then(|line| u32::try_from(line).ok()).unwrap_or(0),
        message,
    };
    match error.kind() {
        ErrorKind::SyntaxError => Error::Syntax(mistake),
        ErrorKind::OutOfFuel => Error::Endless,
        _ => Error::Failed(mistake),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(template: &str, values: &str) -> Result<String, Error> {
        render(template, values, &[], AutoEscape::None)
    }

    #[test]
    fn logic_that_std_template_lacks() {
        let values = r#"{"items":[{"name":"b","size":2.5},{"name":"a","size":1}],"first-name":"Ada"}"#;
        for (template, expected) in [
            ("{{ items | map(attribute='name') | sort | join(', ') | upper }}\n", "A, B\n"),
            ("{% for i in items if i.size > 2 %}{{ i.name }}{% endfor %}", "b"),
            ("{% set total = items | map(attribute='size') | sum %}{{ total * 2 }}", "7.0"),
            ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(1) }}", "<1>"),
            ("{{ nothing | default('none') }} {{ items | length }}", "none 2"),
            ("{{ values['first-name'] }}", "Ada"),
        ] {
            assert!(
                text(template, values).is_ok_and(|text| text == expected),
                "{template}: {:?}",
                text(template, values)
            );
        }
    }

    #[test]
    fn partials_are_included_and_extended() {
        let partial =
            |name: &str, content: &str| Partial { name: name.to_owned(), content: content.to_owned() };
        let partials = [partial("base", "<{% block body %}{% endblock %}>"), partial("cell", "[{{ x }}]")];
        let template = "{% extends 'base' %}{% block body %}{% include 'cell' %}{% endblock %}";
        let page = render(template, r#"{"x":"a<b"}"#, &partials, AutoEscape::Html);
        assert!(page.is_ok_and(|page| page == "<[a&lt;b]>"));
    }

    #[test]
    fn mistakes_have_a_place() {
        assert!(matches!(text("a\n{% if %}", "{}"), Err(Error::Syntax(mistake)) if mistake.line == 2));
        assert!(
            matches!(text("a\n{{ b }}", "{}"), Err(Error::Failed(mistake)) if mistake.line == 2 && mistake.template == "template")
        );
        for template in [
            "{{ 1 | nosuch }}",
            "{% include 'x' %}",
            "{{ {}.a.b }}",
            "{{ 'a' + 1 }}",
            "{% include 'template' %}",
        ] {
            assert!(matches!(text(template, "{}"), Err(Error::Failed(_) | Error::Syntax(_))), "{template}");
        }
        for values in ["", "[]", "1", "{", &"[".repeat(100_000)] {
            assert!(matches!(text("", values), Err(Error::Values(_))), "{values}");
        }
    }

    #[test]
    fn a_template_without_end_is_an_error() {
        let nested = "{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}";
        assert!(matches!(text(nested, "{}"), Err(Error::Endless)));
        let recursive = "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}";
        assert!(text(recursive, "{}").is_err());
        assert!(text(&"{% if 1 %}".repeat(10_000), "{}").is_err());
        assert!(text(&format!("{{{{ {} }}}}", "(".repeat(10_000)), "{}").is_err());
    }
}
