//! Traces, as a collector receives them (OTLP over HTTP, protobuf).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::engines::on_each_engine;
use crate::fleet::{Fleet, call, until};
use crate::receiver::Receiver;

/// A collector that keeps what it is sent.
pub(crate) async fn collector() -> (String, Arc<Mutex<Vec<Span>>>) {
    let received = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&received);
    let take = async move |body: Bytes| {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        kept.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/v1/traces", post(take))).await });
    (url, received)
}

fn attribute(span: &Span, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

/// The spans about a recording, by name.
pub(crate) fn of_recording(received: &Mutex<Vec<Span>>, sid: &str) -> BTreeMap<String, Span> {
    let spans = received.lock().unwrap();
    let ours = spans.iter().filter(|span| attribute(span, "recording.sid").as_deref() == Some(sid));
    ours.map(|span| (span.name.clone(), span.clone())).collect()
}

async fn callback_archive_transcription_and_delivery_of_a_call_are_one_trace(mut fleet: Fleet) {
    let (endpoint, received) = collector().await;
    fleet.set("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    fleet.set("OTEL_BSP_SCHEDULE_DELAY", "100");
    // What is logged is one thing, what is traced another.
    fleet.set("LOG_LEVEL", "error");
    let _receiver = Receiver::start(&mut fleet, &["200"]).await;
    // Without the sweeps, whose job for the same recording would be a trace of its own.
    let _parts = (fleet.start(&["ingest"]), fleet.start(&["worker"]));
    fleet.ready().await;
    let placed = fleet.twilio.place_call(call(0)).await;
    let of_the_call = || of_recording(&received, placed.recording_sid.as_str());
    until("the call's spans are exported", async || {
        ["callback", "archive", "transcribe", "deliver"].iter().all(|name| of_the_call().contains_key(*name))
    })
    .await;
    let spans = of_the_call();
    let (callback, archive) = (&spans["callback"], &spans["archive"]);
    let (transcribe, deliver) = (&spans["transcribe"], &spans["deliver"]);
    assert_eq!((&archive.trace_id, &archive.parent_span_id), (&callback.trace_id, &callback.span_id));
    assert_eq!((&transcribe.trace_id, &transcribe.parent_span_id), (&callback.trace_id, &archive.span_id));
    assert_eq!((&deliver.trace_id, &deliver.parent_span_id), (&callback.trace_id, &transcribe.span_id));
    for span in spans.values() {
        assert_eq!(attribute(span, "call.sid"), placed.call_sid.as_ref().map(ToString::to_string), "{}", span.name);
    }
}

on_each_engine!(callback_archive_transcription_and_delivery_of_a_call_are_one_trace,);
