//! Backtrace of a guest: one line per frame, safe to print whatever its functions are called.
//! `failure` says why the guest ended.

use crate::model::{MAX_LINE, one_line};
use cpp_demangle::DemangleOptions;
use std::fmt;
use std::fmt::Write as _;
use wasmtime::{FrameInfo, WasmBacktrace};

/// The longest name, in bytes, that is told as the language has it and not as the linker does.
const MAX_MANGLED: usize = 4 << 10;

/// Returns the guest's frames, innermost first, as one line per function.
///
/// Source lines are left out: they need the guest's debug information, and reading that has no bounds.
pub(crate) fn backtrace(trace: &WasmBacktrace) -> Option<String> {
    let lines: Vec<String> = trace.frames().iter().enumerate().map(|(nth, frame)| line(nth, frame)).collect();
    (!lines.is_empty()).then(|| folded(&lines).join("\n"))
}

/// `12: 0x3f8 - basic.wasm!recurse`.
fn line(nth: usize, frame: &FrameInfo) -> String {
    let offset = frame.module_offset().map(|offset| format!("{offset:#8x} - ")).unwrap_or_default();
    let module = short(frame.module().name().unwrap_or("<unknown>"));
    let function = match frame.func_name() {
        Some(name) => demangled(name),
        None => format!("<wasm function {}>", frame.func_index()),
    };
    one_line(&format!("{nth}: {offset}{module}!{function}"))
}

/// Demangles a symbol. The output is bounded, because a few bytes of a symbol can double its length.
fn demangled(name: &str) -> String {
    if name.len() > MAX_MANGLED {
        return short(name);
    }
    let mut text = Short(String::new());
    let done = match (rustc_demangle::try_demangle(name), cpp_demangle::Symbol::new(name)) {
        (Ok(symbol), _) => write!(text, "{symbol}"),
        (Err(_), Ok(symbol)) => symbol.structured_demangle(&mut text, &DemangleOptions::new()),
        (Err(_), Err(_)) => return short(name),
    };
    if done.is_ok() || text.is_full() { text.0 } else { short(name) }
}

/// Returns the part that fits a line, and one more character to show that it was cut.
fn short(text: &str) -> String {
    text.chars().take(MAX_LINE + 1).collect()
}

/// A writer that stops once the text exceeds a line.
struct Short(String);

impl Short {
    fn is_full(&self) -> bool {
        self.0.len() > MAX_LINE
    }
}

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push_str(&short(text));
        if self.is_full() { Err(fmt::Error) } else { Ok(()) }
    }
}

/// Folds the repeated frames of a recursion.
fn folded(frames: &[String]) -> Vec<String> {
    // The part behind the address names the function.
    let place = |frame: &str| frame.split_once(" - ").map_or(frame, |(_, place)| place).to_owned();
    let mut shown: Vec<String> = Vec::new();
    let mut repeated = 0;
    for (at, frame) in frames.iter().enumerate() {
        let is_again = at
            .checked_sub(1)
            .and_then(|before| frames.get(before))
            .is_some_and(|before| place(before) == place(frame));
        if is_again {
            repeated += 1;
            continue;
        }
        if repeated > 0 {
            shown.push(format!("… and {repeated} more of it"));
            repeated = 0;
        }
        shown.push(frame.clone());
    }
    if repeated > 0 {
        shown.push(format!("… and {repeated} more of it"));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recursion_is_told_once() {
        let frames = ["0: 0x1 - a!f", "1: 0x9 - a!f", "2: 0x9 - a!f", "3: 0x2 - a!main"];
        let shown = folded(&frames.map(str::to_owned));
        assert_eq!(shown, ["0: 0x1 - a!f", "… and 2 more of it", "3: 0x2 - a!main"]);
    }

    #[test]
    fn names_are_told_as_their_language_has_them() {
        for (name, told) in [
            ("_ZN4core6option6expect17h0123456789abcdefE", "core::option::expect::h0123456789abcdef"),
            ("_ZN5space3fooEibc", "space::foo(int, bool, char)"),
            ("run", "run"),
            ("_Znonsense", "_Znonsense"),
        ] {
            assert_eq!(demangled(name), told);
        }
    }

    #[test]
    fn a_name_that_stands_for_gigabytes_is_cut() {
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
