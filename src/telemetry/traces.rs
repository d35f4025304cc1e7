//! Spans to an OpenTelemetry collector, by OTLP over HTTP, and the trace context of W3C in and out.
//!
//! Sources: <https://opentelemetry.io/docs/specs/semconv/>, <https://www.w3.org/TR/trace-context/>.

use std::sync::OnceLock;

use async_trait::async_trait;
use axum::http::{HeaderMap, Request, Response};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_http::{Bytes, HeaderExtractor, HeaderInjector, HttpClient, HttpError};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Layer, registry::LookupSpan};

use crate::config::TelemetryConfig;

/// What sends the spans, once there is one.
static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// The layer that takes spans to `endpoint`.
pub(super) fn layer<S>(
    config: &TelemetryConfig,
    endpoint: &str,
) -> Result<impl Layer<S> + use<S>, ExporterBuildError>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
{
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client::new())
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()?;
    // Who called decides whether a trace is kept; for what begins here the ratio does.
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sample_ratio)));
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(sampler)
        .with_resource(
            Resource::builder()
                .with_service_name(config.service_name.clone())
                .build(),
        )
        .build();
    let tracer = provider.tracer("canopy");
    let provider = PROVIDER.get_or_init(|| provider);
    tracing::debug!(?provider, "spans go to a collector");
    Ok(tracing_opentelemetry::layer().with_tracer(tracer))
}

/// Sends what was not sent yet. For the end of the process.
pub(crate) async fn finish() {
    if let Some(provider) = PROVIDER.get() {
        let sent = tokio::task::spawn_blocking(|| provider.shutdown()).await;
        if let Ok(Err(error)) = sent {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// Makes the trace that a request comes from the one of `span`.
pub(crate) fn continued(span: &Span, headers: &HeaderMap) {
    if PROVIDER.get().is_some() {
        let parent = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
        // It fails only where no layer takes the span, and then there is no trace.
        let _ = span.set_parent(parent);
    }
}

/// Writes the id of its trace into the span, so that log lines have it.
pub(crate) fn note_trace(span: &Span) {
    if PROVIDER.get().is_some() {
        let trace = span.context().span().span_context().trace_id();
        span.record("trace_id", trace.to_string());
    }
}

/// The headers that make a request of ours a part of the present trace.
pub(crate) fn onward() -> HeaderMap {
    let mut headers = HeaderMap::new();
    if PROVIDER.get().is_some() {
        let context = Span::current().context();
        TraceContextPropagator::new().inject_context(&context, &mut HeaderInjector(&mut headers));
    }
    headers
}

/// Sends spans with the client that all else uses. The exporter has a thread of its own, which cannot wait for sockets.
#[derive(Debug, Clone)]
struct Client {
    client: Option<reqwest::Client>,
    runtime: Handle,
}

impl Client {
    fn new() -> Self {
        Self {
            client: crate::tls::client_builder().build().ok(),
            runtime: Handle::current(),
        }
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone().ok_or("there is no HTTP client")?;
        let sent = self.runtime.spawn(async move {
            let mut response = client.execute(request.try_into()?).await?.error_for_status()?;
            let headers = std::mem::take(response.headers_mut());
            let mut answer = Response::builder()
                .status(response.status())
                .body(response.bytes().await?)?;
            *answer.headers_mut() = headers;
            Ok::<_, HttpError>(answer)
        });
        sent.await?
    }
}
