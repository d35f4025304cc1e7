//! A client of a running server: its GraphQL endpoint, and the files beside it.

use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use crate::{
    cli::{Refused, arguments::ServerOptions},
    tls,
};

/// Longer than the server compiles a rule.
const TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// Selected of each payload.
const ERRORS: &str = "userErrors { field message code }";
/// What is told of a version.
const FIELDS: &str = "fragment F on RuleVersion { id kind name version digest sizeBytes class status failurePolicy \
    activeSince createdAt }";

/// A client of one server.
pub(super) struct Client {
    http: reqwest::Client,
    server: ServerOptions,
}

impl Client {
    pub(super) fn new(server: ServerOptions) -> anyhow::Result<Self> {
        if server.token.is_none() {
            return Err(Refused("A token is needed: set CANOPY_TOKEN or give --token.".to_owned()).into());
        }
        let http = tls::client_builder().timeout(TIMEOUT).build()?;
        Ok(Self { http, server })
    }

    /// Sends a mutation whose payload has a `ruleVersion`, and answers that.
    pub(super) async fn mutate(&self, field: &str, input_type: &str, input: Value) -> anyhow::Result<Value> {
        let document = format!(
            "mutation M($input: {input_type}!) {{ {field}(input: $input) {{ ruleVersion {{ ...F }} {ERRORS} }} }} {FIELDS}"
        );
        let mut payload = self.payload(&document, field, input).await?;
        Ok(payload["ruleVersion"].take())
    }

    /// Sends a mutation with one field, and answers its payload if there is nothing wrong in it.
    pub(super) async fn payload(&self, document: &str, field: &str, input: Value) -> anyhow::Result<Value> {
        let mut data = self.query(document, json!({ "input": input })).await?;
        let payload = data[field].take();
        refuse_if_any(&payload["userErrors"])?;
        Ok(payload)
    }

    /// A version by its id.
    pub(super) async fn version(&self, id: &str) -> anyhow::Result<Value> {
        let document = format!("query V($id: ID!) {{ node(id: $id) {{ ...F }} }} {FIELDS}");
        let mut data = self.query(&document, json!({ "id": id })).await?;
        match data["node"].take() {
            Value::Null => Err(Refused("There is no such rule version.".to_owned()).into()),
            version => Ok(version),
        }
    }

    /// The versions of an account, newest first.
    pub(super) async fn versions(&self, account: &str) -> anyhow::Result<Vec<Value>> {
        let document = format!(
            "query Rules($id: ID!, $before: String) {{ account(id: $id) {{ ruleVersions(last: 100, before: $before) {{ nodes {{ ...F }} pageInfo {{ hasPreviousPage startCursor }} }} }} }} {FIELDS}"
        );
        let (mut rules, mut before) = (Vec::new(), Value::Null);
        loop {
            let data = self
                .query(&document, json!({ "id": account, "before": before }))
                .await?;
            let page = &data["account"]["ruleVersions"];
            if page.is_null() {
                return Err(Refused("The rules of this account are not yours to see.".to_owned()).into());
            }
            rules.extend(page["nodes"].as_array().into_iter().flatten().rev().cloned());
            if page["pageInfo"]["hasPreviousPage"] != json!(true) {
                return Ok(rules);
            }
            before = page["pageInfo"]["startCursor"].clone();
        }
    }

    /// Sends a document and answers its data if there is nothing wrong in it.
    pub(super) async fn query(&self, document: &str, variables: Value) -> anyhow::Result<Value> {
        let request = self
            .http
            .post(&self.server.url)
            .header(
                "accept",
                "application/graphql-response+json, application/json;q=0.9",
            )
            .json(&json!({ "query": document, "variables": variables }));
        let mut body = self.json(request).await?;
        Ok(body["data"].take())
    }

    /// Sends bytes to a path of the server and answers its JSON.
    pub(super) async fn put(
        &self,
        path: &str,
        query: &[(&str, &str)],
        body: Vec<u8>,
    ) -> anyhow::Result<Value> {
        let mut url = self.url_of(path)?;
        url.query_pairs_mut().extend_pairs(query);
        let request = self
            .http
            .put(url)
            .header("content-type", "application/wasm")
            .body(body);
        self.json(request).await
    }

    /// Fetches the bytes at a path of the server.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        let url = self.url_of(path)?;
        let response = self.send(self.http.get(url.clone())).await?;
        let status = response.status();
        let body = response
            .bytes()
            .await
            .with_context(|| format!("{url} broke off"))?;
        if status.is_success() {
            return Ok(body.to_vec());
        }
        let told: Value = serde_json::from_slice(&body).unwrap_or_default();
        refuse_if_any(&told["errors"])?;
        anyhow::bail!("{url} answered {status}")
    }

    /// The GraphQL endpoint's address with another path.
    fn url_of(&self, path: &str) -> anyhow::Result<reqwest::Url> {
        let base = self.server.url.trim_end_matches("graphql").trim_end_matches('/');
        format!("{base}{path}")
            .parse()
            .with_context(|| format!("{} is not an address", self.server.url))
    }

    async fn json(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let response = self.send(request).await?;
        let (status, url) = (response.status(), response.url().clone());
        let body: Value = response
            .json()
            .await
            .with_context(|| format!("{url} answered {status} and no JSON"))?;
        refuse_if_any(&body["errors"])?;
        anyhow::ensure!(status.is_success(), "{url} answered {status}");
        Ok(body)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<reqwest::Response> {
        request
            .bearer_auth(self.server.token.as_deref().unwrap_or_default())
            .send()
            .await
            .with_context(|| format!("cannot reach {}", self.server.url))
    }
}

/// Errors of either kind, from GraphQL or from a payload.
fn refuse_if_any(errors: &Value) -> anyhow::Result<()> {
    let refusals: Vec<String> = errors.as_array().into_iter().flatten().map(refusal).collect();
    if refusals.is_empty() {
        return Ok(());
    }
    Err(Refused(refusals.join("\n")).into())
}

fn refusal(error: &Value) -> String {
    let code = error["code"]
        .as_str()
        .or_else(|| error["extensions"]["code"].as_str())
        .unwrap_or("ERROR");
    format!("{} ({code})", text(&error["message"]))
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
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

    #[test]
    fn files_lie_beside_the_endpoint() {
        let client = |url: &str| {
            Client::new(ServerOptions {
                url: url.to_owned(),
                token: Some("t".to_owned()),
            })
            .expect("a client")
        };
        for (url, expected) in [
            ("http://a:1/graphql", "http://a:1/rules/r.wasm"),
            ("https://a/sub/graphql", "https://a/sub/rules/r.wasm"),
            ("https://a/", "https://a/rules/r.wasm"),
        ] {
            assert_eq!(
                client(url).url_of("/rules/r.wasm").expect("an address").as_str(),
                expected
            );
        }
    }
}
