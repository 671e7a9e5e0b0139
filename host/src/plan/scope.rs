//! What a value in the manifest may refer to, and the faults found while typing it.
//! One scope serves the whole compilation; the items of a `for-each` are set for the task at hand.

use crate::graph::Graph;
use crate::model::{Fault, Faults, Span, TaskIdx};
use crate::plan::inputs::Inputs;
use crate::value::{Type, ValueFault};

/// The type of a task's output as far as it is known.
#[derive(Debug, Clone)]
pub(crate) enum OutputType {
    /// A fault of the task was already reported: say nothing more.
    Unknown,
    /// The function returns nothing.
    Nothing,
    /// The output has this type.
    Known(Type),
}

/// An item of the task at hand.
#[derive(Clone)]
pub(crate) struct ItemType {
    /// The type of an element; none where the list was faulty.
    pub(crate) ty: Option<Type>,
}

/// A fault was reported, so that nothing more is to be said.
pub(crate) struct Reported;

/// What expressions are typed against.
pub(crate) struct Scope<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) outputs: Vec<OutputType>,
    pub(crate) inputs: Inputs,
    pub(crate) items: Vec<ItemType>,
    pub(crate) faults: Faults,
}

impl Scope<'_> {
    /// Reports a fault at `span`.
    pub(crate) fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Reports that a literal does not fit the type of what it goes to, mistake by mistake.
    pub(crate) fn misfit(&mut self, span: &Span, name: &str, ty: &Type, faults: &[ValueFault]) {
        for fault in faults {
            let at = Fault::spanned(span.clone(), format!("{name}: {fault}"));
            self.fault(at.note(format!("the type here is `{ty}`")));
        }
    }

    /// The output type of a task; reports a function that returns nothing.
    pub(crate) fn output_of(&mut self, task: TaskIdx, span: &Span) -> Option<Type> {
        match self.outputs.get(task.index())?.clone() {
            OutputType::Unknown => None,
            OutputType::Known(ty) => Some(ty),
            OutputType::Nothing => {
                let name = self.task_name(task);
                self.fault(
                    Fault::spanned(span.clone(), format!("task `{name}` has no output"))
                        .note("its function returns nothing, or nothing but an error")
                        .help(format!("to run after it without its data, write `after = [\"{name}\"]`")),
                );
                None
            }
        }
    }

    /// The name of a task.
    pub(crate) fn task_name(&self, task: TaskIdx) -> String {
        let tasks = &self.graph.manifest().tasks;
        tasks.get_index(task.index()).map_or_else(String::new, |(name, _)| name.to_string())
    }
}
