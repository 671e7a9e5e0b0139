//! Recovers from unclosed brackets, and rejects keys with too many parts.
//! Works on tokens, before any value exists; other syntax errors are in `syntax`.

use crate::manifest::lines::line_of;
use crate::model::{Fault, Span};
use std::ops::Range;
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

/// Maximum number of parts of a dotted key. Each part nests a table, and dropping the tree recurses: this keeps an
/// untrusted manifest from overflowing the stack.
const MAX_KEY_PARTS: usize = 32;

/// A bracket that is never closed.
pub(crate) struct Unclosed {
    span: Span,
    is_brace: bool,
    /// The lines that it swallowed before toml noticed.
    pub(crate) lost: Range<usize>,
}

/// Returns the fault of an unclosed bracket.
pub(crate) fn unclosed_fault(unclosed: &Unclosed) -> Fault {
    let (open, close) = if unclosed.is_brace { ("{", "}") } else { ("[", "]") };
    Fault::spanned(unclosed.span.clone(), format!("this `{open}` is never closed"))
        .help(format!("write `{close}` where its content ends"))
}

/// Keeps the errors before an unclosed bracket, and returns the bracket: all later errors follow from it.
pub(crate) fn cut_at_unclosed<E>(
    mut errors: Vec<E>,
    offset: impl Fn(&E) -> usize,
    text: &str,
    is_unclosed: impl Fn(&E) -> bool,
) -> (Vec<E>, Option<Unclosed>) {
    let open = if errors.iter().any(is_unclosed) { unclosed(text) } else { None };
    let Some((span, is_brace)) = open else { return (errors, None) };
    let cut = errors.partition_point(|error| offset(error) < span.start);
    let own_line = line_of(text, span.start);
    let noticed = errors.get(cut).map_or(text.len(), |error| line_of(text, offset(error)).start);
    errors.truncate(cut);
    let lost = own_line.start..noticed.max(own_line.end);
    (errors, Some(Unclosed { span, is_brace, lost }))
}

/// Returns the outermost unclosed bracket, ignoring headers.
fn unclosed(text: &str) -> Option<(Span, bool)> {
    let mut open: Vec<(Span, bool)> = Vec::new();
    let (mut starts_line, mut is_header) = (true, false);
    for token in Source::new(text).lex() {
        let span = token.span().start()..token.span().end();
        match token.kind() {
            TokenKind::Newline => (starts_line, is_header) = (true, false),
            TokenKind::Whitespace => {}
            TokenKind::LeftSquareBracket if starts_line && open.is_empty() => {
                (starts_line, is_header) = (false, true);
            }
            TokenKind::LeftSquareBracket if !is_header => open.push((span, false)),
            TokenKind::LeftCurlyBracket if !is_header => open.push((span, true)),
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket if !is_header => {
                open.pop();
            }
            _ => starts_line = false, // neither opens nor closes
        }
    }
    open.into_iter().next()
}

/// Returns the fault of the first key with too many parts.
pub(crate) fn long_key(text: &str) -> Option<Fault> {
    let has_many_dots = |line: &str| {
        line.len() > MAX_KEY_PARTS && line.bytes().filter(|byte| *byte == b'.').count() >= MAX_KEY_PARTS
    };
    if !text.lines().any(has_many_dots) {
        return None;
    }
    let mut parts = 1;
    for token in Source::new(text).lex() {
        match token.kind() {
            TokenKind::Dot => parts += 1,
            TokenKind::Atom
            | TokenKind::Whitespace
            | TokenKind::BasicString
            | TokenKind::LiteralString
            | TokenKind::MlBasicString
            | TokenKind::MlLiteralString => {}
            _ => parts = 1, // not part of a key
        }
        if parts > MAX_KEY_PARTS {
            let span = token.span().start()..token.span().end();
            return Some(Fault::spanned(span, format!("a key has at most {MAX_KEY_PARTS} parts")));
        }
    }
    None
}
