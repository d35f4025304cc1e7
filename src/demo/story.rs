//! Reads back what a visitor of the demo needs: ids, tokens, keys. The same for a new tree and for one found again.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context;
use canopy_domain::{
    AccountView, Actor, Credentials, Domain, Error, PageArgs, auth::NewApiKey, entity::PermissionKey,
};
use sea_orm::Iterable;

use super::tree::{self, PASSWORD, ROLES, Tree};

/// How long the tokens of the demo are valid.
const TOKEN_LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);
/// The name of the API keys that the demo makes, and replaces at each start.
const KEY_NAME: &str = "demo";

/// What a visitor needs.
#[derive(Debug, Default)]
pub struct Story {
    /// Ids of the accounts: `itellico.acme`.
    pub accounts: BTreeMap<String, String>,
    /// JWTs: `itellico.owner`.
    pub tokens: BTreeMap<String, String>,
    /// API keys: `itellico.live`.
    pub api_keys: BTreeMap<String, String>,
}

/// The platform of a demo that this database has already, found by signing in as its owner.
pub async fn find_platform(domain: &Domain) -> anyhow::Result<Option<AccountView>> {
    let email = format!("owner@{}", tree::TOP.domain);
    let signed_in = match domain.sign_in(&email, PASSWORD, None).await {
        Ok(signed_in) => signed_in,
        Err(Error::Internal(cause)) => {
            return Err(Error::Internal(cause)).context("signing in as the demo's owner");
        }
        Err(_) => return Ok(None),
    };
    let authorization = Some(format!("Bearer {}", signed_in.token));
    let owner = domain
        .authenticate(&Credentials {
            authorization,
            sub_account: None,
            address: None,
        })
        .await?;
    let owner = owner.context("the demo's owner has no account")?;
    let page = domain.accessible_accounts(&owner, &PageArgs::default()).await?;
    let mut accounts = page.items.into_iter().map(|(_, accessible)| accessible.account);
    Ok(accounts.find(|account| account.row().name == tree::PLATFORM))
}

/// Collects ids, and makes tokens and keys.
pub async fn tell(domain: &Domain, platform: &AccountView) -> anyhow::Result<Story> {
    let system = domain.system_actor(platform.id(), platform.path());
    let top = domain.account(&system, platform.id()).await?;
    let mut story = Story::default();
    introduce(domain, &system, &tree::TOP, &top, &mut story).await?;

    for (_, agency) in children(domain, &system, &top).await? {
        let Some(tree) = tree::AGENCIES.iter().find(|tree| tree.name == agency.row().name) else {
            continue;
        };
        introduce(domain, &system, tree, &agency, &mut story).await?;
        let mut waiting = vec![agency];
        while let Some(parent) = waiting.pop() {
            for (_, child) in children(domain, &system, &parent).await? {
                let reference = child
                    .row()
                    .external_ref
                    .as_deref()
                    .and_then(|text| text.strip_prefix("demo:"));
                if let Some(key) = reference {
                    story.accounts.insert(key.to_owned(), child.id().to_string());
                    waiting.push(child);
                }
            }
        }
    }
    Ok(story)
}

async fn children(
    domain: &Domain,
    system: &Actor,
    parent: &AccountView,
) -> anyhow::Result<Vec<(String, AccountView)>> {
    let all = PageArgs {
        limit: canopy_domain::page::MAX_PAGE,
        ..PageArgs::default()
    };
    let mut pages = domain
        .subaccounts(system, std::slice::from_ref(parent), &all)
        .await?;
    Ok(pages.remove(parent.id()).unwrap_or_default().items)
}

/// The id, a token for each role and a fresh API key of one tree.
async fn introduce(
    domain: &Domain,
    system: &Actor,
    tree: &Tree,
    account: &AccountView,
    story: &mut Story,
) -> anyhow::Result<()> {
    story
        .accounts
        .insert(tree.key.to_owned(), account.id().to_string());
    let all = PageArgs {
        limit: canopy_domain::page::MAX_PAGE,
        ..PageArgs::default()
    };
    let mut pages = domain
        .members(system, std::slice::from_ref(account), &all)
        .await?;
    for (_, view) in pages.remove(account.id()).unwrap_or_default().items {
        let Some((_, role)) = ROLES.iter().find(|(role, _)| *role == view.member.role) else {
            continue;
        };
        let token = domain
            .issue_token(&view.user.id, Some(TOKEN_LIFETIME))
            .await?
            .token;
        // The first of a role is the demo's own; a visitor may have added others.
        story
            .tokens
            .entry(format!("{}.{role}", tree.key))
            .or_insert(token);
    }
    for key in domain.api_keys(system, account).await? {
        if key.name == KEY_NAME && key.revoked_at.is_none() {
            domain.revoke_api_key(system, &key.id).await?;
        }
    }
    let levels = PermissionKey::iter().map(|key| (key, key.max_level())).collect();
    let new = NewApiKey {
        name: KEY_NAME.to_owned(),
        levels,
        expires_at: None,
        allowed_ips: Vec::new(),
    };
    let made = domain
        .create_api_key(system, account, new)
        .await
        .with_context(|| format!("a key for {}", tree.name))?;
    story.api_keys.insert(format!("{}.live", tree.key), made.secret);
    Ok(())
}
