//! Builds the client for a URI, with settings that the client does not have by default.
//! `connection.rs` decides when to connect.

use crate::model::{open_input, other_encoding};
use crate::state::{Error, ErrorKind, RedisTopology, RedisUri, Tls};
use redis::Client;
use redis::ConnectionAddr;
use redis::IntoConnectionInfo as _;
use redis::RedisConnectionInfo;
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use std::io;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

/// TCP keepalive and user timeout. By default the kernel gives up a dead connection after a quarter of an hour, and a
/// request's timeout would not reveal that it is dead.
const TCP_TIMEOUT: Duration = Duration::from_secs(10);

/// The byte order mark in UTF-8.
const MARK: &[u8] = "\u{feff}".as_bytes();
/// Maximum size of a file of certificates or of a key; a system's complete list of authorities has a few hundred
/// kilobytes.
const MAX_CONTENT: u64 = 16 << 20;

/// Creates the client for a URI: reads its certificates, but does not connect.
pub(crate) fn client(uri: &RedisUri) -> Result<Client, Error> {
    // A crypto provider that was installed earlier serves as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    let doing = || format!("preparing the connection to `{uri}`");
    let refused = |error| Error::new(ErrorKind::Refused, doing()).caused_by(error);
    let address = match &uri.topology {
        RedisTopology::Server(address) => match &uri.tls {
            None => ConnectionAddr::Tcp(address.host.clone(), address.port),
            Some(_) => ConnectionAddr::TcpTls {
                host: address.host.clone(),
                port: address.port,
                insecure: false,
                tls_params: None,
            },
        },
        RedisTopology::Socket(path) => ConnectionAddr::Unix(path.clone()),
        RedisTopology::Sentinel { .. } | RedisTopology::Cluster(_) => {
            return Err(Error::new(ErrorKind::Uri, doing()).hint(
                "This version supports single servers only: `redis://`, `rediss://` and `redis+unix://`.",
            ));
        }
    };
    let keepalive = TcpKeepalive::new().with_time(TCP_TIMEOUT).with_interval(TCP_TIMEOUT / 3);
    let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(TCP_TIMEOUT);
    let info = address.into_connection_info().map_err(refused)?;
    let info = info.set_tcp_settings(tcp).set_redis_settings(login(uri));
    match &uri.tls {
        Some(tls) => Client::build_with_tls(info, certificates(tls)?).map_err(refused),
        None => Client::open(info).map_err(refused),
    }
}

fn login(uri: &RedisUri) -> RedisConnectionInfo {
    let login = RedisConnectionInfo::default()
        .set_db(i64::from(uri.db))
        .set_lib_name("cascade-host", env!("CARGO_PKG_VERSION"));
    let login = match &uri.user {
        Some(user) => login.set_username(user.expose()),
        None => login,
    };
    match &uri.password {
        Some(password) => login.set_password(password.expose()),
        None => login,
    }
}

fn certificates(tls: &Tls) -> Result<redis::TlsCertificates, Error> {
    let client_tls = match &tls.identity {
        None => None,
        Some((cert, key)) => {
            Some(redis::ClientTlsConfig { client_cert: content(cert)?, client_key: content(key)? })
        }
    };
    Ok(redis::TlsCertificates { client_tls, root_cert: tls.ca.as_deref().map(content).transpose()? })
}

fn content(path: &Path) -> Result<Vec<u8>, Error> {
    let doing = || format!("reading `{}`", path.display());
    let refused = |error| Error::new(ErrorKind::Refused, doing()).caused_by(error);
    let mut content = Vec::new();
    let file = open_input(path).map_err(refused)?;
    file.take(MAX_CONTENT.saturating_add(1)).read_to_end(&mut content).map_err(refused)?;
    if u64::try_from(content.len()).unwrap_or(u64::MAX) > MAX_CONTENT {
        return Err(refused(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is too large for a certificate or a key",
        )));
    }
    if let Some(encoding) = other_encoding(&content) {
        let hint = format!("The file is {encoding} text; save it as UTF-8.");
        return Err(Error::new(ErrorKind::Refused, doing()).hint(hint));
    }
    // Editors may have put a byte order mark before the first line, which would hide that line from the parser.
    if content.starts_with(MARK) {
        content.drain(..MARK.len());
    }
    Ok(content)
}
