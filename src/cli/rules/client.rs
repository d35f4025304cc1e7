//! A client of a running server's GraphQL endpoint.

use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use crate::cli::{Refused, arguments::ServerOptions};

/// Longer than a compilation may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Selected of each payload.
pub(super) const ERRORS: &str = "userErrors { field message code }";

/// A client of one GraphQL endpoint.
pub(super) struct Client {
    http: reqwest::Client,
    server: ServerOptions,
}

impl Client {
    pub(super) fn new(server: ServerOptions) -> anyhow::Result<Self> {
        if server.token.is_none() {
            return Err(Refused("A token is needed: set CANOPY_TOKEN or give --token.".to_owned()).into());
        }
        Ok(Self {
            http: reqwest::Client::builder().timeout(TIMEOUT).build()?,
            server,
        })
    }

    /// Sends a mutation and answers its rule version.
    pub(super) async fn mutate(&self, document: &str, field: &str, input: Value) -> anyhow::Result<Value> {
        let mut data = self.send(document, json!({ "input": input })).await?;
        let payload = &mut data[field];
        let refusals: Vec<String> = payload["userErrors"]
            .as_array()
            .into_iter()
            .flatten()
            .map(refusal)
            .collect();
        if !refusals.is_empty() {
            return Err(Refused(refusals.join("\n")).into());
        }
        Ok(payload["ruleVersion"].take())
    }

    pub(super) async fn send(&self, document: &str, variables: Value) -> anyhow::Result<Value> {
        let url = &self.server.url;
        let response = self
            .http
            .post(url)
            .bearer_auth(self.server.token.as_deref().unwrap_or_default())
            .header(
                "accept",
                "application/graphql-response+json, application/json;q=0.9",
            )
            .json(&json!({ "query": document, "variables": variables }))
            .send()
            .await
            .with_context(|| format!("cannot reach {url}"))?;
        let status = response.status();
        let mut body: Value = response
            .json()
            .await
            .with_context(|| format!("{url} answered {status} and no GraphQL response"))?;
        let errors: Vec<String> = body["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .map(refusal)
            .collect();
        if !errors.is_empty() {
            return Err(Refused(errors.join("\n")).into());
        }
        Ok(body["data"].take())
    }
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn refusal(error: &Value) -> String {
    let code = error["code"]
        .as_str()
        .or_else(|| error["extensions"]["code"].as_str())
        .unwrap_or("ERROR");
    format!("{} ({code})", text(&error["message"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_both_kinds_show_their_code() {
        assert_eq!(
            refusal(&json!({ "message": "m", "code": "CONFLICT" })),
            "m (CONFLICT)"
        );
        assert_eq!(
            refusal(&json!({ "message": "m", "extensions": { "code": "NOT_FOUND" } })),
            "m (NOT_FOUND)"
        );
    }
}
