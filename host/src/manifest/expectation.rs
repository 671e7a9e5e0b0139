//! Reads `[[tests]]`: params of a run, and what is expected of it.
//! `plan` types the values, and `app` runs the tests.

use crate::manifest::keys::TEST;
use crate::manifest::reader::Reader;
use crate::manifest::scalar::{title, word};
use crate::manifest::table::{Slot, Table};
use crate::manifest::test_case::{Expectation, Test, Values};
use crate::manifest::value::literal;
use crate::model::{FailureClass, Fault, Spanned};
use std::collections::HashMap;
use toml::de::DeValue;

/// The classes that a test can expect.
pub(crate) const FAILURES: [(&str, FailureClass); 5] = [
    ("error", FailureClass::Error),
    ("trap", FailureClass::Trap),
    ("timeout", FailureClass::Timeout),
    ("limit", FailureClass::Limit),
    ("input", FailureClass::Input),
];

const EXAMPLE: &str = "`[[tests]]` and below it `name = \"…\"`, `params = { … }` and `expect = { … }`";

/// Reads `[[tests]]`.
pub(crate) fn tests(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Vec<Test> {
    let DeValue::Array(array) = slot.value else {
        let fault = slot.mismatch("an array of tables").help(format!("write {EXAMPLE}"));
        return reader.fault(fault).unwrap_or_default();
    };
    let tests: Vec<Test> = slot.elements(array).filter_map(|element| test(reader, &element)).collect();
    let mut first: HashMap<&str, &Test> = HashMap::new();
    for test in &tests {
        if let Some(earlier) = first.insert(&test.name, test) {
            let fault = Fault::spanned(test.span.clone(), format!("two tests have the name `{}`", test.name));
            reader
                .fault::<()>(fault.related(earlier.span.clone(), "first here").help("rename one of the two"));
        }
    }
    tests
}

fn test(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Test> {
    let mark = reader.mark();
    let mut table = Table::open(reader, slot, TEST, ("a test", EXAMPLE))?;
    let name = table.required(reader, ("name", "name = \"one line\""), title);
    let params = table.optional(reader, "params", values).unwrap_or_default();
    let (expect_slot, fails_slot) = (table.slot("expect"), table.slot("fails"));
    let expect = table.optional(reader, "expect", values);
    let fails = table.optional(reader, "fails", |reader, slot| word(reader, slot, &FAILURES));
    table.close(reader);
    match (expect_slot, fails_slot) {
        (Some(expect), Some(fails)) => {
            let fault = Fault::spanned(fails.key, "a test has `expect` or `fails`, not both");
            reader.fault::<()>(fault.related(expect.key, "the other one").help("keep one of the two"));
        }
        (None, None) => {
            let fault = Fault::spanned(slot.span.clone(), "a test has neither `expect` nor `fails`");
            reader.missing(fault.help(
                "write `expect = { OUTPUT = … }`, `expect = {}` for any outputs, or `fails = \"error\"`",
            ));
        }
        (Some(_), None) | (None, Some(_)) => {}
    }
    let expectation = match (expect, fails) {
        (Some(outputs), _) => Expectation::Outputs(outputs),
        (None, Some(class)) => Expectation::Failure(class),
        (None, None) => return None, // as reported
    };
    let test = Test { span: slot.span.clone(), name: name?, params, expectation };
    reader.is_sound_since(mark).then_some(test)
}

/// Reads literals by name.
fn values(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Values> {
    let DeValue::Table(table) = slot.value else {
        let help = format!("write `{} = {{ NAME = … }}`", slot.name);
        return reader.fault(slot.mismatch("a table of names and values").help(help));
    };
    let value = |entry: Slot<'_>| {
        let value = literal(reader, &entry)?;
        Some((Spanned::new(entry.name.to_owned(), entry.key), value))
    };
    let values: Vec<Option<_>> = Slot::entries(table).map(value).collect();
    values.into_iter().collect()
}
