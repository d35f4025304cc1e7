//! A client of a running server: its GraphQL endpoint, and the files beside it.

use std::{fs, io, time::Duration};

use anyhow::{Context, bail};
use reqwest::{StatusCode, Url};
use serde_json::{Value, json};

use crate::{
    cli::{Refused, Unavailable, arguments::ServerOptions},
    tls,
};

/// Longer than the server compiles a rule.
const TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// Longer than anybody waits for a file that still comes.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Selected of each payload.
const ERRORS: &str = "userErrors { field message code }";
/// What is told of a version.
pub(super) const FIELDS: &str = "fragment F on RuleVersion { id kind name version digest sizeBytes class status \
    failurePolicy activeSince createdAt }";
/// What is not the asker's fault, and may be otherwise in a moment.
const PASSING: [&str; 2] = ["INTERNAL", "RATE_LIMITED"];

/// What is asked besides of a version that is not one of a list.
pub(super) const CHECKED: &str =
    "checkReport { checks { name calls answered } fuelMax medianMicros checkedAt }";

/// A client of one server.
pub(in crate::cli) struct Client {
    http: reqwest::Client,
    url: Url,
    token: String,
}

impl Client {
    pub(in crate::cli) fn new(server: ServerOptions) -> anyhow::Result<Self> {
        let Some(token) = server.token else {
            bail!(Refused(
                "A token is needed: set CANOPY_TOKEN or give --token.".to_owned()
            ));
        };
        let mut builder = tls::client_builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT);
        if let Some(file) = server.ca {
            let name = file.display();
            let pem = fs::read(&file).with_context(|| format!("cannot read {name}"))?;
            builder =
                tls::trusting(builder, &pem).with_context(|| format!("{name} has no certificate as PEM"))?;
        }
        let http = builder.build()?;
        let url = server.url;
        Ok(Self { http, url, token })
    }

    /// Sends a mutation whose payload has a `ruleVersion`, and answers that.
    pub(super) async fn mutate(&self, field: &str, input: Value) -> anyhow::Result<Value> {
        let first = field[..1].to_uppercase();
        let input_type = format!("{first}{}Input", &field[1..]);
        let document = format!(
            "mutation M($input: {input_type}!) {{ {field}(input: $input) {{ ruleVersion {{ ...F {CHECKED} }} {ERRORS} }} }} {FIELDS}"
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
        let document = format!(
            "query V($id: ID!) {{ node(id: $id) {{ ...F ... on RuleVersion {{ {CHECKED} }} }} }} {FIELDS}"
        );
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
            .post(self.url.clone())
            .header(
                "accept",
                "application/graphql-response+json, application/json;q=0.9",
            )
            .json(&json!({ "query": document, "variables": variables }));
        match self.json(request).await?["data"].take() {
            data @ Value::Object(_) => Ok(data),
            _ => bail!(self.strange(StatusCode::OK)),
        }
    }

    /// Sends bytes to a path of the server and answers its JSON.
    pub(super) async fn put(
        &self,
        path: &str,
        query: &[(&str, &str)],
        body: Vec<u8>,
    ) -> anyhow::Result<Value> {
        let mut url = self.beside(path);
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
        let (status, body) = self.send(self.http.get(self.beside(path))).await?;
        if status.is_success() {
            return Ok(body);
        }
        self.read(status, &body)?;
        bail!(self.strange(status))
    }

    /// Fetches the bytes at a path of the server and hands over each part as it comes. What breaks off is an error.
    pub(in crate::cli) async fn download(
        &self,
        path: &str,
        query: &[(&str, &str)],
        mut part: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        let mut url = self.beside(path);
        url.query_pairs_mut().extend_pairs(query);
        let request = self.http.get(url).timeout(DOWNLOAD_TIMEOUT);
        let unreachable = |error| self.unreachable(&error);
        let mut response = request
            .bearer_auth(&self.token)
            .send()
            .await
            .map_err(unreachable)?;
        let status = response.status();
        if !status.is_success() {
            let body = response.bytes().await.map_err(unreachable)?;
            self.read(status, &body)?;
            bail!(self.strange(status));
        }
        while let Some(bytes) = response.chunk().await.map_err(unreachable)? {
            part(&bytes)?;
        }
        Ok(())
    }

    /// The address of a path beside the GraphQL endpoint.
    fn beside(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        let endpoint = url.path().trim_end_matches('/');
        let folder = endpoint.trim_end_matches("graphql").trim_end_matches('/');
        url.set_path(&format!("{folder}{path}"));
        url
    }

    async fn json(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let (status, body) = self.send(request).await?;
        let body = self.read(status, &body)?;
        if !status.is_success() {
            bail!(self.strange(status));
        }
        Ok(body)
    }

    /// JSON without errors in it.
    fn read(&self, status: StatusCode, body: &[u8]) -> anyhow::Result<Value> {
        let body: Value = serde_json::from_slice(body).map_err(|_| self.strange(status))?;
        refuse_if_any(&body["errors"])?;
        Ok(body)
    }

    /// Sends a request and answers all that comes back.
    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<(StatusCode, Vec<u8>)> {
        let answer = async {
            let response = request.bearer_auth(&self.token).send().await?;
            let status = response.status();
            Ok((status, response.bytes().await?.to_vec()))
        };
        answer.await.map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &reqwest::Error) -> anyhow::Error {
        let url = &self.url;
        if let Some(why) = tls::distrust(error) {
            return Refused(format!(
                "The certificate of {url} is not trusted ({why}). If an authority of your own signed it, name the \
                 authority's certificate by --ca FILE, CANOPY_CA or SSL_CERT_FILE."
            ))
            .into();
        }
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        Unavailable(format!("cannot reach {url}: {cause}")).into()
    }

    /// What answers is there, and does not speak as Canopy does.
    fn strange(&self, status: StatusCode) -> Unavailable {
        let url = &self.url;
        Unavailable(format!(
            "{url} answered {status} and not what Canopy answers: is that Canopy's address?"
        ))
    }
}

/// Errors of either kind, from GraphQL or from a payload.
fn refuse_if_any(errors: &Value) -> anyhow::Result<()> {
    let errors = errors.as_array().map(Vec::as_slice).unwrap_or_default();
    if errors.is_empty() {
        return Ok(());
    }
    let told = errors.iter().map(refusal).collect::<Vec<_>>().join("\n");
    match errors.iter().all(|error| PASSING.contains(&code(error))) {
        true => bail!(Unavailable(told)),
        false => bail!(Refused(told)),
    }
}

fn code(error: &Value) -> &str {
    let of_graphql = || error["extensions"]["code"].as_str();
    error["code"].as_str().or_else(of_graphql).unwrap_or("ERROR")
}

fn refusal(error: &Value) -> String {
    format!("{} ({})", text(&error["message"]), code(error))
}

/// A word of the command line as GraphQL writes it.
pub(super) fn constant(word: &str) -> String {
    word.to_uppercase().replace('-', "_")
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
                url: url.parse().expect("an address"),
                token: Some("t".to_owned()),
                ca: None,
            })
            .expect("a client")
        };
        for (url, expected) in [
            ("http://a:1/graphql", "http://a:1/rules/r.wasm"),
            ("https://a/sub/graphql", "https://a/sub/rules/r.wasm"),
            ("https://a/sub/graphql/", "https://a/sub/rules/r.wasm"),
            ("https://a/", "https://a/rules/r.wasm"),
        ] {
            assert_eq!(client(url).beside("/rules/r.wasm").as_str(), expected);
        }
    }
}
