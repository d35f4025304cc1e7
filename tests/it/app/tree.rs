//! Trees of accounts with people, keys, money and prices in them, made by the system itself.

use std::sync::atomic::{AtomicUsize, Ordering};

use canopy_domain::accounts::{CreateSubaccount, NewRoot};
use canopy_domain::alerts::{NewUsageAlert, Threshold};
use canopy_domain::auth::NewApiKey;
use canopy_domain::entity::account::{AccountKind, CreditMode, Model as Account};
use canopy_domain::entity::rule_version::{FailurePolicy, RuleKind};
use canopy_domain::entity::usage_alert::{self, AlertPeriod};
use canopy_domain::entity::{Level, PermissionKey, PlanId, Role, RuleVersionId, UserId};
use canopy_domain::rules::{ChangeRule, RuleSource, RuleStep, UploadRule};
use canopy_domain::simulation::{SetRuleGuard, SimulateRule, SimulationView};
use canopy_domain::webhooks::{EventType, IssuedSecret, NewEndpoint};
use canopy_domain::{AccountView, Actor};
use serde_json::{Value, json};

use super::{App, Caller};

/// How many people were made, so that each has an address of their own.
static PEOPLE: AtomicUsize = AtomicUsize::new(0);

/// All roles, the strongest first.
pub(crate) const ROLES: [Role; 5] = [
    Role::Owner,
    Role::Admin,
    Role::AgencyAdmin,
    Role::Member,
    Role::Viewer,
];

impl App {
    /// Canopy itself, with all rights in the tree of `account`.
    pub(crate) fn system(&self, account: &Account) -> Actor {
        let root = account.path.ids().swap_remove(0);
        let path = canopy_domain::entity::AccountPath::root(&root);
        self.domain.system_actor(&root, &path)
    }

    /// `account` as the system sees it.
    pub(crate) async fn view(&self, account: &Account) -> AccountView {
        let view = self.domain.account(&self.system(account), &account.id).await;
        view.expect("the system sees every account")
    }

    async fn root(
        &self,
        parent: Option<&Account>,
        kind: AccountKind,
        name: &str,
        plan: Option<&str>,
    ) -> Account {
        let new = NewRoot {
            parent: parent.map(|parent| parent.id.clone()),
            kind,
            name: name.to_owned(),
            currency: "USD".to_owned(),
            plan_id: plan.map(|plan| PlanId::parse(plan).expect("the plan's id is well-formed")),
            time_zone: None,
        };
        self.domain.create_root(new).await.expect("a root can be made")
    }

    pub(crate) async fn platform(&self, name: &str) -> Account {
        self.root(None, AccountKind::Platform, name, None).await
    }

    /// A main account under a platform, or of its own.
    pub(crate) async fn main_account(&self, parent: Option<&Account>, name: &str, plan: &str) -> Account {
        self.root(parent, AccountKind::Main, name, Some(plan)).await
    }

    pub(crate) async fn subaccount(&self, parent: &Account, name: &str) -> Account {
        self.subaccount_in_mode(parent, name, None).await
    }

    pub(crate) async fn subaccount_in_mode(
        &self,
        parent: &Account,
        name: &str,
        credit_mode: Option<CreditMode>,
    ) -> Account {
        let input = CreateSubaccount {
            parent_id: parent.id.clone(),
            name: name.to_owned(),
            plan_id: None,
            credit_mode,
            external_ref: None,
            time_zone: None,
        };
        let made = self
            .domain
            .create_subaccount(&self.system(parent), input, None)
            .await;
        made.unwrap_or_else(|error| panic!("cannot make {name}: {error:?}"))
            .value
            .row()
            .clone()
    }

    /// A new person with a role in `account`, signed in.
    pub(crate) async fn member(&self, account: &Account, role: Role) -> Caller {
        let name = format!("{role:?} of {}", account.name);
        let user = self.person(&name).await;
        self.join(account, &user, role).await;
        self.sign_in(&user).await
    }

    /// A new person.
    pub(crate) async fn person(&self, name: &str) -> UserId {
        let local = name
            .to_lowercase()
            .replace(|c: char| !c.is_ascii_alphanumeric(), ".");
        let number = PEOPLE.fetch_add(1, Ordering::Relaxed);
        let user = self
            .domain
            .create_user(&format!("{local}.{number}@example.com"), name, None)
            .await;
        user.expect("a person can be made").id
    }

    pub(crate) async fn join(&self, account: &Account, user: &UserId, role: Role) {
        let view = self.view(account).await;
        let member = self
            .domain
            .add_member(&self.system(account), &view, user, role)
            .await;
        member.expect("the system may add members");
    }

    pub(crate) async fn sign_in(&self, user: &UserId) -> Caller {
        let signed_in = self
            .domain
            .issue_token(user, None)
            .await
            .expect("a token can be made");
        Caller::bearer(&signed_in.token)
    }

    /// An API key of `account` with these levels.
    pub(crate) async fn api_key(&self, account: &Account, levels: &[(PermissionKey, Level)]) -> Caller {
        let new = NewApiKey {
            name: "test".to_owned(),
            levels: levels.iter().copied().collect(),
            expires_at: None,
            allowed_ips: Vec::new(),
        };
        let view = self.view(account).await;
        let made = self
            .domain
            .create_api_key(&self.system(account), &view, new)
            .await;
        Caller::bearer(&made.expect("the system may make keys").secret)
    }

    /// An API key that may do everything.
    pub(crate) async fn full_api_key(&self, account: &Account) -> Caller {
        let all: Vec<_> = PermissionKey::all().map(|key| (key, key.max_level())).collect();
        self.api_key(account, &all).await
    }

    /// Puts credits into an account's pool, out of funding.
    pub(crate) async fn fund(&self, account: &Account, amount: &str) {
        let view = self.view(account).await;
        let amount = amount.parse().expect("an amount");
        let granted = self
            .domain
            .grant_credits(&self.system(account), &view, amount)
            .await;
        granted.expect("the system may grant credits");
    }

    /// Books credits that an account bought.
    pub(crate) async fn purchase(&self, account: &Account, amount: &str) {
        let view = self.view(account).await;
        let amount = amount.parse().expect("an amount");
        let booked = self
            .domain
            .book_purchase(&self.system(account), &view, amount)
            .await;
        booked.expect("the system may book purchases");
    }

    /// Makes a rule live at `seller`.
    pub(crate) async fn live_rule(
        &self,
        seller: &Account,
        kind: RuleKind,
        source: RuleSource,
        configuration: Value,
        failure_policy: Option<FailurePolicy>,
    ) -> RuleVersionId {
        let system = self.system(seller);
        let input = UploadRule {
            account_id: seller.id.clone(),
            kind,
            name: "prices".to_owned(),
            source,
            configuration,
            failure_policy,
            check: true,
        };
        let uploaded = self.domain.upload_rule(&system, input, None).await;
        let rule_version_id = uploaded.expect("the rule is good").value.row.id;
        let activate = ChangeRule::new(RuleStep::Activate, rule_version_id.clone());
        let active = self.domain.change_rule(&system, activate, None).await;
        active.expect("the system may activate rules");
        rule_version_id
    }

    /// A dry run of a rule on all usage of the last days, run to its end.
    pub(crate) async fn dry_run(&self, seller: &Account, rule: &str) -> SimulationView {
        let now = canopy_domain::entity::time::now();
        let input = SimulateRule {
            rule_version_id: RuleVersionId::parse(rule).expect("the id is well-formed"),
            configuration: None,
            account_ids: Vec::new(),
            from: now - chrono::Duration::days(30),
            to: now + chrono::Duration::days(1),
            verify: true,
        };
        let system = self.system(seller);
        let begun = self.domain.simulate_rule(&system, input, None).await;
        let id = begun.expect("the system may simulate").value.row.id;
        self.run_simulations().await;
        let ended = self.domain.simulation(&system, &id).await;
        ended.expect("the simulation is there")
    }

    /// Sets the guard of a seller, in percent.
    pub(crate) async fn guard(&self, seller: &Account, percent: &str) {
        let input = SetRuleGuard {
            account_id: seller.id.clone(),
            max_variance: Some(percent.parse().expect("a decimal")),
        };
        let set = self
            .domain
            .set_rule_guard(&self.system(seller), input, None)
            .await;
        set.expect("the system may set guards");
    }

    /// Sets a threshold on the account's own usage of `meter` in a month, which the second unit reaches. It has the name
    /// of the meter.
    pub(crate) async fn usage_alert(&self, account: &Account, meter: &str) -> usage_alert::Model {
        let new = NewUsageAlert {
            account_id: account.id.clone(),
            name: meter.to_owned(),
            meter: meter.to_owned(),
            period: AlertPeriod::Month,
            include_descendants: false,
            threshold: Threshold::Quantity("2".parse().expect("a decimal")),
        };
        let system = self.system(account);
        let made = self.domain.create_usage_alert(&system, new, None).await;
        made.expect("the system may make alerts").value
    }

    /// An endpoint of the account, which is told of its alerts. It is described by this name.
    pub(crate) async fn webhook_endpoint(&self, account: &Account, name: &str) -> IssuedSecret {
        let new = NewEndpoint {
            account_id: account.id.clone(),
            url: "https://example.com/hook".to_owned(),
            description: name.to_owned(),
            enabled: true,
            include_descendants: false,
            event_types: vec![EventType::UsageAlertCrossed],
        };
        let system = self.system(account);
        let made = self.domain.create_webhook_endpoint(&system, new, None).await;
        made.expect("the system may make endpoints").value
    }

    /// Runs all dry runs that wait.
    pub(crate) async fn run_simulations(&self) {
        while self
            .domain
            .run_simulation("test")
            .await
            .expect("the worker works")
        {}
    }

    /// Makes the built-in `tiered-pricing` live at `seller`, with this price per unit of any meter.
    pub(crate) async fn unit_price(&self, seller: &Account, price: &str) -> RuleVersionId {
        self.tiered_pricing(seller, json!({"meters": {"*": {"unit_price": price}}}))
            .await
    }

    pub(crate) async fn tiered_pricing(&self, seller: &Account, configuration: Value) -> RuleVersionId {
        let source = RuleSource::Builtin("tiered-pricing".to_owned());
        self.live_rule(seller, RuleKind::Pricing, source, configuration, None)
            .await
    }
}
