//! Traces, exported by OTLP over HTTP where an endpoint is set.

use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

/// The variables by which OpenTelemetry's specification sets an exporter's endpoint; the exporter reads them itself, as it
/// does OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES and OTEL_TRACES_SAMPLER.
const ENDPOINT_VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// Exports until dropped, and what is left then, for a few seconds at most.
#[derive(Debug)]
pub(crate) struct Traces(SdkTracerProvider);

impl Drop for Traces {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = self.0.shutdown();
    }
}

impl Traces {
    /// `None` where no endpoint is set, in the environment or as `endpoint`, the base URL of a collector.
    pub(crate) fn start(endpoint: Option<&str>) -> anyhow::Result<Option<Traces>> {
        let set = |name: &str| std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
        let exporter = SpanExporter::builder().with_http();
        let exporter = match endpoint {
            _ if std::env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true")) => {
                return Ok(None);
            }
            _ if ENDPOINT_VARIABLES.into_iter().any(set) => exporter,
            Some(base) => exporter.with_endpoint(format!("{}/v1/traces", base.trim_end_matches('/'))),
            None => return Ok(None),
        };
        let exporter = exporter.build().context("OTEL_EXPORTER_OTLP_ENDPOINT")?;
        let mut resource = Resource::builder();
        if !set("OTEL_SERVICE_NAME") {
            resource = resource.with_service_name("callvault");
        }
        let provider = SdkTracerProvider::builder().with_resource(resource.build()).with_batch_exporter(exporter);
        Ok(Some(Traces(provider.build())))
    }

    /// What hands our spans to the exporter, whatever the log level is.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let ours = |metadata: &Metadata<'_>| {
            metadata.is_span() && *metadata.level() <= Level::INFO && metadata.target().starts_with("callvault")
        };
        tracing_opentelemetry::layer().with_tracer(self.0.tracer("callvault")).with_filter(filter_fn(ours))
    }
}
