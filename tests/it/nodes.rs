//! Several nodes on one PostgreSQL: one of them gives positions, each tells its own streams, and NATS makes it quick.
//!
//! Without PostgreSQL there is nothing to test. Tests of NATS need CANOPY_TEST_NATS_URL; `cargo xtask test --only nodes`
//! sets it. Their nodes look at the database once a minute, so that whatever comes sooner came by NATS.

use std::time::{Duration, Instant};

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use canopy_domain::entity::rule_version::RuleKind;
use canopy_domain::rules::RuleSource;
use serde_json::{Value, json};

use crate::app::database::on_postgres;
use crate::app::process::{Process, post};
use crate::app::socket::Socket;
use crate::app::{App, Caller, until, within};
use crate::operations::{USAGE_UPDATES, event};

/// The cursor before all updates.
const BEGINNING: &str = "djE6MA";

/// How often a node that hears by NATS looks at the database in these tests.
const POLLED: Duration = Duration::from_secs(60);

const RECORD: &str = "mutation ($input: RecordUsageInput!) {
  recordUsage(input: $input) { results { status } userErrors { code message } }
}";

/// A tree, and two nodes in front of it.
struct Nodes {
    app: App,
    main: Account,
    client: Account,
    owner: Caller,
    nodes: [Process; 2],
    environment: Vec<(String, String)>,
}

/// What the nodes of a test are configured with beside the database.
fn polling() -> Vec<(String, String)> {
    environment(&[("WORKERS__OUTBOX_INTERVAL", "50ms"), ("WORKERS__LEASE", "1s")])
}

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let named = pairs
        .iter()
        .map(|(key, value)| (format!("CANOPY__{key}"), (*value).to_owned()));
    named.collect()
}

/// By NATS alone, with a stream of its own; none where there is no NATS.
fn by_nats() -> Option<Vec<(String, String)>> {
    let url = std::env::var("CANOPY_TEST_NATS_URL").ok()?;
    let stream = format!("test{:016x}", rand::random::<u64>());
    Some(environment(&[
        ("NATS__URL", &url),
        ("NATS__STREAM", &stream),
        ("NATS__POLL_INTERVAL", "1m"),
        ("WORKERS__OUTBOX_INTERVAL", "1m"),
        ("AUTH__REMEMBER", "1h"),
    ]))
}

impl Nodes {
    async fn start(environment: Vec<(String, String)>) -> Self {
        let nodes = Self::start_without_nats(environment).await;
        if nodes
            .environment
            .iter()
            .any(|(key, _)| key.ends_with("NATS__URL"))
        {
            for node in &nodes.nodes {
                until("the node to hear by NATS", || async {
                    (readiness(node).await["nats"] == "following").then_some(())
                })
                .await;
            }
        }
        nodes
    }

    /// The same, whether NATS is there or not.
    async fn start_without_nats(environment: Vec<(String, String)>) -> Self {
        let app = App::start().await;
        let main = app.main_account(None, "Main", "pln_connector").await;
        let client = app.subaccount(&main, "Client").await;
        app.unit_price(&main, "0.01").await;
        app.fund(&main, "1000").await;
        let owner = app.member(&main, Role::Owner).await;
        let first = serve(&app, &environment).await;
        // The first that starts leads.
        leads(&first).await;
        let second = serve(&app, &environment).await;
        Self {
            app,
            main,
            client,
            owner,
            nodes: [first, second],
            environment,
        }
    }

    async fn record(&self, node: usize, key: &str) {
        let input = json!({"accountId": self.client.id.as_str(), "events": [event(key)]});
        let answer = post(
            &self.nodes[node].url,
            &self.owner,
            RECORD,
            json!({"input": input}),
        )
        .await;
        let answer = answer.expect("the node answers");
        assert_eq!(answer.success()["results"][0]["status"], "ACCEPTED");
    }

    /// A stream of all usage below an account at a node, which has told one event.
    async fn watch(&self, node: usize, caller: &Caller, account: &Account) -> Socket {
        let mut socket = Socket::open(
            base(&self.nodes[node]),
            json!({"authorization": caller.authorization}),
        )
        .await;
        socket.acknowledged().await;
        let variables = json!({"account": account.id.as_str(), "below": true, "after": BEGINNING});
        socket
            .subscribe("1", json!({"query": USAGE_UPDATES, "variables": variables}))
            .await;
        keys(&mut socket, 1).await;
        socket
    }

    /// How many subaccounts the main account may have, as a node says.
    async fn most(&self, node: usize) -> Value {
        let document =
            "query ($id: ID!) { account(id: $id) { limits { resource(name: \"subaccounts\") { max } } } }";
        let answer = post(
            &self.nodes[node].url,
            &self.owner,
            document,
            json!({"id": self.main.id.as_str()}),
        )
        .await;
        answer
            .expect("the node answers")
            .at("/account/limits/resource/max")
            .clone()
    }

    /// Runs a mutation at a node, which must succeed.
    async fn change(&self, node: usize, document: &str, input: Value) {
        let answer = post(
            &self.nodes[node].url,
            &self.owner,
            document,
            json!({"input": input}),
        )
        .await;
        let answer = answer.expect("the node answers");
        assert!(answer.0.get("errors").is_none(), "{}", answer.0);
        answer.success();
    }
}

async fn serve(app: &App, environment: &[(String, String)]) -> Process {
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    Process::serve_with(&app.database, &environment).await
}

fn base(node: &Process) -> &str {
    node.url.trim_end_matches("/graphql")
}

async fn readiness(node: &Process) -> Value {
    let client = canopy::tls::client_builder().build().unwrap();
    let answer = client.get(format!("{}/readyz", base(node))).send().await;
    answer.expect("the node answers").json().await.expect("JSON")
}

async fn leads(node: &Process) {
    until("the node to lead", || async {
        (readiness(node).await["leader"] == true).then_some(())
    })
    .await;
}

/// The keys of the next recorded events on a socket.
async fn keys(socket: &mut Socket, count: usize) -> Vec<String> {
    let mut keys = Vec::new();
    while keys.len() < count {
        let message = socket.receive().await.expect("the socket is open");
        let update = &message["payload"]["data"]["usageUpdates"];
        assert_eq!(update["kind"], "RECORDED", "{message}");
        keys.push(update["event"]["idempotencyKey"].as_str().unwrap().to_owned());
    }
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn news_of_each_node_reaches_the_streams_of_all_in_one_order() {
    if !on_postgres() {
        return;
    }
    for environment in [Some(polling()), by_nats()].into_iter().flatten() {
        let nodes = Nodes::start(environment).await;
        nodes.record(0, "before").await;
        let mut sockets = [
            nodes.watch(0, &nodes.owner, &nodes.main).await,
            nodes.watch(1, &nodes.owner, &nodes.main).await,
        ];
        for n in 0..20 {
            nodes.record(n % 2, &format!("event {n}")).await;
        }
        let [first, second] = &mut sockets;
        let told = within("all news", async {
            (keys(first, 20).await, keys(second, 20).await)
        })
        .await;
        assert_eq!(told.0, told.1);
        let mut sorted = told.0.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), 20, "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_at_one_node_is_felt_at_the_other_by_nats() {
    let (true, Some(environment)) = (on_postgres(), by_nats()) else {
        return;
    };
    let nodes = Nodes::start(environment).await;
    let (app, main, client) = (&nodes.app, &nodes.main, &nodes.client);
    let key = app.full_api_key(main).await;
    let reader = app.member(client, Role::Owner).await;
    nodes.record(1, "before").await;

    // A key that is revoked at the first node, the leader, and a stream of it at the second.
    let mut of_key = nodes.watch(1, &key, main).await;
    let id = app.rows("SELECT id FROM api_keys").await[0]["id"].clone();
    let since = Instant::now();
    let revoke =
        "mutation ($input: RevokeApiKeyInput!) { revokeApiKey(input: $input) { userErrors { code } } }";
    nodes.change(0, revoke, json!({"id": id})).await;
    assert_eq!(of_key.closed().await, (4403, "Credential revoked".to_owned()));
    println!("a revocation took {:?}", since.elapsed());

    // The same the other way round, with a restriction.
    let mut of_reader = nodes.watch(0, &reader, client).await;
    let since = Instant::now();
    let restrict =
        "mutation ($input: SetPermissionsInput!) { setPermissions(input: $input) { userErrors { code } } }";
    let levels = json!([{"key": "USAGE", "level": "NONE"}]);
    nodes
        .change(
            1,
            restrict,
            json!({"accountId": client.id.as_str(), "permissions": levels}),
        )
        .await;
    let ended = of_reader.receive().await.expect("the socket stays open");
    assert_eq!(
        ended["payload"]["errors"][0]["extensions"]["code"], "FORBIDDEN",
        "{ended}"
    );
    println!("a restriction took {:?}", since.elapsed());
    assert!(since.elapsed() < POLLED / 2, "it did not wait for the database");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_goes_live_at_one_node_decides_at_the_other_by_nats() {
    let (true, Some(environment)) = (on_postgres(), by_nats()) else {
        return;
    };
    let nodes = Nodes::start(environment).await;
    for most in [5, 4] {
        allow(&nodes.app, &nodes.main, most).await;
    }
    // What another process than the nodes committed is told when the leader looks, which it does for the nodes' news.
    nodes.record(1, "before").await;
    until("the second rule to decide", || async {
        (nodes.most(1).await == 4).then_some(())
    })
    .await;
    let since = Instant::now();
    let back =
        "mutation ($input: RollbackRuleInput!) { rollbackRule(input: $input) { userErrors { code } } }";
    nodes
        .change(
            0,
            back,
            json!({"accountId": nodes.main.id.as_str(), "kind": "LIMITS"}),
        )
        .await;
    until("the first rule to decide", || async {
        (nodes.most(1).await == 5).then_some(())
    })
    .await;
    println!("a rule took {:?}", since.elapsed());
    assert!(since.elapsed() < POLLED / 2, "it did not wait for the database");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_node_takes_over_from_one_that_ends_or_is_killed() {
    if !on_postgres() {
        return;
    }
    for environment in [Some(polling()), by_nats()].into_iter().flatten() {
        let nodes = Nodes::start(environment).await;
        assert_eq!(readiness(&nodes.nodes[1]).await["leader"], false);
        nodes.record(1, "before").await;
        let mut socket = nodes.watch(1, &nodes.owner, &nodes.main).await;
        let Nodes {
            app,
            client,
            owner,
            nodes: [first, second],
            environment,
            ..
        } = nodes;
        // In an orderly way the lease is given up: nobody waits until it is over.
        assert_eq!(first.terminate().await.0, Some(0));
        leads(&second).await;
        let record = async |node: &Process, key: &str| {
            let input = json!({"accountId": client.id.as_str(), "events": [event(key)]});
            let answer = post(&node.url, &owner, RECORD, json!({"input": input})).await;
            answer.expect("the node answers").success();
        };
        record(&second, "after the end").await;
        assert_eq!(keys(&mut socket, 1).await, ["after the end"]);

        let third = serve(&app, &environment).await;
        second.kill().await;
        leads(&third).await;
        record(&third, "after the crash").await;
        assert_eq!(
            app.number("SELECT CAST(max(term) AS bigint) FROM leases").await,
            3
        );
        until("all to have a position", || async {
            let waiting = app
                .number("SELECT count(*) FROM outbox WHERE position IS NULL")
                .await;
            (waiting == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_nats_is_away_serves_and_says_so() {
    if !on_postgres() {
        return;
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut environment = polling();
    environment.push(("CANOPY__NATS__URL".to_owned(), format!("nats://{closed}")));
    let nodes = Nodes::start_without_nats(environment).await;
    for node in &nodes.nodes {
        let readiness = readiness(node).await;
        assert_eq!(readiness["status"], "ok", "{readiness}");
        assert_eq!(readiness["nats"], "disconnected", "{readiness}");
    }
    nodes.record(0, "before").await;
    let mut socket = nodes.watch(1, &nodes.owner, &nodes.main).await;
    nodes.record(0, "after").await;
    assert_eq!(keys(&mut socket, 1).await, ["after"]);
    let (code, log) = { nodes.nodes }
        .into_iter()
        .next()
        .expect("a node")
        .terminate()
        .await;
    assert_eq!(code, Some(0));
    assert!(
        log.iter().any(|line| line.contains("NATS cannot be reached")),
        "{log:#?}"
    );
}

/// Makes a limits rule live that allows so many subaccounts.
async fn allow(app: &App, account: &Account, subaccounts: u32) {
    let source = RuleSource::Builtin("limits-by-plan".to_owned());
    let caps = json!({
        "max_depth": null, "caps": {"subaccounts": subaccounts}, "key_policy": "OWN", "member_policy": "OWN",
        "shared_resources": [], "starter_credits": 0, "credit_value": 0, "credit_modes": ["MANUAL"],
        "allow_below_cost": false,
    });
    app.live_rule(account, RuleKind::Limits, source, caps, None).await;
}
