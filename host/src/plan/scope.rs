//! Scope of typing: the inputs, items and outputs that a value may refer to, and the faults found so far.
//! The compiler in `compile` sets the items of the current task's `for-each`; everything else serves all tasks.

use crate::graph::Graph;
use crate::model::{Fault, Faults, Span, TaskIdx};
use crate::plan::inputs::Inputs;
use crate::value::{Type, ValueFault};

/// Type of a task's output, as far as it is known.
#[derive(Debug, Clone)]
pub(crate) enum OutputType {
    /// A fault of the task was reported already: report nothing more.
    Unknown,
    /// The function returns nothing.
    Nothing,
    /// The output has this type.
    Known(Type),
}

/// An item of the current task.
#[derive(Clone)]
pub(crate) struct ItemType {
    /// Element type; none if the list was faulty.
    pub(crate) ty: Option<Type>,
}

/// Marker that a fault was reported already.
pub(crate) struct Reported;

/// Everything that expressions are typed against.
pub(crate) struct Scope<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) outputs: Vec<OutputType>,
    pub(crate) inputs: Inputs,
    pub(crate) items: Vec<ItemType>,
    pub(crate) faults: Faults,
}

impl Scope<'_> {
    /// Reports a fault.
    pub(crate) fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Reports each fault of a literal that does not fit its target type.
    pub(crate) fn misfit(&mut self, span: &Span, name: &str, ty: &Type, faults: &[ValueFault]) {
        for fault in faults {
            let fault = Fault::spanned(span.clone(), format!("{name}: {fault}"));
            self.fault(fault.note(format!("the type here is `{ty}`")));
        }
    }

    /// Returns the output type of a task. Reports a function that returns nothing.
    pub(crate) fn output_of(&mut self, task: TaskIdx, span: &Span) -> Option<Type> {
        match self.outputs.get(task.index())?.clone() {
            OutputType::Unknown => None,
            OutputType::Known(ty) => Some(ty),
            OutputType::Nothing => {
                let name = self.task_name(task);
                self.fault(
                    Fault::spanned(span.clone(), format!("task `{name}` has no output"))
                        .note("the function returns nothing, or only an error")
                        .help(format!("to run after it without its data, write `after = [\"{name}\"]`")),
                );
                None
            }
        }
    }

    /// Returns the name of a task.
    pub(crate) fn task_name(&self, task: TaskIdx) -> String {
        let tasks = &self.graph.manifest().tasks;
        tasks.get_index(task.index()).map_or_else(String::new, |(name, _)| name.to_string())
    }
}
