//! A template, read and checked against the type of its values.
//! The parser is minijinja's; everything of its language but paths, `for` and `if` is refused here.

use crate::builtin::budget::{Budget, Stop};
use crate::builtin::template::names::{Names, Source, Step};
use crate::value::Type;
use minijinja::machinery::ast::{self, Stmt};
use minijinja::machinery::{self, Span, WhitespaceConfig};
use minijinja::syntax::SyntaxConfig;
use std::fmt;

/// Memory that the parser takes for a byte inside of a tag, at most: a node and its place for every character or two.
const TAG_BYTE: usize = 96;

/// Maximum length of a parser's message: it may quote the template.
const MAX_MESSAGE: usize = 200;

/// A mistake in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateFault {
    /// Line in the template, from one.
    pub line: usize,
    /// Message.
    pub message: String,
    /// Fix, if one is known.
    pub help: Option<String>,
}

/// `line 3 of the template: …`
impl fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, message, help } = self;
        write!(f, "line {line} of the template: {message}")?;
        help.iter().try_for_each(|help| write!(f, "; {help}"))
    }
}

impl TemplateFault {
    pub(crate) fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into(), help: None }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// A part of a checked template.
#[derive(Debug)]
pub(crate) enum Node<'t> {
    /// Text as it is.
    Text(&'t str),
    /// `{{ path }}`
    Show(Source),
    /// `{% for x in xs %}`
    For {
        /// The list.
        list: Source,
        /// The part that is repeated.
        body: Vec<Node<'t>>,
        /// The part after `else`, for an empty list.
        otherwise: Vec<Node<'t>>,
    },
    /// `{% if x %}`
    If {
        /// The condition.
        condition: Source,
        /// The part for a true one.
        body: Vec<Node<'t>>,
        /// The part after `else`.
        otherwise: Vec<Node<'t>>,
    },
}

/// Checks a template against the type of its values, a record. Returns all mistakes, in the order of the text.
pub fn check(template: &str, values: &Type) -> Result<(), Vec<TemplateFault>> {
    read(template, values).map(drop)
}

/// Reads a template within a budget.
pub(crate) fn program<'t>(
    template: &'t str,
    values: &Type,
    budget: &Budget<'_>,
) -> Result<Vec<Node<'t>>, Stop> {
    budget.hold(bytes_in_tags(template).saturating_mul(TAG_BYTE))?;
    budget.step(template.len())?;
    read(template, values).map_err(|faults| {
        let faults: Vec<String> = faults.iter().take(3).map(ToString::to_string).collect();
        Stop::Input(faults.join("\n"))
    })
}

/// Returns the number of bytes inside of tags, or a few more.
fn bytes_in_tags(template: &str) -> usize {
    let mut parts = template.split('{');
    parts.next();
    parts.map(|part| part.split_once('}').map_or(part.len(), |(tag, _)| tag.len()) + 2).sum()
}

fn read<'t>(template: &'t str, values: &Type) -> Result<Vec<Node<'t>>, Vec<TemplateFault>> {
    // A file keeps its last line end; all else is as Jinja has it by default.
    let whitespace = WhitespaceConfig { keep_trailing_newline: true, ..WhitespaceConfig::default() };
    let root = machinery::parse(template, "template", SyntaxConfig, whitespace);
    let root = root.map_err(|error| vec![not_read(&error)])?;
    let Stmt::Template(root) = root else {
        return Err(vec![TemplateFault::new(1, "the template has no content that can be read")]);
    };
    let mut reader =
        Reader { template, names: Names::new(values), faults: Vec::new(), counted: Counted::default() };
    let nodes = reader.nodes(&root.children);
    if reader.faults.is_empty() { Ok(nodes) } else { Err(reader.faults) }
}

fn not_read(error: &minijinja::Error) -> TemplateFault {
    let line = error.line().unwrap_or(1);
    let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    TemplateFault::new(line, crate::model::excerpt(&message, MAX_MESSAGE))
}

struct Reader<'t, 'v> {
    template: &'t str,
    names: Names<'v>,
    faults: Vec<TemplateFault>,
    counted: Counted,
}

/// Line ends before an offset, counted once: the parts of a template come in the order of the text.
#[derive(Default)]
struct Counted {
    offset: usize,
    lines: usize,
}

/// Kinds of statements that a template may not have, with what to write instead.
fn foreign(statement: &Stmt<'_>) -> &'static str {
    match statement {
        Stmt::WithBlock(_) => "with",
        Stmt::Set(_) | Stmt::SetBlock(_) => "set",
        Stmt::AutoEscape(_) => "autoescape",
        Stmt::FilterBlock(_) => "filter",
        Stmt::Do(_) => "do",
        _ => "this statement", // the others are read, or not even parsed
    }
}

impl<'t> Reader<'t, '_> {
    fn nodes(&mut self, statements: &[Stmt<'t>]) -> Vec<Node<'t>> {
        statements.iter().filter_map(|statement| self.node(statement)).collect()
    }

    fn node(&mut self, statement: &Stmt<'t>) -> Option<Node<'t>> {
        match statement {
            Stmt::EmitRaw(raw) => Some(Node::Text(raw.raw)),
            Stmt::EmitExpr(emit) => self.source(&emit.expr, "`{{ … }}`").map(Node::Show),
            Stmt::ForLoop(for_loop) => self.for_loop(for_loop),
            Stmt::IfCond(condition) => {
                let source = self.source(&condition.expr, "`if`");
                let source = source.and_then(|source| self.checked(source, Source::require_condition));
                let (body, otherwise) = (self.nodes(&condition.true_body), self.nodes(&condition.false_body));
                Some(Node::If { condition: source?, body, otherwise })
            }
            other => {
                let line = self.line(span_of(other));
                let fault = TemplateFault::new(line, format!("a template has no `{}`", foreign(other)));
                self.faults.push(fault.help("it has `{{ path }}`, `{% for x in xs %}` and `{% if x %}`"));
                None
            }
        }
    }

    fn for_loop(&mut self, for_loop: &ast::Spanned<ast::ForLoop<'t>>) -> Option<Node<'t>> {
        let line = self.line(for_loop.span());
        let list = self.source(&for_loop.iter, "`for`");
        let list = list.and_then(|list| self.checked(list, Source::require_list));
        let name = match &for_loop.target {
            ast::Expr::Var(variable) if variable.id != "loop" => Some(variable.id),
            _ => {
                self.faults.push(TemplateFault::new(line, "`for` has one name, which is not `loop`"));
                None
            }
        };
        if for_loop.filter_expr.is_some() || for_loop.recursive {
            let fault = TemplateFault::new(line, "`for` has neither a condition nor `recursive` here");
            self.faults.push(fault.help("filter the list before, for example with `std.filter-by`"));
        }
        self.names.enter(name, list.as_ref());
        let body = self.nodes(&for_loop.body);
        self.names.leave();
        let otherwise = self.nodes(&for_loop.else_body);
        Some(Node::For { list: list?, body, otherwise })
    }

    /// Reads a path and resolves it.
    fn source(&mut self, expr: &ast::Expr<'t>, position: &str) -> Option<Source> {
        let line = self.line(expr.span());
        let mut steps = Vec::new();
        let Some(name) = steps_of(expr, &mut steps) else {
            let message = format!("{position} takes a path, not {}", kind_of(expr));
            let fault = TemplateFault::new(line, message);
            self.faults.push(match expr {
                ast::Expr::BinOp(_) => {
                    fault.help("to reach the field `first-name`, write `first_name` or `[\"first-name\"]`")
                }
                _ => fault.help("compute the value in a task before"),
            });
            return None;
        };
        steps.reverse();
        match self.names.resolve(name, &steps) {
            Ok(Some(source)) => Some(Source { line, ..source }),
            Ok(None) => None, // of a list that was reported
            Err((message, help)) => {
                self.faults.push(TemplateFault { line, message, help });
                None
            }
        }
    }

    fn checked(&mut self, source: Source, check: fn(&Source) -> Result<(), String>) -> Option<Source> {
        match check(&source) {
            Ok(()) => Some(source),
            Err(message) => {
                self.faults.push(TemplateFault::new(source.line, message));
                None
            }
        }
    }

    /// Returns the line of a place, from one. The parser's own numbers are too narrow for long templates.
    fn line(&mut self, span: Span) -> usize {
        let offset = crate::model::to_usize(span.start_offset);
        if offset < self.counted.offset {
            self.counted = Counted::default();
        }
        let between = self.template.as_bytes().get(self.counted.offset..offset).unwrap_or_default();
        self.counted.lines += between.split(|byte| *byte == b'\n').skip(1).count();
        self.counted.offset = offset;
        self.counted.lines + 1
    }
}

/// Collects the steps of a path, the last one first. Returns the name that it begins with; none for anything else.
fn steps_of<'t>(expr: &ast::Expr<'t>, steps: &mut Vec<Step<'t>>) -> Option<&'t str> {
    match expr {
        ast::Expr::Var(variable) => Some(variable.id),
        ast::Expr::GetAttr(attribute) => {
            steps.push(Step::Field(attribute.name.into()));
            steps_of(&attribute.expr, steps)
        }
        ast::Expr::GetItem(item) => {
            let ast::Expr::Const(constant) = &item.subscript_expr else { return None };
            steps.push(match constant.value.as_str() {
                Some(name) => Step::Field(name.to_owned().into()),
                None => Step::Index(u32::try_from(constant.value.as_usize()?).ok()?),
            });
            steps_of(&item.expr, steps)
        }
        _ => None, // no other expression is a path
    }
}

const fn kind_of(expr: &ast::Expr<'_>) -> &'static str {
    match expr {
        ast::Expr::Const(_) => "a constant",
        ast::Expr::Slice(_) => "a slice",
        ast::Expr::UnaryOp(_) | ast::Expr::BinOp(_) => "an operation",
        ast::Expr::IfExpr(_) => "a condition",
        ast::Expr::Filter(_) => "a filter",
        ast::Expr::Test(_) => "a test",
        ast::Expr::Call(_) => "a call",
        ast::Expr::GetItem(_) | ast::Expr::GetAttr(_) => "an index that is computed",
        _ => "an expression", // all else
    }
}

fn span_of(statement: &Stmt<'_>) -> Span {
    match statement {
        Stmt::WithBlock(inner) => inner.span(),
        Stmt::Set(inner) => inner.span(),
        Stmt::SetBlock(inner) => inner.span(),
        Stmt::AutoEscape(inner) => inner.span(),
        Stmt::FilterBlock(inner) => inner.span(),
        Stmt::Do(inner) => inner.span(),
        _ => Span::default(), // the others are read
    }
}
