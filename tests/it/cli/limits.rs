//! Limits explained again on the asker's own machine.

use canopy_domain::entity::rule_version::RuleKind;
use canopy_domain::rules::RuleSource;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Shop, rules, shop};
use crate::app::rules::unlimited;

impl Shop {
    async fn live_limits(&self) {
        let configuration = json!({
            "max_depth": null, "caps": {"subaccounts": 4}, "key_policy": "OWN", "member_policy": "OWN",
            "shared_resources": [], "starter_credits": 0, "credit_value": 0, "credit_modes": ["MANUAL"],
            "allow_below_cost": false,
        });
        let source = RuleSource::Builtin("limits-by-plan".to_owned());
        let app = &self.house.app;
        app.live_rule(&self.house.main, RuleKind::Limits, source, configuration, None)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rule_behind_a_limit_is_run_again_here() {
    let shop = shop().await;
    shop.live_limits().await;
    let (main, client) = (&shop.house.main.id, &shop.client.id);
    let replay = format!("replay --account {client} --limit subaccounts");
    let told = shop.rules(&replay).await.json();
    assert_eq!(told["equal"], true);
    let steps: Vec<Value> = told["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| {
            json!([
                step["limit"],
                step["source"],
                step["account"],
                step["decides"],
                step["replay"]
            ])
        })
        .collect();
    let expected = json!([
        ["subaccounts", "PLAN_RULE", main.as_str(), false, "EQUAL"],
        ["subaccounts", "LIVE_RULE", main.as_str(), true, "EQUAL"],
        ["subaccounts", "PLAN_RULE", client.as_str(), false, "EQUAL"],
    ]);
    assert_eq!(json!(steps), expected);
    assert_eq!(told["steps"][1]["max"], 4);

    let words = shop.rules(&format!("{replay} --text")).await;
    let line = format!("subaccounts  {main}  prices  4  decides  EQUAL");
    assert!(words.words().lines().any(|told| told == line), "{words:?}");

    let all = shop.rules(&format!("replay --account {client}")).await.json();
    let all = all["steps"].as_array().unwrap();
    assert!(all.len() > 2 * expected.as_array().unwrap().len(), "{all:#?}");
    assert!(all.iter().all(|step| step["replay"] == "EQUAL"), "{all:#?}");

    let none = shop
        .rules(&format!("replay --account {client} --limit spoons"))
        .await;
    assert!(none.failed(4).contains("`spoons`"), "{none:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limits_rule_of_ones_own_is_run_again_too() {
    let shop = shop().await;
    shop.file("rule.wasm", &unlimited(""));
    let main = &shop.house.main.id;
    let upload = format!("upload --account {main} --kind limits --name mine --wasm rule.wasm --activate");
    let mine = shop.rules(&upload).await.json();
    assert_eq!(
        (&mine["kind"], &mine["status"]),
        (&json!("LIMITS"), &json!("ACTIVE"))
    );
    let told = shop
        .rules(&format!("replay --account {main} --limit members"))
        .await
        .json();
    let step = told["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["rule"] == "mine");
    assert_eq!(step.expect("its step")["replay"], "EQUAL");
}

/// Hands requests on to a server, and answers with one word in the place of another.
async fn liar(server: String, truth: &'static str, lie: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = async move |mut asker: TcpStream| -> std::io::Result<()> {
        let mut upstream = TcpStream::connect(&server).await?;
        let mut request = vec![0; 1 << 16];
        let length = asker.read(&mut request).await?;
        let request =
            String::from_utf8_lossy(&request[..length]).replacen("\r\n", "\r\nconnection: close\r\n", 1);
        upstream.write_all(request.as_bytes()).await?;
        let mut body = Vec::new();
        upstream.read_to_end(&mut body).await?;
        let text = String::from_utf8_lossy(&body);
        let body = if text.contains(truth) {
            text.replace(truth, lie).into_bytes()
        } else {
            body
        };
        asker.write_all(&body).await
    };
    tokio::spawn(async move {
        while let Ok((asker, _)) = listener.accept().await {
            answer(asker).await.unwrap();
        }
    });
    format!("http://{address}/graphql")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_not_what_its_rule_says_is_found_out() {
    let shop = shop().await;
    shop.live_limits().await;
    let server = shop.house.server.base.trim_start_matches("http://").to_owned();
    let replay = format!("replay --account {} --limit subaccounts", shop.client.id);
    for (truth, lie, told) in [
        (
            r#""max":4,"#,
            r#""max":5,"#,
            "max: the server says 5, here it is 4",
        ),
        (r#"\"max\":4,"#, r#"\"max\":5,"#, "answer: the server says {"),
    ] {
        let url = liar(server.clone(), truth, lie).await;
        let env = [
            ("CANOPY_URL", url.as_str()),
            ("CANOPY_TOKEN", shop.house.owner.secret()),
        ];
        let ran = rules(shop.home.path(), &env, &replay, &[]).await;
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let json: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(json["equal"], false);
        let steps = json["steps"].as_array().unwrap();
        let different = steps.iter().filter(|step| step["replay"] == "DIFFERENT");
        let said: Vec<&Value> = different
            .flat_map(|step| step["differences"].as_array().unwrap())
            .collect();
        assert!(!said.is_empty(), "{truth}: {ran:?}");
        let said = |told: &str| said.iter().any(|said| said.as_str().unwrap().starts_with(told));
        assert!(said(told), "{truth}: {ran:?}");
    }
}
