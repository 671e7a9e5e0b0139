//! The tasks of `[finally]`, and the values of the run that they read.
//! `engine` has the values, once the run has an ending.

use crate::manifest::RunValue;
use crate::model::TaskIdx;
use crate::plan::{Plan, Task};
use crate::value::{Field, Type};
use std::sync::Arc;

/// The fields of a failure.
pub const FAILURE: [&str; 3] = ["task", "class", "message"];

/// Returns the type of a value of the run.
#[must_use]
pub fn type_of(value: RunValue) -> Type {
    match value {
        RunValue::Status | RunValue::Id => Type::String,
        RunValue::Failures => {
            let fields = FAILURE.map(|name| Field { name: name.into(), ty: Type::String });
            Type::List(Arc::new(Type::Record(Arc::new(fields))))
        }
    }
}

impl Plan {
    /// Returns the first task of `[finally]`. All after it are such tasks too; none if there is none.
    #[must_use]
    pub fn first_finally(&self) -> Option<TaskIdx> {
        let first = u32::try_from(self.first_finally).ok().map(TaskIdx::new);
        first.filter(|first| first.index() < self.tasks.len())
    }

    /// Returns whether a task is one of `[finally]`.
    #[must_use]
    pub const fn is_finally(&self, task: TaskIdx) -> bool {
        task.index() >= self.first_finally
    }

    /// Returns the tasks of `[finally]`, with their positions.
    pub fn finally(&self) -> impl Iterator<Item = (TaskIdx, &Task)> {
        (0..).map(TaskIdx::new).zip(&self.tasks).skip(self.first_finally)
    }
}
