//! `--log-format json`: the log as the JSON lines that `--events` writes.
//! `level` filters by `--log-level`. Lines carry no level, since `event` implies one.

use crate::cli::log::level::level_of;
use crate::cli::log::screen::{Screen, Weight};
use crate::cli::print::harmless_json;
use crate::cli::process::{Reader, stderr_reader};
use crate::config::LogLevel;
use crate::events::{Event, Sink, to_json_line};
use crate::model::RunId;
use std::sync::Arc;

/// The sink that writes the log for programs.
pub(crate) struct JsonLog {
    run: RunId,
    host: String,
    level: LogLevel,
    reader: Reader,
    screen: Arc<Screen>,
}

impl JsonLog {
    /// Tells all facts of a run up to `level`; to a person, whose terminal is not steered by them, where one reads them.
    pub(crate) fn new(run: RunId, host: &str, level: LogLevel, screen: Arc<Screen>) -> Self {
        Self { run, host: host.to_owned(), level, reader: stderr_reader(), screen }
    }
}

impl Sink for JsonLog {
    fn record(&self, event: &Event) {
        if level_of(event) <= self.level {
            let line = to_json_line(&self.run, &self.host, event);
            let line = match self.reader {
                Reader::Person => harmless_json(&line).into_owned(),
                Reader::Program => line,
            };
            self.screen.print(line, Weight::of(event));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::log::progress::Shown;
    use crate::cli::log::screen::tests::Paper;
    use crate::cli::print::task;
    use crate::cli::voice::Voice;
    use crate::events::Fact;

    #[test]
    fn a_fact_is_a_line_of_the_event_format() {
        let page = Paper::default();
        let screen = Arc::new(Screen::new(Shown::None, Voice::default(), page.clone()));
        let log = JsonLog::new(RunId::new("r1").unwrap(), "h1", LogLevel::Info, screen);
        log.record(&task("split", Fact::TaskStarted));
        log.record(&task("split", Fact::TaskStored));
        drop(log);
        assert_eq!(
            page.text(),
            "{\"v\":1,\"ts\":\"1970-01-01T00:00:00.000Z\",\"run\":\"r1\",\"host\":\"h1\",\
             \"event\":\"task.stored\",\"task\":\"split\",\"attempt\":1}\n"
        );
    }
}
