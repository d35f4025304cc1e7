//! Random trees whose accounts move while usage arrives, late, early and again: each unit has the sellers that stood above
//! its account when it was used, and each tree has the sum of what was used in it.

use std::collections::BTreeMap;

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use chrono::{DateTime, Duration, Utc};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::app::{App, Caller, until};

/// What happens to a tree, in order.
#[derive(Debug, Clone)]
struct Story {
    /// For each account but the first, the place of its parent.
    parents: Vec<usize>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Step {
    /// A unit of an account: after so many of the moves until then, at their instant or right before the next one.
    Use {
        account: Index,
        since: Index,
        is_last: bool,
    },
    /// Something that was reported before is reported again.
    Again(Index),
    Move {
        account: Index,
        to: Index,
    },
}

fn stories() -> impl Strategy<Value = Story> {
    let used =
        (any::<Index>(), any::<Index>(), any::<bool>()).prop_map(|(account, since, is_last)| Step::Use {
            account,
            since,
            is_last,
        });
    let moved = (any::<Index>(), any::<Index>()).prop_map(|(account, to)| Step::Move { account, to });
    let step = prop_oneof![4 => used, 1 => any::<Index>().prop_map(Step::Again), 2 => moved];
    let tree = prop::collection::vec(any::<Index>(), 3..7);
    (tree, prop::collection::vec(step, 5..25)).prop_map(|(tree, steps)| Story {
        parents: (1..).zip(tree).map(|(own, parent)| parent.index(own)).collect(),
        steps,
    })
}

/// The tree as it should be.
struct Model {
    /// The parents of each account but the first, since each instant.
    trees: Vec<(DateTime<Utc>, Vec<usize>)>,
    /// Of each event, whose it is and when.
    used: Vec<(usize, DateTime<Utc>)>,
}

impl Model {
    fn parents(&self) -> &[usize] {
        &self.trees.last().expect("there is a tree from the beginning").1
    }

    /// The places of the accounts from an account up to the first, at an instant.
    fn upward(&self, account: usize, at: DateTime<Utc>) -> Vec<usize> {
        let mut trees = self.trees.iter().rev();
        let (_, parents) = trees.find(|(since, _)| *since <= at).expect("no usage is older");
        upward(parents, account)
    }

    /// An instant that lies after so many of the moves: the first or the last before the next.
    fn instant(&self, since: usize, is_last: bool) -> DateTime<Utc> {
        match self.trees.get(since + 1).filter(|_| is_last) {
            Some((next, _)) => *next - Duration::microseconds(1),
            None => self.trees[since].0,
        }
    }
}

fn upward(parents: &[usize], account: usize) -> Vec<usize> {
    let above = |place: &usize| place.checked_sub(1).map(|place| parents[place]);
    std::iter::successors(Some(account), above).collect()
}

async fn holds(story: &Story) {
    let app = App::start().await;
    let mut accounts = vec![app.main_account(None, "Main", "pln_itellico").await];
    for (parent, number) in story.parents.iter().zip(1..) {
        let made = app
            .subaccount(&accounts[*parent], &format!("Client {number}"))
            .await;
        accounts.push(made);
    }
    app.unit_price(&accounts[0], "0.5").await;
    app.fund(&accounts[1], "3").await;
    let owner = app.member(&accounts[0], Role::Owner).await;
    let mut model = Model {
        trees: vec![(Utc::now() - Duration::days(2), story.parents.clone())],
        used: Vec::new(),
    };
    for step in &story.steps {
        match step {
            Step::Use {
                account,
                since,
                is_last,
            } => {
                let at = model.instant(since.index(model.trees.len()), *is_last);
                model.used.push((account.index(accounts.len()), at));
                record(&app, &owner, &accounts, &model, model.used.len() - 1, "ACCEPTED").await;
            }
            Step::Again(place) if !model.used.is_empty() => {
                let place = place.index(model.used.len());
                record(&app, &owner, &accounts, &model, place, "REPLAYED").await;
            }
            Step::Again(_) => {}
            Step::Move { account, to } => {
                let (account, to) = (account.index(accounts.len()), to.index(accounts.len()));
                move_to(&app, &owner, &accounts, &mut model, account, to).await;
            }
        }
    }
    assert_eq!(sellers(&app, &accounts).await, expected_sellers(&model));
    assert_eq!(trees(&app, &accounts).await, expected_trees(&model));
    app.relay().await;
    app.assert_counted_once().await;
}

async fn record(app: &App, owner: &Caller, accounts: &[Account], model: &Model, place: usize, status: &str) {
    let (account, at) = model.used[place];
    let event = json!({
        "accountId": accounts[account].id, "idempotencyKey": place.to_string(), "meter": "minutes", "quantity": "1",
        "occurredAt": at,
    });
    let answer = app.record(owner, &accounts[0], json!([event])).await;
    assert_eq!(answer.success()["results"][0]["status"], status);
}

/// Moves an account, unless it cannot stand there.
async fn move_to(
    app: &App,
    owner: &Caller,
    accounts: &[Account],
    model: &mut Model,
    account: usize,
    to: usize,
) {
    let mut parents = model.parents().to_vec();
    let is_possible = account > 0 && parents[account - 1] != to && !upward(&parents, to).contains(&account);
    let input = json!({"id": accounts[account].id.as_str(), "parentId": accounts[to].id.as_str()});
    let answer = app.move_account(owner, input).await;
    if !is_possible {
        assert_eq!(answer.user_error(), "BAD_USER_INPUT");
        return;
    }
    parents[account - 1] = to;
    let deepest = (0..accounts.len())
        .map(|account| upward(&parents, account).len() - 1)
        .max();
    // The plan has five levels.
    if deepest > Some(5) {
        assert_eq!(answer.user_error(), "LIMIT_EXCEEDED");
        return;
    }
    let at = serde_json::from_value(answer.success()["changes"]["at"].clone()).expect("an instant");
    model.trees.push((at, parents));
}

/// For each event the places of its sellers and of who used it, from the top down.
async fn sellers(app: &App, accounts: &[Account]) -> BTreeMap<usize, Vec<usize>> {
    let rows = app
        .rows(
            "SELECT e.idempotency_key AS event, r.seller_account_id AS seller, r.buyer_account_id AS buyer
             FROM usage_events e LEFT JOIN ratings r ON r.event_id = e.id ORDER BY r.edge",
        )
        .await;
    let place = |id: &Value| accounts.iter().position(|account| *id == json!(account.id));
    let mut sellers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for row in &rows {
        let event = row["event"]
            .as_str()
            .and_then(|event| event.parse().ok())
            .expect("a place");
        let path = sellers.entry(event).or_default();
        if let (Some(seller), Some(buyer)) = (place(&row["seller"]), place(&row["buyer"])) {
            assert!(
                path.is_empty() || path.last() == Some(&seller),
                "each buyer sells to the next"
            );
            match path.is_empty() {
                true => path.extend([seller, buyer]),
                false => path.push(buyer),
            }
        }
    }
    sellers
}

fn expected_sellers(model: &Model) -> BTreeMap<usize, Vec<usize>> {
    let used = model.used.iter().enumerate();
    let sold = used.map(|(event, (account, at))| {
        let mut path = model.upward(*account, *at);
        path.reverse();
        // Nobody sells to the first account.
        (event, if path.len() == 1 { Vec::new() } else { path })
    });
    sold.collect()
}

/// How many events each account and its tree has, and what it earned, in micro-units.
async fn trees(app: &App, accounts: &[Account]) -> Vec<[i64; 3]> {
    let mut trees = Vec::new();
    for account in accounts {
        let sum = async |column: &str| {
            let sql = format!(
                "SELECT CAST(coalesce(sum({column}), 0) AS bigint) FROM usage_sums
                 WHERE account_id = '{}' AND granularity = 'MONTH'",
                account.id
            );
            app.number(&sql).await
        };
        let earned = format!(
            "SELECT CAST(coalesce(sum(credits - debits), 0) AS bigint) FROM ledger_accounts
             WHERE account_id = '{}' AND kind = 'REVENUE'",
            account.id
        );
        trees.push([
            sum("events").await,
            sum("tree_events").await,
            app.number(&earned).await,
        ]);
    }
    trees
}

fn expected_trees(model: &Model) -> Vec<[i64; 3]> {
    let mut trees = vec![[0; 3]; model.parents().len() + 1];
    for (account, at) in &model.used {
        trees[*account][0] += 1;
        for place in model.upward(*account, *at) {
            trees[place][1] += 1;
            trees[place][2] += if place == *account { 0 } else { 500_000 };
        }
    }
    trees
}

#[test]
fn each_unit_has_one_payer_however_accounts_move() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config {
        cases: 12,
        max_shrink_iters: 40,
        failure_persistence: None,
        ..Config::default()
    };
    let held = TestRunner::new(config).run(&stories(), |story| {
        runtime.block_on(holds(&story));
        Ok(())
    });
    held.unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_or_made_while_its_account_moves_has_one_path() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let (left, right) = (
        app.subaccount(&main, "Left").await,
        app.subaccount(&main, "Right").await,
    );
    let client = app.subaccount(&left, "Client").await;
    app.subaccount(&client, "Branch").await;
    app.unit_price(&main, "0.5").await;
    let owner = app.member(&main, Role::Owner).await;
    let (app, owner, client) = (&app, &owner, &client);

    let recorders = (0..3).map(|recorder| async move {
        for number in 0..15 {
            let event = json!({
                "idempotencyKey": format!("{recorder} {number}"), "meter": "minutes", "quantity": "1",
                "occurredAt": Utc::now() - Duration::milliseconds(number * 7),
            });
            let answer = app.record(owner, client, json!([event])).await;
            assert_eq!(answer.success()["results"][0]["status"], "ACCEPTED");
        }
    });
    let moves = async {
        for number in 0..10 {
            let to = if number % 2 == 0 { &right } else { &left };
            let input = json!({"id": client.id.as_str(), "parentId": to.id.as_str()});
            app.move_account(owner, input).await.success();
        }
    };
    let makers = (0..3).map(|maker| async move {
        for number in 0..8 {
            let input = json!({"parentId": client.id.as_str(), "name": format!("Branch {maker} {number}")});
            // Whether there is room is asked along a path that may be another by then.
            let made = async || {
                let answer = app.create_subaccount(owner, input.clone()).await;
                let is_to_be_tried_again = answer.payload()["userErrors"][0]["code"] == "CONFLICT";
                (!is_to_be_tried_again).then_some(answer)
            };
            until("an account to be made", made).await.success();
        }
    });
    let (recorders, makers) = (
        futures_util::future::join_all(recorders),
        futures_util::future::join_all(makers),
    );
    futures_util::future::join3(recorders, makers, moves).await;

    let stray = app
        .rows(
            "SELECT e.idempotency_key, e.path, e.occurred_at FROM usage_events e JOIN accounts a ON a.id = e.account_id
             WHERE e.path <> coalesce((SELECT s.path FROM account_positions s
               WHERE s.account_id = e.account_id AND s.until > e.occurred_at ORDER BY s.until LIMIT 1), a.path)",
        )
        .await;
    assert_eq!(stray, Vec::<Value>::new());
    assert_eq!(app.count("usage_events").await, 45);
    let own = format!(
        "SELECT count(*) FROM account_positions WHERE account_id = '{}'",
        client.id
    );
    assert_eq!(app.number(&own).await, 10);
    // Whatever was made meanwhile stands below its parent.
    app.assert_balanced().await;
}
