//! Mapping of connection errors to the error codes of `wasi:http`.
//! Refusals are not errors of a connection; `mod.rs` reports them.

use std::error::Error as _;
use std::io;
use wasmtime_wasi_http::Error;

/// Maps an error of connecting.
pub(crate) fn connect_error(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Error::DestinationIpUnroutable,
        _ => Error::DestinationUnavailable, // any other system error: the guest cannot act on it
    }
}

/// Maps an error of the TLS handshake.
pub(crate) fn tls_error(error: &io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
        Some(rustls::Error::AlertReceived(alert)) => Error::TlsAlertReceived {
            alert_id: Some(u8::from(*alert)),
            alert_message: Some(format!("{alert:?}")),
        },
        _ => Error::TlsProtocolError, // the peer speaks no TLS, or no supported version
    }
}

/// Maps an error of sending a request or reading its response.
pub(crate) fn exchange_error(error: &hyper::Error) -> Error {
    if error.is_parse_too_large() {
        return Error::HttpResponseHeaderSectionSize(None);
    }
    if error.is_incomplete_message() {
        return Error::HttpResponseIncomplete;
    }
    if error.is_canceled() || error.is_closed() {
        return Error::ConnectionTerminated;
    }
    match error.source().and_then(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind) {
        Some(io::ErrorKind::UnexpectedEof) => Error::HttpResponseIncomplete,
        Some(_) => Error::ConnectionTerminated, // any other error of the connection
        None => Error::HttpProtocolError,
    }
}
