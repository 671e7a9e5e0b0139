//! Short manifests for tests of the graph and the plan, with real spans in their text.
//! One line per definition. `manifest` tests the syntax of real manifests.
//!
//! ```text
//! component c          param p = u8 | 5          secret p = string | 'x'          resource gpu = 2
//! lost task t          partial
//! a: b x=$p (s ? one=b, two=[c, #i] | 'none') >d when=b equals='x' each.i=$p use.gpu=1 call=c.run
//! finally z: x=a|1
//! b: x=a.path|5 y={ k=%ENV|'x', l=@file, m=true } on-error=value permanent=case
//! out o = (s ? one=b)
//! ```

use crate::manifest::{
    Action, BackendSection, Call, Component, ComponentSource, Expr, Grants, Imports, LeftOut, Manifest,
    OnError, Param, Parsed, Reference, Resource, Scope, Task, When,
};
use crate::model::{Capacity, Datum, Faults, Name, Path, Source, Span, Spanned};
use indexmap::IndexMap;
use std::sync::Arc;

/// Reads a sample. There is always a component `c`, and tasks call `c.run` by default.
pub(crate) fn sample(text: &str) -> Parsed {
    let source = Source { name: "sample".into(), text: text.into() };
    let manifest = Manifest {
        sources: source.clone().into(),
        folder: "".into(),
        name: "sample".to_owned(),
        description: None,
        deadline: None,
        state: BackendSection::default(),
        cache: BackendSection::default(),
        params: IndexMap::new(),
        resources: IndexMap::new(),
        components: IndexMap::from([(name("c"), component())]),
        tasks: IndexMap::new(),
        outputs: None,
        output_files: std::collections::HashMap::new(),
        notify: None,
        tests: Vec::new(),
        test_faults: 0,
    };
    let parsed = Parsed { manifest, left_out: LeftOut::default(), faults: Faults::none(source) };
    let mut cursor = Cursor { text, at: 0 };
    let mut parsed = parsed;
    while cursor.at < text.len() {
        cursor.line(&mut parsed);
    }
    parsed
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn component() -> Component {
    Component {
        source: Some(Spanned::new(ComponentSource::File("c.wasm".into()), 0..0)),
        sha256: None,
        wit: None,
        build: None,
        build_dir: "".into(),
        imports: Imports::default(),
        grants: Grants::default(),
    }
}

struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl Cursor<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches(' ').len();
    }

    fn eat(&mut self, token: &str) -> bool {
        let Some(rest) = self.rest().trim_start_matches(' ').strip_prefix(token) else {
            return false;
        };
        self.at = self.text.len() - rest.len();
        true
    }

    fn expect(&mut self, token: &str) {
        assert!(self.eat(token), "expected `{token}` at `{}`", self.rest());
    }

    fn is_at_end_of_line(&mut self) -> bool {
        self.blanks();
        self.rest().is_empty() || self.rest().starts_with('\n')
    }

    fn word(&mut self) -> Spanned<String> {
        self.blanks();
        let is_word_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '<' | '>');
        let len = self.rest().find(|c| !is_word_char(c)).unwrap_or(self.rest().len());
        assert!(len > 0, "expected a word at `{}`", self.rest());
        let span = self.at..self.at + len;
        self.at = span.end;
        Spanned::new(self.text[span.clone()].to_owned(), span)
    }

    fn line(&mut self, parsed: &mut Parsed) {
        let manifest = &mut parsed.manifest;
        if !self.is_at_end_of_line() {
            let word = self.word();
            match word.value.as_str() {
                "component" => {
                    let named = self.word();
                    manifest.components.insert(name(&named.value), component());
                }
                "param" | "secret" => {
                    let (named, secret) = (self.word(), word.value == "secret");
                    self.expect("=");
                    let (ty, default) = (self.word(), self.default());
                    let param = Param { span: named.span, ty, default, description: None, secret };
                    manifest.params.insert(name(&named.value), param);
                }
                "resource" => {
                    let named = self.word();
                    self.expect("=");
                    let amount = self.word().value.parse().unwrap();
                    let capacity = Capacity::Amount(amount);
                    let resource = Resource { span: named.span, capacity, scope: Scope::Host };
                    manifest.resources.insert(name(&named.value), resource);
                }
                "lost" => {
                    let (section, lost) = (self.word().value, self.word().value);
                    let left_out = match section.as_str() {
                        "task" => &mut parsed.left_out.tasks,
                        "param" => &mut parsed.left_out.params,
                        "component" => &mut parsed.left_out.components,
                        _ => &mut parsed.left_out.resources,
                    };
                    left_out.insert(lost);
                }
                "finally" => {
                    let named = self.word();
                    self.expect(":");
                    let task = Task { is_finally: true, ..self.task(named.span) };
                    manifest.tasks.insert(name(&named.value), task);
                }
                "partial" => parsed.left_out.is_partial = true,
                "out" => {
                    let named = self.word();
                    self.expect("=");
                    let expr = self.expr();
                    manifest.outputs.get_or_insert_default().insert(name(&named.value), expr);
                }
                _ => {
                    self.expect(":");
                    let task = self.task(word.span);
                    manifest.tasks.insert(name(&word.value), task);
                }
            }
        }
        assert!(self.is_at_end_of_line(), "unexpected `{}`", self.rest());
        self.at += usize::from(!self.rest().is_empty());
    }

    fn task(&mut self, span: Span) -> Task {
        let call = Call { component: "c".into(), interface: None, function: "run".into() };
        let mut task = Task {
            action: Some(Spanned::new(Action::Call(call), span.clone())),
            span,
            args: IndexMap::new(),
            after: Vec::new(),
            when: None,
            for_each: IndexMap::new(),
            product: false,
            repeat: None,
            max_parallel: None,
            policy: Arc::default(),
            priority: 0,
            deadline: None,
            grants: None,
            on_error: OnError::Fail,
            is_finally: false,
            unread: Vec::new(),
        };
        while !self.is_at_end_of_line() {
            self.key(&mut task);
        }
        task
    }

    fn key(&mut self, task: &mut Task) {
        if self.eat(">") {
            task.after.push(self.word());
            return;
        }
        let start = self.at;
        let is_key = self.rest().starts_with(|c: char| c.is_ascii_alphabetic()) && {
            self.word();
            self.eat("=")
        };
        self.at = start;
        if !is_key {
            let key = format!("a{}", task.args.len());
            task.args.insert(key, (start..start, self.expr()));
            return;
        }
        let key = self.word();
        self.expect("=");
        match key.value.split_once('.') {
            Some(("each", item)) => {
                task.for_each.insert(name(item), self.expr());
            }
            Some(("use", resource)) => {
                let amount = self.word();
                let amount = amount.map(|amount| amount.parse().unwrap());
                Arc::make_mut(&mut task.policy).resources.insert(name(resource), amount);
            }
            _ if key.value == "when" => {
                let subject = self.expr();
                let when =
                    When { span: key.span, subject, equals: None, is_complete: true, is_negated: false };
                task.when = Some(Box::new(when));
            }
            _ if key.value == "equals" => {
                let equals = self.literal();
                task.when.iter_mut().for_each(|when| when.equals = equals.clone());
            }
            _ if key.value == "on-error" => {
                assert_eq!(self.word().value, "value");
                task.on_error = OnError::Value;
            }
            _ if key.value == "permanent" => {
                Arc::make_mut(&mut task.policy).retry.permanent.push(self.word());
            }
            _ if key.value == "call" => {
                task.action = Some(self.word().map(|text| {
                    let (component, function) = text.split_once('.').unwrap();
                    Action::Call(Call {
                        component: component.into(),
                        interface: None,
                        function: function.into(),
                    })
                }));
            }
            _ => {
                let arg = self.expr();
                task.args.insert(key.value, (key.span, arg));
            }
        }
    }

    fn expr(&mut self) -> Spanned<Expr> {
        self.blanks();
        let start = self.at;
        if let Some(literal) = self.literal() {
            return literal.map(Expr::Literal);
        }
        let expr = if self.eat("(") {
            let selector = self.expr();
            self.expect("?");
            let cases = self.entries();
            let default = self.default();
            self.expect(")");
            reference(Reference::Select { selector, cases, default })
        } else if self.eat("{") {
            let entries = self.entries();
            self.expect("}");
            table(entries)
        } else if self.eat("[") {
            let mut parts = Vec::new();
            while !self.eat("]") {
                parts.push(self.expr());
                self.eat(",");
            }
            array(parts)
        } else if self.eat("$") {
            let (param, path) = self.part();
            reference(Reference::Param { param, path })
        } else if self.eat("#") {
            let (item, path) = self.part();
            reference(Reference::Item { item, path })
        } else if self.eat("%") {
            reference(Reference::Env { name: self.word(), default: self.default(), is_secret: false })
        } else if self.eat("@") {
            reference(Reference::File { path: self.word().map(Into::into) })
        } else {
            let (task, path) = self.part();
            reference(Reference::Task { task, path, default: self.default() })
        };
        Spanned::new(expr, start..self.at)
    }

    fn entries(&mut self) -> Vec<(Spanned<String>, Spanned<Expr>)> {
        let mut entries = Vec::new();
        self.blanks();
        while self.rest().starts_with(|c: char| c.is_ascii_alphabetic()) {
            let key = self.word();
            self.expect("=");
            entries.push((key, self.expr()));
            self.eat(",");
            self.blanks();
        }
        entries
    }

    /// Reads a name and, after a dot, a path.
    fn part(&mut self) -> (Spanned<String>, Path) {
        let word = self.word();
        match word.value.split_once('.') {
            Some((name, path)) => (Spanned::new(name.to_owned(), word.span), Path::parse(path).unwrap()),
            None => (word, Path::root()),
        }
    }

    fn default(&mut self) -> Option<Spanned<Datum>> {
        if self.eat("|") { Some(self.literal().unwrap()) } else { None }
    }

    fn literal(&mut self) -> Option<Spanned<Datum>> {
        self.blanks();
        let start = self.at;
        let datum = if self.eat("'") {
            let len = self.rest().find('\'').unwrap();
            let text = self.rest()[..len].to_owned();
            self.at += len + 1;
            Datum::Text(text)
        } else if self.rest().starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            self.word().value.parse().map(Datum::Int).unwrap()
        } else if self.eat("true") {
            Datum::Bool(true)
        } else {
            return None;
        };
        Some(Spanned::new(datum, start..self.at))
    }
}

/// Builds an array; one without references is a literal, as in a manifest.
fn array(parts: Vec<Spanned<Expr>>) -> Expr {
    let items: Option<Vec<Datum>> = parts.iter().map(|part| constant(&part.value)).collect();
    items.map_or(Expr::Array(parts), |items| Expr::Literal(Datum::Array(items)))
}

fn table(entries: Vec<(Spanned<String>, Spanned<Expr>)>) -> Expr {
    let pairs = entries.iter().map(|(key, part)| Some((key.value.clone(), constant(&part.value)?)));
    let pairs: Option<Vec<(String, Datum)>> = pairs.collect();
    pairs.map_or(Expr::Table(entries), |pairs| Expr::Literal(Datum::Table(pairs)))
}

fn constant(expr: &Expr) -> Option<Datum> {
    match expr {
        Expr::Literal(datum) => Some(datum.clone()),
        Expr::Array(_) | Expr::Table(_) | Expr::Reference(_) | Expr::Faulty(_) => None,
    }
}

fn reference(reference: Reference) -> Expr {
    Expr::Reference(Box::new(reference))
}
