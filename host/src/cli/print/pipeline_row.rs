//! Rows of `plan` about fan-outs and pipelines.
//! The table is in `plan_table`.

use crate::cli::print::columns::put_line;
use crate::cli::print::style::escape_control;
use crate::model::TaskName;
use serde::Serialize;

/// A pipeline that a task includes.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PipelineRow {
    /// Full name of the task.
    pub(crate) name: String,
    /// The included manifest.
    pub(crate) manifest: String,
    /// Full names of its tasks.
    pub(crate) tasks: Vec<String>,
    /// The lists of its `for-each`.
    pub(crate) for_each: Vec<ForEachRow>,
    /// Its deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deadline: Option<String>,
}

/// An item of a `for-each`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ForEachRow {
    /// The item's name.
    pub(crate) item: String,
    /// The source of the list: `task split`, `param files`.
    pub(crate) over: String,
}

impl PipelineRow {
    /// Renders a line, indented by the nesting.
    pub(crate) fn render(&self, out: &mut String) {
        let nesting = self.name.matches(TaskName::SEPARATOR).count();
        let tasks = match self.tasks.len() {
            1 => "1 task".to_owned(),
            several => format!("{several} tasks"),
        };
        let mut line = format!("{}  {tasks} of {}", self.name, self.manifest);
        if !self.for_each.is_empty() {
            line.push_str(&format!(", {}", for_each(&self.for_each)));
        }
        if let Some(deadline) = &self.deadline {
            line.push_str(&format!(", deadline {deadline}"));
        }
        put_line(out, 2 + 2 * nesting, &escape_control(&line));
    }
}

/// Formats `for each chunk of task split`.
pub(crate) fn for_each(lists: &[ForEachRow]) -> String {
    let lists: Vec<String> = lists.iter().map(|list| format!("{} of {}", list.item, list.over)).collect();
    format!("for each {}", lists.join(", "))
}
