//! Calls of crates that panic at what they do not support: the panic becomes an error.
//! The worker process around them prints no panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Returns what `work` returns, or the text of its panic.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text =
            panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
        text.unwrap_or("no reason given").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_becomes_its_text() {
        assert_eq!(caught(|| 7), Ok(7));
        assert_eq!(caught(|| panic!("lists of {}", "lists")), Err::<(), _>("lists of lists".to_owned()));
    }
}
