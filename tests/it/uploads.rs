//! Components as they are: in by PUT or as a file of a multipart request, bounded before they are read, and out again.

use canopy_domain::rules_host::{Manifest, with_manifest};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::app::rules::doubling;
use crate::app::served::{House, house};
use crate::app::within;

async fn sent(request: reqwest::RequestBuilder) -> (StatusCode, Vec<u8>) {
    let response = within("a response", request.send()).await.expect("an answer");
    let status = response.status();
    (status, response.bytes().await.expect("a body").to_vec())
}

async fn json_of(request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let (status, body) = sent(request).await;
    (status, serde_json::from_slice(&body).expect("JSON"))
}

impl House {
    fn put(&self, query: &[(&str, &str)], wasm: Vec<u8>) -> reqwest::RequestBuilder {
        let mut all = vec![
            ("accountId", self.main.id.as_str()),
            ("kind", "PRICING"),
            ("name", "put"),
        ];
        all.extend_from_slice(query);
        let query: Vec<String> = all
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let url = self.server.url(&format!("/rules?{}", query.join("&")));
        self.signed(self.client.put(url)).body(wasm)
    }

    fn signed(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        request.header("authorization", self.owner.authorization.as_deref().unwrap())
    }

    /// A multipart request with this file and this `map`.
    fn multipart(&self, map: &str, file: &[u8]) -> reqwest::RequestBuilder {
        let operations = json!({
            "query": "mutation ($input: UploadRuleInput!) { uploadRule(input: $input) {
              ruleVersion { id status sizeBytes } userErrors { code message } } }",
            "variables": {"input": {
                "accountId": self.main.id.as_str(), "kind": "PRICING", "name": "form", "source": {"file": null},
            }},
        });
        let mut body = Vec::new();
        for (name, extra, content) in [
            ("operations", "", operations.to_string().as_bytes()),
            ("map", "", map.as_bytes()),
            ("0", "; filename=\"rule.wasm\"", file),
        ] {
            let head = format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"{extra}\r\n\r\n");
            body.extend([head.as_bytes(), content, b"\r\n"].concat());
        }
        body.extend(b"--edge--\r\n");
        let request = self.client.post(self.server.url("/graphql"));
        self.signed(request)
            .header("content-type", "multipart/form-data; boundary=edge")
            .body(body)
    }
}

const MAP: &str = r#"{"0": ["variables.input.source.file"]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_component_goes_in_by_put_and_comes_out_as_it_was() {
    let house = house().await;
    let wasm = doubling("");
    let request = house.put(&[("configuration", "%7B%22a%22%3A1%7D")], wasm.clone());
    let (status, version) = json_of(request.header("idempotency-key", "one")).await;
    assert_eq!(status, StatusCode::CREATED, "{version:#}");
    assert_eq!(
        (&version["status"], &version["class"], &version["configuration"]),
        (&json!("CHECKED"), &json!("SMALL"), &json!({"a": 1}))
    );
    let request = house.put(&[("configuration", "%7B%22a%22%3A1%7D")], wasm.clone());
    let (status, again) = json_of(request.header("idempotency-key", "one")).await;
    assert_eq!((status, &again["id"]), (StatusCode::OK, &version["id"]));
    let (_, draft) = json_of(house.put(&[("check", "false")], wasm.clone())).await;
    assert_eq!(draft["status"], "DRAFT");

    let path = format!("/rules/{}.wasm", version["id"].as_str().unwrap());
    let (status, body) = sent(house.signed(house.client.get(house.server.url(&path)))).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body == wasm, "the bytes are those that were sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn put_and_get_refuse_with_their_codes() {
    let house = house().await;
    let other = house.app.main_account(None, "Other", "pln_itellico").await;
    let code = |answer: &Value| answer["errors"][0]["extensions"]["code"].clone();
    let (status, answer) = json_of(house.put(&[], b"no wasm".to_vec())).await;
    assert_eq!(
        (status, code(&answer)),
        (StatusCode::UNPROCESSABLE_ENTITY, json!("RULE_FAILED"))
    );
    let schema = json!({"properties": {"tiers": {"items": {"type": "string"}}}});
    let manifest = Manifest {
        configuration_schema: Some(schema),
        ..Manifest::default()
    };
    let configuration = [("configuration", "%7B%22tiers%22%3A%5B1%5D%7D")];
    let (status, answer) = json_of(house.put(&configuration, with_manifest(&doubling(""), &manifest))).await;
    assert_eq!(
        (status, &answer["errors"][0]["extensions"]),
        (
            StatusCode::BAD_REQUEST,
            &json!({"code": "BAD_USER_INPUT", "field": ["configuration", "tiers", "0"]})
        )
    );
    let largest = house.app.domain.largest_rule();
    let (status, _) = json_of(house.put(&[], vec![0; largest + 1])).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let (status, _) = json_of(house.put(&[("unknown", "1")], doubling(""))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let url = house.server.url("/rules?accountId=x&kind=PRICING&name=n");
    let (status, answer) = json_of(house.client.put(&url).body(doubling(""))).await;
    assert_eq!(
        (status, code(&answer)),
        (StatusCode::UNAUTHORIZED, json!("UNAUTHENTICATED"))
    );

    let foreign = house.app.unit_price(&other, "1").await;
    for file in [
        format!("{foreign}.wasm"),
        "rul_unknown.wasm".to_owned(),
        "nonsense".to_owned(),
    ] {
        let get = house.client.get(house.server.url(&format!("/rules/{file}")));
        let (status, answer) = json_of(house.signed(get)).await;
        assert_eq!(
            (status, answer["errors"][0]["message"].clone()),
            (StatusCode::NOT_FOUND, json!("There is no such rule version.")),
            "{file}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_goes_in_as_a_file_of_a_multipart_request() {
    let house = house().await;
    let wasm = doubling("");
    let (status, answer) = json_of(
        house
            .multipart(MAP, &wasm)
            .header("graphql-require-preflight", "1"),
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        answer["data"]["uploadRule"]["ruleVersion"]["status"], "CHECKED",
        "{answer:#}"
    );
    assert_eq!(
        answer["data"]["uploadRule"]["ruleVersion"]["sizeBytes"],
        wasm.len()
    );

    // Another site's form cannot send the header.
    let (status, _) = json_of(house.multipart(MAP, &wasm)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let largest = house.app.domain.largest_rule();
    for (map, file, expected) in [
        (MAP, vec![0; largest + 1], StatusCode::PAYLOAD_TOO_LARGE),
        (
            r#"{"1": ["variables.input.source.file"]}"#,
            wasm.clone(),
            StatusCode::BAD_REQUEST,
        ),
        (r#"{"0": ["query"]}"#, wasm.clone(), StatusCode::BAD_REQUEST),
        ("[", wasm, StatusCode::BAD_REQUEST),
    ] {
        let request = house
            .multipart(map, &file)
            .header("apollo-require-preflight", "1");
        assert_eq!(json_of(request).await.0, expected, "{map}");
    }
    // A reference to a file that did not come is the client's mistake.
    let document =
        "mutation ($input: UploadRuleInput!) { uploadRule(input: $input) { userErrors { code } } }";
    let input = json!({
        "accountId": house.main.id.as_str(), "kind": "PRICING", "name": "n", "source": {"file": "upload:0"},
    });
    let answer = house
        .app
        .run(&house.owner, document, json!({"input": input}))
        .await;
    assert!(answer.0.to_string().contains("BAD_USER_INPUT"), "{:#}", answer.0);
}
