//! Formats an error with its causes on one line, and its help on the next.
//! Faults of a manifest are rendered by `diagnostic`.

use crate::cli::print::style::{Ink, Style, escape_control};
use std::error::Error;

/// Maximum number of causes shown. Bounds an error chain that loops.
const MAX_CAUSES: usize = 32;

/// Formats `error: message: cause: cause`, and `help: …` if there is help.
pub(crate) fn render_chain(error: &dyn Error, help: Option<&str>, style: Style) -> String {
    let shown = format!("{}: {}\n", style.paint(Ink::Bad, "error"), escape_control(&sentence(error)));
    match help {
        Some(help) => shown + &format!("{}: {}\n", style.paint(Ink::Calm, "help"), escape_control(help)),
        None => shown,
    }
}

/// Joins an error and its causes: `message: cause: cause`.
pub(crate) fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    for cause in causes.take(MAX_CAUSES) {
        let cause = cause.to_string();
        // Some libraries include the cause in their message; do not repeat it.
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state;

    #[test]
    fn chain_is_one_line_with_each_cause_once() {
        let io = std::io::Error::other("connection refused");
        let inner = state::Error::new(state::ErrorKind::Unavailable, "cannot connect to 127.0.0.1:6379")
            .caused_by(io);
        let outer = state::Error::new(state::ErrorKind::Unavailable, "cannot open the run").caused_by(inner);
        assert_eq!(
            render_chain(&outer, Some("start the server, or choose another with `--state`"), Style::Plain),
            "error: cannot open the run: cannot connect to 127.0.0.1:6379: connection refused\n\
             help: start the server, or choose another with `--state`\n"
        );
    }

    #[test]
    fn cause_within_the_message_is_not_repeated() {
        let io = std::io::Error::other("no route");
        let error =
            state::Error::new(state::ErrorKind::Unavailable, "cannot connect: no route").caused_by(io);
        assert_eq!(render_chain(&error, None, Style::Plain), "error: cannot connect: no route\n");
    }
}
