//! Logins for registries from Docker's `config.json`, as `docker login` writes it.
//! `helper` runs the programs that the file may name; `authorization` uses the logins.

use crate::config::{Environment, read_at_most};
use crate::fetch::{Error, helper};
use crate::model::Size;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// Maximum size of the file.
const MAX_CONFIG: Size = Size::bytes(1 << 20);

/// The user name that says that the password is an identity token.
const TOKEN_USER: &str = "<token>";

/// A login, and where it is from. Without `Debug`, since it holds secrets.
pub(crate) struct Login {
    pub(crate) kind: LoginKind,
    /// The file or program, for messages.
    pub(crate) place: String,
}

/// The kinds of logins.
pub(crate) enum LoginKind {
    /// User and password.
    Password(String, String),
    /// A token that is exchanged for another.
    Identity(String),
    /// A token that registries accept as it is.
    Registry(String),
}

/// Docker's file, as far as it is about logins.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    #[serde(default)]
    creds_store: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

/// Returns the login for a registry, if there is one.
pub(crate) async fn login(environment: &Environment, registry: &str) -> Result<Option<Login>, Error> {
    let Some(path) = config_path(environment) else { return Ok(None) };
    let unreadable = |source| Error::Logins { path: path.clone(), source };
    let bytes = match read_at_most(&path, MAX_CONFIG) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error.into())),
    };
    // An error of the parser may quote a password.
    let config: DockerConfig = serde_json::from_slice(&bytes)
        .map_err(|error| unreadable(format!("it is not valid at line {}", error.line()).into()))?;
    let names = names(registry);
    let helper = names.iter().find_map(|name| config.cred_helpers.get(*name));
    let helper = helper.or(Some(&config.creds_store).filter(|store| !store.is_empty()));
    if let Some(helper) = helper
        && let Some(found) = helper::ask(environment, helper, (registry, server(registry))).await?
    {
        let kind = if found.username == TOKEN_USER {
            LoginKind::Identity(found.secret)
        } else {
            LoginKind::Password(found.username, found.secret)
        };
        return Ok(Some(Login { kind, place: format!("`{}`", helper::program(helper)) }));
    }
    let by_host = || config.auths.iter().find(|(key, _)| names.contains(&host_of(key))).map(|(_, auth)| auth);
    let auth = names.iter().find_map(|name| config.auths.get(*name)).or_else(by_host);
    let kind = auth.and_then(Entry::kind);
    Ok(kind.map(|kind| Login { kind, place: format!("`{}`", path.display()) }))
}

fn config_path(environment: &Environment) -> Option<PathBuf> {
    let folder = environment.path_setting("DOCKER_CONFIG");
    let folder = folder.or_else(|| Some(environment.path_setting("HOME")?.join(".docker")));
    folder.map(|folder| folder.join("config.json"))
}

/// Returns the names by which the file may know a registry.
fn names(registry: &str) -> Vec<&str> {
    match registry {
        "docker.io" => vec!["https://index.docker.io/v1/", "index.docker.io", "docker.io"],
        other => vec![other],
    }
}

/// Returns the name by which helpers know a registry.
fn server(registry: &str) -> &str {
    names(registry).into_iter().next().unwrap_or(registry)
}

/// Returns the host in a key, which may be a URL.
fn host_of(key: &str) -> &str {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    bare.split('/').next().unwrap_or(bare)
}

impl Entry {
    fn kind(&self) -> Option<LoginKind> {
        if !self.registrytoken.is_empty() {
            return Some(LoginKind::Registry(self.registrytoken.clone()));
        }
        if !self.identitytoken.is_empty() {
            return Some(LoginKind::Identity(self.identitytoken.clone()));
        }
        if !self.username.is_empty() {
            return Some(LoginKind::Password(self.username.clone(), self.password.clone()));
        }
        let decoded = String::from_utf8(STANDARD.decode(self.auth.trim()).ok()?).ok()?;
        let (user, password) = decoded.split_once(':')?;
        // Docker ends some passwords with a NUL.
        Some(LoginKind::Password(user.to_owned(), password.trim_matches('\0').to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::Page;
    use crate::model::show_duration;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn manual_names_the_limits_of_this_file() {
        let host = Page::of("limits").section("Limits of a host").line("`config.json` of Docker").cell(1);
        host.says(&MAX_CONFIG.to_string());
        host.says(&show_duration(helper::MAX_TIME));
    }

    async fn found(config: &str, registry: &str) -> Result<String, Error> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.json"), config).unwrap();
        let helper = folder.path().join("docker-credential-test");
        let script = "#!/bin/sh\nread -r server\ncase $server in\n\
            ghcr.io) echo '{\"ServerURL\":\"ghcr.io\",\"Username\":\"helped\",\"Secret\":\"pw\"}';;\n\
            token.io) echo '{\"Username\":\"<token>\",\"Secret\":\"idtoken\"}';;\n\
            broken.io) echo hunter2;;\n\
            *) echo 'credentials not found in native keychain'; exit 1;;\nesac\n";
        fs::write(&helper, script).unwrap();
        fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let environment = Environment::from([
            ("DOCKER_CONFIG", folder.path().as_os_str().to_owned()),
            ("PATH", path.into()),
        ]);
        let login = login(&environment, registry).await?;
        Ok(match login.map(|login| login.kind) {
            None => "none".to_owned(),
            Some(LoginKind::Password(user, password)) => format!("{user}:{password}"),
            Some(LoginKind::Identity(token)) => format!("identity {token}"),
            Some(LoginKind::Registry(token)) => format!("registry {token}"),
        })
    }

    #[tokio::test]
    async fn logins_are_found_by_the_keys_that_docker_writes() {
        let config = r#"{ "auths": {
            "ghcr.io": { "auth": "dXNlcjpwYTpzcw==" },
            "https://quay.io/v2/": { "username": "u", "password": "p" },
            "https://index.docker.io/v1/": { "auth": "aHViOnB3" },
            "id.io": { "auth": "eDp5", "identitytoken": "t" },
            "127.0.0.1:5000": { "registrytoken": "r" },
            "empty.io": {} } }"#;
        for (registry, login) in [
            ("ghcr.io", "user:pa:ss"),
            ("quay.io", "u:p"),
            ("docker.io", "hub:pw"),
            ("id.io", "identity t"),
            ("127.0.0.1:5000", "registry r"),
            ("127.0.0.1:5001", "none"),
            ("empty.io", "none"),
            ("evil-ghcr.io", "none"),
        ] {
            assert_eq!(found(config, registry).await.unwrap(), login, "{registry}");
        }
    }

    #[tokio::test]
    async fn helpers_are_asked_first() {
        let config = r#"{ "auths": { "ghcr.io": { "auth": "dXNlcjpwYXNz" }, "quay.io": { "auth": "dXNlcjpwYXNz" } },
            "credHelpers": { "ghcr.io": "test", "token.io": "test", "gone.io": "no-such", "bad.io": "../test" },
            "credsStore": "test" }"#;
        for (registry, login) in [
            ("ghcr.io", "helped:pw"),
            ("token.io", "identity idtoken"),
            ("quay.io", "user:pass"),
            ("other.io", "none"),
        ] {
            assert_eq!(found(config, registry).await.unwrap(), login, "{registry}");
        }
        for registry in ["broken.io", "gone.io", "bad.io"] {
            let error = found(config, registry).await.unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(matches!(error, Error::Helper { .. }) && !shown.contains("hunter2"), "{shown}");
        }
    }

    #[tokio::test]
    async fn broken_file_is_named_and_not_quoted() {
        let error = found("{ \"auths\": { \"x\": {\n \"auth\": hunter2", "ghcr.io").await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(
            shown.contains("config.json") && shown.contains("line 2") && !shown.contains("hunter2"),
            "{shown}"
        );
        let error = found("{ \"auths\": \"hunter2\" }", "ghcr.io").await.unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        assert!(login(&Environment::default(), "ghcr.io").await.unwrap().is_none());
    }
}
