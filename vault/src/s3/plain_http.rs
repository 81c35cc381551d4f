//! The client for a server that is reached over plain http.

use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;

/// As the SDK is told the URL of such a server.
///
/// Where the URL of a body that streams begins with `http:`, the SDK signs each 64 KiB of it, which takes as long as to
/// seal them (`aws_chunked.rs` of aws-sdk-s3 1.157). Bodies in memory are not signed either: over such a line each is
/// guarded by its CRC32.
pub(super) fn as_the_sdk_is_told(endpoint: &str) -> Option<String> {
    endpoint.strip_prefix("http:").map(|rest| format!("https:{rest}"))
}

/// Asks over http for what it is to ask over https.
pub(super) fn client() -> SharedHttpClient {
    // It speaks both.
    let client = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
    http_client_fn(move |settings, components| {
        SharedHttpConnector::new(PlainHttp(client.http_connector(settings, components)))
    })
}

#[derive(Debug)]
struct PlainHttp(SharedHttpConnector);

impl HttpConnector for PlainHttp {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        if let Some(rest) = request.uri().strip_prefix("https:")
            && let Err(error) = request.set_uri(format!("http:{rest}"))
        {
            return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
        }
        self.0.call(request)
    }
}
