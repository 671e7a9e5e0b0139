//! Builds the guest of the benchmarks, `benches/guest`, from source; cargo caches the build.
//! `host` and `raw` call it.

use bytes::Bytes;
use std::path::Path;
use std::process::Command;

/// Returns the bytes of the component.
pub(crate) fn component() -> Bytes {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/guest");
    let mut command = Command::new("cargo");
    command.current_dir(&folder).args(["build", "--release", "--quiet", "--locked"]);
    command.args(["--target", "wasm32-wasip2", "--target-dir", "target"]);
    // The variables of the outer cargo are about the host's build, not about this one.
    command.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
    let status = command.status().expect("cargo can be started");
    assert!(
        status.success(),
        "the guest cannot be built; install its target: rustup target add wasm32-wasip2"
    );
    std::fs::read(folder.join("target/wasm32-wasip2/release/echo.wasm")).expect("cargo has built it").into()
}
