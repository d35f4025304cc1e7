//! The front door: which documents are let in, what they may cost, and how the answer travels.

mod batches;
mod cost;
mod hostile;
mod introspection;
mod persisted;
mod registered;
mod repeated;
mod travel;

use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

use crate::app::within;

/// What came back over HTTP.
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn code(&self) -> &str {
        self.body["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or("none")
    }
}

async fn reply(request: RequestBuilder) -> Reply {
    let response = within("a response", request.send())
        .await
        .expect("the server answers");
    let (status, headers) = (response.status(), response.headers().clone());
    let text = within("a body", response.text()).await.expect("a body");
    Reply {
        status,
        headers,
        body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
    }
}
