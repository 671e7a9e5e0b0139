//! Fan-outs that flow: a `for-each` over the whole output of another one, so that element `i` waits for element `i` only.
//! Values of elements are read in `engine`; the ledger follows the edges between elements.

use crate::graph::draft::Draft;
use crate::graph::{Border, Expr, FanOut, Flow, Pipeline};
use crate::model::{Spanned, TaskIdx};
use std::collections::HashMap;

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
pub(crate) fn flows(drafts: &[Draft], pipelines: &[Pipeline]) -> Flows {
    let mut finder = Finder { drafts, pipelines, known: HashMap::new() };
    let tasks = (0..).map(TaskIdx::new).take(drafts.len()).map(FanOut::Task);
    let of_tasks = tasks.map(|task| finder.flow(task, 0)).collect();
    let of_pipelines =
        (0..pipelines.len()).map(|pipeline| finder.flow(FanOut::Pipeline(pipeline), 0)).collect();
    Flows { of_tasks, of_pipelines }
}

struct Finder<'a> {
    drafts: &'a [Draft],
    pipelines: &'a [Pipeline],
    known: HashMap<FanOut, Option<Flow>>,
}

/// Maximum length of a chain that flows. A longer one has a barrier here and there, which bounds recursion.
const MAX_CHAIN: usize = 500;

impl<'a> Finder<'a> {
    fn flow(&mut self, of: FanOut, depth: usize) -> Option<Flow> {
        if let Some(known) = self.known.get(&of) {
            return known.clone();
        }
        let flow = if depth < MAX_CHAIN { self.find(of, depth) } else { None };
        if depth < MAX_CHAIN {
            self.known.insert(of, flow.clone());
        }
        flow
    }

    fn find(&mut self, of: FanOut, depth: usize) -> Option<Flow> {
        let (lists, product) = self.lists(of)?;
        if product && lists.len() > 1 {
            return None;
        }
        let sources: Vec<Option<FanOut>> =
            lists.iter().map(|(_, list)| self.source(of, &list.value)).collect();
        let mut root = None;
        for source in sources.iter().flatten() {
            let of_source = self.flow(*source, depth + 1).map_or(*source, |flow| flow.root);
            if root.replace(of_source).is_some_and(|other| other != of_source) {
                return None;
            }
        }
        let root = root?;
        // Several lists of the root are zipped, and none of them alone is the root's.
        let of_root = self.lists(root).and_then(|(lists, _)| <&[List; 1]>::try_from(lists).ok());
        let is_roots = |list: &Expr| of_root.is_some_and(|[(_, of_root)]| of_root.value == *list);
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

    fn around(&self, of: FanOut) -> &'a [usize] {
        match of {
            FanOut::Task(task) => self.drafts.get(task.index()).map_or(&[], |draft| &draft.body.around),
            FanOut::Pipeline(pipeline) => self.pipelines.get(pipeline).map_or(&[], |found| &found.around),
        }
    }

    /// Returns what a list is the whole output of. Both must lie in the same elements: only then are those of the list
    /// elements of both.
    fn source(&self, of: FanOut, list: &Expr) -> Option<FanOut> {
        let source = match list {
            Expr::Task { task, path, default: None } if path.steps().is_empty() => FanOut::Task(*task),
            Expr::Crossing { crossing, path, default: None } if path.steps().is_empty() => {
                match (&crossing.border, &crossing.value.value) {
                    (Border::List { pipeline }, _) => FanOut::Pipeline(*pipeline),
                    // An output that is the whole output of something else is the same list.
                    (Border::Output { .. }, inner @ (Expr::Task { .. } | Expr::Crossing { .. })) => {
                        return self.source(of, inner);
                    }
                    // An argument may be converted to the type of its param.
                    _ => return None,
                }
            }
            _ => return None, // a part of an output, or no output at all
        };
        let is_same = self.lists(source).is_some() && self.around(source) == self.around(of);
        is_same.then_some(source)
    }
}
