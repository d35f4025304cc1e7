//! Every way in which an id comes into Canopy from outside.

use serde_json::{Value, json};

/// Where an id goes in: the operation, the path of the id in its variables, and variables that are good otherwise.
pub(super) struct Way {
    pub(super) field: &'static str,
    pub(super) document: String,
    pub(super) at: &'static str,
    /// What the id is of.
    pub(super) kind: &'static str,
    /// `@account` stands for an account that the asker may see, `@below` for one below it, `@rule` for its rule.
    pub(super) variables: Value,
}

/// Every way in.
pub(super) fn ways() -> Vec<Way> {
    let mut ways = reading();
    ways.extend(accounts());
    ways.extend(usage());
    ways.extend(alerts());
    ways.extend(webhooks());
    ways.extend(rules());
    ways.extend(simulations());
    ways
}

fn reading() -> Vec<Way> {
    let way = |field, document: &str, at, kind, variables| Way {
        field,
        document: document.to_owned(),
        at,
        kind,
        variables,
    };
    let node = |kind| {
        let document = "query ($id: ID!) { node(id: $id) { id } }";
        way("node", document, "/id", kind, json!({"id": ""}))
    };
    let account = "query ($id: ID!) { account(id: $id) { id } }";
    let nodes = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let rating = "query ($id: ID!) { rating(id: $id) { id } }";
    let updates = "subscription ($id: ID!) { usageUpdates(accountId: $id) { cursor } }";
    let alerts = "subscription ($id: ID!) { usageAlerts(accountId: $id) { cursor } }";
    let rules = "subscription ($id: ID!) { ruleChanges(accountId: $id) { cursor } }";
    let mut ways = vec![
        way("account", account, "/id", "acc", json!({"id": ""})),
        way("rating", rating, "/id", "rat", json!({"id": ""})),
        way("nodes", nodes, "/ids/0", "acc", json!({"ids": [""]})),
        way("usageUpdates", updates, "/id", "acc", json!({"id": ""})),
        way("usageAlerts", alerts, "/id", "acc", json!({"id": ""})),
        way("ruleChanges", rules, "/id", "acc", json!({"id": ""})),
    ];
    ways.extend(["acc", "evt", "hld", "rat", "mem", "rul"].map(node));
    ways
}

/// A mutation that answers `selection`.
fn mutation(field: &'static str, selection: &str, at: &'static str, kind: &'static str, input: Value) -> Way {
    let name = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
    let errors = "userErrors { field message code }";
    let selection = selection.replace("ERRORS", errors);
    Way {
        field,
        document: format!(
            "mutation ($input: {name}!) {{ {field}(input: $input) {{ {selection} {errors} }} }}"
        ),
        at,
        kind,
        variables: json!({"input": input}),
    }
}

fn accounts() -> Vec<Way> {
    let create = |at, kind, input| mutation("createSubaccount", "subaccount { id }", at, kind, input);
    let update = |at, kind, input| mutation("updateSubaccount", "subaccount { id }", at, kind, input);
    let relocate = |at, kind, input| mutation("moveAccount", "account { id }", at, kind, input);
    let permissions = json!([{"key": "TASKS", "level": "NONE"}]);
    vec![
        create("/input/parentId", "acc", json!({"parentId": "", "name": "Name"})),
        create(
            "/input/planId",
            "pln",
            json!({"parentId": "@account", "name": "Name", "planId": ""}),
        ),
        update("/input/id", "acc", json!({"id": "", "name": "Name"})),
        update("/input/planId", "pln", json!({"id": "@below", "planId": ""})),
        relocate("/input/id", "acc", json!({"id": "", "parentId": "@account"})),
        relocate("/input/parentId", "acc", json!({"id": "@below", "parentId": ""})),
        relocate(
            "/input/planId",
            "pln",
            json!({"id": "@below", "parentId": "@account", "planId": ""}),
        ),
        mutation(
            "setPermissions",
            "account { id }",
            "/input/accountId",
            "acc",
            json!({"accountId": "", "permissions": permissions}),
        ),
        mutation(
            "registerDocuments",
            "apiKey { id } documentIds",
            "/input/apiKeyId",
            "key",
            json!({"apiKeyId": "", "documents": ["{ me { user { id } } }"]}),
        ),
        mutation(
            "createApiKey",
            "apiKey { id } secret",
            "/input/accountId",
            "acc",
            json!({"accountId": "", "name": "Key", "permissions": []}),
        ),
        mutation(
            "revokeApiKey",
            "apiKey { id }",
            "/input/id",
            "key",
            json!({"id": ""}),
        ),
    ]
}

fn usage() -> Vec<Way> {
    let record = |at, account: &str, below: Option<&str>| {
        let mut event = json!({"idempotencyKey": "k", "meter": "m", "quantity": "1"});
        if let Some(below) = below {
            event["accountId"] = json!(below);
        }
        let input = json!({"accountId": account, "events": [event]});
        mutation("recordUsage", "results { status ERRORS }", at, "acc", input)
    };
    let correct = |at, kind, account: &str, named: Value| {
        let mut correction = json!({"idempotencyKey": "k", "kind": "VOID", "reason": "r"});
        let members = correction.as_object_mut().expect("it is an object");
        members.extend(named.as_object().cloned().unwrap_or_default());
        let input = json!({"accountId": account, "corrections": [correction]});
        mutation("correctUsage", "results { status ERRORS }", at, kind, input)
    };
    let hold = |field| {
        let mut input = json!({"accountId": "", "meter": "m", "quantity": "1"});
        if field == "holdUsage" {
            input["idempotencyKey"] = json!("k");
        }
        let selection = match field {
            "holdUsage" => "hold { id }",
            _ => "quote { token }",
        };
        mutation(field, selection, "/input/accountId", "acc", input)
    };
    let settle = json!({"holdId": "", "quantity": "1"});
    let void = json!({"holdId": ""});
    vec![
        hold("quoteUsage"),
        hold("holdUsage"),
        mutation("settleHold", "hold { id }", "/input/holdId", "hld", settle),
        mutation("voidHold", "hold { id }", "/input/holdId", "hld", void),
        correct("/input/accountId", "acc", "", json!({"eventIdempotencyKey": "k"})),
        correct(
            "/input/corrections/0/accountId",
            "acc",
            "@account",
            json!({"eventIdempotencyKey": "k", "accountId": ""}),
        ),
        correct(
            "/input/corrections/0/eventId",
            "evt",
            "@account",
            json!({"eventId": ""}),
        ),
        record("/input/accountId", "", None),
        record("/input/events/0/accountId", "@account", Some("")),
    ]
}

fn alerts() -> Vec<Way> {
    let create = json!({
        "accountId": "", "name": "Alert", "meter": "m", "period": "DAY", "threshold": {"quantity": "1"},
    });
    let step = |field, input| mutation(field, "usageAlert { id }", "/input/id", "alr", input);
    vec![
        mutation(
            "createUsageAlert",
            "usageAlert { id }",
            "/input/accountId",
            "acc",
            create,
        ),
        step("updateUsageAlert", json!({"id": "", "name": "Alert"})),
        step("deleteUsageAlert", json!({"id": ""})),
    ]
}

fn webhooks() -> Vec<Way> {
    let create = json!({
        "accountId": "", "url": "https://example.com/hook", "eventTypes": ["USAGE_ALERT_CROSSED"],
    });
    let step = |field, selection| mutation(field, selection, "/input/id", "whe", json!({"id": ""}));
    let endpoint = "webhookEndpoint { id }";
    vec![
        mutation(
            "createWebhookEndpoint",
            endpoint,
            "/input/accountId",
            "acc",
            create,
        ),
        step("updateWebhookEndpoint", endpoint),
        step("deleteWebhookEndpoint", endpoint),
        step("rotateWebhookSecret", endpoint),
        step("testWebhookEndpoint", "delivery { id }"),
        mutation(
            "redeliverWebhook",
            "delivery { id }",
            "/input/deliveryId",
            "whd",
            json!({"deliveryId": ""}),
        ),
    ]
}

fn rules() -> Vec<Way> {
    let upload = |at, kind, account: &str, source: Value| {
        let input = json!({
            "accountId": account, "kind": "PRICING", "name": "x", "source": source,
            "configuration": {"meters": {"*": {"unit_price": "1"}}},
        });
        mutation("uploadRule", "ruleVersion { id }", at, kind, input)
    };
    let step = |field| {
        let input = json!({"ruleVersionId": ""});
        mutation(field, "ruleVersion { id }", "/input/ruleVersionId", "rul", input)
    };
    vec![
        upload(
            "/input/accountId",
            "acc",
            "",
            json!({"builtin": "tiered-pricing"}),
        ),
        upload(
            "/input/source/ruleVersionId",
            "rul",
            "@account",
            json!({"ruleVersionId": ""}),
        ),
        step("checkRule"),
        step("shadowRule"),
        step("activateRule"),
        step("retireRule"),
        mutation(
            "rollbackRule",
            "ruleVersion { id }",
            "/input/accountId",
            "acc",
            json!({"accountId": "", "kind": "PRICING"}),
        ),
    ]
}

fn simulations() -> Vec<Way> {
    let period = json!({"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"});
    let simulate = |at, kind, input| mutation("simulateRule", "simulation { id }", at, kind, input);
    vec![
        Way {
            field: "simulation",
            document: "query ($id: ID!) { simulation(id: $id) { id } }".to_owned(),
            at: "/id",
            kind: "sim",
            variables: json!({"id": ""}),
        },
        Way {
            field: "simulationProgress",
            document: "subscription ($id: ID!) { simulationProgress(id: $id) { id } }".to_owned(),
            at: "/id",
            kind: "sim",
            variables: json!({"id": ""}),
        },
        simulate(
            "/input/ruleVersionId",
            "rul",
            json!({"ruleVersionId": "", "period": period}),
        ),
        simulate(
            "/input/accountIds/0",
            "acc",
            json!({"ruleVersionId": "@rule", "accountIds": [""], "period": period}),
        ),
        mutation(
            "setRuleGuard",
            "maxVariance",
            "/input/accountId",
            "acc",
            json!({"accountId": "", "maxVariance": "5"}),
        ),
        mutation(
            "cancelSimulation",
            "simulation { id }",
            "/input/id",
            "sim",
            json!({"id": ""}),
        ),
    ]
}
