//! Responsible for failing as asked: by a result, by a trap, by a panic.
//! Leaves what harms the host to `hostile`.

use crate::Basic;
use crate::exports::test::basic::failures::{Error, Guest};

impl Guest for Basic {
    fn fails(kind: Error) -> Result<String, Error> {
        Err(kind)
    }

    fn maybe_fail(x: u32) -> Result<u32, String> {
        if x.is_multiple_of(2) { Ok(x) } else { Err(format!("{x} is odd")) }
    }

    fn fail_silently() -> Result<(), ()> {
        Err(())
    }

    fn trap() {
        core::arch::wasm32::unreachable()
    }

    fn panic_with(message: String) -> String {
        panic!("{message}")
    }

    fn exit_with(code: u8) {
        std::process::exit(code.into())
    }

    fn complain(text: String, code: u8) -> Result<(), ()> {
        eprintln!("{text}");
        std::process::exit(code.into())
    }
}
