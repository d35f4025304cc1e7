//! What a collector is told: the spans of a request, in the trace of whoever called, and nothing personal.

use axum::{Router, body::Bytes, extract::State, routing::post};
use canopy_domain::entity::Role;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::app::App;
use crate::app::process::Process;
use crate::app::within;
use crate::operations::hierarchy;

/// A trace of the caller, which it keeps.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A collector, with what arrives at it.
async fn collector() -> (String, mpsc::UnboundedReceiver<Vec<Span>>) {
    let (sender, arrived) = mpsc::unbounded_channel();
    let take = |State(sender): State<mpsc::UnboundedSender<Vec<Span>>>, body: Bytes| async move {
        let request = ExportTraceServiceRequest::decode(body).expect("OTLP");
        let scopes = request.resource_spans.into_iter().flat_map(|own| own.scope_spans);
        let _ = sender.send(scopes.flat_map(|own| own.spans).collect());
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().route("/v1/traces", post(take)).with_state(sender);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (url, arrived)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_a_span_in_the_trace_of_its_caller_with_reads_statements_and_rules_below() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let owner = app.member(&main, Role::Owner).await;
    let (url, mut arrived) = collector().await;
    let environment = [
        ("CANOPY__TELEMETRY__OTLP_ENDPOINT", url.as_str()),
        ("CANOPY__TELEMETRY__SLOW_OPERATION", "0ms"),
    ];
    let process = Process::serve_with(&app.database, &environment).await;
    let client = canopy::tls::client_builder().build().unwrap();
    let body = json!({"query": hierarchy(5), "variables": {"id": main.id.as_str()}});
    let request = client
        .post(&process.url)
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
        .bearer_auth(owner.secret())
        .json(&body);
    let response = within("an answer", request.send()).await.unwrap();
    assert!(response.status().is_success());
    let (_, log) = process.terminate().await;

    let mut spans = Vec::new();
    while let Ok(some) = arrived.try_recv() {
        spans.extend(some);
    }
    let of_trace: Vec<&Span> = spans.iter().filter(|span| hex(&span.trace_id) == TRACE).collect();
    let called = |name: &str| of_trace.iter().filter(|span| span.name.starts_with(name)).count();
    let request = of_trace
        .iter()
        .find(|span| span.name == "POST /graphql")
        .expect("the request");
    assert_eq!(hex(&request.parent_span_id), PARENT);
    for (key, value) in [
        ("http.route", "/graphql"),
        ("http.request.method", "POST"),
        ("graphql.operation.type", "query"),
        ("graphql.operation.name", "Hierarchy"),
    ] {
        let found = request.attributes.iter().find(|own| own.key == key);
        let found = format!("{:?}", found.and_then(|own| own.value.clone()));
        assert!(found.contains(&format!("{value:?}")), "{key}: {found}");
    }
    assert!(called("read ") > 3, "{} groups of reads", called("read "));
    assert!(called("sea_orm.") > 10, "{} statements", called("sea_orm."));
    assert!(called("call of a LIMITS rule") + called("call of a limits rule") > 0);

    // Neither spans nor log lines tell who asked or with what.
    let told = format!("{spans:?}\n{}", log.join("\n"));
    for secret in [owner.secret(), "@", "Main"] {
        assert!(!told.contains(secret), "{secret} was told");
    }
    let slow = log
        .iter()
        .find(|line| line.contains("a slow operation"))
        .expect("a line of the slow log");
    assert!(
        slow.contains("\"document\":\"") && slow.contains("Hierarchy"),
        "{slow}"
    );
    assert!(
        log.iter().any(|line| line.contains(TRACE)),
        "the access log names the trace"
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
