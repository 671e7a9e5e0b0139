//! `plan`: the forecast of a run, as a table for people and as JSON for programs.
//! `app` makes the forecast. The JSON form is stable: new facts get new keys, and old keys stay.

use crate::cli::print::columns::{column, hang, pad, put_line};
use crate::cli::print::missing_row::{MissingRow, Weight};
use crate::cli::print::notify_row::NotifyRow;
use crate::cli::print::pipeline_row::{ForEachRow, PipelineRow, for_each};
use crate::cli::print::repeat_row::RepeatRow;
use crate::cli::print::source_row::SourceRow;
use crate::cli::print::style::{Ink, Style, escape_control};
use crate::model::show_duration;
use serde::Serialize;
use std::time::Duration;

/// Version of the JSON form.
const VERSION: u32 = 1;

/// A plan as `plan` shows it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PlanTable {
    /// Version of this form.
    v: u32,
    /// The manifest's name.
    name: String,
    /// The tasks, in an order in which they could run one by one.
    tasks: Vec<PlanRow>,
    /// The pipelines that tasks include, each before those in it.
    pipelines: Vec<PipelineRow>,
    /// The run's deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<String>,
    /// The webhook that gets a summary at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    notify: Option<NotifyRow>,
}

/// A task of the plan.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PlanRow {
    /// Position in the order, from one.
    pub(crate) order: u32,
    /// The task's name.
    pub(crate) name: String,
    /// The call, as the manifest writes it.
    pub(crate) call: String,
    /// The program that the task runs, if it is a command.
    pub(crate) command: Option<CommandRow>,
    /// Where its component comes from, if it is no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<SourceRow>,
    /// The forecast.
    pub(crate) fate: Fate,
    /// The reason for the forecast.
    pub(crate) why: String,
    /// Tasks whose data this task reads.
    pub(crate) needs: Vec<String>,
    /// Tasks that must end first, without passing data (`after`).
    pub(crate) after: Vec<String>,
    /// The lists of its `for-each`.
    pub(crate) for_each: Vec<ForEachRow>,
    /// Its `repeat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repeat: Option<RepeatRow>,
    /// The pipelines around it that run once per element, outermost first.
    pub(crate) elements_of: Vec<String>,
    /// Whether its result may be shared.
    pub(crate) purity: Purity,
    /// The grants, as the manifest writes them: `read data`.
    pub(crate) grants: Vec<String>,
    /// The included manifest that has the task and gives the grants; `None` for the outermost.
    pub(crate) manifest: Option<String>,
    /// Imports that the manifest satisfies.
    pub(crate) imports: Vec<SupplyRow>,
    /// Whether it is a task of `[finally]`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) finally: bool,
    /// Limits, timeout and retry that differ from the defaults: `memory 512MiB`.
    pub(crate) limits: Vec<String>,
    /// Resources that it takes: `1 gpu (2 on each host)`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) resources: Vec<String>,
    /// Granted folders outside the manifest's folder.
    pub(crate) outside: Vec<String>,
    /// Keys of grants that none of its imports uses.
    pub(crate) unused_grants: Vec<String>,
    /// Grants that its imports need and that it lacks.
    pub(crate) missing_grants: Vec<MissingRow>,
}

/// A program that a task runs. References are shown as the manifest writes them, and never their values.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CommandRow {
    /// The name of the program and its arguments.
    pub(crate) argv: Vec<String>,
    /// Standard input.
    pub(crate) stdin: Option<String>,
    /// Names of the variables that the task sets.
    pub(crate) env: Vec<String>,
    /// Paths of the files that the program is given.
    pub(crate) files: Vec<String>,
    /// What becomes the output: `stdout as string`.
    pub(crate) collects: Vec<String>,
}

/// An import that the manifest satisfies, in the sandbox of a task.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SupplyRow {
    /// The import's name.
    pub(crate) import: String,
    /// The component that imports it.
    pub(crate) of: String,
    /// The component that satisfies it; `None` if its functions trap.
    pub(crate) from: Option<String>,
    /// Whether it is an import of the task's own component.
    #[serde(skip)]
    pub(crate) is_own: bool,
}

/// The forecast for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fate {
    /// The task runs.
    Run,
    /// The result comes from the cache.
    Cached,
    /// The result was stored by an earlier session of the run.
    Stored,
    /// The task is skipped.
    Skip,
    /// The forecast depends on results that do not exist yet.
    Unknown,
}

/// Whether a task gives the same output for the same inputs on every host.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", content = "because", rename_all = "lowercase")]
pub(crate) enum Purity {
    /// Same inputs always give the same output.
    Pure,
    /// The output may vary because of these grants.
    Impure(Vec<String>),
}

impl Fate {
    const ALL: [Self; 5] = [Self::Run, Self::Cached, Self::Stored, Self::Skip, Self::Unknown];

    const fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Cached => "cached",
            Self::Stored => "stored",
            Self::Skip => "skip",
            Self::Unknown => "unknown",
        }
    }

    const fn ink(self) -> Ink {
        match self {
            Self::Run => Ink::Good,
            Self::Cached | Self::Stored => Ink::Calm,
            Self::Skip | Self::Unknown => Ink::Faint,
        }
    }
}

/// Maximum width of the name column; longer names push the rest of their first line to the right.
const WIDEST_NAME: usize = 32;

/// Width of the longest [`Fate::word`].
const FATE: usize = 7;

impl PlanTable {
    /// Creates a table of these tasks.
    pub(crate) fn new(name: impl Into<String>, tasks: Vec<PlanRow>, pipelines: Vec<PipelineRow>) -> Self {
        Self { v: VERSION, name: name.into(), tasks, pipelines, deadline: None, notify: None }
    }

    /// Adds the webhook of `[notify]`.
    pub(crate) fn with_notify(mut self, notify: Option<NotifyRow>) -> Self {
        self.notify = notify;
        self
    }

    /// Adds the run's deadline.
    pub(crate) fn with_deadline(mut self, deadline: Option<Duration>) -> Self {
        self.deadline = deadline.map(show_duration);
        self
    }

    /// Returns one indented JSON object with a final newline.
    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// Renders a table that keeps to the width of `columns`.
    pub(crate) fn render(&self, style: Style) -> String {
        let number = self.tasks.len().to_string().len();
        let name = column(self.tasks.iter().map(|row| row.name.as_str()), WIDEST_NAME);
        let deadline = self.deadline.iter().map(|deadline| format!(", deadline {deadline}"));
        let summary: String = std::iter::once(self.summary()).chain(deadline).collect();
        let mut out = format!("{}, {summary}\n\n", style.paint(Ink::Title, &escape_control(&self.name)));
        let columns = Columns { number, name };
        let (finally, others): (Vec<&PlanRow>, Vec<&PlanRow>) =
            self.tasks.iter().partition(|row| row.finally);
        others.into_iter().for_each(|row| row.render(&mut out, &columns, style));
        if !finally.is_empty() {
            out.push_str("\nfinally\n");
        }
        finally.into_iter().for_each(|row| row.render(&mut out, &columns, style));
        if !self.pipelines.is_empty() {
            out.push_str("\npipelines\n");
        }
        for pipeline in &self.pipelines {
            pipeline.render(&mut out);
        }
        if let Some(notify) = &self.notify {
            out.push('\n');
            hang(&mut out, "", 0, &escape_control(&notify.text()));
        }
        out
    }

    /// Formats `3 tasks: 1 run, 2 cached`.
    fn summary(&self) -> String {
        let counts = Fate::ALL.iter().filter_map(|fate| {
            let count = self.tasks.iter().filter(|row| row.fate == *fate).count();
            (count > 0).then(|| format!("{count} {}", fate.word()))
        });
        let counts: Vec<String> = counts.collect();
        match &*counts {
            [] => "no tasks".to_owned(),
            counts if self.tasks.len() == 1 => format!("1 task: {}", counts.join(", ")),
            counts => format!("{} tasks: {}", self.tasks.len(), counts.join(", ")),
        }
    }
}

/// Widths of the columns.
struct Columns {
    number: usize,
    name: usize,
}

impl PlanRow {
    fn render(&self, out: &mut String, columns: &Columns, style: Style) {
        let indent = columns.number + 2;
        let head = format!("{:>1$}  {2}  ", self.order, columns.number, pad(&self.name, columns.name));
        let fate = pad(self.fate.word(), FATE);
        let mut first = String::new();
        hang(
            &mut first,
            &format!("{head}{fate}  "),
            indent + columns.name + FATE + 4,
            &escape_control(&self.why),
        );
        // Colour is added after the layout, since escape sequences have no width.
        let painted = style.paint(self.fate.ink(), self.fate.word());
        let (before, after) = first.split_at_checked(head.len()).unwrap_or((&first, ""));
        out.push_str(before);
        out.push_str(&after.replacen(self.fate.word(), &painted, 1));
        for line in self.details() {
            hang(out, "", indent + 2, &escape_control(&line));
        }
        for missing in self.missing_grants.iter().filter(|missing| missing.weight == Weight::Needed) {
            hang(out, "", indent + 2, &escape_control(&missing.text()));
            missing.toml.iter().for_each(|line| put_line(out, indent + 6, &escape_control(line)));
        }
    }

    /// Returns the lines below the first one.
    fn details(&self) -> Vec<String> {
        let mut lines = match &self.command {
            Some(command) => command.lines(&self.purity.text()),
            None => vec![format!("calls {}, {}", self.call, self.purity.text())],
        };
        lines.extend(self.source.as_ref().map(SourceRow::text));
        if !self.for_each.is_empty() {
            lines.push(for_each(&self.for_each));
        }
        if !self.elements_of.is_empty() {
            lines.push(format!("once per element of {}", self.elements_of.join(", ")));
        }
        lines.extend(self.repeat.as_ref().map(RepeatRow::text));
        let imports: Vec<String> = self.imports.iter().map(SupplyRow::text).collect();
        let mut grants = self.grants.clone();
        if let (Some(last), Some(manifest)) = (grants.last_mut(), &self.manifest) {
            last.push_str(&format!(" (given by {manifest})"));
        }
        for (word, list) in [
            ("needs", &self.needs),
            ("after", &self.after),
            ("imports", &imports),
            ("grants", &grants),
            ("limits", &self.limits),
            ("takes", &self.resources),
            ("unused grants:", &self.unused_grants),
        ] {
            if !list.is_empty() {
                lines.push(format!("{word} {}", list.join(", ")));
            }
        }
        lines
    }
}

impl CommandRow {
    fn lines(&self, purity: &str) -> Vec<String> {
        let mut lines = vec![format!("command {}, {purity}", self.argv.join(" "))];
        lines.extend(self.stdin.as_ref().map(|stdin| format!("stdin {stdin}")));
        for (word, list) in [("env", &self.env), ("files", &self.files), ("collects", &self.collects)] {
            if !list.is_empty() {
                lines.push(format!("{word} {}", list.join(", ")));
            }
        }
        lines
    }
}

impl SupplyRow {
    fn text(&self) -> String {
        let of = if self.is_own { String::new() } else { format!(" in {}", self.of) };
        match &self.from {
            Some(from) => format!("{}{of} from {from}", self.import),
            None => format!("{}{of} as a trap", self.import),
        }
    }
}

impl Purity {
    fn text(&self) -> String {
        match self {
            Self::Pure => "pure".to_owned(),
            Self::Impure(because) => format!("impure because of {}", because.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::print::columns::WIDTH;

    fn row(order: u32, name: &str, fate: Fate, why: &str) -> PlanRow {
        PlanRow {
            order,
            name: name.into(),
            call: format!("words.{name}"),
            command: None,
            source: None,
            fate,
            why: why.into(),
            needs: Vec::new(),
            after: Vec::new(),
            for_each: Vec::new(),
            repeat: None,
            elements_of: Vec::new(),
            purity: Purity::Pure,
            grants: Vec::new(),
            manifest: None,
            imports: Vec::new(),
            finally: false,
            limits: Vec::new(),
            resources: Vec::new(),
            outside: Vec::new(),
            unused_grants: Vec::new(),
            missing_grants: Vec::new(),
        }
    }

    fn table() -> PlanTable {
        let split = row(1, "split", Fate::Cached, "its result is in the cache");
        let count = PlanRow {
            needs: vec!["split".into()],
            for_each: vec![ForEachRow { item: "chunk".into(), over: "task split".into() }],
            finally: false,
            limits: vec!["memory 512MiB".into(), "timeout 30s".into(), "3 attempts".into()],
            ..row(
                2,
                "count",
                Fate::Run,
                "no result of words.count with these arguments is in the cache, and none is stored in the run either",
            )
        };
        let fetch = PlanRow {
            elements_of: vec!["clean".into()],
            purity: Purity::Impure(vec!["http".into(), "read".into()]),
            grants: vec![
                "http https://api.example.com/v1/".into(),
                "read /srv/models:/models, outside the manifest's folder".into(),
            ],
            manifest: Some("lib/fetch.toml".into()),
            imports: vec![
                SupplyRow {
                    import: "acme:tools/hammer@1.0.0".into(),
                    of: "words".into(),
                    from: Some("hammers".into()),
                    is_own: true,
                },
                SupplyRow {
                    import: "acme:tools/anvil@1.0.0".into(),
                    of: "hammers".into(),
                    from: None,
                    is_own: false,
                },
            ],
            outside: vec!["/srv/models".into()],
            unused_grants: vec!["read".into()],
            missing_grants: vec![
                MissingRow {
                    grant: "context",
                    without: "a call traps",
                    weight: Weight::Needed,
                    imports: vec!["cascade:task/context@0.1.0 (current)".into()],
                    toml: vec!["context = true  # in `components.words.grants`".into()],
                },
                MissingRow {
                    grant: "clock",
                    without: "logical clocks",
                    weight: Weight::Optional,
                    imports: vec!["wasi:clocks/wall-clock@0.2.6 (now)".into()],
                    toml: vec!["clock = true  # in `components.words.grants`".into()],
                },
            ],
            ..row(3, "fetch-the-rest", Fate::Unknown, "its `when` depends on count")
        };
        let draw = PlanRow {
            call: "dot#wasi:cli/run@0.2.6.run".into(),
            command: Some(CommandRow {
                argv: ["dot", "-Tsvg", "{ param = \"layout\" }"].map(String::from).into(),
                stdin: Some("{ task = \"count\" }".into()),
                env: vec!["LANG".into(), "TZ".into()],
                files: vec!["in/style.css".into()],
                collects: vec!["svg: out.svg as string".into(), "log: stdout as string".into()],
            }),
            ..row(4, "draw", Fate::Run, "there is no cache")
        };
        let table = PlanTable::new("wordcount", vec![split, count, fetch, draw], pipelines());
        table.with_deadline(Some(Duration::from_hours(2)))
    }

    fn pipelines() -> Vec<PipelineRow> {
        let row = |name: &str, manifest: &str, tasks: &[&str]| PipelineRow {
            name: name.into(),
            manifest: manifest.into(),
            tasks: tasks.iter().map(|task| (*task).to_owned()).collect(),
            for_each: Vec::new(),
            deadline: None,
        };
        let rows = ForEachRow { item: "rows".into(), over: "task load".into() };
        vec![
            PipelineRow {
                for_each: vec![rows],
                deadline: Some("30m".into()),
                ..row("clean", "lib/clean.toml", &["clean/split", "clean/deep/count"])
            },
            row("clean/deep", "lib/deep.toml", &["clean/deep/count"]),
        ]
    }

    #[test]
    fn table_for_people_fits_its_width() {
        let shown = table().render(Style::Plain);
        assert_eq!(shown, include_str!("testdata/plan.txt"));
        assert!(shown.lines().all(|line| line.chars().count() <= WIDTH));
    }

    #[test]
    fn colour_does_not_move_columns() {
        let coloured = table().render(Style::Coloured);
        let stripped = anstream::adapter::strip_str(&coloured).to_string();
        assert_eq!(stripped, table().render(Style::Plain));
    }

    #[test]
    fn json_form_is_stable() {
        assert_eq!(table().to_json().unwrap(), include_str!("testdata/plan.json"));
    }

    #[test]
    fn empty_plan_has_a_summary() {
        assert_eq!(
            PlanTable::new("empty", Vec::new(), Vec::new()).render(Style::Plain),
            "empty, no tasks\n\n"
        );
    }
}
