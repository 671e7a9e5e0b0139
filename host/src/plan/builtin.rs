//! Built-in tasks: which one a call names, its types, and whether they are as it needs them.
//! `generic` solves the variables. The rows, and the checks of templates and CSV, are in the module `builtin`.

use crate::builtin::{Builtin, Generic, Param, TemplateFault, check_template, columns};
use crate::graph::{Expr, Node};
use crate::manifest;
use crate::manifest::{BuiltinCall, Unread};
use crate::model::{Datum, Fault, MAX_LISTED, Path, STD, Span, Spanned, nearest, resemblance, shortlist_by};
use crate::plan::generic::{Misfit, Pass, Solution};
use crate::plan::infer::{examine, part_type};
use crate::plan::scope::Scope;
use crate::value::{Signature, Type};
use std::sync::Arc;

/// Maximum number of mistakes that are shown of one template.
const MAX_SHOWN: usize = 20;

/// A task that calls a built-in task.
pub(crate) struct Called<'a> {
    pub(crate) task: &'a manifest::Task,
    pub(crate) node: &'a Node,
    pub(crate) call: &'a BuiltinCall,
    pub(crate) span: &'a Span,
}

/// Returns the parameters whose types do not depend on what they are given; none of a call that names no task.
pub(crate) fn plain_params(call: &BuiltinCall) -> Signature {
    let params = Builtin::find(&call.function).map_or(&[][..], |builtin| builtin.row().params);
    let plain = |param: &Param| Some((Arc::from(param.name), Solution::default().apply(&param.ty)?));
    Signature { params: params.iter().filter_map(plain).collect(), result: None }
}

/// Finds the built-in task and solves its types; none if a fault was reported.
pub(crate) fn solve(scope: &mut Scope<'_>, called: &Called<'_>) -> Option<(Builtin, Signature)> {
    let solved = find(scope, called).and_then(|builtin| Solver { scope, called, builtin }.solve());
    if solved.is_none() {
        called.node.args.iter().for_each(|(_, arg)| examine(scope, arg));
    }
    solved
}

fn find(scope: &mut Scope<'_>, called: &Called<'_>) -> Option<Builtin> {
    let written = &called.call.function;
    let found = Builtin::find(written);
    if found.is_none() {
        let names = || Builtin::ALL.into_iter().map(|builtin| builtin.row().name);
        let message = format!("there is no built-in task `{STD}.{written}`");
        let fault = Fault::spanned(called.span.clone(), message);
        let fault = match nearest(written, names()) {
            Some(name) => fault.help(format!("did you mean `{STD}.{name}`?")),
            None => {
                let scored = names().map(|name| (resemblance(written, name), format!("{STD}.{name}")));
                let listed = shortlist_by(scored);
                let all =
                    if names().count() > MAX_LISTED { "; `cascade-host inspect std` shows all" } else { "" };
                fault.note(format!("there are {listed}{all}"))
            }
        };
        scope.fault(fault);
    }
    found
}

struct Solver<'s, 'g, 'a> {
    scope: &'s mut Scope<'g>,
    called: &'a Called<'a>,
    builtin: Builtin,
}

impl Solver<'_, '_, '_> {
    fn solve(mut self) -> Option<(Builtin, Signature)> {
        let row = self.builtin.row();
        let are_named = self.check_names();
        let (mut solution, is_typed) = self.by_type_key();
        let mut is_sound = are_named && is_typed;
        for pass in [Pass::References, Pass::Literals] {
            // After a fault, types that follow from other arguments are not known.
            let are_known = is_sound;
            let is_plain = |param: &Param| Solution::default().apply(&param.ty).is_some();
            for param in row.params.iter().filter(|param| are_known || is_plain(param)) {
                is_sound &= self.fit(&mut solution, param, pass).is_some();
            }
        }
        if !is_sound {
            return None;
        }
        for param in row.params {
            if solution.apply(&param.ty).is_none() {
                self.report_unsolved(param);
                return None;
            }
        }
        self.follow_path(&mut solution)?;
        self.check_types(&solution)?;
        let params = row.params.iter().map(|param| Some((Arc::from(param.name), solution.apply(&param.ty)?)));
        let params = params.collect::<Option<Vec<_>>>()?;
        Some((self.builtin, Signature { params, result: Some(solution.apply(&row.result)?) }))
    }

    fn arg(&self, name: &str) -> Option<&Spanned<Expr>> {
        self.called.node.args.iter().find(|(known, _)| known.value == name).map(|(_, arg)| arg)
    }

    /// Reports unknown and missing arguments. Returns whether there are none.
    fn check_names(&mut self) -> bool {
        let (row, builtin) = (self.builtin.row(), self.builtin);
        let names = || row.params.iter().map(|param| param.name);
        let mut suggested: Vec<&str> = Vec::new();
        let mut are_named = true;
        for (name, _) in &self.called.node.args {
            if !names().any(|param| param == name.value) {
                let message = format!("`{}` is not a parameter of `{builtin}`", name.value);
                let fault = Fault::spanned(name.span.clone(), message).suggest(&name.value, names());
                self.scope.fault(fault.note(format!("its signature is `{row}`")));
                suggested.extend(nearest(&name.value, names()));
                are_named = false;
            }
        }
        for Param { name, ty, default } in row.params {
            if default.is_some() || self.arg(name).is_some() {
                continue;
            }
            are_named = false;
            // A faulty or misspelt argument is not reported as missing too.
            if !self.called.task.is_unread(Unread::Args) && !suggested.contains(name) {
                let message = format!("parameter `{name}` gets no value");
                let fault = Fault::spanned(self.called.span.clone(), message);
                let fault = fault.note(format!("the signature is `{row}`"));
                self.scope.fault(fault.help(format!("add `args.{name} = …` of type `{ty}`")));
            }
        }
        are_named
    }

    /// Solves what the key `type` says. Returns whether it is as it must be.
    fn by_type_key(&mut self) -> (Solution, bool) {
        let mut solution = Solution::default();
        let (builtin, called) = (self.builtin, self.called);
        let faulty = |solver: &mut Self, fault: Fault| {
            solver.scope.fault(fault);
            (Solution::default(), false)
        };
        match (&called.call.ty, builtin.has_type_key()) {
            (None, false) => (solution, true),
            (None, true) if called.task.is_unread(Unread::Output) => (solution, false),
            (None, true) => {
                let fault = Fault::spanned(called.span.clone(), format!("`{builtin}` needs a type"));
                let example = match builtin.row().result {
                    Generic::List(_) => "list<record { name: string, size: u32 }>",
                    _ => "record { name: string, sizes: list<u32> }", // any type
                };
                faulty(self, fault.help(format!("write beside it for example `type = \"{example}\"`")))
            }
            (Some(ty), false) => {
                let message = format!("`{builtin}` has no key `type`: its types follow from its arguments");
                faulty(self, Fault::spanned(ty.span.clone(), message).help("remove it"))
            }
            (Some(written), true) => match Type::parse(&written.value) {
                Err(fault) => {
                    let shown =
                        Fault::spanned(written.span.clone(), "the type of the result is not a WIT type");
                    faulty(self, shown.label(fault.message))
                }
                Ok(ty) => match solution.unify(&builtin.row().result, &ty, Pass::References) {
                    Ok(()) => (solution, true),
                    Err(_) => {
                        let message = format!("the result of `{builtin}` is a list of records");
                        let fault = Fault::spanned(written.span.clone(), message);
                        faulty(self, fault.note(format!("this is the type `{ty}`")))
                    }
                },
            },
        }
    }

    fn fit(&mut self, solution: &mut Solution, param: &Param, pass: Pass) -> Option<()> {
        let Some(arg) = self.arg(param.name).cloned() else { return Some(()) };
        match solution.fit(self.scope, (&param.ty, &arg), pass) {
            Ok(()) => Some(()),
            Err(Misfit::Reported) => None,
            Err(Misfit::Type(ty)) => {
                let message = format!("this does not fit parameter `{}` of `{}`", param.name, self.builtin);
                let fault = Fault::spanned(arg.span.clone(), message);
                let fault = fault.note(format!("it has the type `{ty}`"));
                self.scope
                    .fault(fault.note(format!("parameter `{}` has the type `{}`", param.name, param.ty)));
                None
            }
        }
    }

    fn report_unsolved(&mut self, param: &Param) {
        let Some(span) = self.arg(param.name).map(|arg| arg.span.clone()) else { return };
        let fault = Fault::spanned(span, "the type of this value is unknown");
        let fault = fault.note(format!("parameter `{}` has the type `{}`", param.name, param.ty));
        self.scope.fault(fault.help("make it the `default` of a param, which has a `type`"));
    }

    /// Solves the type that the path leads to.
    fn follow_path(&mut self, solution: &mut Solution) -> Option<()> {
        let Some(arg) = self.arg("path").cloned() else { return Some(()) };
        let element = solution.get("T").cloned()?;
        let path =
            match &arg.value {
                Expr::Literal(Datum::Text(text)) if text.is_empty() => Path::root(),
                Expr::Literal(Datum::Text(text)) => match Path::parse(text) {
                    Ok(path) => path,
                    Err(fault) => {
                        self.scope.fault(Fault::spanned(arg.span.clone(), fault.to_string()).help(
                            "write for example `name`, `items[0].name`, or `\"\"` for the whole element",
                        ));
                        return None;
                    }
                },
                _ => {
                    let message = "`path` must be written as a string: the types of the task follow from it";
                    let fault = Fault::spanned(arg.span.clone(), message);
                    self.scope.fault(fault.help("write for example `args.path = \"name\"`"));
                    return None;
                }
            };
        let part = part_type(self.scope, &element, &path, &arg.span)?;
        if self.builtin == Builtin::FilterBy && part != Type::Bool {
            let fault = Fault::spanned(arg.span.clone(), "the part at `path` must be a `bool`");
            let fault = fault.note(format!("it has the type `{part}`"));
            self.scope.fault(fault.note(format!("the elements have the type `{element}`")));
            return None;
        }
        ["K", "U"].into_iter().for_each(|variable| solution.learn(variable, &part, Pass::References));
        Some(())
    }

    /// Checks what no variable can say: records, columns, names in a template, a size that is not 0.
    fn check_types(&mut self, solution: &Solution) -> Option<()> {
        let Some(ty) = solution.get("T") else { return Some(()) };
        match self.builtin {
            Builtin::Template | Builtin::TemplateHtml => self.check_template(ty),
            Builtin::ToCsv | Builtin::FromCsv => self.check_columns(ty),
            Builtin::Chunk => match self.arg("size") {
                Some(Spanned { value: Expr::Literal(Datum::Int(0)), span }) => {
                    let fault = Fault::spanned(span.clone(), "a chunk has at least one element");
                    self.scope.fault(fault.help("write a `size` of at least 1"));
                    None
                }
                _ => Some(()), // known when it runs, or right
            },
            _ => Some(()), // takes any type
        }
    }

    fn check_columns(&mut self, element: &Type) -> Option<()> {
        let Err(fault) = columns(element) else { return Some(()) };
        let span = match (&self.called.call.ty, self.arg("items")) {
            (Some(ty), _) => ty.span.clone(),
            (None, Some(items)) => items.span.clone(),
            (None, None) => self.called.span.clone(),
        };
        let message = format!("`{}` takes a list of records of scalars", self.builtin);
        self.scope.fault(Fault::spanned(span, message).note(fault.to_string()));
        None
    }

    fn check_template(&mut self, values: &Type) -> Option<()> {
        if !matches!(values, Type::Record(_)) {
            let span = self.arg("values").map_or_else(|| self.called.span.clone(), |arg| arg.span.clone());
            let fault = Fault::spanned(span, "the values of a template are a record");
            let fault = fault.note(format!("this has the type `{values}`"));
            self.scope.fault(fault.help("give it a name: `args.values = { rows = { task = \"…\" } }`"));
            return None;
        }
        let template = self.arg("template")?;
        let Expr::Literal(Datum::Text(text)) = &template.value else { return Some(()) };
        let (span, checked) = (template.span.clone(), check_template(text, values));
        let Err(mut faults) = checked else { return Some(()) };
        faults.truncate(MAX_SHOWN);
        let located = self.scope.graph.manifests().sources().locate(&span)?;
        let start = span.start.saturating_sub(located.span.start);
        let of_line = |line: usize| {
            let found = line_of(&located.source.text, &located.span, line)?;
            Some(start + found.start..start + found.end)
        };
        let shown = |TemplateFault { line, message, help }: TemplateFault| {
            let span = of_line(line).unwrap_or_else(|| span.clone());
            let fault = Fault::spanned(span, format!("line {line} of the template: {message}"));
            help.into_iter().fold(fault, Fault::help)
        };
        let shown: Vec<Fault> = faults.into_iter().map(shown).collect();
        shown.into_iter().for_each(|fault| self.scope.fault(fault));
        None
    }
}

/// Returns the span of a line of a string that is written over several lines; none if it has escapes.
fn line_of(source: &str, literal: &Span, line: usize) -> Option<Span> {
    let written = source.get(literal.clone())?;
    let content = match written.strip_prefix("'''") {
        Some(content) => content.strip_suffix("'''")?,
        None => written
            .strip_prefix("\"\"\"")?
            .strip_suffix("\"\"\"")
            .filter(|content| !content.contains('\\'))?,
    };
    let trimmed = content.strip_prefix("\r\n").or_else(|| content.strip_prefix('\n')).unwrap_or(content);
    let mut start = literal.start + 3 + (content.len() - trimmed.len());
    for (nth, text) in trimmed.split('\n').enumerate() {
        if nth + 1 == line {
            let (shown, indent) = (text.trim(), text.len() - text.trim_start().len());
            return (!shown.is_empty()).then(|| start + indent..start + indent + shown.len());
        }
        start += text.len() + 1;
    }
    None
}
