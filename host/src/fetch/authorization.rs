//! Meets the challenge of a registry: a password as it is, or a token from the server that the registry names.
//! `credentials` finds the login; `registry` sends the result with its requests.

use crate::fetch::Error;
use crate::fetch::basic_login::basic;
use crate::fetch::challenge::Challenge;
use crate::fetch::credentials::{Login, LoginKind};
use crate::fetch::failed::Failed;
use crate::fetch::http::{Get, Http, error_of, text_of};
use crate::model::{OciReference, SecureUrl};
use crate::sandbox::Zone;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

/// How the host calls itself to servers that issue tokens.
const CLIENT: &str = "cascade-host";

/// What a server that issues tokens answers. Without `Debug`, since it holds secrets.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Issued {
    token: String,
    access_token: String,
}

/// Returns the value of `authorization` that meets a challenge, from a registry in `zone`.
pub(crate) async fn authorize(
    http: &Http,
    reference: &OciReference,
    (challenge, zone): (Challenge, Zone),
    login: Option<&Login>,
) -> Result<String, Failed> {
    let registry = reference.registry();
    let no_login = || Error::NoLogin { registry: registry.to_owned(), text: String::new() };
    let (realm, service, scope) = match (challenge, login.map(|login| &login.kind)) {
        (Challenge::Bearer { .. }, Some(LoginKind::Registry(token))) => return Ok(format!("Bearer {token}")),
        (Challenge::Basic, Some(LoginKind::Password(user, password))) => return Ok(basic(user, password)),
        (Challenge::Basic, _) => return Err(no_login().into()),
        (Challenge::Bearer { realm, service, scope }, _) => (realm, service, scope),
    };
    let malformed =
        || Error::Malformed { origin: registry.to_owned(), what: "no usable URL for tokens".to_owned() };
    let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", reference.repository()));
    let mut query = Serializer::new(String::new());
    if let Some(service) = &service {
        query.append_pair("service", service);
    }
    query.append_pair("scope", &scope);
    let mut authorization = None;
    let form = match login.map(|login| &login.kind) {
        Some(LoginKind::Identity(token)) => {
            query.append_pair("grant_type", "refresh_token").append_pair("client_id", CLIENT);
            Some(query.append_pair("refresh_token", token).finish())
        }
        Some(LoginKind::Password(user, password)) => {
            authorization = Some(basic(user, password));
            None
        }
        Some(LoginKind::Registry(_)) | None => None,
    };
    let url = match &form {
        Some(_) => realm,
        None => format!("{realm}{}{}", if realm.contains('?') { '&' } else { '?' }, query.finish()),
    };
    let url = SecureUrl::parse(&url).map_err(|_| malformed())?;
    let get = Get {
        authorization: authorization.as_deref(),
        form: form.as_deref(),
        zone,
        ..Get::new(url.url(), "application/json")
    };
    let mut answer = http.send(get).await?;
    match (answer.status(), login) {
        (200, _) => {}
        (401 | 403, Some(login)) => {
            let text = text_of(&mut answer, url.url()).await;
            let (registry, place) = (registry.to_owned(), login.place.clone());
            return Err(Error::Denied { registry, place, text }.into());
        }
        (401 | 403, None) => return Err(no_login().into()),
        _ => return Err(error_of(answer, url.url()).await), // any other error is the server's
    }
    let document = http.document(answer, url.url()).await?;
    let Issued { token, access_token } = serde_json::from_slice(&document).unwrap_or_default();
    let token = if token.is_empty() { access_token } else { token };
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let what = "no token".to_owned();
        return Err(Error::Malformed { origin: url.url().origin(), what }.into());
    }
    Ok(format!("Bearer {token}"))
}
