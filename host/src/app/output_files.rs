//! Names the files that `--output-dir` writes: by the outputs' own `file`, or by name and type.
//! `output_dir` writes them.

use crate::app::output_dir::Kind;
use crate::app::{Error, Refusal};
use crate::engine::OutputValue;
use crate::model::{FilePath, FilePathFault, Spanned};
use crate::value::wire::{Malformed, Reader};
use crate::value::{Field, Type, Typed};
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::HashMap;

/// The form of an output in a folder: a file, or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A file with the bytes of a string or a `list<u8>`.
    Raw,
    /// A file with JSON.
    Json,
    /// A folder with a file for each record of name and content.
    Folder,
}

/// The file or folder of an output.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    output: String,
    path: FilePath,
    form: Form,
}

/// A file to be written.
pub(crate) struct OutputFile {
    /// Its path in the folder.
    pub(crate) path: FilePath,
    content: Content,
}

enum Content {
    Raw(Bytes),
    Json(Type, Bytes),
}

impl Place {
    /// Returns the path of the file that the output becomes; none of a folder, whose files are known after the run.
    pub(crate) fn file(&self) -> Option<&FilePath> {
        (self.form != Form::Folder).then_some(&self.path)
    }

    /// Returns whether the output becomes a file or a folder.
    pub(crate) fn kind(&self) -> Kind {
        if self.form == Form::Folder { Kind::Folder } else { Kind::File }
    }

    /// Returns the name of the output.
    pub(crate) fn output(&self) -> &str {
        &self.output
    }

    /// Returns the path of the file or the folder.
    pub(crate) const fn path(&self) -> &FilePath {
        &self.path
    }
}

impl OutputFile {
    /// Returns the content.
    pub(crate) fn content(&self) -> Result<Cow<'_, [u8]>, serde_json::Error> {
        match &self.content {
            Content::Raw(bytes) => Ok(Cow::Borrowed(bytes)),
            Content::Json(ty, bytes) => {
                let mut text = serde_json::to_vec_pretty(&Typed::new(ty, bytes))?;
                text.push(b'\n');
                Ok(Cow::Owned(text))
            }
        }
    }
}

/// Returns the places of the outputs of a run. Outputs of one place are refused.
pub(crate) fn places<'o>(
    outputs: impl Iterator<Item = (&'o str, &'o Type)>,
    written: &HashMap<String, Spanned<FilePath>>,
) -> Result<Vec<Place>, Refusal> {
    let place = |(output, ty): (&str, &Type)| {
        let form = form(ty);
        let path = match written.get(output) {
            Some(path) => path.value.clone(),
            None => {
                let name = if form == Form::Json { format!("{output}.json") } else { output.to_owned() };
                FilePath::parse(&name)
                    .map_err(|fault| misnamed(&format!("output `{output}`"), &name, &fault))?
            }
        };
        Ok(Place { output: output.to_owned(), path, form })
    };
    let places = outputs.map(place).collect::<Result<Vec<_>, Refusal>>()?;
    let taken = places.iter().map(|place| Taken {
        owner: &place.output,
        path: &place.path,
        is_file: place.form != Form::Folder,
    });
    check_conflicts(&taken.collect::<Vec<_>>())?;
    Ok(places)
}

/// Returns the files of the outputs that exist. A name that an output gives may be malformed or taken; nothing is
/// written then.
pub(crate) fn files(places: &[Place], outputs: &[(String, OutputValue)]) -> Result<Vec<OutputFile>, Error> {
    let mut files = Vec::new();
    let mut owners = Vec::new();
    for (name, output) in outputs {
        let place = places.iter().find(|place| place.output == *name);
        let (Some(Place { path, form, .. }), OutputValue::Value(ty, bytes)) = (place, output) else {
            continue;
        };
        match form {
            Form::Raw => {
                let content =
                    raw(ty, bytes, &mut Reader::new(bytes)).map_err(|fault| malformed(name, &fault))?;
                files.push(OutputFile { path: path.clone(), content: Content::Raw(content) });
                owners.push(name.clone());
            }
            Form::Json => {
                let content = Content::Json(ty.clone(), bytes.clone());
                files.push(OutputFile { path: path.clone(), content });
                owners.push(name.clone());
            }
            Form::Folder => {
                let records = records(ty, bytes).map_err(|fault| malformed(name, &fault))?;
                for (index, (file, content)) in records.into_iter().enumerate() {
                    let owner = format!("{name}[{index}]");
                    let inside = FilePath::parse(&file);
                    let path = inside
                        .and_then(|file| FilePath::parse(&format!("{}/{}", path.as_str(), file.as_str())));
                    let path = path
                        .map_err(|fault| Error::Unplaced(misnamed(&format!("`{owner}`"), &file, &fault)))?;
                    files.push(OutputFile { path, content: Content::Raw(content) });
                    owners.push(owner);
                }
            }
        }
    }
    let taken =
        files.iter().zip(&owners).map(|(file, owner)| Taken { owner, path: &file.path, is_file: true });
    check_conflicts(&taken.collect::<Vec<_>>()).map_err(Error::Unplaced)?;
    Ok(files)
}

fn form(ty: &Type) -> Form {
    match ty {
        Type::String => Form::Raw,
        Type::List(element) if **element == Type::U8 => Form::Raw,
        Type::List(element) if is_file(element) => Form::Folder,
        _ => Form::Json,
    }
}

/// Returns whether a type is `record { name: string, content: … }` of text or bytes.
fn is_file(ty: &Type) -> bool {
    let Type::Record(fields) = ty else { return false };
    let has = |name: &str, is_it: &dyn Fn(&Type) -> bool| {
        fields.iter().any(|field: &Field| *field.name == *name && is_it(&field.ty))
    };
    fields.len() == 2 && has("name", &|ty| *ty == Type::String) && has("content", &|ty| form(ty) == Form::Raw)
}

/// Reads the bytes of a string or a `list<u8>`, without copying them.
fn raw(ty: &Type, whole: &Bytes, reader: &mut Reader<'_>) -> Result<Bytes, Malformed> {
    let content = match ty {
        Type::String => reader.str()?.as_bytes(),
        _ => reader.bin()?, // the only other type with this form
    };
    Ok(whole.slice_ref(content))
}

/// Reads a list of records of name and content.
fn records(ty: &Type, whole: &Bytes) -> Result<Vec<(String, Bytes)>, Malformed> {
    let Type::List(element) = ty else { return Ok(Vec::new()) };
    let Type::Record(fields) = &**element else { return Ok(Vec::new()) };
    let content_type =
        fields.iter().find(|field| &*field.name == "content").map_or(&Type::String, |field| &field.ty);
    let mut reader = Reader::new(whole);
    let mut files = Vec::new();
    for _ in 0..reader.array_len()? {
        let (mut name, mut content) = (String::new(), Bytes::new());
        for _ in 0..reader.map_len()? {
            match reader.str()? {
                "name" => reader.str()?.clone_into(&mut name),
                _ => content = raw(content_type, whole, &mut reader)?, // the type has no third field
            }
        }
        files.push((name, content));
    }
    Ok(files)
}

/// A path with what it belongs to.
struct Taken<'a> {
    owner: &'a str,
    path: &'a FilePath,
    is_file: bool,
}

/// Refuses equal paths, and files in the place of folders.
fn check_conflicts(taken: &[Taken<'_>]) -> Result<(), Refusal> {
    let mut owners: HashMap<&str, &Taken<'_>> = HashMap::with_capacity(taken.len());
    for one in taken {
        if let Some(other) = owners.insert(one.path.as_str(), one) {
            return Err(conflict(other, one));
        }
    }
    for one in taken {
        let outer = one.path.folders().find_map(|folder| owners.get(folder).filter(|outer| outer.is_file));
        if let Some(outer) = outer {
            return Err(conflict(outer, one));
        }
    }
    Ok(())
}

fn conflict(one: &Taken<'_>, other: &Taken<'_>) -> Refusal {
    let (first, second) = (one.path.as_str(), other.path.as_str());
    let message = if first == second {
        format!("`{}` and `{}` are both written to the file `{first}`", one.owner, other.owner)
    } else {
        format!("`{}` is written to the file `{first}`, and `{}` to `{second}` in it", one.owner, other.owner)
    };
    Refusal::new(message)
        .help("give one of the two another name, for an output as `file = \"…\"` beside its reference")
}

fn misnamed(owner: &str, name: &str, fault: &FilePathFault) -> Refusal {
    let shown = name.escape_debug();
    let reason = match fault {
        FilePathFault::Absolute | FilePathFault::Parent => "it leads out of the folder".to_owned(),
        other => other.to_string(),
    };
    Refusal::new(format!("{owner} cannot be written to a file of the name `{shown}`"))
        .note(reason)
        .help("names are relative paths with `/`, without `..`")
}

fn malformed(name: &str, fault: &Malformed) -> Error {
    Error::Unplaced(
        Refusal::new(format!("the stored value of `{name}` cannot be read")).note(fault.to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Datum;
    use crate::value::encode;

    fn placed(outputs: &[(&str, &str)], written: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let types: Vec<Type> = outputs.iter().map(|(_, ty)| Type::parse(ty).unwrap()).collect();
        let written = written
            .iter()
            .map(|(name, path)| ((*name).to_owned(), Spanned::new(FilePath::parse(path).unwrap(), 0..0)));
        let named = outputs.iter().zip(&types).map(|((name, _), ty)| (*name, ty));
        let places = places(named, &written.collect()).map_err(|refusal| refusal.message)?;
        Ok(places.iter().map(|place| format!("{}:{:?}", place.path.as_str(), place.form)).collect())
    }

    #[test]
    fn outputs_are_named_by_type_or_by_their_file() {
        let outputs = [
            ("a", "string"),
            ("b", "list<u8>"),
            ("c", "list<record { name: string, content: list<u8> }>"),
            ("d", "option<string>"),
            ("e", "list<record { name: string, content: string, size: u32 }>"),
            ("f", "u32"),
        ];
        assert_eq!(
            placed(&outputs, &[("f", "numbers/f.txt"), ("c", "pages")]).unwrap(),
            ["a:Raw", "b:Raw", "pages:Folder", "d.json:Json", "e.json:Json", "numbers/f.txt:Json"]
        );
    }

    #[test]
    fn outputs_of_one_place_are_refused() {
        for (outputs, written) in [
            (&[("a", "string"), ("b", "string")][..], &[("b", "a")][..]),
            (&[("a", "u8"), ("b", "string")], &[("b", "a.json")]),
            (&[("a", "string"), ("b", "string")], &[("b", "a/b")]),
            (&[("a", "list<record { name: string, content: string }>"), ("b", "string")], &[("b", "a")]),
        ] {
            placed(outputs, written).unwrap_err();
        }
        let folder = [("a", "list<record { name: string, content: string }>"), ("b", "string")];
        placed(&folder, &[("b", "a/index.html")]).unwrap();
    }

    fn written(names: &[&str]) -> Result<Vec<String>, String> {
        let ty = Type::parse("list<record { name: string, content: string }>").unwrap();
        let record = |name: &&str| {
            let field = |key: &str, value: &str| (key.to_owned(), Datum::Text(value.to_owned()));
            Datum::Table(vec![field("name", name), field("content", "x")])
        };
        let bytes = encode(&ty, &Datum::Array(names.iter().map(record).collect())).unwrap();
        let places = places([("a", &ty)].into_iter(), &HashMap::new()).unwrap();
        let files = files(&places, &[("a".to_owned(), OutputValue::Value(ty, bytes))]);
        let files = files.map_err(|error| error.to_string())?;
        assert!(files.iter().all(|file| *file.content().unwrap() == b"x"[..]));
        Ok(files.iter().map(|file| file.path.as_str().to_owned()).collect())
    }

    #[test]
    fn names_of_records_stay_in_the_folder_of_their_output() {
        assert_eq!(written(&["x", "./y//z"]).unwrap(), ["a/x", "a/y/z"]);
        for names in [&["../x"][..], &["/x"], &[""], &["x", "x"], &["x", "x/y"], &["x/"], &["x\0"]] {
            written(names).unwrap_err();
        }
    }

    #[test]
    fn json_of_other_types_is_for_people() {
        let ty = Type::parse("record { n: u32 }").unwrap();
        let places = places([("a", &ty)].into_iter(), &HashMap::new()).unwrap();
        let value = OutputValue::Value(ty, Bytes::from_static(b"\x81\xa1n\x07"));
        let files = files(&places, &[("a".to_owned(), value)]).unwrap();
        assert_eq!(&*files[0].content().unwrap(), b"{\n  \"n\": 7\n}\n");
    }
}
