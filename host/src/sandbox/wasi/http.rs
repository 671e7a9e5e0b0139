//! `wasi:http` for guests that import it: they start, and every request that they send is refused.
//! Requests that a grant allows will pass through the same hook.

use std::future::Future;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// Refuses every request.
pub(crate) struct NoHttp;

type Sent<T> = Box<dyn Future<Output = Result<T, Error>> + Send>;

impl WasiHttpHooks for NoHttp {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _transmitted: Sent<()>,
    ) -> Sent<(http::Response<WasiBody>, Sent<()>)> {
        Box::new(async { Err(ErrorCode::HttpRequestDenied.into()) })
    }
}
