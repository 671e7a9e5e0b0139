//! Inlines included manifests: every task of every pipeline becomes a task of the graph, and values cross the borders.
//! `instances` allocates the tasks; `outputs` makes what leaves a pipeline; `waiting` adds what `after` of pipelines means.

use crate::graph::crossings::{Crossings, MAX_DEPTH};
use crate::graph::draft::{Body, Draft, Output};
use crate::graph::instances::{Allocated, Instance, Slot};
use crate::graph::template::Template;
use crate::graph::uses;
use crate::graph::{Border, Condition, Crossing, Expr, Origin, Pipeline, Place};
use crate::manifest;
use crate::manifest::Part;
use crate::model::{Datum, Fault, IndexPath, Path, Span, Spanned};
use std::collections::HashSet;
use std::sync::Arc;

/// The manifests, and the instances of them.
#[derive(Clone, Copy)]
pub(crate) struct Inclusions<'a> {
    pub(crate) parts: &'a [Part],
    pub(crate) templates: &'a [Template],
    pub(crate) instances: &'a [Instance],
    pub(crate) tasks: &'a [Allocated],
    /// By manifest: positions of its resources among those of all manifests.
    pub(crate) resources: &'a [Vec<usize>],
}

/// The tasks of the graph with their values; `after` is added by `waiting`.
pub(crate) struct Inlined {
    pub(crate) drafts: Vec<Draft>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) pipelines: Vec<Pipeline>,
    pub(crate) crossings: Vec<Arc<Crossing>>,
    pub(crate) faults: Vec<Fault>,
}

/// Inlines all manifests.
pub(crate) fn inline(inclusions: Inclusions<'_>) -> Inlined {
    let Inclusions { parts, templates, instances, tasks, .. } = inclusions;
    let params =
        |instance: &Instance| parts.get(instance.manifest).map_or(0, |part| part.manifest.params.len());
    let outputs = |instance: &Instance| templates.get(instance.manifest).map_or(0, |one| one.outputs.len());
    let mut inliner = Inliner {
        inclusions,
        components: components(parts),
        arguments: instances.iter().map(|instance| vec![Memo::New; params(instance)]).collect(),
        outputs: instances.iter().map(|instance| vec![Memo::New; outputs(instance)]).collect(),
        records: vec![Memo::New; instances.len()],
        whole: vec![Memo::New; instances.len()],
        lists: vec![None; instances.len()],
        items_of: None,
        crossings: Crossings::default(),
        level: 0,
        reported: HashSet::new(),
        faults: Vec::new(),
    };
    let conditions = inliner.conditions();
    let drafts = tasks.iter().map(|task| inliner.task(task, &conditions)).collect();
    let root = templates.first().map_or(&[][..], |template| &template.outputs);
    let outputs = root.iter().map(|(name, value)| (name.clone(), inliner.value(0, value))).collect();
    let pipelines = (1..instances.len()).filter_map(|instance| inliner.pipeline(instance)).collect();
    let Inliner { crossings, faults, .. } = inliner;
    Inlined { drafts, outputs, pipelines, crossings: crossings.finish(), faults }
}

/// Returns the position of the first component of each manifest among those of all.
fn components(parts: &[Part]) -> Vec<usize> {
    let mut next = 0;
    let counts = parts.iter().map(|part| part.manifest.components.len());
    counts
        .map(|count| {
            let first = next;
            next += count;
            first
        })
        .collect()
}

/// A crossing that is made when something refers to it.
#[derive(Clone)]
pub(crate) enum Memo {
    New,
    /// Being made: to need it now is a cycle.
    Open,
    Done(Option<Arc<Crossing>>),
}

pub(crate) struct Inliner<'a> {
    inclusions: Inclusions<'a>,
    components: Vec<usize>,
    /// By instance and param.
    arguments: Vec<Vec<Memo>>,
    /// By instance and output.
    pub(crate) outputs: Vec<Vec<Memo>>,
    /// By instance: the record of the outputs.
    pub(crate) records: Vec<Memo>,
    /// By instance that runs once per element: the list of the records of all elements.
    pub(crate) whole: Vec<Memo>,
    /// By instance: the lists that it runs over, once they are known.
    lists: Vec<Option<Lists>>,
    /// The pipeline whose items the value that is being made refers to; none for a task.
    items_of: Option<usize>,
    crossings: Crossings,
    /// Nesting of the value that is being made.
    level: usize,
    /// Places of which a fault was reported: a manifest that is included often has it as often.
    reported: HashSet<Span>,
    faults: Vec<Fault>,
}

/// Items with their lists.
type Lists = Vec<(String, Spanned<Expr>)>;

impl<'a> Inliner<'a> {
    /// Reports a fault, once per place.
    pub(crate) fn fault(&mut self, span: &Span, fault: impl FnOnce() -> Fault) {
        if self.reported.insert(span.clone()) {
            self.faults.push(fault());
        }
    }

    fn instance(&self, at: usize) -> Option<&'a Instance> {
        self.inclusions.instances.get(at)
    }

    pub(crate) fn part_of(&self, instance: usize) -> Option<&'a Part> {
        self.inclusions.parts.get(self.instance(instance)?.manifest)
    }

    pub(crate) fn template_of(&self, instance: usize) -> Option<&'a Template> {
        self.inclusions.templates.get(self.instance(instance)?.manifest)
    }

    /// Returns the task that includes an instance: the instance around it, its place, and its content.
    pub(crate) fn including(&self, instance: usize) -> Option<(usize, Place, &'a manifest::Task, &'a Draft)> {
        let (parent, position) = self.instance(instance)?.parent?;
        let place = Place { manifest: self.instance(parent)?.manifest, position };
        let (_, task) = self.part_of(parent)?.manifest.tasks.get_index(position)?;
        Some((parent, place, task, self.template_of(parent)?.drafts.get(position)?))
    }

    /// Returns whether an instance runs once per element of lists.
    pub(crate) fn is_for_each(&self, instance: usize) -> bool {
        self.including(instance).is_some_and(|(_, _, _, draft)| !draft.body.for_each.is_empty())
    }

    /// Returns the pipelines that run once per element and in which an instance lies, itself included, outermost first.
    fn around(&self, instance: usize) -> Vec<usize> {
        let (mut around, mut at) = (Vec::new(), instance);
        while let Some((parent, ..)) = self.including(at) {
            if self.is_for_each(at) {
                around.push(at - 1);
            }
            at = parent;
        }
        around.reverse();
        around
    }

    /// Returns the lists that an instance runs over. Made before anything that refers to their elements.
    pub(crate) fn lists_of(&mut self, instance: usize) -> Lists {
        if let Some(Some(lists)) = self.lists.get(instance) {
            return lists.clone();
        }
        let Some((parent, _, _, draft)) = self.including(instance) else { return Lists::new() };
        let lists = self.lists(parent, &draft.body.for_each);
        self.lists.get_mut(instance).into_iter().for_each(|slot| *slot = Some(lists.clone()));
        lists
    }

    /// Returns the conditions of each instance: those of the instances around it, then that of its own task.
    fn conditions(&mut self) -> Vec<Vec<Arc<Condition>>> {
        let mut conditions: Vec<Vec<Arc<Condition>>> = Vec::with_capacity(self.inclusions.instances.len());
        for instance in 0..self.inclusions.instances.len() {
            let of_one = self.including(instance).map(|(parent, _, _, draft)| {
                let mut of_one: Vec<Arc<Condition>> = conditions.get(parent).cloned().unwrap_or_default();
                of_one.extend(draft.body.conditions.iter().map(|own| self.condition(parent, own)));
                of_one
            });
            conditions.push(of_one.unwrap_or_default());
        }
        conditions
    }

    fn condition(&mut self, instance: usize, condition: &Condition) -> Arc<Condition> {
        let level = self.around(instance).len();
        Arc::new(Condition {
            place: condition.place,
            level,
            subject: self.value(instance, &condition.subject),
        })
    }

    fn task(&mut self, task: &Allocated, conditions: &[Vec<Arc<Condition>>]) -> Draft {
        let template = self.inclusions.templates.get(task.place.manifest);
        let draft = template.and_then(|template| template.drafts.get(task.place.position));
        let Some(Draft { body, .. }) = draft else {
            return Draft { body: Body::default(), reads: Vec::new(), after: Vec::new() };
        };
        let at = task.instance;
        let mut all: Vec<Arc<Condition>> = conditions.get(at).cloned().unwrap_or_default();
        all.extend(body.conditions.iter().map(|own| self.condition(at, own)));
        let resources = self.inclusions.resources.get(task.place.manifest);
        let resource = |(local, amount): &(usize, u32)| Some((*resources?.get(*local)?, *amount));
        let body = Body {
            component: body.component.and_then(|own| Some(own + self.components.get(task.place.manifest)?)),
            args: body.args.iter().map(|(name, value)| (name.clone(), self.value(at, value))).collect(),
            conditions: all,
            around: self.around(at),
            for_each: self.lists(at, &body.for_each),
            product: body.product,
            resources: body.resources.iter().filter_map(resource).collect(),
        };
        if body.around.len() + usize::from(!body.for_each.is_empty()) > IndexPath::MAX_LEN {
            let of_pipeline =
                body.around.last().map(|pipeline| self.lists_of(pipeline + 1)).unwrap_or_default();
            let innermost = body.for_each.first().or(of_pipeline.first()).map(|(_, list)| &list.span);
            innermost.into_iter().for_each(|span| self.fault(span, || too_deep(span)));
        }
        let mut reads = Vec::new();
        let values = body.args.iter().map(|(_, value)| value);
        let values = values.chain(body.for_each.iter().map(|(_, list)| list));
        let values = values.chain(body.conditions.iter().map(|condition| &condition.subject));
        values.for_each(|value| uses::each_reference(value, &mut |read| reads.push(read)));
        for pipeline in &body.around {
            let lists = self.lists_of(pipeline + 1);
            lists.iter().for_each(|(_, list)| uses::each_reference(list, &mut |read| reads.push(read)));
        }
        Draft { body, reads, after: Vec::new() }
    }

    fn lists(&mut self, instance: usize, lists: &[(String, Spanned<Expr>)]) -> Vec<(String, Spanned<Expr>)> {
        lists.iter().map(|(item, list)| (item.clone(), self.value(instance, list))).collect()
    }

    /// Returns a value of an instance with its references resolved in the graph.
    pub(crate) fn value(&mut self, instance: usize, expr: &Spanned<Expr>) -> Spanned<Expr> {
        self.level += 1;
        let value = if self.level > MAX_DEPTH {
            self.fault(&expr.span, || too_large(&expr.span));
            Expr::Faulty
        } else {
            self.mapped(instance, expr)
        };
        self.level -= 1;
        Spanned::new(value, expr.span.clone())
    }

    fn mapped(&mut self, instance: usize, expr: &Spanned<Expr>) -> Expr {
        match &expr.value {
            Expr::Array(parts) => Expr::Array(parts.iter().map(|part| self.value(instance, part)).collect()),
            Expr::Table(entries) => Expr::Table(self.entries(instance, entries)),
            Expr::Select { selector, cases, default } => Expr::Select {
                selector: Arc::new(self.value(instance, selector)),
                cases: self.entries(instance, cases),
                default: default.clone(),
            },
            Expr::Range { from, to } => Expr::Range {
                from: Box::new(self.value(instance, from)),
                to: Box::new(self.value(instance, to)),
            },
            Expr::Task { task, path, default } => {
                let slot = self.instance(instance).and_then(|found| found.slots.get(task.index()).copied());
                match slot {
                    Some(Slot::Task(task)) => {
                        Expr::Task { task, path: path.clone(), default: default.clone() }
                    }
                    Some(Slot::Instance(inner)) => self.output(inner, (path, default.as_ref()), &expr.span),
                    Some(Slot::Missing) | None => Expr::Faulty,
                }
            }
            Expr::Param { param, path } if instance > 0 => {
                match self.argument(instance, *param, &expr.span) {
                    Some(crossing) => self.crossing(crossing, path.clone(), None, &expr.span),
                    None => Expr::Faulty,
                }
            }
            Expr::Item { item, path, .. } => {
                Expr::Item { of: self.items_of, item: *item, path: path.clone() }
            }
            Expr::Literal(_)
            | Expr::Param { .. }
            | Expr::Each { .. }
            | Expr::Env { .. }
            | Expr::File { .. }
            | Expr::Files { .. }
            | Expr::Run(_)
            | Expr::Crossing { .. }
            | Expr::Faulty => expr.value.clone(),
        }
    }

    fn entries(
        &mut self,
        instance: usize,
        entries: &[(Spanned<String>, Spanned<Expr>)],
    ) -> Vec<(Spanned<String>, Spanned<Expr>)> {
        entries.iter().map(|(key, part)| (key.clone(), self.value(instance, part))).collect()
    }

    /// Returns a reference to what crosses a border.
    pub(crate) fn crossing(
        &mut self,
        crossing: Arc<Crossing>,
        path: Path,
        default: Option<Spanned<Datum>>,
        span: &Span,
    ) -> Expr {
        if self.crossings.refer(&crossing) {
            return Expr::Crossing { crossing, path, default };
        }
        self.fault(span, || too_large(span));
        Expr::Faulty
    }

    /// Makes a crossing once. To need it while it is made is a cycle without a task in it.
    pub(crate) fn once(
        &mut self,
        slot: impl Fn(&mut Self) -> Option<&mut Memo>,
        span: &Span,
        make: impl FnOnce(&mut Self) -> Option<(Border, Spanned<Expr>)>,
    ) -> Option<Arc<Crossing>> {
        match slot(self)?.clone() {
            Memo::Done(crossing) => return crossing,
            Memo::Open => {
                self.fault(span, || {
                    let fault = Fault::spanned(span.clone(), "this value needs itself");
                    fault.note("it crosses the borders of pipelines, and no task on its way computes it")
                });
                return None;
            }
            Memo::New => {}
        }
        *slot(self)? = Memo::Open;
        let crossing = make(self).and_then(|(border, value)| {
            let span = value.span.clone();
            let crossing = self.crossings.add(border, value);
            if crossing.is_none() {
                self.fault(&span, || too_large(&span));
            }
            crossing
        });
        *slot(self)? = Memo::Done(crossing.clone());
        crossing
    }

    /// Returns the argument of a param of an instance, as its including task gives it.
    fn argument(&mut self, instance: usize, param: usize, span: &Span) -> Option<Arc<Crossing>> {
        self.once(
            move |own| own.arguments.get_mut(instance)?.get_mut(param),
            span,
            |own| {
                let (parent, _, task, draft) = own.including(instance)?;
                drop(own.lists_of(instance)); // the items that the argument may refer to
                let (name, declared) = own.part_of(instance)?.manifest.params.get_index(param)?;
                let written = draft.body.args.iter().find(|(arg, _)| arg.value == name.as_str());
                let (origin, value) = match (written, &declared.default) {
                    (Some((_, value)), _) => {
                        let items_of = own.items_of.replace(instance - 1);
                        let value = own.value(parent, value);
                        own.items_of = items_of;
                        (Origin::Args, value)
                    }
                    (None, Some(default)) => {
                        let value = Expr::Literal(default.value.clone());
                        (Origin::Default, Spanned::new(value, default.span.clone()))
                    }
                    (None, None) => {
                        let span = task.action.as_ref().map_or(&task.span, |action| &action.span);
                        (Origin::Nothing, Spanned::new(Expr::Literal(Datum::Null), span.clone()))
                    }
                };
                Some((Border::Argument { pipeline: instance - 1, param, origin }, value))
            },
        )
    }

    fn pipeline(&mut self, instance: usize) -> Option<Pipeline> {
        let (parent, place, task, draft) = self.including(instance)?;
        let Instance { manifest, name, tasks, .. } = self.instance(instance)?;
        let for_each = self.lists_of(instance);
        let params = self.arguments.get(instance).map_or(0, Vec::len);
        // Every output is a crossing, read or not, so that its faults are found.
        for output in 0..self.outputs.get(instance).map_or(0, Vec::len) {
            drop(self.output_at(instance, output, &task.span));
        }
        Some(Pipeline {
            name: name.clone()?,
            place,
            manifest: *manifest,
            tasks: tasks.clone(),
            for_each,
            product: draft.body.product,
            flow: None, // found once all pipelines are known
            around: self.around(parent),
            arguments: (0..params).map(|param| self.argument(instance, param, &task.span)).collect(),
            record: {
                if self.is_for_each(instance) {
                    drop(self.whole(instance, &task.span));
                }
                self.record(instance, &task.span)
            },
        })
    }
}

fn too_deep(span: &Span) -> Fault {
    let message = format!("lists are nested in lists at most {} levels deep", IndexPath::MAX_LEN);
    Fault::spanned(span.clone(), message)
        .note("every `for-each` of the pipelines around this task is a level")
        .help("run over one list of all elements, as `std.flatten` makes it")
}

fn too_large(span: &Span) -> Fault {
    Fault::spanned(span.clone(), "a value that crosses the borders of pipelines has too many parts")
        .help("let a task put it together, so that it is computed once")
}
