//! Finds the first definition of duplicate keys, and the form of both definitions.
//! toml reports only the span of the second; `syntax` calls this file for the first.

use crate::model::{Fault, Span};
use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::HashSet;
use toml_parser::Source;
use toml_parser::parser::Event;
use toml_parser::parser::EventKind;
use toml_parser::parser::RecursionGuard;

/// A key that is defined twice.
pub(crate) struct DuplicateKey {
    path: String,
    first: Option<Definition>,
    second: Definition,
}

/// A definition of a key.
#[derive(Debug, Clone)]
struct Definition {
    span: Span,
    form: Form,
}

/// The form of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `[key]`.
    Header,
    /// `key.other = …`.
    Dotted,
    /// `key = …`.
    Value,
}

impl DuplicateKey {
    /// Returns the span of the second definition.
    pub(crate) fn span(&self) -> &Span {
        &self.second.span
    }

    /// Returns the fault, with both spans.
    pub(crate) fn fault(self) -> Fault {
        let path = &self.path;
        let first = self.first.as_ref().map_or(self.second.form, |first| first.form);
        let (message, help) = match (first, self.second.form) {
            (Form::Header, Form::Header) => (
                format!("table `[{path}]` is defined twice"),
                "move all its keys below one header".to_owned(),
            ),
            (Form::Value, Form::Value) => {
                (format!("`{path}` is defined twice"), "keep one of the two".to_owned())
            }
            (Form::Dotted, Form::Dotted) => {
                (format!("`{path}` is defined twice"), "write its keys in one place".to_owned())
            }
            (Form::Header, Form::Dotted) | (Form::Dotted, Form::Header) => (
                format!("`{path}` is defined both with dots and as a table"),
                format!("write all its keys below `[{path}]`, or all of them with dots"),
            ),
            (Form::Value, Form::Header | Form::Dotted) | (Form::Header | Form::Dotted, Form::Value) => (
                format!("`{path}` is defined both as a value and key by key"),
                "write all of its keys in one form".to_owned(),
            ),
        };
        let fault = Fault::spanned(self.second.span, message).help(help);
        match self.first {
            Some(first) => fault.related(first.span, "first here"),
            None => fault,
        }
    }
}

/// Maximum nesting of brackets that is parsed, far beyond the limit of a manifest.
const MAX_NESTING: u32 = 256;

/// Returns the duplicates whose second definitions begin at `offsets`, without those that only follow from a repeated
/// header.
pub(crate) fn find_duplicate_keys(text: &str, offsets: &[usize]) -> Vec<DuplicateKey> {
    let source = Source::new(text);
    let tokens = source.lex().into_vec();
    let mut events: Vec<Event> = Vec::with_capacity(tokens.len());
    // The parser recurses into brackets: a text of nothing but brackets must not exhaust the stack.
    let mut guarded = RecursionGuard::new(&mut events, MAX_NESTING);
    toml_parser::parser::parse_document(&tokens, &mut guarded, &mut ());
    let mut walk = Walk::new(source, offsets);
    for event in &events {
        walk.event(event);
    }
    walk.duplicates
}

/// A key of the text; the root comes first.
struct Node<'t> {
    parent: usize,
    name: Cow<'t, str>,
    first: Option<Definition>,
}

struct Walk<'t> {
    source: Source<'t>,
    /// Where toml reported the second definitions.
    reported: HashSet<usize>,
    nodes: Vec<Node<'t>>,
    children: HashMap<(usize, Cow<'t, str>), usize>,
    /// The open inline tables and arrays, innermost last; `None` for an array.
    open: Vec<Option<usize>>,
    /// The table of the last header.
    table: usize,
    is_repeated: bool,
    /// The keys of an unfinished dotted path.
    pending: Vec<(Cow<'t, str>, Span)>,
    /// The key whose value comes next.
    key: usize,
    duplicates: Vec<DuplicateKey>,
}

impl<'t> Walk<'t> {
    fn new(source: Source<'t>, offsets: &[usize]) -> Self {
        Self {
            source,
            reported: offsets.iter().copied().collect(),
            nodes: vec![Node { parent: 0, name: Cow::Borrowed(""), first: None }],
            children: HashMap::new(),
            open: Vec::new(),
            table: 0,
            is_repeated: false,
            pending: Vec::new(),
            key: 0,
            duplicates: Vec::new(),
        }
    }

    fn event(&mut self, event: &Event) {
        match event.kind() {
            EventKind::StdTableOpen | EventKind::ArrayTableOpen => self.pending.clear(),
            EventKind::SimpleKey => self.push_key(event),
            EventKind::StdTableClose => self.header(),
            EventKind::ArrayTableClose => self.array_header(),
            EventKind::KeyValSep => self.key_value(),
            EventKind::ArrayOpen => self.open.push(None),
            // An inline table in an array is new; elsewhere it is the value of the current key.
            EventKind::InlineTableOpen => {
                let node = match self.open.last() {
                    Some(None) => self.add_node(0, Cow::Borrowed("")),
                    Some(Some(_)) | None => self.key,
                };
                self.open.push(Some(node));
            }
            EventKind::ArrayClose | EventKind::InlineTableClose => {
                self.open.pop();
            }
            EventKind::Scalar
            | EventKind::ValueSep
            | EventKind::KeySep
            | EventKind::Whitespace
            | EventKind::Comment
            | EventKind::Newline
            | EventKind::Error => {}
        }
    }

    fn push_key(&mut self, event: &Event) {
        let mut name = Cow::Borrowed("");
        if let Some(raw) = self.source.get(event) {
            raw.decode_key(&mut name, &mut ());
        }
        self.pending.push((name, event.span().start()..event.span().end()));
    }

    fn header(&mut self) {
        self.table = 0;
        self.open.clear();
        let mut keys = std::mem::take(&mut self.pending);
        let Some((last, span)) = keys.pop() else { return };
        let parent = keys.into_iter().fold(0, |node, (key, _)| self.child(node, key));
        self.is_repeated = false;
        self.table = self.child(parent, last);
        self.is_repeated = self.define(self.table, Definition { span, form: Form::Header });
    }

    /// Opens a new table, as each `[[header]]` does.
    fn array_header(&mut self) {
        self.open.clear();
        let mut keys = std::mem::take(&mut self.pending);
        let Some((last, span)) = keys.pop() else { return };
        let parent = keys.into_iter().fold(0, |node, (key, _)| self.child(node, key));
        self.is_repeated = false;
        // A second `[[header]]` is no duplicate, but one after `[header]` is.
        if let Some(existing) = self.children.get(&(parent, last.clone())) {
            self.define(*existing, Definition { span, form: Form::Header });
        }
        let node = self.add_node(parent, last.clone());
        self.children.insert((parent, last), node);
        self.table = node;
    }

    fn key_value(&mut self) {
        let mut node = match self.open.last() {
            Some(Some(table)) => *table,
            Some(None) | None => self.table,
        };
        let keys = std::mem::take(&mut self.pending);
        let last = keys.len().saturating_sub(1);
        for (position, (key, span)) in keys.into_iter().enumerate() {
            node = self.child(node, key);
            let form = if position == last { Form::Value } else { Form::Dotted };
            self.define(node, Definition { span, form });
        }
        self.key = node;
    }

    /// Records a definition, and returns whether toml reported it as a duplicate.
    fn define(&mut self, node: usize, definition: Definition) -> bool {
        let is_reported = self.reported.contains(&definition.span.start);
        let first = self.nodes.get(node).and_then(|node| node.first.clone());
        // Below a repeated header every key repeats; report the header alone.
        if is_reported && !self.is_repeated {
            let path = self.path(node);
            self.duplicates.push(DuplicateKey { path, first, second: definition });
        } else if let (None, Some(node)) = (first, self.nodes.get_mut(node)) {
            node.first = Some(definition);
        }
        is_reported
    }

    fn child(&mut self, parent: usize, name: Cow<'t, str>) -> usize {
        if let Some(child) = self.children.get(&(parent, name.clone())) {
            return *child;
        }
        let child = self.add_node(parent, name.clone());
        self.children.insert((parent, name), child);
        child
    }

    fn add_node(&mut self, parent: usize, name: Cow<'t, str>) -> usize {
        self.nodes.push(Node { parent, name, first: None });
        self.nodes.len() - 1
    }

    fn path(&self, mut node: usize) -> String {
        let mut names = Vec::new();
        while let Some(part) = self.nodes.get(node).filter(|_| node > 0) {
            names.push(&*part.name);
            node = part.parent;
        }
        names.reverse();
        names.join(".")
    }
}
