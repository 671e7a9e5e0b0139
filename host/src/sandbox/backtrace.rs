//! Backtrace of a guest: one line per frame, safe to print whatever its functions are called.
//! `failure` classifies the failure.

use crate::model::{MAX_LINE, one_line};
use cpp_demangle::DemangleOptions;
use std::fmt;
use std::fmt::Write as _;
use wasmtime::{FrameInfo, WasmBacktrace};

/// Maximum length of a symbol that is demangled, in bytes.
const MAX_MANGLED: usize = 4 << 10;

/// Returns whether a frame names its function. Numbers of functions say nothing to a reader.
pub(crate) fn has_names(trace: &WasmBacktrace) -> bool {
    trace.frames().iter().any(|frame| frame.func_name().is_some())
}

/// Returns the guest's frames, innermost first, as one line per function.
///
/// Source lines are left out: they need the guest's debug information, and reading that has no bounds.
pub(crate) fn backtrace(trace: &WasmBacktrace) -> Option<String> {
    let lines: Vec<String> = trace.frames().iter().enumerate().map(|(nth, frame)| line(nth, frame)).collect();
    (!lines.is_empty()).then(|| fold_recursion(&lines).join("\n"))
}

/// `12: 0x3f8 - basic.wasm!recurse`.
fn line(nth: usize, frame: &FrameInfo) -> String {
    let offset = frame.module_offset().map(|offset| format!("{offset:#8x} - ")).unwrap_or_default();
    let module = truncated(frame.module().name().unwrap_or("<unknown>"));
    let function = match frame.func_name() {
        Some(name) => demangled(name),
        None => format!("<wasm function {}>", frame.func_index()),
    };
    one_line(&format!("{nth}: {offset}{module}!{function}"))
}

/// Demangles a symbol. The output is bounded, because a few bytes of a symbol can double its length.
fn demangled(name: &str) -> String {
    if name.len() > MAX_MANGLED {
        return truncated(name);
    }
    let mut text = TruncatedWriter(String::new());
    let written = match (rustc_demangle::try_demangle(name), cpp_demangle::Symbol::new(name)) {
        (Ok(symbol), _) => write!(text, "{symbol}"),
        (Err(_), Ok(symbol)) => symbol.structured_demangle(&mut text, &DemangleOptions::new()),
        (Err(_), Err(_)) => return truncated(name),
    };
    if written.is_ok() || text.is_full() { text.0 } else { truncated(name) }
}

/// Returns the part that fits a line, and one more character to show that it was cut.
fn truncated(text: &str) -> String {
    text.chars().take(MAX_LINE + 1).collect()
}

/// A writer that stops once the text exceeds a line.
struct TruncatedWriter(String);

impl TruncatedWriter {
    fn is_full(&self) -> bool {
        self.0.len() > MAX_LINE
    }
}

impl fmt::Write for TruncatedWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push_str(&truncated(text));
        if self.is_full() { Err(fmt::Error) } else { Ok(()) }
    }
}

/// Folds the repeated frames of a recursion.
fn fold_recursion(frames: &[String]) -> Vec<String> {
    // The part after the offset names the function.
    let function = |frame: &str| frame.split_once(" - ").map_or(frame, |(_, function)| function).to_owned();
    let mut shown: Vec<String> = Vec::new();
    let mut repeated = 0;
    for (index, frame) in frames.iter().enumerate() {
        let is_again = index
            .checked_sub(1)
            .and_then(|before| frames.get(before))
            .is_some_and(|before| function(before) == function(frame));
        if is_again {
            repeated += 1;
            continue;
        }
        if repeated > 0 {
            shown.push(format!("… and {repeated} more calls of it"));
            repeated = 0;
        }
        shown.push(frame.clone());
    }
    if repeated > 0 {
        shown.push(format!("… and {repeated} more calls of it"));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recursion_is_shown_once() {
        let frames = ["0: 0x1 - a!f", "1: 0x9 - a!f", "2: 0x9 - a!f", "3: 0x2 - a!main"];
        let shown = fold_recursion(&frames.map(str::to_owned));
        assert_eq!(shown, ["0: 0x1 - a!f", "… and 2 more calls of it", "3: 0x2 - a!main"]);
    }

    #[test]
    fn names_are_demangled() {
        for (name, expected) in [
            ("_ZN4core6option6expect17h0123456789abcdefE", "core::option::expect::h0123456789abcdef"),
            ("_ZN5space3fooEibc", "space::foo(int, bool, char)"),
            ("run", "run"),
            ("_Znonsense", "_Znonsense"),
        ] {
            assert_eq!(demangled(name), expected);
        }
    }

    #[test]
    fn name_that_demangles_to_gigabytes_is_cut() {
        // A function of sixty parameters, each a pair of the previous one twice. Forty would already be terabytes.
        let mut name = "_Z1f4pairI1aS0_E".to_owned();
        let digit = |nth: u32| char::from_digit(nth % 36, 36).unwrap().to_ascii_uppercase();
        for nth in 1..60 {
            let last = if nth < 36 { digit(nth).to_string() } else { format!("1{}", digit(nth - 36)) };
            name += &format!("S_IS{last}_S{last}_E");
        }
        let effort = crate::model::Effort::begin();
        let shown = demangled(&name);
        assert!(
            shown.starts_with("f(pair<a, a>, pair<pair<a, a>, ") && shown.len() < 3 * MAX_LINE,
            "{shown}"
        );
        assert!(demangled(&"_Z1f".repeat(1 << 20)).len() < 3 * MAX_LINE);
        // Without the cut, either call would take hours.
        assert!(effort.spent() < std::time::Duration::from_secs(10));
    }
}
