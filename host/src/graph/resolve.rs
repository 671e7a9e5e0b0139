//! Turns parsed manifests into their graph: resolves names, inlines what is included, breaks up cycles, and sorts the
//! tasks. Each step has its own file.

use crate::graph::draft::{Draft, Output};
use crate::graph::flows::Flows;
use crate::graph::inline::{Inclusions, Inlined, inline};
use crate::graph::instances::{Allocated, Allocation, Instance, Slot, allocate};
use crate::graph::pruning::Needed;
use crate::graph::template::{Template, template};
use crate::graph::{
    Crossing, Expr, FanOut, Flow, Graph, Manifests, Node, Pipeline, Place, Resolved, border, cut, cycle,
    flows, order, pruning, resources, uses, waiting,
};
use crate::manifest::{Loaded, Manifest};
use crate::model::{Spanned, TaskIdx};
use std::ops::Range;
use std::sync::Arc;

/// Resolves the names of a manifest and of those that it includes, and orders the tasks.
///
/// All faults are returned together, in the order of the texts; those of the manifests are found first.
#[must_use]
pub fn resolve(loaded: impl Into<Loaded>) -> Resolved {
    let Loaded { parts, mut faults } = loaded.into();
    let templates = parts.iter().enumerate();
    let templates: Vec<Template> =
        templates.map(|(position, part)| template(part, position, &mut faults.list)).collect();
    border::check(&parts, &templates, &mut faults.list);
    let joined = resources::join(&parts, &mut faults.list);
    let Allocation { instances, tasks, faults: found } = allocate(&parts);
    faults.list.extend(found);
    let Inlined { mut drafts, outputs, pipelines, crossings, faults: found } = if instances.len() == 1 {
        alone(templates)
    } else {
        let resources = &joined.positions;
        let inclusions = Inclusions {
            parts: &parts,
            templates: &templates,
            instances: &instances,
            tasks: &tasks,
            resources,
        };
        let mut inlined = inline(inclusions);
        inlined.faults.extend(waiting::wait(inclusions, &mut inlined.drafts));
        inlined
    };
    faults.list.extend(found);
    if instances.len() > 1 {
        // Cycles in one manifest are known; these cross borders.
        let cycles = cycle::among_tasks(tasks.iter().map(|task| task.name.as_str()), &drafts, |_| true);
        faults.list.extend(cycles.faults);
        cut::cut(&mut drafts, &cycles.components);
    }
    faults.sort_and_dedup();
    let manifests: Vec<Manifest> = parts.into_iter().map(|part| part.manifest).collect();
    let manifests = Manifests::new(manifests, joined.distinct);
    let graph = build(manifests, (tasks, drafts, &instances), (outputs, pipelines, crossings));
    Resolved { graph, faults }
}

/// Returns the tasks of a manifest that includes no other: each is one of the graph already.
fn alone(templates: Vec<Template>) -> Inlined {
    let root = templates.into_iter().next();
    let Template { drafts, outputs } = root.unwrap_or(Template { drafts: Vec::new(), outputs: Vec::new() });
    Inlined { drafts, outputs, pipelines: Vec::new(), crossings: Vec::new(), faults: Vec::new() }
}

/// Builds the graph, with its tasks in topological order.
fn build(
    manifests: Manifests,
    (tasks, drafts, instances): (Vec<Allocated>, Vec<Draft>, &[Instance]),
    (outputs, mut pipelines, crossings): (Vec<Output>, Vec<Pipeline>, Vec<Arc<Crossing>>),
) -> Graph {
    let indexed = (0..).map(TaskIdx::new).zip(&drafts);
    let links: Vec<Links> = indexed.map(|(index, task)| Links::new(index, task, &pipelines)).collect();
    let mut needs: Vec<Vec<TaskIdx>> = links.iter().map(|links| links.needs.clone()).collect();
    let order = order::topological(&needs);
    let first_finally = first_finally(&manifests, instances).unwrap_or(tasks.len());
    let is_named = manifests.root().outputs.is_some();
    let conditions = Needed::find(&pruning::Input {
        tasks: &drafts,
        pipelines: &pipelines,
        named_outputs: if is_named { &outputs } else { &[] },
        needs: &needs,
        order: &order,
        first_finally,
    });
    for (index, needs) in (0..).map(TaskIdx::new).zip(&mut needs) {
        needs.extend(conditions.waits(index));
        sort_and_dedup(needs);
    }
    let order = order::topological(&needs);
    // Between tasks of `[finally]` and others there is no path.
    for needs in needs.iter_mut().skip(first_finally) {
        needs.retain(|need| need.index() >= first_finally);
    }
    let heights = order::heights(&needs, &order);
    let Flows { of_tasks: flows, of_pipelines } = flows::flows(&drafts, &pipelines, first_finally);
    for (pipeline, flow) in pipelines.iter_mut().zip(of_pipelines) {
        pipeline.flow = flow;
    }
    let settings = settings(&manifests, instances);
    let nodes = (0..)
        .map(TaskIdx::new)
        .zip(tasks.into_iter().zip(drafts))
        .zip(links)
        .zip(heights)
        .zip(flows)
        .map(|((((index, (Allocated { name, place, instance }, draft)), links), height), flow)| {
            let Settings { priority, is_ungranted } = settings.get(instance).copied().unwrap_or_default();
            let own = manifests.task(place).map_or(0, |(_, task)| task.priority);
            let after = after(&draft.after);
            let around = draft.body.around.iter().filter_map(|pipeline| pipelines.get(*pipeline));
            let flows = flow.is_some() || around.clone().any(|pipeline| pipeline.flow.is_some());
            let direct = if flows {
                let around = around.map(|pipeline| (&pipeline.for_each, pipeline.flow.as_ref()));
                let own = (&draft.body.for_each, flow.as_ref());
                without_flows(&draft, around.chain([own]), &pipelines)
            } else {
                links.direct
            };
            let mut waits_for = waits_for(direct, &after, conditions.waits(index));
            if index.index() >= first_finally {
                waits_for.retain(|other| other.index() >= first_finally);
            }
            Node {
                name,
                place,
                component: draft.body.component,
                args: draft.body.args,
                conditions: draft.body.conditions,
                is_ungranted,
                priority: clamped(priority, own),
                around: draft.body.around,
                for_each: draft.body.for_each,
                product: draft.body.product,
                flow,
                resources: draft.body.resources,
                waits_for,
                after,
                needed_if: conditions.needed_if(index),
                needed_level: conditions.level(index),
                height,
            }
        })
        .collect();
    Graph { manifests, nodes, order, outputs, pipelines, crossings, first_finally }
}

/// Returns the position of the first task of `[finally]`; none if there is none.
fn first_finally(manifests: &Manifests, instances: &[Instance]) -> Option<usize> {
    let slots = instances.first()?.slots.iter().skip(manifests.root().first_finally());
    let mut positions = slots.filter_map(|slot| match slot {
        Slot::Task(task) => Some(task.index()),
        Slot::Instance(inner) => instances.get(*inner).map(|inner| inner.tasks.start),
        Slot::Missing => None,
    });
    positions.next()
}

/// What the tasks around an instance say of all its tasks.
#[derive(Debug, Clone, Copy, Default)]
struct Settings {
    priority: i8,
    is_ungranted: bool,
}

/// Returns the settings of each instance: those of the instance around it, and of its own task.
fn settings(manifests: &Manifests, instances: &[Instance]) -> Vec<Settings> {
    let mut found: Vec<Settings> = Vec::with_capacity(instances.len());
    for instance in instances {
        let around = instance.parent.and_then(|(parent, position)| {
            let manifest = instances.get(parent)?.manifest;
            let (_, task) = manifests.task(Place { manifest, position })?;
            let Settings { priority, is_ungranted } = found.get(parent).copied()?;
            let is_ungranted = is_ungranted || task.grants.is_some();
            Some(Settings { priority: clamped(priority, task.priority), is_ungranted })
        });
        found.push(around.unwrap_or_default());
    }
    found
}

/// Adds priorities, within their range.
fn clamped(outer: i8, inner: i8) -> i8 {
    outer.saturating_add(inner).clamp(-100, 100)
}

/// Returns the tasks of `after` in ascending order without duplicates.
fn after(written: &[Spanned<TaskIdx>]) -> Vec<TaskIdx> {
    let mut after: Vec<TaskIdx> = written.iter().map(|task| task.value).collect();
    sort_and_dedup(&mut after);
    after
}

/// Tasks that one task refers to, each list in ascending order without duplicates.
struct Links {
    /// Tasks whose output is read regardless of any `select`.
    direct: Vec<TaskIdx>,
    /// Tasks that may be read or are in `after`.
    needs: Vec<TaskIdx>,
}

impl Links {
    fn new(index: TaskIdx, task: &Draft, pipelines: &[Pipeline]) -> Self {
        let (mut direct, mut reads) = (Vec::new(), Vec::new());
        uses::each_use_of(index, &task.body, pipelines, &mut |read, gates| {
            reads.push(read);
            if gates.is_empty() {
                direct.push(read);
            }
        });
        let mut needs = reads;
        needs.extend(task.after.iter().map(|task| task.value));
        [&mut direct, &mut needs].into_iter().for_each(sort_and_dedup);
        Self { direct, needs }
    }
}

fn waits_for(direct: Vec<TaskIdx>, after: &[TaskIdx], deciders: &[TaskIdx]) -> Vec<TaskIdx> {
    let mut waits_for = direct;
    waits_for.extend(after);
    waits_for.extend(deciders);
    sort_and_dedup(&mut waits_for);
    waits_for
}

/// Lists that something runs over, and how its elements flow.
type FlowingLists<'a> = (&'a Vec<(String, Spanned<Expr>)>, Option<&'a Flow>);

/// Returns the tasks that are read as a whole, whatever a `select` chooses: elsewhere than by lists that flow, or by values
/// from outside that a pipeline, from which elements flow, passes on in each of its elements.
fn without_flows<'a>(
    draft: &'a Draft,
    lists: impl Iterator<Item = FlowingLists<'a>>,
    pipelines: &[Pipeline],
) -> Vec<TaskIdx> {
    let body = &draft.body;
    let mut direct = Vec::new();
    let mut read = |value: &Expr, inside: &Range<usize>| {
        uses::each_use(value, None, &mut |read, gates| {
            if gates.is_empty() && !inside.contains(&read.index()) {
                direct.push(read);
            }
        });
    };
    body.args.iter().for_each(|(_, arg)| read(&arg.value, &(0..0)));
    body.conditions.iter().for_each(|condition| read(&condition.subject.value, &(0..0)));
    for (lists, flow) in lists {
        whole_lists(lists, flow).for_each(|list| read(list, &(0..0)));
        for source in flow.into_iter().flat_map(Flow::distinct_sources) {
            let FanOut::Pipeline(source) = source else { continue };
            let Some((record, inside)) =
                pipelines.get(source).and_then(|found| Some((found.record.as_ref()?, &found.tasks)))
            else {
                continue;
            };
            read(&record.value.value, inside);
        }
    }
    direct
}

/// Returns the lists whose elements do not flow.
fn whole_lists<'l>(
    lists: &'l [(String, Spanned<Expr>)],
    flow: Option<&'l Flow>,
) -> impl Iterator<Item = &'l Expr> {
    let flows = move |item: usize| flow.is_some_and(|flow| matches!(flow.sources.get(item), Some(Some(_))));
    lists.iter().enumerate().filter(move |(item, _)| !flows(*item)).map(|(_, (_, list))| &list.value)
}

fn sort_and_dedup(tasks: &mut Vec<TaskIdx>) {
    tasks.sort_unstable();
    tasks.dedup();
}
