//! `resources`: the holders of resources that all runs share, as a list for people and as JSON for programs.
//! `state` supplies the resources. The JSON form is stable: new facts get new keys, and old keys stay.

use crate::cli::print::columns::{column, pad};
use crate::cli::print::style::{Ink, Style, escape_control};
use crate::model::{Capacity, show_duration};
use crate::state::{ReservationView, ResourceView};
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// Version of the JSON form.
const VERSION: u32 = 1;

/// Maximum width of a column of names; longer ones push the rest of their line to the right.
const WIDEST: usize = 36;

/// Resources as `resources` shows them.
#[derive(Debug, Serialize)]
pub(crate) struct ResourcesTable {
    /// Version of this form.
    v: u32,
    /// The resources, by name.
    resources: Vec<ResourceRow>,
}

#[derive(Debug, Serialize)]
struct ResourceRow {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<String>,
    declared_by: String,
    holders: Vec<ReservationRow>,
    waiting: Vec<ReservationRow>,
}

#[derive(Debug, Serialize)]
struct ReservationRow {
    run: String,
    task: String,
    host: String,
    amount: u32,
    priority: i8,
    since_ms: u64,
}

impl From<&ResourceView> for ResourceRow {
    fn from(resource: &ResourceView) -> Self {
        let held = resource.holders.iter().map(|holder| u64::from(holder.amount)).sum();
        let (amount, held, rate) = match resource.capacity {
            Capacity::Amount(amount) => (Some(amount), Some(held), None),
            rate @ Capacity::Rate(_) => (None, None, Some(rate.to_string())),
        };
        Self {
            name: resource.name.clone(),
            amount,
            held,
            rate,
            declared_by: resource.declared_by.to_string(),
            holders: resource.holders.iter().map(ReservationRow::from).collect(),
            waiting: resource.waiting.iter().map(ReservationRow::from).collect(),
        }
    }
}

impl From<&ReservationView> for ReservationRow {
    fn from(reservation: &ReservationView) -> Self {
        Self {
            run: reservation.holder.run.to_string(),
            task: reservation.holder.task.clone(),
            host: reservation.holder.host.0.to_string(),
            amount: reservation.amount,
            priority: reservation.priority,
            since_ms: u64::try_from(reservation.since.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl ResourcesTable {
    /// Creates a list of these resources.
    pub(crate) fn new(resources: &[ResourceView]) -> Self {
        Self { v: VERSION, resources: resources.iter().map(ResourceRow::from).collect() }
    }

    /// Returns one indented JSON object with a final newline.
    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// Renders the list: a line for each resource, and below it one for each that holds or waits.
    pub(crate) fn render(&self, style: Style) -> String {
        let mut out = String::new();
        for resource in &self.resources {
            let name = style.paint(Ink::Title, &escape_control(&resource.name));
            // Writing to a text cannot fail.
            let _is_written = writeln!(
                out,
                "{name}  {}, declared by run {}",
                resource.text(),
                escape_control(&resource.declared_by)
            );
            let all = || resource.holders.iter().chain(&resource.waiting);
            let run = column(all().map(|row| row.run.as_str()), WIDEST);
            let task = column(all().map(|row| row.task.as_str()), WIDEST);
            for (word, ink, rows) in
                [("holds", Ink::Calm, &resource.holders), ("waits", Ink::Faint, &resource.waiting)]
            {
                for row in rows {
                    let text = format!("{}  {}  {}", pad(&row.run, run), pad(&row.task, task), row.text());
                    let _is_written =
                        writeln!(out, "  {}  {}", style.paint(ink, word), escape_control(&text));
                }
            }
        }
        out
    }
}

impl ResourceRow {
    fn text(&self) -> String {
        match (self.amount, self.held, &self.rate) {
            (Some(amount), Some(held), _) => format!("{held} of {amount} held"),
            (_, _, rate) => rate.clone().unwrap_or_default(),
        }
    }
}

impl ReservationRow {
    /// Formats `2 for 5s, on box-1, priority 3`.
    fn text(&self) -> String {
        // Whole seconds, from the first one on.
        let since = Duration::from_millis(self.since_ms);
        let since = if since.as_secs() > 0 { Duration::from_secs(since.as_secs()) } else { since };
        let text = format!("{} for {}, on {}", self.amount, show_duration(since), self.host);
        if self.priority == 0 { text } else { format!("{text}, priority {}", self.priority) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RunId;
    use crate::state::{Holder, HostId};

    fn reservation(run: &str, task: &str, priority: i8) -> ReservationView {
        let (run, host) = (RunId::new(run).unwrap(), HostId("box-1".into()));
        let holder = Holder { run, task: task.to_owned(), host };
        ReservationView { holder, amount: 2, priority, since: Duration::from_millis(12_340) }
    }

    fn table() -> ResourcesTable {
        let of = |name: &str, capacity: &str, holders, waiting| ResourceView {
            name: name.to_owned(),
            capacity: Capacity::decode(capacity).unwrap(),
            declared_by: RunId::new("r1").unwrap(),
            holders,
            waiting,
        };
        ResourcesTable::new(&[
            of("api", "10/s+20", Vec::new(), vec![reservation("r1", "fetch[3]", 0)]),
            of("gpu", "3", vec![reservation("r1", "a", 0)], vec![reservation("run-2", "render", 5)]),
        ])
    }

    #[test]
    fn list_says_who_holds_and_who_waits() {
        assert_eq!(
            table().render(Style::Plain),
            "api  10/s with bursts of 20, declared by run r1\n\
             \x20 waits  r1  fetch[3]  2 for 12s, on box-1\n\
             gpu  2 of 3 held, declared by run r1\n\
             \x20 holds  r1     a       2 for 12s, on box-1\n\
             \x20 waits  run-2  render  2 for 12s, on box-1, priority 5\n"
        );
    }

    #[test]
    fn json_form_is_stable() {
        assert_eq!(table().to_json().unwrap(), include_str!("testdata/resources.json"));
    }
}
