//! A cursor over one table of the text: each key is read once, with a function for its value.
//! Closing the table reports unknown keys and missing required keys.

use crate::manifest::keys::{Section, TOP};
use crate::manifest::reader::Reader;
use crate::model::{Fault, Span, nearest};
use toml::de::DeString;
use toml::de::DeTable;
use toml::de::DeValue;

/// A value of the text, with its name and span.
#[derive(Clone)]
pub(crate) struct Slot<'t> {
    /// The key; elements of an array have the array's name.
    pub(crate) name: &'t str,
    /// Span of the key.
    pub(crate) key: Span,
    /// Span of the value.
    pub(crate) span: Span,
    /// The value.
    pub(crate) value: &'t DeValue<'t>,
    /// Whether the value is an element of an array.
    pub(crate) is_element: bool,
}

impl<'t> Slot<'t> {
    /// Creates the slot of a key's value.
    pub(crate) fn new(key: &'t toml::Spanned<DeString<'t>>, value: &'t toml::Spanned<DeValue<'t>>) -> Self {
        Self {
            name: key.get_ref(),
            key: key.span(),
            span: value.span(),
            value: value.get_ref(),
            is_element: false,
        }
    }

    /// Returns the entries of a table, in the order of the text.
    pub(crate) fn entries(table: &'t DeTable<'t>) -> impl Iterator<Item = Self> {
        table.iter().map(|(key, value)| Self::new(key, value))
    }

    /// Returns the elements of an array.
    pub(crate) fn elements(&self, array: &'t [toml::Spanned<DeValue<'t>>]) -> impl Iterator<Item = Self> {
        let name = self.name;
        array.iter().map(move |element| Self {
            name,
            key: element.span(),
            span: element.span(),
            value: element.get_ref(),
            is_element: true,
        })
    }

    /// Returns whether the value is a table or an array.
    pub(crate) const fn has_parts(&self) -> bool {
        matches!(self.value, DeValue::Table(_) | DeValue::Array(_))
    }

    /// Returns the kind of the value, for messages: `a string`.
    pub(crate) const fn kind(&self) -> &'static str {
        match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        }
    }

    /// Returns the fault of a value that is not of the `expected` kind.
    pub(crate) fn mismatch(&self, expected: &str) -> Fault {
        self.fault(&format!("must be {expected}, not {}", self.kind()))
    }

    /// Returns a fault of the value; `predicate` completes the sentence.
    pub(crate) fn fault(&self, predicate: &str) -> Fault {
        let prefix = if self.is_element { "an element of " } else { "" };
        Fault::spanned(self.span.clone(), format!("{prefix}`{}` {predicate}", self.name))
    }
}

/// A key that the section does not have.
pub(crate) struct Unknown<'t> {
    pub(crate) slot: Slot<'t>,
    /// The most similar known key, if any is similar.
    pub(crate) meant: Option<&'static str>,
}

/// A required key that is absent.
struct Absent {
    key: &'static str,
    /// Other keys, each of which makes this one unnecessary.
    alternatives: &'static [&'static str],
    example: &'static str,
}

/// A table that is being read.
pub(crate) struct Table<'t> {
    owner: String,
    span: Option<Span>,
    content: &'t DeTable<'t>,
    section: Section,
    absent: Vec<Absent>,
}

impl<'t> Table<'t> {
    /// Opens the top level of a manifest.
    pub(crate) const fn root(table: &'t DeTable<'t>) -> Self {
        Self { owner: String::new(), span: None, content: table, section: TOP, absent: Vec::new() }
    }

    /// Opens the table in `slot`, called `owner` in messages. A value of another kind is reported, with `example`.
    pub(crate) fn open(
        reader: &mut Reader<'_>,
        slot: &Slot<'t>,
        section: Section,
        (owner, example): (&str, &str),
    ) -> Option<Self> {
        match slot.value {
            DeValue::Table(table) => Some(Self {
                owner: owner.to_owned(),
                span: Some(slot.span.clone()),
                content: table,
                section,
                absent: Vec::new(),
            }),
            DeValue::Array(array) if is_array_of_tables(array, &slot.span) => {
                let fault = Fault::spanned(
                    slot.span.clone(),
                    format!("{owner} must be one table, not an array of tables"),
                )
                .help("write its header with single brackets, `[…]`");
                reader.fault(fault)
            }
            // No other kind is a table.
            _ => reader.fault(
                Fault::spanned(slot.span.clone(), format!("{owner} must be a table, not {}", slot.kind()))
                    .help(format!("write {example}")),
            ),
        }
    }

    /// Reads an optional key with `read`; `None` if it is absent or faulty.
    pub(crate) fn optional<'f, T>(
        &mut self,
        reader: &mut Reader<'f>,
        key: &'static str,
        read: impl FnOnce(&mut Reader<'f>, &Slot<'t>) -> Option<T>,
    ) -> Option<T> {
        let slot = self.slot(key)?;
        read(reader, &slot)
    }

    /// Reads a required key with `read`. If it is absent, the fault shows `example`.
    pub(crate) fn required<'f, T>(
        &mut self,
        reader: &mut Reader<'f>,
        (key, example): (&'static str, &'static str),
        read: impl FnOnce(&mut Reader<'f>, &Slot<'t>) -> Option<T>,
    ) -> Option<T> {
        if self.slot(key).is_none() {
            self.require(key, &[], example);
        }
        self.optional(reader, key, read)
    }

    /// Reports that `key` is absent, unless an unknown key may be a misspelling of it or of one of its `alternatives`.
    pub(crate) fn require(
        &mut self,
        key: &'static str,
        alternatives: &'static [&'static str],
        example: &'static str,
    ) {
        self.absent.push(Absent { key, alternatives, example });
    }

    /// Returns the value of `key`, which is a key of the section.
    pub(crate) fn slot(&self, key: &'static str) -> Option<Slot<'t>> {
        let (written, value) = self.content.get_key_value(key)?;
        Some(Slot::new(written, value))
    }

    /// Reports unknown keys and missing required keys; returns the unknown ones.
    pub(crate) fn close(self, reader: &mut Reader<'_>) -> Vec<Unknown<'t>> {
        let is_unknown = |slot: &Slot<'t>| !self.section.keys().contains(&slot.name);
        let unknown = Slot::entries(self.content).filter(is_unknown);
        let unknown = unknown
            .map(|slot| Unknown { meant: nearest(slot.name, self.section.keys().iter().copied()), slot })
            .collect::<Vec<_>>();
        for unknown in &unknown {
            reader.fault::<()>(self.unknown(unknown));
        }
        for Absent { key, alternatives, example } in &self.absent {
            let is_it = |meant: &str| meant == *key || alternatives.contains(&meant);
            if !unknown.iter().any(|unknown| unknown.meant.is_some_and(is_it)) {
                let message = self.message_text(&format!("missing key `{key}`"));
                let fault = self.span.clone().map_or_else(
                    || Fault::of_file(message.clone()),
                    |span| Fault::spanned(span, message.clone()),
                );
                let above = if self.span.is_none() { " above the first `[…]`" } else { "" };
                reader.missing(fault.help(format!("write for example `{example}`{above}")));
            }
        }
        unknown
    }

    fn unknown(&self, unknown: &Unknown<'t>) -> Fault {
        let slot = &unknown.slot;
        let fault =
            Fault::spanned(slot.key.clone(), self.message_text(&format!("unknown key `{}`", slot.name)));
        if let Some(meant) = unknown.meant {
            return fault.help(format!("did you mean `{meant}`?"));
        }
        if self.span.is_some() && TOP_KEYS.contains(&slot.name) {
            let help = format!("`{}` belongs to the top of the file, above the first `[…]`", slot.name);
            return fault.help(help);
        }
        let known: Vec<String> = self.section.keys().iter().map(|key| format!("`{key}`")).collect();
        fault.note(format!("known keys are {}", known.join(", ")))
    }

    fn message_text(&self, message: &str) -> String {
        match self.owner.as_str() {
            "" => message.to_owned(),
            owner => format!("{message} in {owner}"),
        }
    }
}

/// Keys outside all tables. Written below a header, TOML silently adds them to that header's table.
const TOP_KEYS: [&str; 3] = ["cascade", "name", "description"];

/// Returns whether an array is written as `[[header]]`: then its span is that of the header.
fn is_array_of_tables(array: &[toml::Spanned<DeValue<'_>>], span: &Span) -> bool {
    array
        .first()
        .is_some_and(|first| matches!(first.get_ref(), DeValue::Table(_)) && first.span().start == span.start)
}
