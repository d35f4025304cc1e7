//! What becomes of events that are recorded one batch after another.

use canopy_entity::usage_event::{self, RatingStatus};
use sea_orm::PaginatorTrait;

use super::*;
use crate::Error;

#[tokio::test]
async fn an_event_is_priced_paid_summed_and_announced_once() {
    let house = house().await.with_prices().await;
    house.grant(&house.agency, "100").await;
    let outcomes = house
        .record(&house.client, vec![event("a", "10"), event("b", "5")])
        .await;
    let row = accepted(&outcomes[0]);
    assert_eq!(row.rating_status, RatingStatus::Rated);

    let ratings = house
        .domain
        .ratings_of(&house.actor, std::slice::from_ref(row))
        .await
        .unwrap();
    let edges: Vec<(i64, i64)> = ratings[&row.id]
        .iter()
        .map(|rating| (rating.cost, rating.price))
        .collect();
    assert_eq!(edges, [(0, micros("1")), (micros("1"), micros("1.5"))]);
    assert!(
        ratings[&row.id]
            .iter()
            .all(|rating| rating.fuel.unwrap() > 0 && rating.rule_digest.is_some())
    );

    assert_eq!(
        house.wallet(&house.agency, LedgerKind::Pool).await,
        micros("98.5")
    );
    assert_eq!(
        house.wallet(&house.platform, LedgerKind::Revenue).await,
        micros("1.5")
    );
    assert_eq!(
        house.wallet(&house.agency, LedgerKind::Revenue).await,
        micros("2.25")
    );
    assert_eq!(
        house.wallet(&house.agency, LedgerKind::Receivable).await,
        -micros("2.25")
    );
    house.assert_balanced().await;

    let usage = house.usage(&house.client, false).await;
    let total = &usage.totals[0];
    assert_eq!(
        (total.quantity.get(), total.events, total.amount.amount.get()),
        (micros("15"), 2, micros("2.25"))
    );
    assert_eq!(
        house.usage(&house.agency, true).await.totals[0].quantity.get(),
        micros("15")
    );
    assert!(house.usage(&house.agency, false).await.totals.is_empty());
    assert_eq!(house.told().await, 2);
}

#[tokio::test]
async fn a_key_that_was_seen_is_answered_again_or_is_a_conflict() {
    let house = house().await.with_prices().await;
    house.grant(&house.agency, "100").await;
    let first = house.record(&house.client, vec![event("a", "10")]).await;
    let row = accepted(&first[0]);
    let again = house
        .record(
            &house.client,
            vec![
                event("a", "10"),
                event("a", "11"),
                event("c", "1"),
                event("c", "1"),
            ],
        )
        .await;
    assert!(matches!(&again[0], EventOutcome::Replayed(same) if **same == *row));
    assert_eq!(refused(&again[1]), ErrorCode::Conflict);
    accepted(&again[2]);
    assert!(matches!(&again[3], EventOutcome::Replayed(_)));
    assert_eq!(house.count("usage_events").await, 2);
}

#[tokio::test]
async fn a_new_version_prices_the_next_event_and_no_earlier_one() {
    let house = house().await.with_prices().await;
    house.grant(&house.agency, "100").await;
    let before = house.record(&house.client, vec![event("a", "10")]).await;
    let dearer = serde_json::json!({"meters": {"minutes": {"unit_price": "0.20"}}});
    house
        .sell(&house.platform, dearer, FailurePolicy::KeepPending)
        .await;
    let after = house.record(&house.client, vec![event("b", "10")]).await;
    let rows = [accepted(&before[0]).clone(), accepted(&after[0]).clone()];
    let ratings = house.domain.ratings_of(&house.actor, &rows).await.unwrap();
    assert_eq!(ratings[&rows[0].id][0].price, micros("1"));
    assert_eq!(ratings[&rows[1].id][0].price, micros("2"));
    let versions = rows.map(|row| ratings[&row.id][0].rule_version_id.clone());
    assert_ne!(versions[0], versions[1]);

    let views = [house
        .domain
        .account(&house.actor, &house.platform.id)
        .await
        .unwrap()];
    let pages = house
        .domain
        .rule_versions(
            &house.actor,
            &views,
            Some(RuleKind::Pricing),
            &crate::PageArgs::default(),
        )
        .await
        .unwrap();
    let versions: Vec<(i32, bool)> = pages[&house.platform.id]
        .items
        .iter()
        .map(|(_, version)| (version.row.version, version.active_since.is_some()))
        .collect();
    assert_eq!(versions, [(1, false), (2, true)]);
}

#[tokio::test]
async fn an_event_that_nobody_can_pay_is_refused_and_the_others_go_on() {
    let house = house().await.with_prices().await;
    house.grant(&house.agency, "1").await;
    let events = vec![event("a", "6"), event("b", "6"), event("c", "4")];
    let outcomes = house.record(&house.client, events).await;
    accepted(&outcomes[0]);
    assert_eq!(refused(&outcomes[1]), ErrorCode::LimitExceeded);
    accepted(&outcomes[2]);
    assert_eq!(house.wallet(&house.agency, LedgerKind::Pool).await, 0);
    assert_eq!(house.count("usage_events").await, 2);
    // The key is free again: nothing of the refused event is left.
    house.grant(&house.agency, "1").await;
    accepted(&house.record(&house.client, vec![event("b", "6")]).await[0]);
    house.assert_balanced().await;
}

#[tokio::test]
async fn usage_without_a_price_waits_for_a_rule() {
    let house = house().await;
    house.grant(&house.agency, "100").await;
    let outcomes = house
        .record(&house.client, vec![event("a", "10"), event("b", "10")])
        .await;
    assert_eq!(accepted(&outcomes[0]).rating_status, RatingStatus::Pending);
    assert_eq!(house.domain.rate_pending(100).await.unwrap(), 0);
    assert_eq!(
        house.usage(&house.client, false).await.totals[0].amount.amount,
        Micros::ZERO
    );

    let tiers = serde_json::json!({"meters": {"minutes": {"tiers": [
        {"up_to": "10", "unit_price": "0.10"}, {"unit_price": "0.05"}
    ]}}});
    house
        .sell(&house.platform, tiers, FailurePolicy::KeepPending)
        .await;
    assert_eq!(house.domain.rate_pending(100).await.unwrap(), 2);
    assert_eq!(house.domain.rate_pending(100).await.unwrap(), 0);
    // The second is in the second tier; the agency passes its cost on.
    assert_eq!(
        house.wallet(&house.agency, LedgerKind::Pool).await,
        micros("98.5")
    );
    let total = house.usage(&house.client, false).await.totals.remove(0);
    assert_eq!((total.events, total.amount.amount.get()), (2, micros("1.5")));
    assert_eq!(house.told().await, 4);
    house.assert_balanced().await;
}

#[tokio::test]
async fn a_failing_rule_keeps_or_refuses_as_its_policy_says() {
    let house = house().await;
    house.grant(&house.agency, "100").await;
    let only_minutes = serde_json::json!({"meters": {"minutes": {"unit_price": "0.10"}}});
    house
        .sell(&house.platform, only_minutes.clone(), FailurePolicy::KeepPending)
        .await;
    let seconds = |key| NewUsageEvent {
        meter: "seconds".to_owned(),
        ..event(key, "10")
    };
    let outcomes = house
        .record(
            &house.client,
            vec![event("a", "10"), seconds("b"), event("c", "10")],
        )
        .await;
    let statuses: Vec<RatingStatus> = outcomes
        .iter()
        .map(|outcome| accepted(outcome).rating_status)
        .collect();
    assert_eq!(
        statuses,
        [RatingStatus::Rated, RatingStatus::Pending, RatingStatus::Rated]
    );

    house
        .sell(&house.platform, only_minutes, FailurePolicy::Deny)
        .await;
    let outcomes = house
        .record(&house.client, vec![seconds("d"), event("e", "10")])
        .await;
    assert_eq!(refused(&outcomes[0]), ErrorCode::RuleFailed);
    accepted(&outcomes[1]);

    let wrong = serde_json::json!({"meters": {"minutes": {"unit_price": "-1"}}});
    let error = house
        .upload(&house.platform, wrong, FailurePolicy::Deny)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::RuleFailed, "{error}");
}

#[tokio::test]
async fn input_that_is_wrong_in_itself_is_refused_event_by_event() {
    let house = house().await.with_prices().await;
    house.grant(&house.agency, "100").await;
    let now = time::now();
    let wrong = [
        NewUsageEvent {
            meter: "Minutes!".to_owned(),
            ..event("a", "1")
        },
        NewUsageEvent {
            quantity: "-1".parse().unwrap(),
            ..event("b", "1")
        },
        NewUsageEvent {
            occurred_at: Some(now - chrono::Duration::days(36)),
            ..event("c", "1")
        },
        NewUsageEvent {
            occurred_at: Some(now + chrono::Duration::minutes(6)),
            ..event("d", "1")
        },
        NewUsageEvent {
            attributes: serde_json::json!([1]),
            ..event("e", "1")
        },
        NewUsageEvent {
            attributes: serde_json::json!({"a": "\u{0}"}),
            ..event("f", "1")
        },
        NewUsageEvent {
            idempotency_key: String::new(),
            ..event("g", "1")
        },
        NewUsageEvent {
            account_id: Some(house.platform.id.clone()),
            ..event("h", "1")
        },
    ];
    let mut events: Vec<NewUsageEvent> = wrong.to_vec();
    let below = NewUsageEvent {
        account_id: Some(house.inner.id.clone()),
        ..event("i", "1")
    };
    events.push(below);
    let unknown = NewUsageEvent {
        account_id: Some(canopy_entity::AccountId::new()),
        ..event("j", "1")
    };
    events.push(unknown);
    let outcomes = house.record(&house.client, events).await;
    for outcome in &outcomes[..wrong.len()] {
        assert_eq!(refused(outcome), ErrorCode::BadUserInput);
    }
    assert_eq!(accepted(&outcomes[wrong.len()]).account_id, house.inner.id);
    assert!(matches!(
        outcomes.last(),
        Some(EventOutcome::Refused(Error::NotFound("account")))
    ));
    assert_eq!(
        usage_event::Entity::find()
            .count(&house.database.db)
            .await
            .unwrap(),
        1
    );
}

#[tokio::test]
async fn a_repeated_upload_or_activation_is_answered_and_not_done_again() {
    let house = house().await;
    let upload = |configuration| UploadRule {
        account_id: house.agency.id.clone(),
        kind: RuleKind::Pricing,
        name: "prices".to_owned(),
        source: RuleSource::Builtin("tiered-pricing".to_owned()),
        configuration,
        failure_policy: None,
        check: true,
    };
    let prices = serde_json::json!({"meters": {"*": {"markup_ppm": 0}}});
    let first = house
        .domain
        .upload_rule(&house.actor, upload(prices.clone()), Some("up"))
        .await
        .unwrap();
    let again = house
        .domain
        .upload_rule(&house.actor, upload(prices), Some("up"))
        .await
        .unwrap();
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(first.value.row, again.value.row);
    let other = serde_json::json!({"meters": {"*": {"markup_ppm": 1}}});
    let other = house
        .domain
        .upload_rule(&house.actor, upload(other), Some("up"))
        .await;
    assert_eq!(other.unwrap_err().code(), ErrorCode::Conflict);

    let activate = || ChangeRule::new(RuleStep::Activate, first.value.row.id.clone());
    let live = house
        .domain
        .change_rule(&house.actor, activate(), None)
        .await
        .unwrap()
        .value;
    let same = house
        .domain
        .change_rule(&house.actor, activate(), None)
        .await
        .unwrap()
        .value;
    assert_eq!(live.version.active_since, same.version.active_since);
    assert_eq!(
        (house.count("rule_activations").await, same.previous.is_none()),
        (1, true)
    );
}

#[tokio::test]
async fn what_is_not_a_rule_is_refused_and_leaves_nothing() {
    let house = house().await;
    let before = (
        house.count("rule_versions").await,
        house.count("rule_artifacts").await,
    );
    let attempts = [
        (RuleKind::Pricing, RuleSource::Wasm(b"not wasm".to_vec())),
        (RuleKind::Limits, RuleSource::Builtin("tiered-pricing".to_owned())),
        (RuleKind::Pricing, RuleSource::Wasm(vec![0; 5 << 20])),
    ];
    for (kind, source) in attempts {
        let upload = UploadRule {
            account_id: house.agency.id.clone(),
            kind,
            name: "hostile".to_owned(),
            source,
            configuration: serde_json::json!({}),
            failure_policy: None,
            check: true,
        };
        let error = house
            .domain
            .upload_rule(&house.actor, upload, None)
            .await
            .unwrap_err();
        assert_eq!(error.code(), ErrorCode::RuleFailed, "{error}");
    }
    assert_eq!(
        (
            house.count("rule_versions").await,
            house.count("rule_artifacts").await
        ),
        before
    );
}
