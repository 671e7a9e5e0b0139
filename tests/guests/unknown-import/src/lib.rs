//! Responsible for needing an interface that no host knows.
//! Leaves all else to the guest `basic`.

wit_bindgen::generate!({ path: "wit", generate_all });

use test::nowhere::thing;

struct UnknownImport;

impl Guest for UnknownImport {
    fn run() -> String {
        thing::call()
    }
}

export!(UnknownImport);
