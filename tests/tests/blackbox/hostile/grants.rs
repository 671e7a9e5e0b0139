//! Guests that exceed their grants get the errors that WASI defines for missing permissions.
//! The effect of grants is in `isolation`.

use super::{Ends, Source, check, row};
use crate::guests::Guest;

/// The guest ends with its own error, which contains the refusal.
const fn refused_with(message: &'static str) -> Ends {
    Ends::Failed("error", message)
}

#[test]
fn ungranted_capabilities_are_refused() {
    let (basic, network) = (Source::Rust(Guest::Basic), Source::Rust(Guest::Network));
    let context = "`cascade:task/context` is not granted to this task; grant it with `context = true`";
    let no_folder =
        refused_with("the function returned the error \"No such file or directory (os error 44)\"");
    let no_address = refused_with("the function returned the error \"Permission denied (os error 2)\"");
    let no_name = refused_with(
        "the function returned the error \"failed to lookup address information: Non-recoverable error\"",
    );
    let no_request = refused_with("the function returned the error \"ErrorCode::HttpRequestDenied\"");
    check(&[
        row(basic, "read-file", "args.path = \"/etc/passwd\"\n", no_folder),
        row(basic, "read-file", "args.path = \"manifest.toml\"\n", no_folder),
        row(basic, "write-file", "args = { path = \"out\", text = \"x\" }\n", no_folder),
        row(basic, "list-folder", "args.path = \"/\"\n", no_folder),
        row(basic, "env", "args.name = \"PATH\"\n", Ends::Returned("null")),
        row(basic, "args", "", Ends::Returned("[]")),
        row(network, "exchange", "args = { address = \"127.0.0.1:9\", text = \"x\" }\n", no_address),
        row(network, "resolve", "args.name = \"localhost\"\n", no_name),
        row(network, "fetch", "args.url = \"http://127.0.0.1:9/\"\n", no_request),
        row(Source::Rust(Guest::HostCalls), "attempt-info", "", Ends::Failed("trap", context)),
    ]);
}
