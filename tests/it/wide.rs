//! Trees that are deep and wide at once, and lists that are longer than a page: the answer is right, and takes as many
//! statements as a small one.

use canopy_domain::entity::account::Model as Account;
use canopy_domain::entity::{Role, UserId};
use serde_json::{Value, json};

use crate::app::{App, Caller};

/// Levels below the main account.
const LEVELS: usize = 4;

/// The roles of the members of each account.
const TEAM: [Role; 3] = [Role::Admin, Role::Member, Role::Viewer];

/// Accounts on five levels, each of them with so many below it and with three members. The name of each begins with that
/// of its parent.
async fn tree(width: usize) -> (App, Account, Caller) {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let owner = app.member(&main, Role::Owner).await;
    let mut team = Vec::new();
    for role in TEAM {
        team.push(app.person(&format!("{role:?}")).await);
    }
    let mut level = vec![main.clone()];
    for _ in 0..LEVELS {
        let mut below = Vec::new();
        for parent in &level {
            for place in 0..width {
                let child = app.subaccount(parent, &format!("{}.{place}", parent.name)).await;
                join(&app, &child, &team).await;
                below.push(child);
            }
        }
        level = below;
    }
    (app, main, owner)
}

async fn join(app: &App, account: &Account, team: &[UserId]) {
    for (user, role) in team.iter().zip(TEAM) {
        app.join(account, user, role).await;
    }
}

/// Accounts on five levels with members, permissions, limits and usage on each.
fn document() -> String {
    let mut inner = String::from("...Own");
    for _ in 0..LEVELS {
        inner = format!("...Own subaccounts(first: 25) {{ totalCount nodes {{ {inner} }} }}");
    }
    format!(
        "query ($id: ID!) {{ account(id: $id) {{ {inner} }} }}
         fragment Own on Tenant {{
           name level
           members(first: 10) {{ totalCount nodes {{ role user {{ name }} }} }}
           permissionSet {{ permission(key: MEMBERS) {{ level decidedBy {{ kind }} }} }}
           limits {{ resource(name: \"subaccounts\") {{ used }} }}
           usage(granularity: MONTH) {{ totals {{ meter quantity }} }}
         }}"
    )
}

/// Holds what stands at an account and below it; answers how many accounts these are.
fn assert_right(account: &Value, name: &str, level: usize, width: usize) -> usize {
    assert_eq!(
        (&account["name"], &account["level"]),
        (&json!(name), &json!(level))
    );
    let members = &account["members"];
    if level > 0 {
        let roles: Vec<&Value> = members["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|own| &own["role"])
            .collect();
        assert_eq!(roles, ["ADMIN", "MEMBER", "VIEWER"], "{name}");
        assert_eq!(members["totalCount"], 3, "{name}");
    }
    let children = if level < LEVELS { width } else { 0 };
    assert_eq!(account["limits"]["resource"]["used"], children, "{name}");
    if level == LEVELS {
        return 1;
    }
    let below = &account["subaccounts"];
    assert_eq!(below["totalCount"], width, "{name}");
    let nodes = below["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), width, "{name}");
    let each = nodes.iter().enumerate();
    1 + each
        .map(|(place, child)| assert_right(child, &format!("{name}.{place}"), level + 1, width))
        .sum::<usize>()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_levels_of_several_accounts_take_as_many_statements_as_five_of_one() {
    let mut counts = Vec::new();
    for (width, accounts) in [(1, 5), (3, 121)] {
        let (app, main, owner) = tree(width).await;
        let variables = json!({"id": main.id.as_str()});
        // The executor answers at first, and a query plan from then on.
        for _ in 0..2 {
            app.statements.take();
            let answer = app.run(&owner, &document(), variables.clone()).await;
            assert_eq!(
                assert_right(&answer.data()["account"], "Main", 0, width),
                accounts
            );
        }
        counts.push(app.statements.take().len());
    }
    assert!(counts[0] > 0);
    assert_eq!(counts[0], counts[1], "statements for 5 and for 121 accounts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_longer_than_a_page_is_read_to_its_end() {
    const COUNT: usize = 150;
    let app = App::start().await;
    let main = app.main_account(None, "Long", "pln_itellico").await;
    let owner = app.member(&main, Role::Owner).await;
    let mut made = Vec::new();
    for place in 0..COUNT {
        made.push(app.subaccount(&main, &format!("{place:03}")).await.id.to_string());
    }
    let document = "query ($id: ID!, $first: Int, $after: String, $last: Int) {
        account(id: $id) { subaccounts(first: $first, after: $after, last: $last) {
          totalCount pageInfo { hasNextPage hasPreviousPage endCursor } nodes { id }
        } } }";
    let page = async |arguments: Value| {
        let mut variables = arguments;
        variables["id"] = json!(main.id.as_str());
        app.statements.take();
        let answer = app.run(&owner, document, variables).await;
        let list = answer.at("/account/subaccounts").clone();
        assert_eq!(list["totalCount"], COUNT);
        (list, app.statements.take().len())
    };
    let ids = |list: &Value| -> Vec<String> {
        let nodes = list["nodes"].as_array().unwrap().iter();
        nodes
            .map(|node| node["id"].as_str().unwrap().to_owned())
            .collect()
    };
    // The first run of the document is the executor's.
    page(json!({"first": 1})).await;
    let (mut read, mut after, mut counts) = (Vec::new(), Value::Null, Vec::new());
    loop {
        let (list, statements) = page(json!({"first": 100, "after": after})).await;
        assert_eq!(list["pageInfo"]["hasPreviousPage"], !read.is_empty());
        read.extend(ids(&list));
        counts.push(statements);
        if list["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = list["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(read, made);
    assert_eq!(counts.len(), 2);
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");

    let (last, _) = page(json!({"last": 7})).await;
    assert_eq!(ids(&last), made[COUNT - 7..]);
    assert_eq!(
        (
            &last["pageInfo"]["hasPreviousPage"],
            &last["pageInfo"]["hasNextPage"]
        ),
        (&json!(true), &json!(false))
    );
}
