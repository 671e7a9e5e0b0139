//! Reads `call`: `component.function`, or `component#namespace:package/interface@version.function`.
//! `graph` and `plan` look up component and function.

use crate::manifest::Call;
use crate::manifest::reader::Reader;
use crate::manifest::scalar::filled;
use crate::manifest::table::Slot;
use crate::model::{Fault, Name, Spanned};
use toml::de::DeValue;

/// Reads the value of `call`.
pub(crate) fn call(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<Call>> {
    if !matches!(slot.value, DeValue::String(_)) {
        return reader.fault(slot.mismatch("a string").help(FORMS));
    }
    let text = filled(reader, slot)?;
    match parse(&text.value) {
        Ok(call) => Some(Spanned::new(call, text.span)),
        Err(message) => reader.fault(
            Fault::spanned(text.span, message)
                .help(suggestion(&text.value).unwrap_or_else(|| FORMS.to_owned())),
        ),
    }
}

const FORMS: &str = "write `call = \"component.function\"`, or \
                     `call = \"component#namespace:package/interface@1.0.0.function\"`";

fn parse(text: &str) -> Result<Call, String> {
    if text.contains(char::is_whitespace) {
        return Err("a call cannot contain spaces".to_owned());
    }
    let (component, interface, function) = parts(text)?;
    let component = Name::new(component).map_err(|fault| format!("the component of the call: {fault}"))?;
    if function.is_empty() || interface.is_some_and(str::is_empty) {
        return Err("a call needs a function after the last dot".to_owned());
    }
    if interface.is_some() && function.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("a call needs a function after the version of the interface".to_owned());
    }
    if !is_label(function) {
        return Err(format!("`{function}` is not a valid function name"));
    }
    Ok(Call {
        component: component.as_str().to_owned(),
        interface: interface.map(str::to_owned),
        function: function.to_owned(),
    })
}

/// Splits a call into component, interface and function.
fn parts(text: &str) -> Result<(&str, Option<&str>, &str), &'static str> {
    if let Some((component, rest)) = text.split_once('#') {
        let (interface, function) =
            rest.rsplit_once('.').ok_or("a call needs a function after the interface")?;
        return Ok((component, Some(interface), function));
    }
    let (component, function) = text.rsplit_once('.').ok_or("a call needs a component and a function")?;
    Ok((component, None, function))
}

/// Returns whether a function's name is a WIT label. Names such as `[method]…` cannot be called by tasks.
fn is_label(function: &str) -> bool {
    let has_valid_chars = function.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    has_valid_chars && function.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Guesses the intended call.
fn suggestion(text: &str) -> Option<String> {
    let dotted = text.trim().replace("::", ".").replace(['/', ':', ' '], ".").replace("()", "");
    let dashed = dotted
        .rsplit_once('.')
        .map(|(component, function)| format!("{component}.{}", function.replace('_', "-")))?;
    let is_short = !text.contains(['#', '@']);
    (is_short && dashed != text && parse(&dashed).is_ok()).then(|| format!("write `call = \"{dashed}\"`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn function_follows_the_last_dot() {
        let long = parse("words#ns:pkg/iface@1.0.0.count-all").unwrap();
        assert_eq!(long.interface.as_deref(), Some("ns:pkg/iface@1.0.0"));
        assert_eq!((long.component.as_str(), long.function.as_str()), ("words", "count-all"));
        assert_eq!(parse("words.count").unwrap().interface, None);
    }

    #[test]
    fn common_misspellings_get_a_suggestion() {
        assert_eq!(suggestion("words::count").as_deref(), Some("write `call = \"words.count\"`"));
        assert_eq!(suggestion("words.count_all()").as_deref(), Some("write `call = \"words.count-all\"`"));
        assert_eq!(suggestion("words"), None);
    }
}
