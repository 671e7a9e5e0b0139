//! Fan-outs that flow: a `for-each` over the whole output of another one, so that element `i` waits for element `i` only.
//! Values of elements are read in `engine`; the ledger follows the edges between elements.

use crate::graph::draft::Draft;
use crate::graph::{Border, Expr, FanOut, Flow, Origin, Pipeline};
use crate::model::{Spanned, TaskIdx};
use std::collections::{HashMap, HashSet};

/// A list with the name of its item.
type List = (String, Spanned<Expr>);

/// The flows of tasks and pipelines.
pub(crate) struct Flows {
    /// By task: none if it waits for whole lists, or has no `for-each`.
    pub(crate) of_tasks: Vec<Option<Flow>>,
    /// By pipeline.
    pub(crate) of_pipelines: Vec<Option<Flow>>,
}

/// Finds all flows.
///
/// A `for-each` flows if each of its lists is the whole output of a `for-each` with the same root, or the list that the
/// root itself runs over. Any other combination, and every product, waits until all lists are complete.
pub(crate) fn flows(drafts: &[Draft], pipelines: &[Pipeline], first_finally: usize) -> Flows {
    let mut finder =
        Finder { drafts, pipelines, first_finally, known: HashMap::new(), begun: HashSet::new() };
    let tasks = (0..).map(TaskIdx::new).take(drafts.len()).map(FanOut::Task);
    let of_tasks = tasks.map(|task| finder.flow(task)).collect();
    let of_pipelines = (0..pipelines.len()).map(|pipeline| finder.flow(FanOut::Pipeline(pipeline))).collect();
    Flows { of_tasks, of_pipelines }
}

struct Finder<'a> {
    drafts: &'a [Draft],
    pipelines: &'a [Pipeline],
    /// Position of the first task of `[finally]`. They begin when all other tasks have ended, and wait for whole lists of
    /// those.
    first_finally: usize,
    known: HashMap<FanOut, Option<Flow>>,
    begun: HashSet<FanOut>,
}

impl<'a> Finder<'a> {
    /// Returns the flow, after those of all sources. A chain may be as long as the graph, so this does not recurse.
    fn flow(&mut self, of: FanOut) -> Option<Flow> {
        let mut open = vec![of];
        while let Some(next) = open.last().copied() {
            let sources = if self.known.contains_key(&next) { None } else { self.sources(next) };
            let named = sources.iter().flatten().flatten().copied();
            let before: Vec<FanOut> = named.filter(|source| self.begun.insert(*source)).collect();
            if before.is_empty() {
                if !self.known.contains_key(&next) {
                    let flow = sources.and_then(|sources| self.find(next, sources));
                    self.known.insert(next, flow);
                }
                open.pop();
            }
            open.extend(before);
        }
        self.known.get(&of).cloned().flatten()
    }

    /// Returns what each list is the whole output of; none for what has no lists, or combines them in all ways.
    fn sources(&self, of: FanOut) -> Option<Vec<Option<FanOut>>> {
        let (lists, _) = self.lists(of).filter(|(_, product)| !product)?;
        Some(lists.iter().map(|(_, list)| self.source(of, &list.value)).collect())
    }

    fn find(&self, of: FanOut, sources: Vec<Option<FanOut>>) -> Option<Flow> {
        let (lists, _) = self.lists(of)?;
        let root_of = |source: FanOut| match self.known.get(&source) {
            Some(Some(flow)) => flow.root,
            Some(None) | None => source,
        };
        let mut roots = sources.iter().flatten().map(|source| root_of(*source));
        let root = roots.next()?;
        if roots.any(|other| other != root) {
            return None;
        }
        // Several lists of the root are zipped, and none of them alone is the root's.
        let of_root = self.lists(root).and_then(|(lists, _)| <&[List; 1]>::try_from(lists).ok());
        let is_roots =
            |list: &Expr| of_root.is_some_and(|[(_, of_root)]| origin(&of_root.value) == origin(list));
        let mut others = sources.iter().zip(lists).filter(|(source, _)| source.is_none());
        others.all(|(_, (_, list))| is_roots(&list.value)).then_some(Flow { root, sources })
    }

    fn lists(&self, of: FanOut) -> Option<(&'a [List], bool)> {
        let (lists, product) = match of {
            FanOut::Task(task) => {
                let body = &self.drafts.get(task.index())?.body;
                (&body.for_each, body.product)
            }
            FanOut::Pipeline(pipeline) => {
                let pipeline = self.pipelines.get(pipeline)?;
                (&pipeline.for_each, pipeline.product)
            }
        };
        (!lists.is_empty()).then_some((lists, product))
    }

    fn is_finally(&self, of: FanOut) -> bool {
        let first = match of {
            FanOut::Task(task) => Some(task.index()),
            FanOut::Pipeline(pipeline) => self.pipelines.get(pipeline).map(|found| found.tasks.start),
        };
        first.is_some_and(|first| first >= self.first_finally)
    }

    fn around(&self, of: FanOut) -> &'a [usize] {
        match of {
            FanOut::Task(task) => self.drafts.get(task.index()).map_or(&[], |draft| &draft.body.around),
            FanOut::Pipeline(pipeline) => self.pipelines.get(pipeline).map_or(&[], |found| &found.around),
        }
    }

    /// Returns what a list is the whole output of. Both must lie in the same elements: only then are those of the list
    /// elements of both.
    fn source(&self, of: FanOut, list: &Expr) -> Option<FanOut> {
        let source = match origin(list) {
            Expr::Task { task, path, default: None } if path.steps().is_empty() => FanOut::Task(*task),
            Expr::Crossing { crossing, path, default: None } if path.steps().is_empty() => {
                match &crossing.border {
                    Border::List { pipeline } => FanOut::Pipeline(*pipeline),
                    _ => return None, // a value that no fan-out made
                }
            }
            _ => return None, // a part of an output, or no output at all
        };
        let is_same = self.lists(source).is_some()
            && self.around(source) == self.around(of)
            && self.is_finally(source) == self.is_finally(of);
        is_same.then_some(source)
    }
}

/// Returns the value that a list is under another name: it crosses borders of pipelines whole. Its elements may be
/// converted to the type of a param.
fn origin(list: &Expr) -> &Expr {
    match list {
        Expr::Crossing { crossing, path, default: None } if path.steps().is_empty() => match &crossing.border
        {
            Border::Argument { origin: Origin::Args, .. } | Border::Output { .. } => {
                origin(&crossing.value.value)
            }
            _ => list,
        },
        _ => list,
    }
}
