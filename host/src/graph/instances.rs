//! Every inclusion of a manifest, with the positions and full names of its tasks.
//! `inline` gives the tasks their values.

use crate::graph::Place;
use crate::manifest::{Action, Part};
use crate::model::{Fault, Name, Span, TaskIdx, TaskName, TaskNameFault};
use std::ops::Range;

/// A manifest at one place in the graph: the outermost one, or a pipeline.
pub(crate) struct Instance {
    /// Position of the manifest.
    pub(crate) manifest: usize,
    /// The instance around it and the task there that includes it; none for the outermost.
    pub(crate) parent: Option<(usize, usize)>,
    /// Full name; none for the outermost.
    pub(crate) name: Option<TaskName>,
    /// What its tasks have become, by position in the manifest.
    pub(crate) slots: Vec<Slot>,
    /// Positions of all its tasks in the graph, those of pipelines in it included.
    pub(crate) tasks: Range<usize>,
}

/// What a task of a manifest has become.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Slot {
    /// A task of the graph.
    Task(TaskIdx),
    /// An instance.
    Instance(usize),
    /// Nothing: the manifest that it includes could not be read.
    Missing,
}

/// A task of the graph: its full name, its place, and the instance that it lies in.
pub(crate) struct Allocated {
    pub(crate) name: TaskName,
    pub(crate) place: Place,
    pub(crate) instance: usize,
}

/// The instances, each before those in it, and the tasks in the order of the graph.
pub(crate) struct Allocation {
    pub(crate) instances: Vec<Instance>,
    pub(crate) tasks: Vec<Allocated>,
    pub(crate) faults: Vec<Fault>,
}

/// Allocates the tasks of all manifests.
pub(crate) fn allocate(parts: &[Part]) -> Allocation {
    let mut allocation = Allocation { instances: Vec::new(), tasks: Vec::new(), faults: Vec::new() };
    allocation.instance(parts, 0, None, None);
    allocation
}

impl Allocation {
    /// Allocates an instance and those in it. Recursion is bounded: `manifest` bounds the nesting.
    fn instance(
        &mut self,
        parts: &[Part],
        manifest: usize,
        parent: Option<(usize, usize)>,
        name: Option<&TaskName>,
    ) -> usize {
        let own = self.instances.len();
        let first = self.tasks.len();
        self.instances.push(Instance {
            manifest,
            parent,
            name: name.cloned(),
            slots: Vec::new(),
            tasks: 0..0,
        });
        let tasks =
            parts.get(manifest).into_iter().flat_map(|part| part.manifest.tasks.iter().zip(&part.included));
        let mut slots = Vec::with_capacity(tasks.size_hint().0);
        for (position, ((task_name, task), included)) in tasks.enumerate() {
            let is_pipeline =
                matches!(&task.action, Some(action) if matches!(action.value, Action::Manifest(_)));
            let full = self.full_name(parts, (own, name), (task_name, &task.span));
            slots.push(match included {
                Some(included) => {
                    Slot::Instance(self.instance(parts, *included, Some((own, position)), Some(&full)))
                }
                None if is_pipeline => Slot::Missing,
                None => {
                    // `manifest` bounds the number of tasks.
                    let index = u32::try_from(self.tasks.len()).unwrap_or(u32::MAX);
                    let place = Place { manifest, position };
                    self.tasks.push(Allocated { name: full, place, instance: own });
                    Slot::Task(TaskIdx::new(index))
                }
            });
        }
        let last = self.tasks.len();
        if let Some(instance) = self.instances.get_mut(own) {
            (instance.slots, instance.tasks) = (slots, first..last);
        }
        own
    }

    fn full_name(
        &mut self,
        parts: &[Part],
        (instance, around): (usize, Option<&TaskName>),
        (name, span): (&Name, &Span),
    ) -> TaskName {
        let Some(around) = around else { return TaskName::from(name.clone()) };
        around.join(name).unwrap_or_else(|fault| {
            self.faults.push(too_long(&fault, span, self.outermost(parts, instance)));
            around.clone() // which no plan will have
        })
    }

    /// Returns the span of the task of the outermost manifest that an instance is in.
    fn outermost<'p>(&self, parts: &'p [Part], instance: usize) -> Option<&'p Span> {
        let mut at = instance;
        while let Some((parent, task)) = self.instances.get(at)?.parent {
            if parent == 0 {
                let (_, task) = parts.first()?.manifest.tasks.get_index(task)?;
                return Some(&task.span);
            }
            at = parent;
        }
        None
    }
}

fn too_long(fault: &TaskNameFault, span: &Span, outermost: Option<&Span>) -> Fault {
    let shown = Fault::spanned(outermost.unwrap_or(span).clone(), fault.to_string());
    shown.related(span.clone(), "this task").help("choose shorter names, or nest less deeply")
}
