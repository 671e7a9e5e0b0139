//! What leaves a pipeline: its outputs, the record of all, and the list of the records of its elements.
//! `inline` makes what enters it.

use crate::graph::inline::Inliner;
use crate::graph::{Border, Crossing, Expr, Place};
use crate::model::{Datum, Fault, Name, Path, Span, Spanned, Step, shortlist};
use std::sync::Arc;

impl Inliner<'_> {
    /// Returns a reference to the output of an instance, or to the record of all.
    pub(crate) fn output(
        &mut self,
        instance: usize,
        (path, default): (&Path, Option<&Spanned<Datum>>),
        span: &Span,
    ) -> Expr {
        let (crossing, rest) = match path.steps().split_first() {
            _ if self.is_for_each(instance) => (self.whole(instance, span), path.clone()),
            None => (self.record(instance, span), Path::root()),
            Some((Step::Field(name), rest)) => match self.position(instance, name) {
                Some(position) => (self.output_at(instance, position, span), Path::from_steps(rest)),
                None => {
                    self.unknown_output(instance, name, span);
                    return Expr::Faulty;
                }
            },
            Some((Step::Index(index), _)) => {
                self.unknown_output(instance, &format!("[{index}]"), span);
                return Expr::Faulty;
            }
        };
        self.reference_to(crossing, (&rest, default), span)
    }

    /// Returns a reference to a part of an output.
    fn reference_to(
        &mut self,
        crossing: Option<Arc<Crossing>>,
        (rest, default): (&Path, Option<&Spanned<Datum>>),
        span: &Span,
    ) -> Expr {
        let Some(crossing) = crossing else { return Expr::Faulty };
        // The output of a task, or what crosses another border, is referred to itself.
        match &crossing.value.value {
            Expr::Task { task, path, default: None } => {
                Expr::Task { task: *task, path: path.followed_by(rest), default: default.cloned() }
            }
            Expr::Crossing { crossing: inner, path, default: None } => {
                let (inner, path) = (Arc::clone(inner), path.followed_by(rest));
                self.crossing(inner, path, default.cloned(), span)
            }
            Expr::Faulty => Expr::Faulty,
            _ => self.crossing(crossing, rest.clone(), default.cloned(), span), // has no other name
        }
    }

    fn position(&self, instance: usize, name: &str) -> Option<usize> {
        self.template_of(instance)?.outputs.iter().position(|(known, _)| known == name)
    }

    pub(crate) fn output_at(
        &mut self,
        instance: usize,
        position: usize,
        span: &Span,
    ) -> Option<Arc<Crossing>> {
        self.once(
            move |own| own.outputs.get_mut(instance)?.get_mut(position),
            span,
            |own| {
                let (name, value) = own.template_of(instance)?.outputs.get(position)?;
                let value = own.value(instance, value);
                Some((Border::Output { pipeline: instance - 1, name: name.clone() }, value))
            },
        )
    }

    /// Returns the list of the records of all elements.
    pub(crate) fn whole(&mut self, instance: usize, span: &Span) -> Option<Arc<Crossing>> {
        self.once(
            move |own| own.whole.get_mut(instance),
            span,
            |own| {
                let lists = own.lists_of(instance).into_iter().map(|(_, list)| list).collect();
                let record = own.record(instance, span)?;
                let value = own.crossing(record, Path::root(), None, span);
                let value = Box::new(Spanned::new(value, span.clone()));
                let value = Expr::Each { pipeline: instance - 1, lists, value };
                Some((Border::List { pipeline: instance - 1 }, Spanned::new(value, span.clone())))
            },
        )
    }

    pub(crate) fn record(&mut self, instance: usize, span: &Span) -> Option<Arc<Crossing>> {
        self.once(
            move |own| own.records.get_mut(instance),
            span,
            |own| {
                let (_, _, task, _) = own.including(instance)?;
                let outputs = &own.template_of(instance)?.outputs;
                let entry = |(position, (name, value)): (usize, &(String, Spanned<Expr>))| {
                    let output = own.output_at(instance, position, &value.span);
                    let part = own.reference_to(output, (&Path::root(), None), &value.span);
                    (Spanned::new(name.clone(), value.span.clone()), Spanned::new(part, value.span.clone()))
                };
                let entries = outputs.iter().enumerate().map(entry).collect();
                let value = Spanned::new(Expr::Table(entries), task.span.clone());
                Some((Border::Record { pipeline: instance - 1 }, value))
            },
        )
    }

    fn unknown_output(&mut self, instance: usize, name: &str, span: &Span) {
        let (Some(template), Some(part)) = (self.template_of(instance), self.part_of(instance)) else {
            return;
        };
        let Some((parent, Place { position, .. }, ..)) = self.including(instance) else { return };
        let task = self.part_of(parent).and_then(|part| part.manifest.tasks.get_index(position));
        let own_name = task.map_or("", |(name, _)| Name::as_str(name));
        if part.left_out.is_unread("outputs") || part.left_out.tasks.contains(name) {
            return;
        }
        let names = || template.outputs.iter().map(|(name, _)| name.as_str());
        self.fault(span, || {
            let message = format!("the pipeline `{own_name}` has no output `{name}`");
            let fault = Fault::spanned(span.clone(), message).suggest(name, names());
            fault.note(format!("its outputs are {}", shortlist(name, names())))
        });
    }
}
