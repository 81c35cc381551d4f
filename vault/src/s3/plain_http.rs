//! The client for a server that is reached over plain http.

use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// As the SDK is told the URL of such a server.
///
/// Where the URL of a body that streams begins with `http:`, the SDK signs each 64 KiB of it, which takes as long as to
/// seal them (`aws_chunked.rs` of aws-sdk-s3 1.157). Bodies in memory are not signed either: over such a line each is
/// guarded by its CRC32.
pub(super) fn as_the_sdk_is_told(endpoint: &str) -> Option<String> {
    let rest = endpoint.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once(':') {
        // The host is signed, and sent, without the port that is its scheme's: what is signed for one must suit the other.
        Some((host, "80")) => Some(format!("https://{host}{path}")),
        Some((_, "443")) => None,
        _ => Some(format!("https://{rest}")),
    }
}

/// Asks over http for what it is to ask over https.
pub(super) fn client() -> SharedHttpClient {
    // The SDK's own, which speaks both and knows of proxies: it hands none out.
    let client = Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    });
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

#[cfg(test)]
mod tests {
    use super::*;

    /// hyper sends the port that is not 80, and SigV4 signs the one that is not 443.
    #[test]
    fn host_that_is_signed_is_the_host_that_is_sent() {
        for (endpoint, told) in [
            ("http://minio:9000/s3", Some("https://minio:9000/s3")),
            ("http://minio", Some("https://minio")),
            ("http://minio:80/", Some("https://minio/")),
            ("http://[::1]:80", Some("https://[::1]")),
            ("http://minio:443", None),
            ("https://minio", None),
        ] {
            assert_eq!(as_the_sdk_is_told(endpoint).as_deref(), told, "{endpoint}");
        }
    }
}
