//! Turns a parsed manifest into its graph: resolves names, finds cycles, breaks them up, and sorts the tasks.
//! Each step has its own file.

use crate::graph::cut::{Acyclic, cut};
use crate::graph::draft::Output;
use crate::graph::names::Names;
use crate::graph::pruning::Needed;
use crate::graph::{Expr, Flow, Graph, Node, Resolved, cycle, draft, flows, order, pruning, suppliers, uses};
use crate::manifest::{Manifest, Parsed};
use crate::model::{Fault, Path, Spanned, TaskIdx};

/// Resolves the names of a manifest and orders its tasks.
///
/// All faults are returned together, in the order of the text; those of the manifest are found first.
#[must_use]
pub fn resolve(parsed: Parsed) -> Resolved {
    let Parsed { manifest, left_out, mut faults } = parsed;
    if manifest.tasks.is_empty() && left_out.tasks.is_empty() && !left_out.is_unread("tasks") {
        let fault = Fault::of_file("a manifest has at least one task");
        faults.push(fault.help("write a header `[tasks.NAME]` and below it `call = \"component.function\"`"));
    }
    let mut names = Names::new(&manifest, &left_out);
    let tasks = draft::tasks(&mut names);
    let outputs = draft::outputs(&mut names);
    let suppliers = suppliers::suppliers(&mut names);
    faults.list.extend(names.into_faults());
    faults.list.extend(cycle::among_components(&manifest, &suppliers).faults);
    let cycles = cycle::among_tasks(&manifest, &tasks);
    faults.list.extend(cycles.faults);
    faults.sort();
    Resolved { graph: build(manifest, cut(tasks, &cycles.components), outputs), faults }
}

/// Builds the graph, with its tasks in topological order.
fn build(manifest: Manifest, tasks: Vec<Acyclic>, named_outputs: Vec<Output>) -> Graph {
    let links: Vec<Links> =
        (0..).map(TaskIdx::new).zip(&tasks).map(|(index, task)| Links::new(index, task)).collect();
    let mut needs: Vec<Vec<TaskIdx>> = links.iter().map(|links| links.needs.clone()).collect();
    let order = order::topological(&needs);
    let conditions = Needed::find(&pruning::Input {
        tasks: &tasks,
        named_outputs: &named_outputs,
        needs: &needs,
        order: &order,
    });
    for (index, needs) in (0..).map(TaskIdx::new).zip(&mut needs) {
        needs.extend(conditions.waits(index));
        sort_and_dedup(needs);
    }
    let order = order::topological(&needs);
    let heights = order::heights(&needs, &order);
    let flows = flows::flows(&tasks, &order);
    let outputs = match &manifest.outputs {
        Some(_) => named_outputs,
        None => unconsumed(&manifest, &consumed(&links)),
    };
    let nodes = (0..)
        .map(TaskIdx::new)
        .zip(tasks)
        .zip(links)
        .zip(heights)
        .zip(flows)
        .map(|((((index, task), links), height), flow)| Node {
            waits_for: links.waits_for(&task, flow.as_ref(), conditions.waits(index)),
            flow,
            component: task.body.component,
            args: task.body.args,
            when: task.body.when,
            for_each: task.body.for_each,
            product: task.body.product,
            resources: task.body.resources,
            after: task.after,
            needed_if: conditions.needed_if(index),
            height,
        })
        .collect();
    Graph { manifest, nodes, order, outputs }
}

/// Tasks that one task refers to, each list in ascending order without duplicates.
struct Links {
    /// Tasks whose output is read regardless of any `select`.
    direct: Vec<TaskIdx>,
    /// Tasks whose output may be read.
    reads: Vec<TaskIdx>,
    /// Tasks that may be read or are in `after`.
    needs: Vec<TaskIdx>,
}

impl Links {
    fn new(index: TaskIdx, task: &Acyclic) -> Self {
        let (mut direct, mut reads) = (Vec::new(), Vec::new());
        uses::each_use_of(index, &task.body, &mut |read, gates| {
            reads.push(read);
            if gates.is_empty() {
                direct.push(read);
            }
        });
        let mut needs: Vec<TaskIdx> = reads.iter().chain(&task.after).copied().collect();
        [&mut direct, &mut reads, &mut needs].into_iter().for_each(sort_and_dedup);
        Self { direct, reads, needs }
    }

    fn waits_for(self, task: &Acyclic, flow: Option<&Flow>, deciders: &[TaskIdx]) -> Vec<TaskIdx> {
        let mut waits_for = match flow {
            Some(flow) => self.without_flow(task, flow),
            None => self.direct,
        };
        waits_for.extend(&task.after);
        waits_for.extend(deciders);
        sort_and_dedup(&mut waits_for);
        waits_for
    }
}

impl Links {
    /// Returns the tasks that are read elsewhere than by a list that flows.
    fn without_flow(self, task: &Acyclic, flow: &Flow) -> Vec<TaskIdx> {
        let args = task.body.args.iter().map(|(_, arg)| arg);
        let lists = task.body.for_each.iter().zip(&flow.sources).filter(|(_, source)| source.is_none());
        let values = args.chain(lists.map(|((_, list), _)| list)).chain(&task.body.when);
        let mut direct = Vec::new();
        for value in values {
            uses::each_use(&value.value, None, &mut |read, gates| {
                if gates.is_empty() {
                    direct.push(read);
                }
            });
        }
        direct
    }
}

fn sort_and_dedup(tasks: &mut Vec<TaskIdx>) {
    tasks.sort_unstable();
    tasks.dedup();
}

fn consumed(links: &[Links]) -> Vec<bool> {
    let mut is_consumed = vec![false; links.len()];
    for read in links.iter().flat_map(|links| &links.reads) {
        if let Some(is_consumed) = is_consumed.get_mut(read.index()) {
            *is_consumed = true;
        }
    }
    is_consumed
}

/// Returns the outputs of a manifest without `[outputs]`: every task that no task consumes.
fn unconsumed(manifest: &Manifest, is_consumed: &[bool]) -> Vec<Output> {
    (0..)
        .map(TaskIdx::new)
        .zip(&manifest.tasks)
        .zip(is_consumed)
        .filter(|(_, is_consumed)| !**is_consumed)
        .map(|((task, (name, written)), _)| {
            let expr = Expr::Task { task, path: Path::root(), default: None };
            (name.to_string(), Spanned::new(expr, written.span.clone()))
        })
        .collect()
}
