//! The account tree on a database: who may make and change what, and where it ends.

use canopy_entity::account::AccountStatus;
use canopy_entity::{Level, PermissionKey, PlanId, Role, audit_log};
use futures_util::future::join_all;
use sea_orm::{EntityTrait, PaginatorTrait};

use crate::accounts::UpdateSubaccount;
use crate::permissions::{Decider, PermissionChange, SetPermissions};
use crate::testing::{TestDomain, subaccount};
use crate::{Error, ErrorCode, PageArgs};

fn update(id: &canopy_entity::AccountId) -> UpdateSubaccount {
    UpdateSubaccount {
        id: id.clone(),
        name: None,
        status: None,
        plan_id: None,
        credit_mode: None,
        time_zone: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_creations_at_the_cap_one_wins() {
    let test = TestDomain::new().await;
    let (main, actor) = test.main_account("pln_agentphone").await;
    for number in 0..24 {
        let input = subaccount(&main.id, &format!("Client {number}"));
        test.domain.create_subaccount(&actor, input, None).await.unwrap();
    }
    let attempts = (0..4).map(|number| {
        let input = subaccount(&main.id, &format!("Last {number}"));
        test.domain.create_subaccount(&actor, input, None)
    });
    let outcomes = join_all(attempts).await;
    let made = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(made, 1);
    for refused in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(refused.code(), ErrorCode::LimitExceeded, "{refused}");
        assert!(
            refused.to_string().contains("may have 25 subaccounts and has 25"),
            "{refused}"
        );
    }

    let view = test.domain.account(&actor, &main.id).await.unwrap();
    let limits = test
        .domain
        .limits(&actor, std::slice::from_ref(&view))
        .await
        .unwrap();
    let of = |resource: &str| {
        let limit = limits[view.id()]
            .as_ref()
            .unwrap()
            .iter()
            .find(|limit| *limit.resource == *resource)
            .unwrap();
        (limit.max, limit.used)
    };
    assert_eq!(of("subaccounts"), (Some(25), 25));
    assert_eq!(of("depth"), (Some(1), 0));
    let args = PageArgs::new(Some(10), None, None, None, true).unwrap();
    let pages = test.domain.subaccounts(&actor, &[view], &args).await.unwrap();
    let page = &pages[&main.id];
    assert_eq!(
        (page.items.len(), page.total, page.has_next),
        (10, Some(25), true)
    );
}

#[tokio::test]
async fn nesting_ends_at_the_depth_of_the_plan() {
    let test = TestDomain::new().await;
    let (main, actor) = test.main_account("pln_itellico").await;
    let mut parent = main.id.clone();
    for level in 1..=5 {
        let input = subaccount(&parent, &format!("Level {level}"));
        let made = test
            .domain
            .create_subaccount(&actor, input, None)
            .await
            .unwrap()
            .value;
        assert_eq!((made.level(), made.row().plan_inherited), (level, true));
        parent = made.id().clone();
    }
    let refused = test
        .domain
        .create_subaccount(&actor, subaccount(&parent, "Level 6"), None)
        .await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(&refused, Error::LimitExceeded { resource, .. } if resource == "depth"),
        "{refused}"
    );

    let deepest = test.domain.account(&actor, &parent).await.unwrap();
    let ancestors = test
        .domain
        .ancestors(&actor, std::slice::from_ref(&deepest))
        .await
        .unwrap();
    let depths: Vec<i32> = ancestors[deepest.id()]
        .iter()
        .map(|view| view.row().depth)
        .collect();
    assert_eq!(depths, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn the_same_key_gives_the_same_account_and_another_input_a_conflict() {
    let test = TestDomain::new().await;
    let (main, actor) = test.main_account("pln_itellico").await;
    let create = |name: &str| {
        test.domain
            .create_subaccount(&actor, subaccount(&main.id, name), Some("key-1"))
    };
    let outcomes = join_all([create("Acme"), create("Acme"), create("Acme")]).await;
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| !outcome.replayed).count(), 1);
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.value.id() == outcomes[0].value.id())
    );
    let conflict = create("Other").await.unwrap_err();
    assert_eq!(conflict.field(), ["idempotencyKey"]);
    assert_eq!(conflict.code(), ErrorCode::Conflict);
    let written = audit_log::Entity::find().count(&test.database.db).await.unwrap();
    assert_eq!(written, 2, "the main account and one subaccount");
}

#[tokio::test]
async fn access_goes_down_and_neither_up_nor_sideways() {
    let test = TestDomain::new().await;
    let (main, system) = test.main_account("pln_itellico").await;
    let (other, _) = test.main_account("pln_itellico").await;
    let make = async |parent, name| {
        let made = test
            .domain
            .create_subaccount(&system, subaccount(parent, name), None)
            .await;
        made.unwrap().value
    };
    let child = make(&main.id, "Child").await;
    let grandchild = make(child.id(), "Grandchild").await;
    let sibling = make(&main.id, "Sibling").await;
    let (_, credentials) = test.person(child.row(), Role::Owner).await;
    let actor = test.domain.authenticate(&credentials).await.unwrap().unwrap();
    assert_eq!(actor.acting_as(), Some(child.id()));

    let ids = [&main.id, child.id(), grandchild.id(), sibling.id(), &other.id].map(Clone::clone);
    let seen = test.domain.accounts(&actor, &ids).await.unwrap();
    let mut seen: Vec<_> = seen.keys().collect();
    seen.sort();
    assert_eq!(seen, [child.id(), grandchild.id()]);
    for hidden in [
        &main.id,
        sibling.id(),
        &other.id,
        &canopy_entity::AccountId::new(),
    ] {
        let error = test.domain.account(&actor, hidden).await.unwrap_err();
        assert_eq!(error.to_string(), "There is no such account.");
    }
    // From inside one cannot change oneself; from above one can.
    let mut rename = update(child.id());
    rename.name = Some("Renamed".into());
    let refused = test
        .domain
        .update_subaccount(&actor, rename.clone(), None)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Forbidden);
    let renamed = test
        .domain
        .update_subaccount(&system, rename, None)
        .await
        .unwrap()
        .value;
    assert_eq!(renamed.row().name, "Renamed");
}

#[tokio::test]
async fn a_suspension_holds_below_and_a_closed_account_comes_back_within_the_limits() {
    let test = TestDomain::new().await;
    let (main, system) = test.main_account("pln_itellico").await;
    let child = test
        .domain
        .create_subaccount(&system, subaccount(&main.id, "Child"), None)
        .await;
    let child = child.unwrap().value;
    let grandchild = test
        .domain
        .create_subaccount(&system, subaccount(child.id(), "Grandchild"), None)
        .await;
    let grandchild = grandchild.unwrap().value;
    let (_, credentials) = test.person(grandchild.row(), Role::Owner).await;
    let set_status = async |status| {
        let mut input = update(child.id());
        input.status = Some(status);
        test.domain.update_subaccount(&system, input, None).await
    };

    set_status(AccountStatus::Suspended).await.unwrap();
    let below = test.domain.account(&system, grandchild.id()).await.unwrap();
    assert_eq!(
        (below.status(), below.row().status),
        (AccountStatus::Suspended, AccountStatus::Active)
    );
    let actor = test.domain.authenticate(&credentials).await.unwrap().unwrap();
    assert!(
        test.domain.account(&actor, grandchild.id()).await.is_ok(),
        "it can still be read"
    );
    let refused = test
        .domain
        .create_subaccount(&system, subaccount(grandchild.id(), "More"), None)
        .await;
    assert_eq!(refused.unwrap_err().code(), ErrorCode::Conflict);

    set_status(AccountStatus::Closed).await.unwrap();
    let actor = test.domain.authenticate(&credentials).await.unwrap().unwrap();
    assert!(
        test.domain.account(&actor, grandchild.id()).await.is_err(),
        "gone for its users"
    );
    let view = test.domain.account(&system, &main.id).await.unwrap();
    let pages = test
        .domain
        .subaccounts(&system, std::slice::from_ref(&view), &PageArgs::default())
        .await;
    assert!(
        pages.unwrap()[&main.id].items.is_empty(),
        "closed ones are not listed"
    );
    let mut rename = update(child.id());
    rename.name = Some("Renamed".into());
    assert!(
        test.domain
            .update_subaccount(&system, rename, None)
            .await
            .is_err()
    );

    test.domain
        .set_account_limit(&system, &child, "members", Some(1))
        .await
        .unwrap();
    let restored = set_status(AccountStatus::Active).await.unwrap().value;
    assert_eq!(restored.status(), AccountStatus::Active);
    assert!(test.domain.authenticate(&credentials).await.unwrap().is_some());
}

#[tokio::test]
async fn a_new_plan_is_handed_down_to_those_who_inherit_it() {
    let test = TestDomain::new().await;
    let (main, system) = test.main_account("pln_itellico").await;
    let make = async |parent, plan: Option<&str>| {
        let mut input = subaccount(parent, "An account");
        input.plan_id = plan.map(|plan| PlanId::parse(plan).unwrap());
        test.domain
            .create_subaccount(&system, input, None)
            .await
            .unwrap()
            .value
    };
    let child = make(&main.id, None).await;
    let heir = make(child.id(), None).await;
    let own = make(child.id(), Some("pln_itellico")).await;
    let heir_of_own = make(own.id(), None).await;
    let mut input = update(child.id());
    input.plan_id = Some(PlanId::parse("pln_connector").unwrap());
    test.domain
        .update_subaccount(&system, input.clone(), None)
        .await
        .unwrap();
    let plan_of = async |id| {
        let view = test.domain.account(&system, id).await.unwrap();
        view.row().plan_id.as_ref().unwrap().to_string()
    };
    assert_eq!(plan_of(child.id()).await, "pln_connector");
    assert_eq!(plan_of(heir.id()).await, "pln_connector");
    assert_eq!(plan_of(own.id()).await, "pln_itellico");
    assert_eq!(plan_of(heir_of_own.id()).await, "pln_itellico");
    let ids = ["pln_connector", "pln_unknown"].map(|plan| PlanId::parse(plan).unwrap());
    let plans = test.domain.plans(&system, &ids).await.unwrap();
    assert_eq!(plans.keys().collect::<Vec<_>>(), [&ids[0]]);
    assert_eq!(test.domain.available_plans(&system).await.unwrap().len(), 4);
    input.plan_id = Some(PlanId::parse("pln_unknown").unwrap());
    let refused = test
        .domain
        .update_subaccount(&system, input, None)
        .await
        .unwrap_err();
    assert_eq!(refused.to_string(), "There is no such plan.");
}

#[tokio::test]
async fn a_restriction_holds_below_and_is_lifted_by_the_highest_level() {
    let test = TestDomain::new().await;
    let (main, system) = test.main_account("pln_itellico").await;
    let child = test
        .domain
        .create_subaccount(&system, subaccount(&main.id, "Child"), None)
        .await;
    let child = child.unwrap().value;
    let grandchild = test
        .domain
        .create_subaccount(&system, subaccount(child.id(), "Grandchild"), None)
        .await;
    let grandchild = grandchild.unwrap().value;
    let set = async |key, level| {
        let input = SetPermissions {
            account_id: child.id().clone(),
            permissions: vec![PermissionChange { key, level }],
        };
        test.domain.set_permissions(&system, input, None).await.unwrap();
        let view = test.domain.account(&system, grandchild.id()).await.unwrap();
        view.access().effective(PermissionKey::Members)
    };
    let effective = set(PermissionKey::Account, Level::Limited).await;
    assert_eq!(effective.level, Level::Read);
    assert_eq!(
        effective.decided_by,
        Decider::Account {
            account_id: child.id().clone(),
            key: PermissionKey::Account
        }
    );
    assert_eq!(set(PermissionKey::Members, Level::None).await.level, Level::None);
    assert_eq!(set(PermissionKey::Members, Level::Full).await.level, Level::Read);
    assert_eq!(set(PermissionKey::Account, Level::Full).await.level, Level::Full);
}

#[tokio::test]
async fn accounts_below_are_counted_up_to_a_bound_and_within_the_scope() {
    let test = TestDomain::new().await;
    let (main, actor) = test.main_account("pln_agentphone").await;
    let (other, _) = test.main_account("pln_agentphone").await;
    let domain = &test.domain;
    let mut last = None;
    for name in ["One", "Two", "Three"] {
        let made = domain
            .create_subaccount(&actor, subaccount(&main.id, name), None)
            .await;
        last = Some(made.unwrap().value.id().clone());
    }
    let last = last.unwrap();
    let below = async |id, most| domain.accounts_below(&actor, id, most).await.unwrap();
    assert_eq!(below(&main.id, 4).await, 3);
    assert_eq!(below(&main.id, 3).await, u64::MAX);
    assert_eq!(below(&last, 1).await, 0);
    assert_eq!(below(&other.id, 4).await, 0, "it is out of scope");
}
