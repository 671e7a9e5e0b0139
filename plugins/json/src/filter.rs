//! Responsible for filters: compiling one, and running it on a document.
//! Leaves the text of documents and results to `document`.

use crate::document;
use crate::{Error, Variable};
use jaq_core::data::JustLut;
use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars, unwrap_valr};
use jaq_json::Val;

/// Bounds the stack of jaq's parser, which follows brackets.
const MAX_DEPTH: usize = 100;
/// Bounds the stack of jaq's parser and compiler, which follow chains of operators: words and marks of a filter.
const MAX_TOKENS: usize = 600;

/// Runs a filter on a document, and writes each result.
pub fn results(
    document: &str,
    filter: &str,
    variables: &[Variable],
    write: impl Fn(&Val) -> Result<String, Error>,
) -> Result<Vec<String>, Error> {
    let input = document::read(document)?;
    let values = variables.iter().map(value).collect::<Result<Vec<_>, _>>()?;
    let filter = compile(filter, variables)?;
    let ctx = Ctx::<JustLut<Val>>::new(&filter.lut, Vars::new(values));
    let mut results = Vec::new();
    let mut size = 0;
    for result in filter.id.run((ctx, input)).map(unwrap_valr) {
        let result = result.map_err(|error| Error::Failed(error.to_string()))?;
        let text = write(&result)?;
        size += text.len() + 1;
        if size > document::MAX_TEXT {
            return Err(Error::TooLarge);
        }
        results.push(text);
    }
    Ok(results)
}

fn value(variable: &Variable) -> Result<Val, Error> {
    let Variable { name, json } = variable;
    let mut letters = name.chars();
    let is_name = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if !is_name {
        return Err(Error::Variable(format!(
            "`{name}` is no name: a letter or `_`, then letters, digits and `_`"
        )));
    }
    document::read(json)
        .map_err(|_| Error::Variable(format!("the value of `{name}` is no JSON; quote a string")))
}

fn compile(filter: &str, variables: &[Variable]) -> Result<Filter<JustLut<Val>>, Error> {
    if let Some(byte) = too_deep(filter) {
        return Err(mistake(filter, filter.get(byte..).unwrap_or_default(), "the filter nests too deep"));
    }
    if let Some(byte) = too_long(filter) {
        return Err(mistake(
            filter,
            filter.get(byte..).unwrap_or_default(),
            "the filter has more than 600 tokens",
        ));
    }
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    let modules = Loader::new(defs).load(&arena, File { code: filter, path: () });
    let modules =
        modules.map_err(|errors| first(filter, errors.into_iter().flat_map(|(_, error)| unread(error))))?;
    let names: Vec<String> = variables.iter().map(|variable| format!("${}", variable.name)).collect();
    let compiler = Compiler::default().with_funs(funs).with_global_vars(names.iter().map(String::as_str));
    compiler.compile(modules).map_err(|errors| {
        let unknown = errors.into_iter().flat_map(|(_, errors)| errors);
        first(filter, unknown.map(|(part, kind)| (part, format!("there is no {} `{part}`", kind.as_str()))))
    })
}

/// The byte at which brackets nest too deep. Those in strings count, as a string can contain filters.
fn too_deep(filter: &str) -> Option<usize> {
    let mut depth = 0_usize;
    filter.bytes().position(|byte| {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > MAX_DEPTH
    })
}

/// The byte at which there are too many words and marks.
fn too_long(filter: &str) -> Option<usize> {
    let mut is_word = false;
    let starts = filter.char_indices().filter(|(_, letter)| {
        let (was_word, is_space) = (is_word, letter.is_whitespace());
        is_word = letter.is_alphanumeric() || *letter == '_';
        !(is_space || is_word && was_word)
    });
    starts.map(|(byte, _)| byte).nth(MAX_TOKENS)
}

/// What could not be read, and what was expected there.
fn unread(error: load::Error<&str>) -> Vec<(&str, String)> {
    match error {
        load::Error::Io(errors) => {
            errors.into_iter().map(|(part, _)| (part, "there are no modules".to_owned())).collect()
        }
        load::Error::Lex(errors) => errors
            .into_iter()
            .map(|(expected, part)| (part, format!("expected {}", expected.as_str())))
            .collect(),
        load::Error::Parse(errors) => errors
            .into_iter()
            .map(|(expected, part)| (part, format!("expected {}", expected.as_str())))
            .collect(),
    }
}

/// The first of several mistakes.
fn first<'f>(filter: &str, mut mistakes: impl Iterator<Item = (&'f str, String)>) -> Error {
    let (part, message) = mistakes.next().unwrap_or((filter, "the filter cannot be read".to_owned()));
    mistake(filter, part, &message)
}

fn mistake(filter: &str, part: &str, message: &str) -> Error {
    // What was found at the end is an empty text that lies elsewhere.
    let byte =
        (part.as_ptr().addr()).checked_sub(filter.as_ptr().addr()).filter(|byte| *byte <= filter.len());
    Error::Filter(document::mistake(byte.unwrap_or(filter.len()), message.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(document: &str, filter: &str) -> Result<Vec<String>, Error> {
        results(document, filter, &[], document::write)
    }

    #[test]
    fn filters_of_every_day() {
        for (document, filter, expected) in [
            (r#"{"a":[1,2]}"#, ".a | add", "3"),
            (r#"[{"n":"b","s":1},{"n":"a","s":2}]"#, "map(select(.s > 1).n)", r#"["a"]"#),
            (
                r#"[{"k":1,"v":2},{"k":1,"v":3}]"#,
                "group_by(.k) | map({k: .[0].k, v: map(.v) | add})",
                r#"[{"k":1,"v":5}]"#,
            ),
            (r#""a1b""#, r#"[scan("[0-9]")]"#, r#"["1"]"#),
            ("1700000000", "todate", r#""2023-11-14T22:13:20Z""#),
            (r#"{"a":1}"#, "to_entries", r#"[{"key":"a","value":1}]"#),
            ("[1,2,3]", ". as [$a, $b] | {a: $a, $b}", r#"{"a":1,"b":2}"#),
            ("null", "[nan, infinite]", "[null,null]"),
            ("[0.1,1.0,1e2]", "map(. + 1)", "[1.1,2.0,101.0]"),
        ] {
            assert!(
                all(document, filter).is_ok_and(|found| found == [expected]),
                "{filter}: {:?}",
                all(document, filter)
            );
        }
    }

    #[test]
    fn variables_are_values_and_no_filter() {
        let variable = |name: &str, json: &str| Variable { name: name.to_owned(), json: json.to_owned() };
        let run = |variable| results("[1,5]", "map(select(. > $least))", &[variable], document::write);
        assert!(run(variable("least", "3")).is_ok_and(|found| found == ["[5]"]));
        for bad in [variable("least", "x"), variable("", "1"), variable("a b", "1"), variable("$a", "1")] {
            assert!(matches!(run(bad), Err(Error::Variable(_))));
        }
        assert!(matches!(run(variable("other", "3")), Err(Error::Filter(mistake)) if mistake.byte == 15));
    }

    #[test]
    fn bad_filters_are_errors_with_a_place() {
        for (filter, byte) in
            [(".a | nosuch", 5), (".a |", 4), ("{", 1), ("\"", 1), ("import \"a\" as a; .", 8)]
        {
            let found = all("null", filter);
            assert!(
                matches!(&found, Err(Error::Filter(mistake)) if mistake.byte == byte),
                "{filter}: {found:?}"
            );
        }
        for part in ["[", "-", "1|", "try ", "def f: ", "if 1 then "] {
            assert!(matches!(all("null", &part.repeat(100_000)), Err(Error::Filter(_))), "{part}");
        }
        assert!(all("null", &format!("1{}", "+1".repeat(99))).is_ok_and(|found| found == ["100"]));
    }

    #[test]
    fn failures_of_a_filter_are_told() {
        let Err(Error::Failed(message)) = all("1", ".a") else { panic!("an error") };
        assert!(message.contains("index"), "{message}");
        assert!(matches!(all("1", "error(\"no\")"), Err(Error::Failed(message)) if message.contains("no")));
        assert!(matches!(all("1", "[range(200)] | reduce .[] as $i (0; [.])"), Err(Error::Failed(_))));
        assert!(matches!(
            all("1", "repeat(\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" * 100000)"),
            Err(Error::TooLarge)
        ));
    }
}
