//! Usage as a file: whole, in order, only what the asker may see, and never a part that looks like the whole.

use canopy_domain::entity::account::Model as Account;
use canopy_domain::entity::{AccountId, Level, PermissionKey};
use chrono::{Duration, Utc};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::app::served::{House, house};
use crate::app::{Caller, within};
use crate::operations::event;

impl House {
    /// An export of the last days, with more of a query.
    fn export(&self, caller: &Caller, more: &str) -> RequestBuilder {
        let day = |days| (Utc::now() + Duration::days(days)).date_naive();
        let url = self
            .server
            .url(&format!("/usage/export?from={}&to={}{more}", day(-20), day(1)));
        let mut request = self.client.get(url);
        if let Some(authorization) = &caller.authorization {
            request = request.header("authorization", authorization);
        }
        request
    }

    async fn exported(&self, caller: &Caller, more: &str) -> String {
        let response = within("an answer", self.export(caller, more).send())
            .await
            .unwrap();
        let status = response.status();
        let text = within("all of it", response.text()).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{text}");
        text
    }

    async fn exported_lines(&self, caller: &Caller, more: &str) -> Vec<Value> {
        let text = self.exported(caller, &format!("{more}&format=ndjson")).await;
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    async fn used(&self, account: &Account, count: usize) {
        for start in (0..count).step_by(1_000) {
            let batch: Vec<Value> = (start..count.min(start + 1_000))
                .map(|n| event(&format!("e{n:05}")))
                .collect();
            self.app
                .accepted(&self.app.record(&self.owner, account, json!(batch)).await);
        }
    }
}

fn of<'a>(rows: &'a [Value], name: &str) -> Vec<&'a str> {
    rows.iter().map(|row| row[name].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_there_once_in_order_with_what_its_account_is_charged() {
    let house = house().await;
    let app = &house.app;
    app.unit_price(&house.main, "0.5").await;
    let client = app.subaccount(&house.main, "=cmd|'x'!A1, \"Ltd\"").await;
    let at = (Utc::now() - Duration::days(2)).to_rfc3339();
    let formula = json!({
        "idempotencyKey": "+1,2", "meter": "minutes", "quantity": "2.5", "occurredAt": at,
        "attributes": {"note": "=a\"b"},
    });
    let old = json!({
        "idempotencyKey": "old", "meter": "minutes", "quantity": "1", "occurredAt": (Utc::now() - Duration::days(25)).to_rfc3339(),
    });
    let other = json!({"idempotencyKey": "other", "meter": "messages", "quantity": "1"});
    app.accepted(
        &app.record(&house.owner, &client, json!([formula, old, other]))
            .await,
    );
    house.used(&house.main, 2).await;

    let below = format!("&account={}&includeDescendants=true", house.main.id);
    let rows = house.exported_lines(&house.owner, &below).await;
    assert_eq!(of(&rows, "idempotencyKey"), ["e00000", "e00001", "+1,2", "other"]);
    assert_eq!(rows[2]["attributes"], json!({"note": "=a\"b"}));
    assert_eq!(
        (
            &rows[2]["amount"],
            &rows[2]["currency"],
            &rows[2]["ratingStatus"],
            &rows[2]["quantity"]
        ),
        (&json!("1.25"), &json!("USD"), &json!("RATED"), &json!("2.5"))
    );
    assert_eq!(
        (&rows[0]["amount"], &rows[0]["accountName"]),
        (&Value::Null, &json!("Main")),
        "nobody sells to it"
    );
    let meter = house
        .exported_lines(&house.owner, &format!("{below}&meters=messages,none"))
        .await;
    assert_eq!(of(&meter, "idempotencyKey"), ["other"]);
    assert_eq!(
        house.exported_lines(&house.owner, "").await.len(),
        2,
        "the account that is acted on"
    );

    let csv = house.exported(&house.owner, &below).await;
    let lines: Vec<&str> = csv.split("\r\n").collect();
    assert!(
        lines[0].starts_with("id,account,accountName,meter,quantity,occurredAt,"),
        "{csv}"
    );
    assert_eq!(lines.len(), 1 + 4 + 1, "{csv}");
    let cells = format!(
        "{},{},\"'=cmd|'x'!A1, \"\"Ltd\"\"\",minutes,2.5,",
        rows[2]["id"].as_str().unwrap(),
        client.id
    );
    assert!(lines[3].starts_with(&cells), "{}", lines[3]);
    let counted_at = rows[2]["countedAt"].as_str().unwrap();
    assert_eq!(rows[2]["countedAt"], rows[2]["occurredAt"]);
    let end = format!(",\"'+1,2\",\"{{\"\"note\"\":\"\"=a\\\"\"b\"\"}}\",RATED,1.25,USD,,,,{counted_at},");
    assert!(lines[3].ends_with(&end), "{}", lines[3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_stands_beside_what_it_corrects() {
    let house = house().await;
    let app = &house.app;
    app.unit_price(&house.main, "0.5").await;
    let client = app.subaccount(&house.main, "Client").await;
    house.used(&client, 2).await;
    let document = "mutation ($input: CorrectUsageInput!) {
      correctUsage(input: $input) { results { status } userErrors { message } } }";
    let correction = json!({
        "idempotencyKey": "fix", "eventIdempotencyKey": "e00000", "kind": "AMEND", "quantity": "4",
        "reason": "=1+1",
    });
    let input = json!({"accountId": client.id.as_str(), "corrections": [correction]});
    let made = app.run(&house.owner, document, json!({"input": input})).await;
    assert_eq!(made.success()["results"][0]["status"], "ACCEPTED");

    let of_client = format!("&account={}", client.id);
    let rows = house.exported_lines(&house.owner, &of_client).await;
    assert_eq!(of(&rows, "quantity"), ["1", "1", "-1", "4"]);
    assert_eq!(of(&rows, "amount"), ["0.5", "0.5", "-0.5", "2"]);
    assert_eq!(of(&rows[2..], "correction"), ["REVERSAL", "REPLACEMENT"]);
    assert_eq!(of(&rows[2..], "corrects"), [of(&rows, "id")[0]; 2]);
    assert_eq!(of(&rows[2..], "reason"), ["=1+1"; 2]);
    assert_eq!(rows[0]["correction"], Value::Null);
    let sums = house
        .exported_lines(&house.owner, &format!("{of_client}&granularity=day"))
        .await;
    assert_eq!(
        (of(&sums, "quantity"), of(&sums, "amount")),
        (vec!["5"], vec!["2.5"])
    );
    assert_eq!(sums[0]["events"], 2);
    let csv = house.exported(&house.owner, &of_client).await;
    assert!(csv.contains(",REVERSAL,") && csv.contains(",'=1+1,"), "{csv}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_are_those_of_usage() {
    let house = house().await;
    let app = &house.app;
    app.unit_price(&house.main, "0.5").await;
    let client = app.subaccount(&house.main, "Client").await;
    let now = Utc::now();
    let batch: Vec<Value> = (0_i64..40)
        .map(|n| {
            let at = (now - Duration::hours(n * 11)).to_rfc3339();
            let meter = if n % 3 == 0 { "messages" } else { "minutes" };
            json!({"idempotencyKey": format!("{n}"), "meter": meter, "quantity": format!("{n}.5"), "occurredAt": at})
        })
        .collect();
    app.accepted(&app.record(&house.owner, &client, json!(batch)).await);
    let document = "query ($id: ID!, $period: UsagePeriodInput!, $granularity: Granularity!) {
      account(id: $id) { usage(period: $period, granularity: $granularity) {
        buckets { start meter quantity events amount { amount currency } } } } }";
    let day = |days| {
        (now + Duration::days(days))
            .date_naive()
            .and_time(chrono::NaiveTime::MIN)
            .and_utc()
    };
    for granularity in ["hour", "day", "month"] {
        let variables = json!({
            "id": client.id.as_str(), "granularity": granularity.to_uppercase(),
            "period": {"start": day(-20), "end": day(1)},
        });
        let usage = app.run(&house.owner, document, variables).await;
        let expected: Vec<Value> = usage.at("/account/usage/buckets").as_array().unwrap().iter().map(|bucket| json!({
            "account": client.id.as_str(), "accountName": "Client", "start": bucket["start"],
            "granularity": granularity.to_uppercase(), "meter": bucket["meter"], "quantity": bucket["quantity"],
            "events": bucket["events"], "amount": bucket["amount"]["amount"], "currency": "USD",
        })).collect();
        let query = format!(
            "&account={}&includeDescendants=true&granularity={granularity}",
            house.main.id
        );
        assert_eq!(
            house.exported_lines(&house.owner, &query).await,
            expected,
            "{granularity}"
        );
        let csv = house.exported(&house.owner, &query).await;
        assert_eq!(csv.lines().count(), expected.len() + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_hours_than_a_page_has_come_whole_and_in_order() {
    let house = house().await;
    let app = &house.app;
    let client = app.subaccount(&house.main, "Client").await;
    let now = Utc::now();
    // Of an hour there are several quarters, and within so many days a month ends.
    let batch: Vec<Value> = (0_i64..1_800)
        .map(|n| {
            let at = (now - Duration::minutes(n * 26)).to_rfc3339();
            let meter = if n % 2 == 0 { "messages" } else { "minutes" };
            json!({"idempotencyKey": format!("{n}"), "meter": meter, "quantity": "1", "occurredAt": at})
        })
        .collect();
    for batch in batch.chunks(900) {
        app.accepted(&app.record(&house.owner, &client, json!(batch)).await);
    }
    let day = |days| (now + Duration::days(days)).date_naive();
    let url = format!(
        "/usage/export?from={}&to={}&account={}&granularity=hour&format=ndjson",
        day(-34),
        day(1),
        client.id
    );
    let authorization = house.owner.authorization.as_deref().unwrap();
    let request = house
        .client
        .get(house.server.url(&url))
        .header("authorization", authorization);
    let answer = within("an answer", request.send()).await.unwrap();
    let text = within("all of it", answer.text()).await.unwrap();
    let rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let keys: Vec<(&str, &str)> = of(&rows, "start").into_iter().zip(of(&rows, "meter")).collect();
    assert!(rows.len() > 1_000, "{}", rows.len());
    assert!(keys.is_sorted() && keys.windows(2).all(|pair| pair[0] != pair[1]));
    let events: i64 = rows.iter().map(|row| row["events"].as_i64().unwrap()).sum();
    assert_eq!(events, 1_800);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_of_one_and_few_of_many_come_whole() {
    let house = house().await;
    let app = &house.app;
    let large = app.subaccount(&house.main, "Large").await;
    house.used(&large, 2_300).await;
    let mut expected = 2_300;
    for n in 0..30 {
        let small = app.subaccount(&house.main, &format!("Small {n}")).await;
        house.used(&small, n * 5).await;
        expected += n * 5;
    }
    let rows = house
        .exported_lines(&house.owner, "&includeDescendants=true")
        .await;
    assert_eq!(rows.len(), expected);
    let order: Vec<(&str, &str)> = of(&rows, "account").into_iter().zip(of(&rows, "id")).collect();
    assert!(order.is_sorted() && order.windows(2).all(|pair| pair[0] != pair[1]));
    let csv = house
        .exported(&house.owner, "&includeDescendants=true&format=csv")
        .await;
    assert_eq!(csv.lines().count(), expected + 1);
    let sums = house
        .exported_lines(&house.owner, "&includeDescendants=true&granularity=month")
        .await;
    let events: i64 = sums.iter().map(|sum| sum["events"].as_i64().unwrap()).sum();
    assert_eq!(events, expected as i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_breaks_off_does_not_look_whole() {
    let house = house().await;
    house.used(&house.main, 1_500).await;
    house.app.faults.break_at("usage.export.next");
    let answer = async {
        let response = house.export(&house.owner, "").send().await?;
        assert_eq!(response.status(), StatusCode::OK);
        response.text().await
    };
    // It may break off before even the head of the response has left.
    assert!(within("an answer that breaks off", answer).await.is_err());
    house.app.faults.mend();
    assert_eq!(house.exported(&house.owner, "").await.lines().count(), 1_501);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_of_accounts_whose_usage_the_asker_may_not_see() {
    let house = house().await;
    let app = &house.app;
    let client = app.subaccount(&house.main, "Client").await;
    let secret = app.subaccount(&house.main, "Secret").await;
    let stranger = app.main_account(None, "Stranger", "pln_itellico").await;
    for account in [&house.main, &client, &secret] {
        house.used(account, 1).await;
    }
    let none = json!({"accountId": secret.id.as_str(), "permissions": [{"key": "USAGE", "level": "NONE"}]});
    app.set_permissions(&house.owner, none).await.success();
    let rows = house
        .exported_lines(&house.owner, "&includeDescendants=true")
        .await;
    assert_eq!(of(&rows, "account"), [house.main.id.as_str(), client.id.as_str()]);
    let of_client = app.api_key(&client, &[(PermissionKey::Usage, Level::Full)]).await;
    let rows = house.exported_lines(&of_client, "&includeDescendants=true").await;
    assert_eq!(of(&rows, "account"), [client.id.as_str()]);

    let blind = app
        .api_key(&house.main, &[(PermissionKey::Usage, Level::None)])
        .await;
    let account = |id: &str| format!("&account={id}");
    let mut not_found = Vec::new();
    for (caller, more, status, code) in [
        (&Caller::nobody(), String::new(), 401, "UNAUTHENTICATED"),
        (&blind, String::new(), 403, "FORBIDDEN"),
        (&house.owner, account(secret.id.as_str()), 403, "FORBIDDEN"),
        (&house.owner, account(stranger.id.as_str()), 404, "NOT_FOUND"),
        (&house.owner, account(AccountId::new().as_str()), 404, "NOT_FOUND"),
        (&house.owner, account("nonsense"), 404, "NOT_FOUND"),
        (&of_client, account(house.main.id.as_str()), 404, "NOT_FOUND"),
        (
            &house.owner,
            "&granularity=week".to_owned(),
            400,
            "BAD_USER_INPUT",
        ),
        (&house.owner, "&unknown=1".to_owned(), 400, "BAD_USER_INPUT"),
        (
            &house.owner,
            format!("&meters={}", vec!["m"; 51].join(",")),
            400,
            "BAD_USER_INPUT",
        ),
    ] {
        let response = within("an answer", house.export(caller, &more).send())
            .await
            .unwrap();
        let given = response.status().as_u16();
        let answer: Value = response.json().await.unwrap();
        let told = answer["errors"][0]["extensions"]["code"].as_str().unwrap();
        assert_eq!((given, told), (status, code), "{more}: {answer:#}");
        if status == 404 {
            not_found.push(answer);
        }
    }
    assert!(
        not_found.windows(2).all(|pair| pair[0] == pair[1]),
        "{not_found:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_that_is_none_and_a_format_that_there_is_not_are_refused() {
    let house = house().await;
    for (query, status) in [
        ("from=2026-02-01&to=2026-01-01", 400),
        ("from=2026-02-01&to=yesterday", 400),
        ("from=2026-02-01", 400),
    ] {
        let url = house.server.url(&format!("/usage/export?{query}"));
        let request = house
            .client
            .get(url)
            .header("authorization", house.owner.authorization.as_deref().unwrap());
        let response = within("an answer", request.send()).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{query}");
    }
    let html = house.export(&house.owner, "").header("accept", "text/html");
    assert_eq!(
        within("an answer", html.send()).await.unwrap().status(),
        StatusCode::NOT_ACCEPTABLE
    );
}
