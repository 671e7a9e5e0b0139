//! Lists of files as inputs: the types that they may have, and their encoding, file by file.
//! The application finds and reads the files.

use crate::model::{Location, Path, Span, Step};

use crate::plan::scope::Scope;
use crate::plan::{Input, Supplied};
use crate::value::{Field, Type, assign, wire};
use std::sync::Arc;

/// Room for the head of a text or of bytes.
const MAX_HEAD: usize = 5;

/// Returns the type of one file for a target: bytes if the target takes bytes, otherwise text.
pub(crate) fn file_type(to: &Type) -> Type {
    match to {
        Type::List(element) if **element == Type::U8 => to.clone(),
        Type::Option(inner) => file_type(inner),
        _ => Type::String, // for every other target, `binding` reports that it takes no string
    }
}

/// Returns the type of a list of files for a target.
pub(crate) fn list_type(to: &Type) -> Type {
    match to {
        Type::Option(inner) => list_type(inner),
        Type::List(element) if **element != Type::U8 => Type::List(Arc::new(element_type(element))),
        _ => Type::List(Arc::new(Type::String)), // likewise
    }
}

/// Returns the type of a file in a list, for a target of one element.
fn element_type(to: &Type) -> Type {
    match to {
        Type::Option(inner) => element_type(inner),
        Type::Tuple(parts) => match &**parts {
            [_, content] => Type::Tuple([Type::String, file_type(content)].into()),
            _ => Type::String, // no tuple of another length has files
        },
        Type::Record(fields) => {
            let content = fields.iter().find(|field| &*field.name == CONTENT);
            record(content.map_or_else(bytes, |content| file_type(&content.ty)))
        }
        _ => file_type(to),
    }
}

/// Returns the type of a file in a list of `for-each`, by the parts of the item that are used and the types that these
/// have to fit: a record if only its parts are used.
pub(crate) fn element_of_uses(uses: &[(Path, Type)]) -> Type {
    let begins =
        |path: &Path, name: &str| matches!(path.steps().first(), Some(Step::Field(field)) if *field == name);
    if !uses.iter().any(|(path, _)| begins(path, NAME) || begins(path, CONTENT)) {
        return Type::String;
    }
    let contents = || uses.iter().filter(|(path, _)| begins(path, CONTENT)).map(|(_, ty)| file_type(ty));
    // Bytes need not be text. Of both, text is what `binding` reports.
    record(if contents().all(|ty| ty != Type::String) { bytes() } else { Type::String })
}

/// Adds to a fault of files that do not fit how to write their type.
pub(crate) fn advise(scope: &mut Scope<'_>, span: &Span, to: &Type) {
    let is_it = |location: &Location| location.span == *span;
    let Some(fault) = scope.faults.list.last_mut().filter(|fault| fault.location.as_ref().is_some_and(is_it))
    else {
        return;
    };
    if assign(&file_type(to), to).is_ok() {
        fault.helps.push("for the content of one file write `{ file = \"…\" }`".to_owned());
    }
    fault.helps.push(
        "files are a list of contents, `string` or `list<u8>`, or of `record { name: string, content: … }`, or of `tuple<string, …>`"
            .to_owned(),
    );
}

fn bytes() -> Type {
    Type::List(Arc::new(Type::U8))
}

const NAME: &str = "name";
const CONTENT: &str = "content";

fn record(content: Type) -> Type {
    let field = |name: &str, ty| Field { name: name.into(), ty };
    Type::Record([field(NAME, Type::String), field(CONTENT, content)].into())
}

/// A list of files, encoded file by file, so that no content is held twice.
pub struct FileList {
    form: Form,
    is_text: bool,
    out: Vec<u8>,
}

/// The form of a file in the list.
#[derive(Clone, Copy)]
enum Form {
    Content,
    Tuple,
    Record,
}

/// The error of a file that was to be text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotUtf8;

impl FileList {
    /// Begins the list of an input that has this many files.
    #[must_use]
    pub fn new(input: &Input, files: usize) -> Self {
        let string = Type::String;
        let element = match &input.ty {
            Type::List(element) => element,
            _ => &string, // an input of files is a list
        };
        let (form, content) = match element {
            Type::Tuple(parts) => (Form::Tuple, parts.last()),
            Type::Record(fields) => (Form::Record, fields.last().map(|field| &field.ty)),
            content => (Form::Content, Some(content)),
        };
        let is_text = content == Some(&Type::String);
        let mut out = Vec::new();
        wire::put_array_len(&mut out, files);
        Self { form, is_text, out }
    }

    /// Adds a file, whose content `read` appends to the buffer. After an error, the list is as before.
    pub fn push<E>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Result<(), NotUtf8>, E> {
        let start = self.out.len();
        match self.form {
            Form::Content => {}
            Form::Tuple => {
                wire::put_array_len(&mut self.out, 2);
                wire::put_str(&mut self.out, name);
            }
            Form::Record => {
                wire::put_map_len(&mut self.out, 2);
                wire::put_str(&mut self.out, NAME);
                wire::put_str(&mut self.out, name);
                wire::put_str(&mut self.out, CONTENT);
            }
        }
        let added = self.content(read);
        if !matches!(added, Ok(Ok(()))) {
            self.out.truncate(start);
        }
        added
    }

    /// Adds the content, and puts its head in front of it once the length is known.
    fn content<E>(
        &mut self,
        read: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Result<(), NotUtf8>, E> {
        let at = self.out.len();
        let start = at.saturating_add(MAX_HEAD);
        self.out.resize(start, 0);
        read(&mut self.out)?;
        let content = self.out.get(start..).unwrap_or_default();
        let mut head = Vec::with_capacity(MAX_HEAD);
        if self.is_text {
            if std::str::from_utf8(content).is_err() {
                return Ok(Err(NotUtf8));
            }
            wire::put_str_len(&mut head, content.len());
        } else {
            wire::put_bin_len(&mut head, content.len());
        }
        let end = self.out.len();
        let behind = at.saturating_add(head.len());
        // Only a content that is short has a shorter head.
        self.out.copy_within(start..end, behind);
        self.out.truncate(end.saturating_sub(start.saturating_sub(behind)));
        if let Some(room) = self.out.get_mut(at..behind) {
            room.copy_from_slice(&head);
        }
        Ok(Ok(()))
    }

    /// Returns the list as the value of its input.
    #[must_use]
    pub fn finish(self) -> Supplied {
        Supplied::Encoded(self.out.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::InputKind;
    use crate::value::to_json_text;

    fn list(ty: &str, files: &[(&str, &[u8])]) -> Result<String, NotUtf8> {
        let ty = Type::parse(ty).unwrap();
        let kind = InputKind::File("unused".into());
        let input = Input { kind, ty: ty.clone(), is_secret: false, span: 0..0 };
        let mut list = FileList::new(&input, files.len());
        for (name, content) in files {
            let read = |out: &mut Vec<u8>| {
                out.extend_from_slice(content);
                Ok::<(), ()>(())
            };
            list.push(name, read).unwrap()?;
        }
        let Supplied::Encoded(bytes) = list.finish() else { panic!("encoded") };
        Ok(to_json_text(&ty, &bytes).unwrap())
    }

    #[test]
    fn files_have_the_form_of_the_type() {
        let files: &[(&str, &[u8])] = &[("a", b"x"), ("b/c", b"")];
        for (ty, expected) in [
            ("list<string>", r#"["x",""]"#),
            ("list<list<u8>>", r#"["eA==",""]"#),
            ("list<tuple<string, string>>", r#"[["a","x"],["b/c",""]]"#),
            (
                "list<record { name: string, content: list<u8> }>",
                r#"[{"name":"a","content":"eA=="},{"name":"b/c","content":""}]"#,
            ),
        ] {
            assert_eq!(list(ty, files).unwrap(), expected);
        }
        assert_eq!(list("list<string>", &[]).unwrap(), "[]");
        assert_eq!(list("list<string>", &[("a", b"\xff")]), Err(NotUtf8));
    }

    #[test]
    fn heads_have_the_shortest_form_at_every_length() {
        for len in [31, 32, 255, 256, 65_535, 65_536] {
            let content = vec![b'x'; len];
            let text = format!("[{:?}]", "x".repeat(len));
            assert_eq!(list("list<string>", &[("a", &content)]).unwrap(), text, "{len}");
        }
    }

    #[test]
    fn a_file_that_fails_leaves_nothing() {
        let ty = Type::parse("list<tuple<string, string>>").unwrap();
        let input = Input { kind: InputKind::File("unused".into()), ty, is_secret: false, span: 0..0 };
        let mut list = FileList::new(&input, 1);
        let failing = |out: &mut Vec<u8>| {
            out.push(1);
            Err(())
        };
        assert_eq!(list.push("a", failing), Err(()));
        let Supplied::Encoded(bytes) = list.finish() else { panic!("encoded") };
        assert_eq!(*bytes, [0x91], "the head of a list");
    }

    #[test]
    fn target_decides_the_type_of_files() {
        for (to, expected) in [
            ("list<string>", "list<string>"),
            ("option<list<list<u8>>>", "list<list<u8>>"),
            ("list<tuple<string, list<u8>>>", "list<tuple<string, list<u8>>>"),
            (
                "list<record { content: string, name: string }>",
                "list<record { name: string, content: string }>",
            ),
            ("list<record { name: string }>", "list<record { name: string, content: list<u8> }>"),
            ("list<option<list<u8>>>", "list<list<u8>>"),
            ("string", "list<string>"),
            ("list<u8>", "list<string>"),
        ] {
            assert_eq!(list_type(&Type::parse(to).unwrap()), Type::parse(expected).unwrap(), "{to}");
        }
    }

    #[test]
    fn parts_of_an_item_make_it_a_record() {
        let element = |uses: &[(&str, &str)]| {
            let uses: Vec<_> = uses
                .iter()
                .map(|(path, ty)| (Path::parse(path).unwrap(), Type::parse(ty).unwrap()))
                .collect();
            element_of_uses(&uses).to_string()
        };
        assert_eq!(element(&[]), "string");
        let bytes = "record { name: string, content: list<u8> }";
        assert_eq!(element(&[("name", "string")]), bytes);
        assert_eq!(element(&[("name", "string"), ("content", "list<u8>")]), bytes);
        assert_eq!(element(&[("content", "string")]), "record { name: string, content: string }");
    }
}
