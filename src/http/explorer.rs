//! `/graphiql`: GraphiQL from files on this machine, or Canopy's own small explorer. Nothing comes from a CDN.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};

use super::Gateway;

/// The files that GraphiQL needs, with their media types. No other file of the directory is served.
const FILES: [(&str, &str); 4] = [
    ("graphiql.min.js", "text/javascript; charset=utf-8"),
    ("graphiql.min.css", "text/css; charset=utf-8"),
    ("react.production.min.js", "text/javascript; charset=utf-8"),
    ("react-dom.production.min.js", "text/javascript; charset=utf-8"),
];
/// Our own files, built into the binary.
const OWN: [(&str, &str, &str); 4] = [
    (
        "client.js",
        "text/javascript; charset=utf-8",
        include_str!("explorer/client.js"),
    ),
    (
        "explorer.js",
        "text/javascript; charset=utf-8",
        include_str!("explorer/explorer.js"),
    ),
    (
        "explorer.css",
        "text/css; charset=utf-8",
        include_str!("explorer/explorer.css"),
    ),
    (
        "start.js",
        "text/javascript; charset=utf-8",
        include_str!("explorer/graphiql.js"),
    ),
];
const EXPLORER: &str = include_str!("explorer/explorer.html");
const GRAPHIQL: &str = include_str!("explorer/graphiql.html");
/// Everything from this server; GraphiQL's editor needs inline styles and data images.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' \
                      data:; worker-src 'self' blob:; connect-src 'self' ws: wss:; frame-ancestors 'none'";

/// `GET /`: the explorer is the home page.
pub(super) async fn home() -> Redirect {
    Redirect::to("/graphiql")
}

/// `GET /graphiql`.
pub(super) async fn page(State(gateway): State<Arc<Gateway>>) -> Response {
    let directory = &gateway.config.http.graphiql_dir;
    let complete = FILES.iter().all(|(name, _)| directory.join(name).is_file());
    let html = if complete { GRAPHIQL } else { EXPLORER };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-cache"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, html).into_response()
}

/// `GET /graphiql/{file}`: one of the known files.
pub(super) async fn file(State(gateway): State<Arc<Gateway>>, Path(name): Path<String>) -> Response {
    let cached = (header::CACHE_CONTROL, "no-cache");
    if let Some((_, kind, text)) = OWN.iter().find(|(own, ..)| *own == name) {
        return ([(header::CONTENT_TYPE, *kind), cached], *text).into_response();
    }
    let Some((known, kind)) = FILES.iter().find(|(known, _)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match tokio::fs::read(gateway.config.http.graphiql_dir.join(known)).await {
        Ok(bytes) => ([(header::CONTENT_TYPE, *kind), cached], bytes).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}
