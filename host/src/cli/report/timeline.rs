//! The timeline of a run as SVG: a lane a slot of each host, and one for the critical path.
//! Of a long timeline, each lane shows the task that took most of each part; `app/figures` has the attempts.

use crate::app::{Figures, Span};
use crate::cli::log::show_millis;
use crate::cli::report::html::text;
use std::collections::HashMap;

/// Maximum number of rectangles.
const MAX_RECTS: usize = 2000;

/// Maximum number of lanes; the others are named below.
const MAX_LANES: usize = 48;

/// Width of the drawing without its labels.
const WIDTH: f64 = 1000.0;

/// Width of the labels.
const LABELS: f64 = 130.0;

/// Height of a lane.
const LANE: f64 = 16.0;

/// Number of colours of tasks.
const COLOURS: u32 = 8;

/// Parts of the time axis.
const TICKS: u32 = 5;

/// Appends the drawing, and what it does not show.
pub(crate) fn put(out: &mut String, figures: &Figures) {
    let Some((first, last)) = figures.time else {
        out.push_str("<p class=\"none\">No attempt has ended.</p>\n");
        return;
    };
    let scale = Scale { first, micros: (last - first).max(1) };
    let lanes = lanes(figures);
    let shown = lanes.len().min(MAX_LANES);
    let height = LANE * number(shown + 2) + 24.0;
    let timeline = &figures.timeline;
    let label = format!(
        "{} attempts on {} hosts in {}; the tables below have the same in numbers",
        timeline.spans.len(),
        timeline.hosts.len(),
        show_millis(number_of(scale.micros) / 1e3)
    );
    out.push_str(&format!(
        "<svg class=\"timeline\" role=\"img\" aria-label=\"{label}\" viewBox=\"0 0 {:.0} {height:.0}\">\n",
        LABELS + WIDTH
    ));
    for tick in 0..=TICKS {
        let share = f64::from(tick) / f64::from(TICKS);
        let x = LABELS + WIDTH * share;
        let anchor = if tick == TICKS { "end" } else { "start" };
        let time = show_millis(number_of(scale.micros) / 1e3 * share);
        out.push_str(&format!(
            "<path class=\"grid\" d=\"M{x:.0} 14V{:.0}\"/><text x=\"{x:.0}\" y=\"10\" text-anchor=\"{anchor}\">{time}</text>\n",
            height - 8.0
        ));
    }
    put_path(out, figures, &scale);
    let rects = timeline
        .spans
        .iter()
        .filter(|span| lanes.get(&(span.host, span.lane)).is_some_and(|lane| *lane < shown));
    let is_exact = timeline.spans.len() <= MAX_RECTS;
    if is_exact {
        rects.for_each(|span| {
            put_span(out, figures, &scale, (span, lanes.get(&(span.host, span.lane)).copied()));
        });
    } else {
        put_parts(out, figures, &scale, (rects, &lanes, shown));
    }
    let mut labels: Vec<(&(u32, u32), &usize)> = lanes.iter().filter(|(_, lane)| **lane < shown).collect();
    labels.sort_by_key(|(_, lane)| **lane);
    for ((host, slot), lane) in labels {
        let name = usize::try_from(*host).ok().and_then(|host| timeline.hosts.get(host));
        let name = name.map_or("?", |name| &*name.0);
        let label = if *slot == 0 { short_host(name) } else { format!("slot {}", slot + 1) };
        out.push_str(&format!("<text x=\"0\" y=\"{:.0}\">{}</text>\n", y(*lane + 1) + 11.0, text(&label)));
    }
    out.push_str("</svg>\n<p class=\"note\">Colours tell tasks apart. A thin line before an attempt is its wait on the host; a red frame is a \
                  failed attempt.");
    if !is_exact {
        out.push_str(" There are too many attempts to draw each: a block is the task that took most of that time, and its \
                      strength tells how much of it.");
    }
    if lanes.len() > shown {
        out.push_str(&format!(" {} more slots are not drawn.", lanes.len() - shown));
    }
    if timeline.dropped > 0 {
        out.push_str(&format!(" {} attempts, the shortest, are not counted here.", timeline.dropped));
    }
    out.push_str("</p>\n");
}

struct Scale {
    first: i64,
    micros: i64,
}

impl Scale {
    fn x(&self, at: i64) -> f64 {
        LABELS + WIDTH * (number_of(at - self.first) / number_of(self.micros)).clamp(0.0, 1.0)
    }
}

/// Returns the row of each lane: hosts in order, their slots below each other.
fn lanes(figures: &Figures) -> HashMap<(u32, u32), usize> {
    let counts = (0..).zip(&figures.timeline.lanes);
    let lanes = counts.flat_map(|(host, count)| (0..*count).map(move |lane| (host, lane)));
    lanes.enumerate().map(|(row, lane)| (lane, row)).collect()
}

fn y(row: usize) -> f64 {
    18.0 + LANE * number(row)
}

fn put_path(out: &mut String, figures: &Figures, scale: &Scale) {
    out.push_str(&format!("<text x=\"0\" y=\"{:.0}\">critical path</text>\n", y(0) + 11.0));
    for step in figures.path.iter().take(200) {
        let task = figures.tasks.get(step.task.index());
        let Some((name, (start, end))) = task.and_then(|task| Some((&task.name, task.time?))) else {
            continue;
        };
        let (left, right) = (scale.x(start), scale.x(end));
        let wait = scale.x(start.saturating_sub(step.waited));
        out.push_str(&format!(
            "<path class=\"wait\" d=\"M{wait:.1} {middle:.0}H{left:.1}\"/><rect class=\"path t{}\" x=\"{left:.1}\" y=\"{:.0}\" \
             width=\"{:.1}\" height=\"{:.0}\"><title>{}: {}</title></rect>\n",
            step.task.get() % COLOURS,
            y(0) + 2.0,
            (right - left).max(1.0),
            LANE - 4.0,
            text(name),
            show_millis(number_of(end - start) / 1e3),
            middle = y(0) + LANE / 2.0,
        ));
    }
}

fn put_span(out: &mut String, figures: &Figures, scale: &Scale, (span, row): (&Span, Option<usize>)) {
    let Some(row) = row else { return };
    let (left, right) = (scale.x(span.start), scale.x(span.end));
    let wait = scale.x(span.start - i64::from(span.waited));
    if left - wait >= 0.5 {
        let middle = y(row + 1) + LANE / 2.0;
        out.push_str(&format!("<path class=\"wait\" d=\"M{wait:.1} {middle:.0}H{left:.1}\"/>"));
    }
    let failed = if span.has_failed { " failed" } else { "" };
    let item = span.item.map(|item| format!("[{item}]")).unwrap_or_default();
    let name = usize::try_from(span.task).ok().and_then(|task| figures.tasks.get(task));
    out.push_str(&format!(
        "<rect class=\"t{}{failed}\" x=\"{left:.1}\" y=\"{:.0}\" width=\"{:.1}\" height=\"{:.0}\"><title>{}{item}: {}</title></rect>\n",
        span.task % COLOURS,
        y(row + 1) + 2.0,
        (right - left).max(0.5),
        LANE - 4.0,
        text(name.map_or("?", |task| &task.name)),
        show_millis(number_of(span.end - span.start) / 1e3),
    ));
}

/// Draws equal parts of each lane, each in the colour of the task that took most of it.
fn put_parts<'s>(
    out: &mut String,
    figures: &Figures,
    scale: &Scale,
    (spans, lanes, shown): (impl Iterator<Item = &'s Span>, &HashMap<(u32, u32), usize>, usize),
) {
    let parts = (MAX_RECTS / shown.max(1)).clamp(20, 250);
    let width = (scale.micros / i64::try_from(parts).unwrap_or(1)).max(1);
    // Time by lane, part and task. A lane has few tasks at a time, so the map stays small.
    let mut times: HashMap<(usize, usize), HashMap<u32, i64>> = HashMap::new();
    for span in spans {
        let Some(row) = lanes.get(&(span.host, span.lane)) else { continue };
        let part = |at: i64| usize::try_from((at - scale.first) / width).unwrap_or(0).min(parts - 1);
        for part in part(span.start)..=part(span.end) {
            let begin = scale.first + width * i64::try_from(part).unwrap_or(0);
            let inside = span.end.min(begin + width) - span.start.max(begin);
            *times.entry((*row, part)).or_default().entry(span.task).or_default() += inside.max(0);
        }
    }
    let mut drawn: Vec<_> = times.into_iter().collect();
    drawn.sort_by_key(|(place, _)| *place);
    for ((row, part), tasks) in drawn {
        let busy: i64 = tasks.values().sum();
        let Some((task, _)) = tasks.into_iter().max_by_key(|(task, time)| (*time, *task)) else { continue };
        let share = (number_of(busy) / number_of(width)).clamp(0.1, 1.0);
        let name = usize::try_from(task).ok().and_then(|task| figures.tasks.get(task));
        let left = LABELS + WIDTH * number(part) / number(parts);
        out.push_str(&format!(
            "<rect class=\"t{}\" opacity=\"{share:.1}\" x=\"{left:.1}\" y=\"{:.0}\" width=\"{:.1}\" height=\"{:.0}\"><title>{}</title></rect>\n",
            task % COLOURS,
            y(row + 1) + 2.0,
            WIDTH / number(parts),
            LANE - 4.0,
            text(name.map_or("?", |task| &task.name)),
        ));
    }
}

/// Returns the end of a long host id, which tells hosts of a machine apart.
fn short_host(name: &str) -> String {
    let count = name.chars().count();
    if count <= 20 {
        name.to_owned()
    } else {
        format!("…{}", name.chars().skip(count - 19).collect::<String>())
    }
}

fn number(value: usize) -> f64 {
    f64::from(u32::try_from(value).unwrap_or(u32::MAX))
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "exact for 285 years in microseconds")]
const fn number_of(micros: i64) -> f64 {
    micros as f64
}
