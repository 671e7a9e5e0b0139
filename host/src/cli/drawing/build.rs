//! Makes the picture of a graph: pipelines in one box each, and boxes joined where there are too many.
//! Formats draw it.

use crate::cli::drawing::RunStates;
use crate::cli::drawing::describe::{pipeline_details, task_details};
use crate::cli::drawing::picture::{Form, Line, MAX_BOXES, MAX_LINES, Picture, TaskBox, label};
use crate::cli::drawing::refine::{Bounds, Unjoined, join};
use crate::cli::drawing::state::box_status;
use crate::graph::{Graph, Link, LinkKind};
use crate::model::TaskIdx;
use std::collections::BTreeMap;

/// How much of pipelines is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// A box for each outermost pipeline.
    Pipelines,
    /// A box for each task.
    Tasks,
}

/// A picture, and what it does not show.
#[derive(Debug)]
pub(crate) struct Drawn {
    /// The picture.
    pub(crate) picture: Picture,
    /// Number of tasks if boxes were joined to keep the bounds.
    pub(crate) joined: Option<usize>,
}

/// Draws a graph, with the states of a run if there is one.
pub(crate) fn draw(graph: &Graph, run: Option<&RunStates>, detail: Detail) -> Drawn {
    let links = graph.links();
    let units = Units::new(graph, &links, detail);
    let pairs: Vec<(usize, usize)> = units.lines(&links).map(|line| (line.from, line.to)).collect();
    let all = Unjoined { depths: &units.depths, acts: &units.acts, lines: &pairs };
    let parts = join(all, Bounds { boxes: MAX_BOXES, lines: MAX_LINES });
    let number = parts.iter().max().map_or(0, |last| last + 1);
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); number];
    for (unit, part) in parts.iter().enumerate() {
        members.get_mut(*part).into_iter().for_each(|members| members.push(unit));
    }
    let boxes = members.iter().map(|members| units.task_box(members, graph, run)).collect();
    let between = distinct(units.lines(&links).filter_map(|line| {
        let (from, to) = (*parts.get(line.from)?, *parts.get(line.to)?);
        Some(Line { from, to, kind: line.kind })
    }));
    let tasks = graph.nodes().len();
    let is_joined = number < units.names.len();
    let name = &graph.manifests().root().name;
    let title = run.map_or_else(|| name.clone(), |run| format!("{name}, run {}: {}", run.run, run.status));
    let caption = is_joined
        .then(|| format!("{tasks} tasks in {number} boxes: tasks that play the same part share a box"));
    let picture = Picture { title: label_of_title(&title), caption, boxes, lines: between };
    Drawn { picture, joined: is_joined.then_some(tasks) }
}

/// Titles may be longer than labels.
fn label_of_title(title: &str) -> String {
    title.split(' ').map(label).collect::<Vec<_>>().join(" ")
}

/// Tasks and pipelines, each of which is a box if the bounds allow it. The lists have an entry a unit.
struct Units {
    /// Unit of each task.
    of_task: Vec<usize>,
    names: Vec<String>,
    /// Calls of the units, as text.
    acts: Vec<String>,
    details: Vec<Vec<String>>,
    forms: Vec<Form>,
    depths: Vec<usize>,
}

impl Units {
    fn new(graph: &Graph, links: &[Link], detail: Detail) -> Self {
        let mut pipeline_of: Vec<Option<usize>> = vec![None; graph.nodes().len()];
        if detail == Detail::Pipelines {
            // Outer pipelines come before inner ones.
            for (position, pipeline) in graph.pipelines().iter().enumerate() {
                let tasks = pipeline_of.get_mut(pipeline.tasks.clone()).unwrap_or_default();
                tasks.iter_mut().for_each(|of| *of = of.or(Some(position)));
            }
        }
        let mut units = Self {
            of_task: Vec::new(),
            names: Vec::new(),
            acts: Vec::new(),
            details: Vec::new(),
            forms: Vec::new(),
            depths: Vec::new(),
        };
        let depths = depths(graph, links);
        let mut of_pipeline: BTreeMap<usize, usize> = BTreeMap::new();
        for (((node, task), pipeline), depth) in graph.tasks().zip(pipeline_of).zip(depths) {
            let known = pipeline.and_then(|position| of_pipeline.get(&position).copied());
            let next = units.names.len();
            units.of_task.push(known.unwrap_or(next));
            if let Some(depths) = known.and_then(|unit| units.depths.get_mut(unit)) {
                *depths = depth.min(*depths);
                continue;
            }
            units.depths.push(depth);
            match pipeline.and_then(|position| Some((position, graph.pipelines().get(position)?))) {
                Some((position, pipeline)) => {
                    of_pipeline.insert(position, next);
                    units.names.push(pipeline.name.to_string());
                    units.details.push(pipeline_details(pipeline, graph));
                    units.forms.push(Form::Pipeline);
                }
                None => {
                    units.names.push(node.name.to_string());
                    units.details.push(task_details(node, task));
                    units.forms.push(if node.for_each.is_empty() { Form::One } else { Form::Many });
                }
            }
            units.acts.push(units.details.last().map(|details| details.join("\n")).unwrap_or_default());
        }
        units
    }

    /// Returns the lines between units, each pair once.
    fn lines(&self, links: &[Link]) -> impl Iterator<Item = Line> {
        distinct(links.iter().filter_map(|link| {
            let unit = |task: TaskIdx| self.of_task.get(task.index()).copied();
            Some(Line { from: unit(link.from)?, to: unit(link.to)?, kind: link.kind })
        }))
        .into_iter()
    }

    /// Makes a box of units.
    fn task_box(&self, members: &[usize], graph: &Graph, run: Option<&RunStates>) -> TaskBox {
        let all: std::collections::HashSet<usize> = members.iter().copied().collect();
        let inside = graph.nodes().iter().zip(&self.of_task).filter(|(_, unit)| all.contains(unit));
        let statuses: Vec<_> =
            inside.filter_map(|(node, _)| run.and_then(|run| run.of(&node.name))).collect();
        let status = box_status(&statuses);
        let details = |unit: usize| self.details.get(unit).cloned().unwrap_or_default();
        let name = |unit: usize| self.names.get(unit).map(String::as_str).unwrap_or_default();
        let (name, details, form) = match members {
            [] => (String::new(), Vec::new(), Form::One),
            [one] => {
                (name(*one).to_owned(), details(*one), self.forms.get(*one).copied().unwrap_or(Form::One))
            }
            [first, .., last] => {
                let mut lines = vec![format!("{} … {}", label(name(*first)), label(name(*last)))];
                let is_alike = members.iter().all(|unit| self.acts.get(*unit) == self.acts.get(*first));
                lines.extend(if is_alike { details(*first) } else { vec!["of several kinds".to_owned()] });
                (format!("{} tasks", members.len()), lines, Form::Many)
            }
        };
        TaskBox {
            name: label(&name),
            details: details.iter().map(|line| label(line)).collect(),
            form,
            status,
        }
    }
}

/// Returns each pair of boxes once, with the strongest kind. Lines within a box are left out.
pub(crate) fn distinct(lines: impl Iterator<Item = Line>) -> Vec<Line> {
    let mut known: BTreeMap<(usize, usize), LinkKind> = BTreeMap::new();
    for line in lines.filter(|line| line.from != line.to) {
        let kind = known.entry((line.from, line.to)).or_insert(line.kind);
        *kind = line.kind.min(*kind);
    }
    known.into_iter().map(|((from, to), kind)| Line { from, to, kind }).collect()
}

/// Returns how many tasks are on the longest way to each task.
fn depths(graph: &Graph, links: &[Link]) -> Vec<usize> {
    let mut before: Vec<Vec<TaskIdx>> = vec![Vec::new(); graph.nodes().len()];
    for link in links {
        before.get_mut(link.to.index()).into_iter().for_each(|before| before.push(link.from));
    }
    let mut depths = vec![0; graph.nodes().len()];
    for task in graph.order() {
        let earlier = before.get(task.index()).into_iter().flatten();
        let deepest = earlier.filter_map(|from| depths.get(from.index())).max().map(|depth| depth + 1);
        depths.get_mut(task.index()).into_iter().for_each(|depth| *depth = deepest.unwrap_or(0));
    }
    depths
}
