//! Writes pins into the text of a manifest, and leaves everything else of it as it is.
//! `locking` knows the pins.

use toml_edit::{DocumentMut, InlineTable, Item, TableLike, TomlError, Value};

/// The pins of one component, as the manifest writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pin {
    /// Name of the component.
    pub(crate) component: String,
    /// The new value of `oci`.
    pub(crate) oci: Option<String>,
    /// The new value of `sha256`.
    pub(crate) sha256: String,
}

/// Returns the text with these pins.
pub(crate) fn with_pins(text: &str, pins: &[Pin]) -> Result<String, TomlError> {
    let mut document: DocumentMut = text.parse()?;
    let components = document.get_mut("components").and_then(Item::as_table_like_mut);
    if let Some(components) = components {
        for pin in pins {
            if let Some(component) = components.get_mut(&pin.component) {
                set(component, pin);
            }
        }
    }
    let mut written = document.to_string();
    if !text.ends_with('\n') {
        written.truncate(written.trim_end_matches('\n').len());
    }
    // New lines end as the others do.
    let has_crlf = text.contains("\r\n");
    Ok(if has_crlf { written.replace("\r\n", "\n").replace('\n', "\r\n") } else { written })
}

fn set(component: &mut Item, pin: &Pin) {
    match component {
        Item::Value(Value::InlineTable(table)) => set_inline(table, pin),
        other => {
            if let Some(table) = other.as_table_like_mut() {
                set_keys(table, pin);
            }
        }
    }
}

fn set_keys(table: &mut dyn TableLike, pin: &Pin) {
    if let Some(oci) = &pin.oci {
        replace(table, "oci", oci);
    }
    replace(table, "sha256", &pin.sha256);
}

/// Sets a key; the space and the comment around a present value stay.
fn replace(table: &mut dyn TableLike, key: &str, text: &str) {
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(value) => {
            let decor = value.decor().clone();
            *value = Value::from(text);
            *value.decor_mut() = decor;
        }
        None => drop(table.insert(key, toml_edit::value(text))),
    }
}

/// Sets the keys of `{ … }`. The space before the bracket stays the last one.
fn set_inline(table: &mut InlineTable, pin: &Pin) {
    let is_new = !table.contains_key("sha256");
    let last = table.iter_mut().last().map(|(_, value)| value.decor_mut());
    let end = last.filter(|_| is_new).and_then(|decor| {
        let end = decor.suffix().cloned();
        decor.set_suffix("");
        end
    });
    set_keys(table, pin);
    if let (Some(end), Some((_, value))) = (end, table.iter_mut().last()) {
        value.decor_mut().set_suffix(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(component: &str, oci: Option<&str>) -> Pin {
        Pin { component: component.to_owned(), oci: oci.map(str::to_owned), sha256: "abc".to_owned() }
    }

    fn pinned(text: &str, pins: &[Pin]) -> String {
        let written = with_pins(text, pins).unwrap();
        assert_eq!(with_pins(&written, pins).unwrap(), written, "a second time changes nothing");
        written
    }

    #[test]
    fn formatting_and_comments_stay() {
        let text = "# head\ncascade = 1   # one\nname   = 'x'\n\n[components.words]  # from us\n  \
            oci = \"r.io/a:1\"   # the tag\n  build-dir = '.'\n\n# grants\n[components.words.grants]\nenv = [\n  \"A\", # a\n]\n\n\
            [tasks.t]\ncall = \"words.run\"\n# tail";
        let expected = text
            .replace("\"r.io/a:1\"", "\"r.io/a:1@sha256:0\"")
            .replace("build-dir = '.'\n", "build-dir = '.'\nsha256 = \"abc\"\n");
        assert_eq!(pinned(text, &[pin("words", Some("r.io/a:1@sha256:0"))]), expected);
    }

    #[test]
    fn every_form_of_a_component_is_pinned() {
        for (text, expected) in [
            (
                "[components.a]\nurl = \"https://h/a\"",
                "[components.a]\nurl = \"https://h/a\"\nsha256 = \"abc\"",
            ),
            (
                "[components]\na = { url = \"https://h/a\" } # here\nb.path = \"b\"\n",
                "[components]\na = { url = \"https://h/a\", sha256 = \"abc\" } # here\nb.path = \"b\"\n",
            ),
            (
                "[components]\na = {url = \"https://h/a\"}\n",
                "[components]\na = {url = \"https://h/a\", sha256 = \"abc\"}\n",
            ),
            (
                "components.a.url = \"https://h/a\"\ncomponents.b.path = \"b\"\nx = 1\n",
                "components.a.url = \"https://h/a\"\ncomponents.a.sha256 = \"abc\"\ncomponents.b.path = \"b\"\nx = 1\n",
            ),
            (
                "[components]\na.url = \"https://h/a\"\nb.path = \"b\"\n",
                "[components]\na.url = \"https://h/a\"\na.sha256 = \"abc\"\nb.path = \"b\"\n",
            ),
            (
                "[components.a]\nsha256 = 'old' # pin\nurl = \"https://h/a\"\n",
                "[components.a]\nsha256 = \"abc\" # pin\nurl = \"https://h/a\"\n",
            ),
            (
                "[components.\"a\"]\r\nurl = \"https://h/a\"\r\n\r\n[tasks]\r\n",
                "[components.\"a\"]\r\nurl = \"https://h/a\"\r\nsha256 = \"abc\"\r\n\r\n[tasks]\r\n",
            ),
        ] {
            assert_eq!(pinned(text, &[pin("a", None)]), expected);
        }
    }

    #[test]
    fn several_components_are_pinned_at_once() {
        let text = "[components.a]\noci = \"r.io/a:1\"\n[components.b]\noci = \"r.io/b:1\"\n";
        let pins = [pin("a", Some("r.io/a:1@x")), pin("b", Some("r.io/b:1@y"))];
        assert_eq!(
            pinned(text, &pins),
            "[components.a]\noci = \"r.io/a:1@x\"\nsha256 = \"abc\"\n[components.b]\noci = \"r.io/b:1@y\"\nsha256 = \"abc\"\n"
        );
    }
}
