//! `--log-format json`: the log as the JSON lines that `--events` writes.
//! `level` filters by `--log-level`. Lines carry no level, since `event` implies one.

use crate::cli::log::level::level_of;
use crate::cli::log::screen::{LineKind, Screen};
use crate::cli::print::escape_control_json;
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
    /// Creates a log of all facts up to `level`. Escapes control characters if stderr is a terminal.
    pub(crate) fn new(run: RunId, host: &str, level: LogLevel, screen: Arc<Screen>) -> Self {
        Self { run, host: host.to_owned(), level, reader: stderr_reader(), screen }
    }
}

impl Sink for JsonLog {
    fn record(&self, event: &Event) {
        if level_of(event) <= self.level {
            let line = to_json_line(&self.run, &self.host, event);
            let line = match self.reader {
                Reader::Person => escape_control_json(&line).into_owned(),
                Reader::Program => line,
            };
            self.screen.print(line, LineKind::of(event));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::Console;
    use crate::cli::log::progress::Shown;
    use crate::cli::log::screen::tests::CapturedStderr;
    use crate::cli::print::task;
    use crate::events::Fact;

    #[test]
    fn fact_is_a_line_of_the_event_format() {
        let stderr = CapturedStderr::default();
        let screen = Arc::new(Screen::new(Shown::None, Console::default(), stderr.clone()));
        let log = JsonLog::new(RunId::new("r1").unwrap(), "h1", LogLevel::Info, screen);
        log.record(&task("split", Fact::TaskStarted));
        log.record(&task("split", Fact::TaskStored));
        drop(log);
        assert_eq!(
            stderr.text(),
            "{\"v\":1,\"ts\":\"1970-01-01T00:00:00.000Z\",\"run\":\"r1\",\"host\":\"h1\",\
             \"event\":\"task.stored\",\"task\":\"split\",\"attempt\":1}\n"
        );
    }
}
