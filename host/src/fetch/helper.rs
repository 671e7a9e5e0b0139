//! Runs a credential helper of Docker: `docker-credential-NAME get`, with the server on stdin.
//! `credentials` reads which helper knows a registry.

use crate::config::Environment;
use crate::fetch::Error;
use serde::Deserialize;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::time::timeout;

/// Maximum time of a helper, which may ask a person for a password.
pub(crate) const MAX_TIME: Duration = Duration::from_mins(1);

/// Maximum size of a helper's answer, in bytes.
const MAX_ANSWER: u64 = 64 << 10;

/// What helpers say, with exit status 1, about a server that they do not know.
const NOT_FOUND: &str = "credentials not found";

/// A login as helpers print it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Helped {
    pub(crate) username: String,
    pub(crate) secret: String,
}

/// Returns the name of a helper's program.
pub(crate) fn program(helper: &str) -> String {
    format!("docker-credential-{helper}")
}

/// Asks a helper for the login of a registry, which it knows by the name `server`. Its program is looked for in `PATH`.
pub(crate) async fn ask(
    environment: &Environment,
    helper: &str,
    (registry, server): (&str, &str),
) -> Result<Option<Helped>, Error> {
    let failed =
        |what: String| Error::Helper { program: program(helper), registry: registry.to_owned(), what };
    // A name with a slash would be a path.
    if !helper.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Err(failed("has a name that is not allowed".to_owned()));
    }
    let answer = timeout(MAX_TIME, run(environment, helper, server)).await;
    let answer = answer.map_err(|_| failed(format!("does not end within {}s", MAX_TIME.as_secs())))?;
    let (is_success, answer) = answer.map_err(|error| failed(format!("cannot be run: {error}")))?;
    if !is_success {
        let is_unknown = String::from_utf8_lossy(&answer).contains(NOT_FOUND);
        return if is_unknown { Ok(None) } else { Err(failed("fails".to_owned())) };
    }
    // The answer may hold a password, so it is not quoted.
    serde_json::from_slice(&answer).map(Some).map_err(|_| failed("prints no login".to_owned()))
}

async fn run(environment: &Environment, helper: &str, server: &str) -> std::io::Result<(bool, Vec<u8>)> {
    let mut child = Command::new(program(helper))
        .arg("get")
        .env_clear()
        .envs(environment.iter())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read the server fails by itself.
        drop(stdin.write_all(format!("{server}\n").as_bytes()).await);
    }
    let mut answer = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    }
    Ok((child.wait().await?.success(), answer))
}
