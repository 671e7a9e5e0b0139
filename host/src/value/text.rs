//! WIT types as text: parsing what manifests write, and printing what messages show.
//! The types themselves are in `ty`. `record`, `variant`, `enum` and `flags` are written inline, where WIT uses
//! names.

use crate::model::Digest;
use crate::value::{Case, Field, MapType, ResultType, Signature, Type, is_key};
use std::fmt;
use std::sync::Arc;

/// Maximum nesting of a type in a manifest.
const MAX_DEPTH: usize = 64;

/// Maximum number of fields or cases of one type; wasmtime has a limit of the same order.
const MAX_MEMBERS: usize = 1000;

/// Reason why a text is not a WIT type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TypeFault {
    /// Position in bytes.
    pub offset: usize,
    /// Description of the error, and what would be correct.
    pub message: String,
}

impl Type {
    /// Parses WIT text: `list<tuple<string, u32>>`, `record { x: f64 }`.
    pub fn parse(text: &str) -> Result<Self, TypeFault> {
        let mut parser = Parser { text, offset: 0, depth: 0 };
        let ty = parser.ty()?;
        parser.space();
        if parser.offset < text.len() {
            return parser.fail(format!("expected the end, found `{}`", parser.rest()));
        }
        Ok(ty)
    }

    /// Returns a digest that only equal types share.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        Digest::of_bytes(self.to_string().as_bytes())
    }

    /// Returns whether the type is one of the integers.
    #[must_use]
    pub const fn is_integer(&self) -> bool {
        matches!(
            self,
            Self::S8 | Self::U8 | Self::S16 | Self::U16 | Self::S32 | Self::U32 | Self::S64 | Self::U64
        )
    }

    /// Returns whether some value of the type is stored as nil.
    #[must_use]
    pub const fn admits_nil(&self) -> bool {
        matches!(self, Self::Option(_))
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::S8 => f.write_str("s8"),
            Self::U8 => f.write_str("u8"),
            Self::S16 => f.write_str("s16"),
            Self::U16 => f.write_str("u16"),
            Self::S32 => f.write_str("s32"),
            Self::U32 => f.write_str("u32"),
            Self::S64 => f.write_str("s64"),
            Self::U64 => f.write_str("u64"),
            Self::F32 => f.write_str("f32"),
            Self::F64 => f.write_str("f64"),
            Self::Char => f.write_str("char"),
            Self::String => f.write_str("string"),
            Self::List(element) => write!(f, "list<{element}>"),
            Self::Option(some) => write!(f, "option<{some}>"),
            Self::Map(map) => write!(f, "map<{}, {}>", map.key, map.value),
            Self::Tuple(types) => {
                f.write_str("tuple<")?;
                separated(f, types.iter(), |f, ty| write!(f, "{ty}"))?;
                f.write_str(">")
            }
            Self::Record(fields) => {
                f.write_str("record { ")?;
                separated(f, fields.iter(), |f, field| write!(f, "{}: {}", field.name, field.ty))?;
                f.write_str(" }")
            }
            Self::Variant(cases) => {
                f.write_str("variant { ")?;
                separated(f, cases.iter(), |f, case| match &case.ty {
                    Some(ty) => write!(f, "{}({ty})", case.name),
                    None => f.write_str(&case.name),
                })?;
                f.write_str(" }")
            }
            Self::Enum(names) => named(f, "enum", names),
            Self::Flags(names) => named(f, "flags", names),
            Self::Result(sides) => match (&sides.ok, &sides.err) {
                (None, None) => f.write_str("result"),
                (Some(ok), None) => write!(f, "result<{ok}>"),
                (None, Some(err)) => write!(f, "result<_, {err}>"),
                (Some(ok), Some(err)) => write!(f, "result<{ok}, {err}>"),
            },
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("func(")?;
        separated(f, self.params.iter(), |f, (name, ty)| write!(f, "{name}: {ty}"))?;
        f.write_str(")")?;
        match &self.result {
            Some(ty) => write!(f, " -> {ty}"),
            None => Ok(()),
        }
    }
}

fn separated<T>(
    f: &mut fmt::Formatter<'_>,
    items: impl Iterator<Item = T>,
    mut show: impl FnMut(&mut fmt::Formatter<'_>, T) -> fmt::Result,
) -> fmt::Result {
    for (nth, item) in items.enumerate() {
        if nth > 0 {
            f.write_str(", ")?;
        }
        show(f, item)?;
    }
    Ok(())
}

fn named(f: &mut fmt::Formatter<'_>, kind: &str, names: &[Arc<str>]) -> fmt::Result {
    write!(f, "{kind} {{ ")?;
    separated(f, names.iter(), |f, name| f.write_str(name))?;
    f.write_str(" }")
}

struct Parser<'a> {
    text: &'a str,
    offset: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn ty(&mut self) -> Result<Type, TypeFault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail(format!("the type is nested deeper than {MAX_DEPTH} levels"));
        }
        let start = self.position();
        let word = self.word();
        let ty = match word {
            "bool" => Type::Bool,
            "s8" => Type::S8,
            "u8" => Type::U8,
            "s16" => Type::S16,
            "u16" => Type::U16,
            "s32" => Type::S32,
            "u32" => Type::U32,
            "s64" => Type::S64,
            "u64" => Type::U64,
            "f32" => Type::F32,
            "f64" => Type::F64,
            "char" => Type::Char,
            "string" => Type::String,
            "list" => Type::List(Arc::new(self.one_argument()?)),
            "option" => Type::Option(Arc::new(self.one_argument()?)),
            "map" => self.map()?,
            "tuple" => Type::Tuple(self.arguments()?.into()),
            "result" => self.result()?,
            "record" => Type::Record(self.members("field", Self::field)?.into()),
            "variant" => Type::Variant(self.members("case", Self::case)?.into()),
            "enum" => Type::Enum(self.members("case", Self::name)?.into()),
            "flags" => Type::Flags(self.members("flag", Self::name)?.into()),
            other => {
                self.offset = start;
                return self.fail(unknown(other, self.rest()));
            }
        };
        self.depth -= 1;
        Ok(ty)
    }

    fn one_argument(&mut self) -> Result<Type, TypeFault> {
        self.expect("<")?;
        let ty = self.ty()?;
        self.expect(">")?;
        Ok(ty)
    }

    fn map(&mut self) -> Result<Type, TypeFault> {
        self.expect("<")?;
        let start = self.position();
        let key = self.ty()?;
        if !is_key(&key) {
            self.offset = start;
            return self
                .fail(format!("`{key}` cannot be a key; write `bool`, an integer, `char` or `string`"));
        }
        self.expect(",")?;
        let value = self.ty()?;
        self.expect(">")?;
        Ok(Type::Map(Arc::new(MapType { key, value })))
    }

    fn arguments(&mut self) -> Result<Vec<Type>, TypeFault> {
        self.expect("<")?;
        let mut types = vec![self.ty()?];
        while self.take(",") {
            if self.peek(">") {
                break;
            }
            types.push(self.ty()?);
            if types.len() > MAX_MEMBERS {
                return self.fail(format!("a tuple has at most {MAX_MEMBERS} elements"));
            }
        }
        self.expect(">")?;
        Ok(types)
    }

    fn result(&mut self) -> Result<Type, TypeFault> {
        let (mut ok, mut err) = (None, None);
        if self.take("<") {
            ok = if self.take("_") { None } else { Some(self.ty()?) };
            if self.take(",") {
                err = Some(self.ty()?);
            }
            self.expect(">")?;
        }
        Ok(Type::Result(Arc::new(ResultType { ok, err })))
    }

    fn members<T: Named>(
        &mut self,
        kind: &str,
        member: fn(&mut Self) -> Result<T, TypeFault>,
    ) -> Result<Vec<T>, TypeFault> {
        self.expect("{")?;
        let mut members: Vec<T> = Vec::new();
        while !self.take("}") {
            if !members.is_empty() {
                self.expect(",")?;
                if self.take("}") {
                    break;
                }
            }
            let start = self.position();
            let next = member(self)?;
            if members.iter().any(|known| known.label() == next.label()) {
                self.offset = start;
                return self.fail(format!("duplicate {kind} `{}`", next.label()));
            }
            members.push(next);
            if members.len() > MAX_MEMBERS {
                return self.fail(format!("a type has at most {MAX_MEMBERS} {kind}s"));
            }
        }
        if members.is_empty() {
            return self.fail(format!("expected at least one {kind}"));
        }
        Ok(members)
    }

    fn field(&mut self) -> Result<Field, TypeFault> {
        let name = self.name()?;
        self.expect(":")?;
        Ok(Field { name, ty: self.ty()? })
    }

    fn case(&mut self) -> Result<Case, TypeFault> {
        let name = self.name()?;
        let ty = if self.take("(") {
            let ty = self.ty()?;
            self.expect(")")?;
            Some(ty)
        } else {
            None
        };
        Ok(Case { name, ty })
    }

    fn name(&mut self) -> Result<Arc<str>, TypeFault> {
        self.space();
        let is_escaped = self.take("%");
        let start = self.offset;
        let name = self.word();
        let has_good_words = name
            .split('-')
            .all(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()) && !word.contains('_'));
        if !has_good_words {
            self.offset = start;
            let shown = if name.is_empty() { self.rest() } else { name };
            return self.fail(format!("expected a name in kebab-case, found `{shown}`"));
        }
        let _ = is_escaped; // the escape only marks the name as no keyword of WIT
        Ok(Arc::from(name))
    }

    fn word(&mut self) -> &'a str {
        self.space();
        let rest = self.rest();
        let end =
            rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')).unwrap_or(rest.len());
        let (word, _) = rest.split_at(end);
        self.offset += end;
        word
    }

    fn expect(&mut self, mark: &str) -> Result<(), TypeFault> {
        if self.take(mark) {
            return Ok(());
        }
        match self.rest().chars().next() {
            Some(found) => self.fail(format!("expected `{mark}`, found `{found}`")),
            None => self.fail(format!("expected `{mark}`, found the end")),
        }
    }

    fn take(&mut self, mark: &str) -> bool {
        let is_next = self.peek(mark);
        if is_next {
            self.offset += mark.len();
        }
        is_next
    }

    fn peek(&mut self, mark: &str) -> bool {
        self.space();
        self.rest().starts_with(mark)
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.offset += rest.len() - rest.trim_start().len();
    }

    fn position(&mut self) -> usize {
        self.space();
        self.offset
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    fn fail<T>(&self, message: String) -> Result<T, TypeFault> {
        Err(TypeFault { offset: self.offset, message })
    }
}

/// A member whose name must be unique.
trait Named {
    fn label(&self) -> &str;
}

impl Named for Field {
    fn label(&self) -> &str {
        &self.name
    }
}

impl Named for Case {
    fn label(&self) -> &str {
        &self.name
    }
}

impl Named for Arc<str> {
    fn label(&self) -> &str {
        self
    }
}

/// Type names of other languages, with their WIT names.
const FOREIGN: &[(&str, &str)] = &[
    ("str", "string"),
    ("text", "string"),
    ("String", "string"),
    ("bytes", "list<u8>"),
    ("int", "s32` or `s64"),
    ("integer", "s32` or `s64"),
    ("number", "f64"),
    ("float", "f32` or `f64"),
    ("double", "f64"),
    ("i8", "s8"),
    ("i16", "s16"),
    ("i32", "s32"),
    ("i64", "s64"),
    ("float32", "f32"),
    ("float64", "f64"),
    ("boolean", "bool"),
    ("Vec", "list<T>"),
    ("array", "list<T>"),
    ("Option", "option<T>"),
    ("struct", "record { … }"),
    ("object", "record { … }` or `map<string, T>"),
    ("dict", "map<string, T>"),
    ("HashMap", "map<string, T>"),
];

const KNOWN: &[&str] = &[
    "bool", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "f32", "f64", "char", "string", "list",
    "map", "option", "tuple", "result", "record", "variant", "enum", "flags",
];

fn unknown(word: &str, rest: &str) -> String {
    if matches!(word, "own" | "borrow" | "stream" | "future" | "error-context") {
        return format!("`{word}` cannot cross an edge between tasks");
    }
    if word.is_empty() {
        return match rest.chars().next() {
            Some(found) => format!("expected a type, found `{found}`"),
            None => "expected a type, found the end".to_owned(),
        };
    }
    if let Some((_, wit)) = FOREIGN.iter().find(|(foreign, _)| *foreign == word) {
        return format!("unknown WIT type `{word}`; write `{wit}`");
    }
    let nearest = KNOWN.iter().find(|known| strsim::damerau_levenshtein(known, word) == 1);
    match nearest {
        Some(known) => format!("unknown WIT type `{word}`; did you mean `{known}`?"),
        None => {
            format!("unknown WIT type `{word}`; write a named type inline, such as `record {{ x: f64 }}`")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count};

    #[test]
    fn reads_and_shows_every_kind_of_type() {
        for text in [
            "bool",
            "u8",
            "s64",
            "f32",
            "char",
            "string",
            "list<u8>",
            "option<option<string>>",
            "map<string, list<map<u8, bool>>>",
            "tuple<s8, char>",
            "record { x: f64, y-axis: list<u8> }",
            "enum { a, b }",
            "variant { a, b(u8) }",
            "flags { r, w }",
            "result",
            "result<u8>",
            "result<_, string>",
            "result<u8, string>",
        ] {
            assert_eq!(Type::parse(text).unwrap().to_string(), text);
        }
        let spaced = "  record{ %enum :u8 , }  ";
        assert_eq!(Type::parse(spaced).unwrap().to_string(), "record { enum: u8 }");
    }

    #[test]
    fn errors_suggest_a_correction() {
        for (text, at, message) in [
            ("strng", 0, "unknown WIT type `strng`; did you mean `string`?"),
            ("list<int>", 5, "unknown WIT type `int`; write `s32` or `s64`"),
            ("list<u8", 7, "expected `>`, found the end"),
            ("map<f32, u8>", 4, "`f32` cannot be a key; write `bool`, an integer, `char` or `string`"),
            ("map<u8>", 6, "expected `,`, found `>`"),
            ("own<file>", 0, "`own` cannot cross an edge between tasks"),
            ("record { a: u8, a: u8 }", 16, "duplicate field `a`"),
            ("record { }", 10, "expected at least one field"),
            ("record { a_b: u8 }", 9, "expected a name in kebab-case, found `a_b`"),
            ("u8 u8", 3, "expected the end, found `u8`"),
            ("", 0, "expected a type, found the end"),
            ("tuple<>", 6, "expected a type, found `>`"),
        ] {
            let fault = Type::parse(text).unwrap_err();
            assert_eq!((fault.offset, fault.message.as_str()), (at, message), "{text}");
        }
    }

    #[test]
    fn refuses_types_that_nest_too_deep() {
        let text = format!("{}u8{}", "list<".repeat(100_000), ">".repeat(100_000));
        assert!(Type::parse(&text).is_err());
    }

    #[test]
    fn manual_names_the_limits_of_this_file() {
        let page = Page::of("values").section("Writing a type");
        page.says(&format!("at most {MAX_DEPTH} levels"));
        page.says(&format!("at most {} members", count(MAX_MEMBERS)));
    }
}
