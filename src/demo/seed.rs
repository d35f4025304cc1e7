//! Makes the tree of the demo, through the services of the domain.

use std::collections::HashMap;

use anyhow::Context;
use canopy_domain::{
    AccountView, Actor, Domain, Micros,
    accounts::{CreateSubaccount, NewRoot},
    entity::{AccountId, PlanId, Role, account::AccountKind, rule_version::RuleKind},
    permissions::{PermissionChange, SetPermissions},
    rules::{ChangeRule, RuleSource, RuleStep, UploadRule},
};

use super::{
    tree::{self, Client, PASSWORD, ROLES, Tree},
    usage,
};

/// One unit of a currency in micro-units.
const UNIT: i64 = 1_000_000;

/// The accounts made so far, by their key in the output.
pub(super) type Accounts = HashMap<String, AccountView>;

/// Makes the whole tree with a month of usage; `progress` is told each step.
///
/// The platform's owner is made last, so that finding that person means that the tree is complete.
pub async fn seed(domain: &Domain, progress: &(dyn Fn(&str) + Send + Sync)) -> anyhow::Result<()> {
    progress("making the platform and four agencies with their clients");
    let platform = domain
        .create_root(NewRoot {
            parent: None,
            kind: AccountKind::Platform,
            name: tree::TOP.name.to_owned(),
            currency: "USD".to_owned(),
            plan_id: None,
            time_zone: None,
        })
        .await
        .context("making the platform")?;
    let system = domain.system_actor(&platform.id, &platform.path);
    let top = domain.account(&system, &platform.id).await?;
    let mut seeder = Seeder {
        domain,
        system,
        accounts: Accounts::new(),
    };
    seeder.accounts.insert(tree::TOP.key.to_owned(), top);
    for agency in &tree::AGENCIES {
        seeder
            .agency(agency, &platform.id)
            .await
            .with_context(|| format!("making {}", agency.name))?;
    }

    progress("activating a price rule for each of six sellers");
    for (key, name, configuration) in tree::prices() {
        seeder
            .price(key, name, configuration)
            .await
            .with_context(|| format!("pricing of {key}"))?;
    }
    progress("recording 30 days of usage");
    let recorded = usage::record_month(domain, &seeder.system, &seeder.accounts)
        .await
        .context("recording usage")?;
    progress(&format!("recorded and rated {recorded} usage events"));

    seeder
        .people(&tree::TOP)
        .await
        .context("making the platform's people")
}

struct Seeder<'a> {
    domain: &'a Domain,
    system: Actor,
    accounts: Accounts,
}

impl Seeder<'_> {
    async fn agency(&mut self, agency: &Tree, platform: &AccountId) -> anyhow::Result<()> {
        let plan = agency
            .plan
            .map(PlanId::parse)
            .transpose()
            .map_err(|_| anyhow::anyhow!("no such preset"))?;
        let made = self
            .domain
            .create_root(NewRoot {
                parent: Some(platform.clone()),
                kind: AccountKind::Main,
                name: agency.name.to_owned(),
                currency: "USD".to_owned(),
                plan_id: plan,
                time_zone: agency.time_zone.map(str::to_owned),
            })
            .await?;
        let account = self.domain.account(&self.system, &made.id).await?;
        self.purchase(&account, agency.purchased).await?;
        self.accounts.insert(agency.key.to_owned(), account);
        self.people(agency).await?;
        // Depth first, without recursion: each client after its parent.
        let mut waiting: Vec<(String, &Client)> = agency
            .clients
            .iter()
            .rev()
            .map(|client| (agency.key.to_owned(), client))
            .collect();
        while let Some((parent, client)) = waiting.pop() {
            let key = self
                .client(&parent, client, agency.domain)
                .await
                .with_context(|| client.name)?;
            waiting.extend(client.clients.iter().rev().map(|child| (key.clone(), child)));
        }
        Ok(())
    }

    /// One person for each role. Owners can sign in with a password; hashing one for everybody would take long.
    async fn people(&self, tree: &Tree) -> anyhow::Result<()> {
        // The platform's owner comes last: see `seed`.
        let first = usize::from(tree.plan.is_none());
        let people = ROLES.iter().zip(tree.people);
        for ((role, role_name), name) in people.cycle().skip(first).take(ROLES.len()) {
            let email = format!("{}@{}", role_name.replace('_', "-"), tree.domain);
            let password = (*role == Role::Owner).then_some(PASSWORD);
            self.person(tree.key, &email, name, password, *role).await?;
        }
        Ok(())
    }

    async fn person(
        &self,
        account: &str,
        email: &str,
        name: &str,
        password: Option<&str>,
        role: Role,
    ) -> anyhow::Result<()> {
        let user = self
            .domain
            .create_user(email, name, password)
            .await
            .with_context(|| {
                format!("making {email}; a database with a part of a demo cannot be used, take a new one")
            })?;
        self.domain
            .add_member(&self.system, self.account(account)?, &user.id, role)
            .await?;
        Ok(())
    }

    async fn client(&mut self, parent: &str, client: &Client, domain_name: &str) -> anyhow::Result<String> {
        let key = format!("{parent}.{}", client.key);
        let input = CreateSubaccount {
            parent_id: self.account(parent)?.id().clone(),
            name: client.name.to_owned(),
            plan_id: None,
            credit_mode: Some(client.credit_mode),
            external_ref: Some(format!("demo:{key}")),
            time_zone: None,
        };
        let account = self
            .domain
            .create_subaccount(&self.system, input, None)
            .await?
            .value;
        self.purchase(&account, client.purchased).await?;
        if let Some((resource, max)) = client.limit {
            self.domain
                .set_account_limit(&self.system, &account, resource, Some(max))
                .await?;
        }
        if !client.restrictions.is_empty() {
            let permissions = client
                .restrictions
                .iter()
                .map(|(key, level)| PermissionChange {
                    key: *key,
                    level: *level,
                })
                .collect();
            let input = SetPermissions {
                account_id: account.id().clone(),
                permissions,
            };
            self.domain.set_permissions(&self.system, input, None).await?;
        }
        self.accounts.insert(key.clone(), account);
        for (name, role) in client.people {
            let local = name.to_lowercase().replace(' ', ".").replace('ê', "e");
            self.person(
                &key,
                &format!("{local}@{}.{domain_name}", client.key),
                name,
                None,
                *role,
            )
            .await?;
        }
        Ok(key)
    }

    async fn purchase(&self, account: &AccountView, units: i64) -> anyhow::Result<()> {
        if units > 0 {
            let amount = Micros::new(units * UNIT).context("the amount is too large")?;
            self.domain.book_purchase(&self.system, account, amount).await?;
        }
        Ok(())
    }

    async fn price(&self, key: &str, name: &str, configuration: serde_json::Value) -> anyhow::Result<()> {
        let input = UploadRule {
            account_id: self.account(key)?.id().clone(),
            kind: RuleKind::Pricing,
            name: name.to_owned(),
            source: RuleSource::Builtin("tiered-pricing".to_owned()),
            configuration,
            failure_policy: None,
            check: true,
        };
        let version = self.domain.upload_rule(&self.system, input, None).await?.value;
        let input = ChangeRule::new(RuleStep::Activate, version.row.id);
        self.domain.change_rule(&self.system, input, None).await?;
        Ok(())
    }

    fn account(&self, key: &str) -> anyhow::Result<&AccountView> {
        self.accounts
            .get(key)
            .with_context(|| format!("the demo has no account {key}"))
    }
}
