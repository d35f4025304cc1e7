//! Usage is told by the clocks of a time zone: by hour, day and month of the account's own, or of any other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration as Lasting;

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use chrono::{DateTime, Datelike, Duration, Offset, Timelike, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use crate::app::{Answer, App, Caller};
use crate::operations::event;

/// A seller with two clients, whose usage may be from long ago.
struct Shop {
    app: App,
    owner: Caller,
    main: Account,
    clients: [Account; 2],
}

/// An event of each meter.
struct Used {
    at: DateTime<Utc>,
    quantity: i64,
    caller: i64,
}

const USAGE: &str = "query (
    $id: ID!, $period: UsagePeriodInput!, $granularity: Granularity!, $zone: String, $below: Boolean = false
  ) { account(id: $id) {
    usage(period: $period, granularity: $granularity, timeZone: $zone, includeDescendants: $below) {
      timeZone period { start end }
      totals { meter quantity events amount { amount } } buckets { start meter quantity events amount { amount } }
    }
    alone: usage(period: $period, granularity: $granularity, timeZone: $zone, includeDescendants: $below) {
      totals { meter quantity events amount { amount } }
    } } }";

const ZONES: [&str; 6] = [
    "UTC",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/New_York",
];

async fn shop() -> Shop {
    let app = App::configured(|settings| {
        settings.usage_window.max_age = Lasting::from_hours(100 * 366 * 24);
    })
    .await;
    let meters = json!({"declared": {
        "callers": {"aggregation": "UNIQUE", "unique_by": "caller"}, "seats": {"aggregation": "MAX"},
    }});
    let declare = format!("UPDATE plans SET meters = '{meters}' WHERE id = 'pln_itellico'");
    app.tamper(&declare).await.unwrap();
    let main = app.main_account(None, "Shop", "pln_itellico").await;
    let clients = [
        app.subaccount(&main, "East").await,
        app.subaccount(&main, "West").await,
    ];
    app.unit_price(&main, "0.5").await;
    let owner = app.member(&main, Role::Owner).await;
    Shop {
        app,
        owner,
        main,
        clients,
    }
}

impl Shop {
    async fn used(&self, account: &Account, used: &[Used]) {
        let events = used.iter().enumerate().flat_map(|(number, used)| {
            ["callers", "minutes", "seats"].map(|meter| {
                json!({
                    "idempotencyKey": format!("{meter} {number}"), "meter": meter, "quantity": used.quantity.to_string(),
                    "occurredAt": used.at.to_rfc3339(), "attributes": {"caller": used.caller},
                })
            })
        });
        let events: Vec<Value> = events.collect();
        for batch in events.chunks(900) {
            let recorded = self.app.record(&self.owner, account, json!(batch)).await;
            self.app.accepted(&recorded);
        }
    }

    /// What is answered by resolvers, and then by a plan in the same way.
    async fn ask(&self, document: &str, variables: Value) -> Answer {
        let first = self.app.run(&self.owner, document, variables.clone()).await;
        let second = self.app.run(&self.owner, document, variables).await;
        assert_eq!(first.0, second.0);
        second
    }

    async fn usage(&self, account: &Account, granularity: &str, zone: &str, period: [&str; 2]) -> Value {
        let variables = json!({
            "id": account.id.as_str(), "granularity": granularity, "zone": zone,
            "period": {"start": period[0], "end": period[1]}, "below": account.id == self.main.id,
        });
        let answer = self.ask(USAGE, variables).await;
        let (usage, alone) = (answer.at("/account/usage"), answer.at("/account/alone"));
        assert_eq!(usage["totals"], alone["totals"], "{granularity} {zone}");
        usage.clone()
    }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn used(times: impl Iterator<Item = DateTime<Utc>>) -> Vec<Used> {
    let used = times.zip(1..).map(|(at, number)| Used {
        at,
        quantity: number * 7 % 31 + 1,
        caller: number % 5,
    });
    used.collect()
}

/// What clocks show, as far as it tells buckets apart.
fn shown(granularity: &str, zone: Tz, at: DateTime<Utc>) -> String {
    let local = at.with_timezone(&zone);
    match granularity {
        "HOUR" => {
            let offset = local.offset().fix();
            format!("{} {} {offset}", local.date_naive(), local.hour())
        }
        "DAY" => local.date_naive().to_string(),
        _ => format!("{}-{}", local.year(), local.month()),
    }
}

/// What the events come to, by what clocks show and meter.
fn counted<'u>(
    granularity: &str,
    zone: Tz,
    all: impl Iterator<Item = &'u Used>,
) -> BTreeMap<(String, String), (i64, i64)> {
    let mut buckets: BTreeMap<String, Vec<&Used>> = BTreeMap::new();
    for used in all {
        buckets
            .entry(shown(granularity, zone, used.at))
            .or_default()
            .push(used);
    }
    let told = |(shown, used): (String, Vec<&Used>)| {
        let events = used.len() as i64;
        let callers: BTreeSet<i64> = used.iter().map(|used| used.caller).collect();
        let greatest = used.iter().map(|used| used.quantity).max().unwrap();
        let sum = used.iter().map(|used| used.quantity).sum();
        [
            ("callers", callers.len() as i64),
            ("minutes", sum),
            ("seats", greatest),
        ]
        .map(|(meter, quantity)| ((shown.clone(), meter.to_owned()), (quantity, events)))
    };
    buckets.into_iter().flat_map(told).collect()
}

/// Instants all through a year, and by the minute where clocks are turned.
fn times() -> Vec<DateTime<Utc>> {
    let start = at("2025-12-30T00:00:00Z");
    let mut times: Vec<DateTime<Utc>> = (0..160).map(|n| start + Duration::minutes(n * 2_201)).collect();
    for turned in [
        "2026-03-08T06:00:00Z",
        "2026-03-29T00:00:00Z",
        "2026-04-04T14:00:00Z",
    ] {
        times.extend((0..40).map(|n| at(turned) + Duration::minutes(n * 7)));
    }
    times
}

/// Holds what is told of usage by the clocks of a zone against the events themselves.
fn assert_counted(usage: &Value, granularity: &str, zone: &str, all: &[&Used]) {
    let tz: Tz = zone.parse().unwrap();
    assert_eq!(usage["timeZone"], zone);
    let [start, end] = ["start", "end"].map(|side| at(usage["period"][side].as_str().unwrap()));
    let all = || {
        all.iter()
            .copied()
            .filter(|used| start <= used.at && used.at < end)
    };
    let buckets = usage["buckets"].as_array().unwrap();
    let answered = buckets.iter().map(|bucket| {
        let first = shown(granularity, tz, at(bucket["start"].as_str().unwrap()));
        (
            (first, bucket["meter"].as_str().unwrap().to_owned()),
            numbers(bucket),
        )
    });
    let answered: BTreeMap<_, _> = answered.collect();
    assert_eq!(answered.len(), buckets.len(), "{granularity} {zone}");
    assert_eq!(answered, counted(granularity, tz, all()), "{granularity} {zone}");
    let total = |meter: &str| {
        let mut totals = usage["totals"].as_array().unwrap().iter();
        numbers(totals.find(|total| total["meter"] == meter).unwrap())
    };
    let events = all().count() as i64;
    assert_eq!(total("callers"), (5, events), "{granularity} {zone}");
    let quantities: Vec<i64> = all().map(|used| used.quantity).collect();
    assert_eq!(total("seats").0, *quantities.iter().max().unwrap());
    assert_eq!(total("minutes").0, quantities.iter().sum::<i64>());
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_are_those_of_the_clocks_wherever_they_hang() {
    let shop = shop().await;
    let (east, west): (Vec<_>, Vec<_>) = times().into_iter().enumerate().partition(|(n, _)| n % 3 == 0);
    let of = |times: Vec<(usize, DateTime<Utc>)>| used(times.into_iter().map(|(_, time)| time));
    let (east, west) = (of(east), of(west));
    shop.used(&shop.clients[0], &east).await;
    shop.used(&shop.clients[1], &west).await;

    let (alone, both) = (east.iter().collect(), east.iter().chain(&west).collect());
    let accounts: [(&Account, Vec<&Used>); 2] = [(&shop.clients[0], alone), (&shop.main, both)];
    let months = ["2025-12-31T00:00:00Z", "2026-09-01T00:00:00Z"];
    let days = ["2026-03-01T00:00:00Z", "2026-04-10T00:00:00Z"];
    for zone in ZONES {
        for (granularity, period) in [("HOUR", days), ("DAY", months), ("MONTH", months)] {
            for (account, all) in &accounts {
                let usage = shop.usage(account, granularity, zone, period).await;
                let [start, end] = ["start", "end"].map(|side| at(usage["period"][side].as_str().unwrap()));
                assert!(start <= at(period[0]) && at(period[1]) <= end);
                assert_counted(&usage, granularity, zone, all);
            }
        }
    }
}

fn numbers(sum: &Value) -> (i64, i64) {
    let quantity = sum["quantity"].as_str().unwrap().parse().unwrap();
    (quantity, sum["events"].as_i64().unwrap())
}

/// Zones, lengths, and instants, each with the start of the bucket that it lies in.
const TURNED: &str = "
# A day of 23 hours from its first to its last moment, with what is before and behind it; one of 25.
Europe/Berlin DAY 2026-03-28T22:59:59Z 2026-03-27T23:00:00Z
Europe/Berlin DAY 2026-03-28T23:00:00Z 2026-03-28T23:00:00Z
Europe/Berlin DAY 2026-03-29T21:59:59Z 2026-03-28T23:00:00Z
Europe/Berlin DAY 2026-03-29T22:00:00Z 2026-03-29T22:00:00Z
Europe/Berlin DAY 2025-10-25T22:00:00Z 2025-10-25T22:00:00Z
Europe/Berlin DAY 2025-10-26T22:59:59Z 2025-10-25T22:00:00Z
Europe/Berlin DAY 2025-10-26T23:00:00Z 2025-10-26T23:00:00Z
# The half hour that comes twice.
Australia/Lord_Howe HOUR 2026-04-04T14:59:59Z 2026-04-04T14:00:00Z
Australia/Lord_Howe HOUR 2026-04-04T15:00:00Z 2026-04-04T15:00:00Z
Australia/Lord_Howe HOUR 2026-04-04T15:29:59Z 2026-04-04T15:00:00Z
Australia/Lord_Howe HOUR 2026-04-04T15:30:00Z 2026-04-04T15:30:00Z
# There was no 30 December.
Pacific/Apia DAY 2011-12-30T09:59:59Z 2011-12-29T10:00:00Z
Pacific/Apia DAY 2011-12-30T10:00:00Z 2011-12-30T10:00:00Z
Asia/Kathmandu MONTH 2026-05-31T18:14:59Z 2026-04-30T18:15:00Z
Asia/Kathmandu MONTH 2026-05-31T18:15:00Z 2026-05-31T18:15:00Z
";

#[tokio::test(flavor = "multi_thread")]
async fn buckets_that_clocks_are_turned_in_begin_and_end_when_they_do() {
    let shop = shop().await;
    let client = &shop.clients[0];
    let cases = TURNED
        .lines()
        .filter(|case| !case.is_empty() && !case.starts_with('#'));
    for (number, case) in cases.enumerate() {
        let [zone, granularity, instant, start] = case.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{case}");
        };
        let mut event = event(case);
        event["meter"] = json!(format!("case{number}"));
        event["occurredAt"] = json!(instant);
        let recorded = shop.app.record(&shop.owner, client, json!([event])).await;
        shop.app.accepted(&recorded);
        let until = (at(instant) + Duration::seconds(1)).to_rfc3339();
        let usage = shop.usage(client, granularity, zone, [instant, &until]).await;
        let buckets = usage["buckets"].as_array().unwrap().iter();
        let mut buckets = buckets.filter(|bucket| bucket["meter"] == event["meter"]);
        assert_eq!(buckets.next().unwrap()["start"], start, "{case}");
        assert_eq!(usage["period"]["start"], start, "{case}");
        assert!(buckets.next().is_none(), "{case}");
    }
    shop.app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_the_time_zone_of_its_parent_unless_it_is_given_another() {
    let shop = shop().await;
    let (app, owner) = (&shop.app, &shop.owner);
    let create = async |parent: &Value, name: &str, zone: Value| {
        let input = json!({"parentId": parent, "name": name, "timeZone": zone});
        app.create_subaccount(owner, input).await
    };
    let made = create(&json!(shop.main.id), "Pune", json!("Asia/Kolkata")).await;
    let pune = made.success()["subaccount"].clone();
    assert_eq!(pune["timeZone"], "Asia/Kolkata");
    let below = create(&pune["id"], "Branch", Value::Null).await;
    let below = below.success()["subaccount"].clone();
    assert_eq!(below["timeZone"], "Asia/Kolkata");
    let other = create(&json!(shop.main.id), "Other", Value::Null).await;
    assert_eq!(other.success()["subaccount"]["timeZone"], "UTC");

    let changed = app
        .update_subaccount(owner, json!({"id": pune["id"], "timeZone": "Asia/Kathmandu"}))
        .await;
    assert_eq!(changed.success()["subaccount"]["timeZone"], "Asia/Kathmandu");
    let document = "query ($id: ID!) { account(id: $id) { timeZone } }";
    let kept = shop.ask(document, json!({"id": below["id"]})).await;
    assert_eq!(kept.at("/account/timeZone"), "Asia/Kolkata");

    for wrong in ["Asia/Pune", "", "ACCOUNT", "+05:30", "asia/kolkata"] {
        let before = app.counts().await;
        let created = create(&json!(shop.main.id), "Wrong", json!(wrong)).await;
        assert_eq!(created.user_error(), "BAD_USER_INPUT", "{wrong}");
        assert_eq!(created.payload()["userErrors"][0]["field"], json!(["timeZone"]));
        let changed = app
            .update_subaccount(owner, json!({"id": pune["id"], "timeZone": wrong}))
            .await;
        assert_eq!(changed.user_error(), "BAD_USER_INPUT", "{wrong}");
        assert_eq!(app.counts().await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_account_can_be_told_by_its_own_clocks_at_once() {
    let shop = shop().await;
    let [east, west] = &shop.clients;
    for (account, zone) in [(east, "Asia/Kolkata"), (west, "America/New_York")] {
        let input = json!({"id": account.id.as_str(), "timeZone": zone});
        shop.app.update_subaccount(&shop.owner, input).await.success();
        let times = (0..60).map(|n| at("2026-05-30T00:00:00Z") + Duration::minutes(n * 95));
        shop.used(account, &used(times)).await;
    }
    let period = ["2026-05-31T00:00:00Z", "2026-06-02T00:00:00Z"];
    for granularity in ["HOUR", "DAY", "MONTH"] {
        let document = format!(
            "query ($id: ID!) {{ account(id: $id) {{ subaccounts {{ nodes {{ name timeZone
               usage(period: {{start: \"{}\", end: \"{}\"}}, granularity: {granularity}, timeZone: \"ACCOUNT\") {{
                 timeZone period {{ start end }}
                 totals {{ meter quantity events amount {{ amount }} }}
                 buckets {{ start meter quantity events amount {{ amount }} }} }} }} }} }} }}",
            period[0], period[1]
        );
        let answer = shop.ask(&document, json!({"id": shop.main.id.as_str()})).await;
        let nodes = answer.at("/account/subaccounts/nodes").as_array().unwrap();
        for (node, (account, zone)) in nodes
            .iter()
            .zip([(east, "Asia/Kolkata"), (west, "America/New_York")])
        {
            assert_eq!(node["timeZone"], zone);
            let named = shop.usage(account, granularity, zone, period).await;
            assert!(!named["buckets"].as_array().unwrap().is_empty());
            assert_eq!(node["usage"], named, "{granularity} {zone}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_that_there_is_not_is_a_wrong_argument() {
    let shop = shop().await;
    for zone in ["Europe/Nowhere", "", "utc"] {
        let document = "query ($id: ID!, $zone: String) { account(id: $id) { name usage(timeZone: $zone) { timeZone } } }";
        let variables = json!({"id": shop.main.id.as_str(), "zone": zone});
        let answer = shop.ask(document, variables).await;
        assert_eq!(answer.code(), "BAD_USER_INPUT", "{zone}");
        assert_eq!(answer.0["errors"][0]["path"], json!(["account", "usage"]));
        assert_eq!(answer.0["data"]["account"]["name"], "Shop");
    }
    for zone in [Value::Null, json!("UTC")] {
        let document =
            "query ($id: ID!, $zone: String) { account(id: $id) { usage(timeZone: $zone) { timeZone } } }";
        let answer = shop
            .ask(document, json!({"id": shop.main.id.as_str(), "zone": zone}))
            .await;
        assert_eq!(answer.at("/account/usage/timeZone"), "UTC");
    }
}
