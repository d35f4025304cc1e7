//! Uploading a rule: its structure is checked, and what it does if that is asked for, before anything is written.

use canopy_entity::rule_version::{self, FailurePolicy, RuleKind, RuleStatus};
use canopy_entity::{AccountId, Level, PermissionKey, RuleVersionId, time};
use canopy_rules_host::{Digest, builtin};
use sea_orm::ConnectionTrait;

use super::builtin::{class, default_policy};
use super::check::Candidate;
use super::{RuleVersionView, change, report, store};
use crate::idempotency::{Claim, Replayable};
use crate::statement::storable;
use crate::{AccountView, Actor, Domain, Error, Result, audit, transaction};

/// Where the wasm of a new version comes from.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub enum RuleSource {
    /// A component's bytes.
    Wasm(Vec<u8>),
    /// A rule that Canopy ships, by name.
    Builtin(String),
    /// The wasm of an earlier version that the actor may see.
    Version(RuleVersionId),
}

/// A new version of a rule.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct UploadRule {
    /// Whose rule.
    pub account_id: AccountId,
    /// What it decides.
    pub kind: RuleKind,
    /// Its name within the account, 1 to 64 of `a-z 0-9 -`. The version number counts up within the name.
    pub name: String,
    /// Its wasm.
    pub source: RuleSource,
    /// What it is called with; an object.
    pub configuration: serde_json::Value,
    /// What happens when it fails; `KeepPending` for pricing and `Deny` for limits if none.
    pub failure_policy: Option<FailurePolicy>,
    /// Whether it is compiled and called on samples now; if not it stays a draft until it is.
    pub check: bool,
}

/// The largest configuration, in bytes of its JSON.
pub const MAX_CONFIGURATION: usize = 64 << 10;

const MAX_NAME: usize = 64;

impl Domain {
    /// Uploads a rule version. Needs `BILLING` FULL. Whatever is wrong with the wasm, or with what it does if it is to
    /// be checked, is `Error::RuleFailed`, and nothing is written.
    pub async fn upload_rule(
        &self,
        actor: &Actor,
        input: UploadRule,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<RuleVersionView>> {
        let account = self.account(actor, &input.account_id).await?;
        account.access().require(PermissionKey::Billing, Level::Full)?;
        account.require_active(&["accountId"])?;
        let failure_policy = check(&input)?;
        let claim = Claim::new(actor, "uploadRule", idempotency_key, &fingerprint(&input))?;
        if let Some(answer) = claim.find(&self.0.db).await? {
            return Ok(Replayable::replayed(answer));
        }

        let wasm = self.source(actor, &input).await?;
        let inspected = self.inspect(&input.name, input.kind, wasm.clone()).await?;
        self.hold_configuration(&account, &input.name, &inspected.manifest, &input.configuration)
            .await?;
        let rule = Candidate {
            account: &account,
            name: &input.name,
            configuration: &input.configuration,
        };
        let report = match input.check {
            true => Some(self.try_out(rule, wasm.clone()).await?),
            false => None,
        };
        let row = rule_version::Model {
            id: RuleVersionId::new(),
            owner_account_id: Some(account.id().clone()),
            kind: input.kind,
            name: input.name,
            version: 0,
            digest: Digest::of(&wasm).to_string(),
            size_bytes: i64::try_from(wasm.len()).map_err(Error::internal)?,
            class: class(inspected.class),
            status: match input.check {
                true => RuleStatus::Checked,
                false => RuleStatus::Draft,
            },
            configuration: input.configuration,
            failure_policy,
            created_by: actor.label(),
            created_at: time::now(),
        };
        let (row, wasm, schema) = (&row, &wasm, &inspected.manifest.configuration_schema);
        let (claim, account, report) = (&claim, &account, &report);
        let uploaded = transaction::run(&self.0.writer, "upload-rule", |txn| {
            transaction::work(async move {
                if let Some(answer) = claim.find(txn).await? {
                    return Ok(Replayable::replayed(answer));
                }
                let view = RuleVersionView {
                    row: write(txn, actor, account, row.clone(), (wasm, schema)).await?,
                    active_since: None,
                };
                if let Some(report) = report {
                    report::keep(txn, &view.row.id, report).await?;
                }
                claim.store(txn, &view).await?;
                Ok(Replayable::fresh(view))
            })
        })
        .await?;
        self.0.hub.written();
        Ok(uploaded)
    }

    /// The wasm that the input names.
    async fn source(&self, actor: &Actor, input: &UploadRule) -> Result<Vec<u8>> {
        match &input.source {
            RuleSource::Wasm(wasm) => Ok(wasm.clone()),
            RuleSource::Builtin(name) => {
                builtin(name).map(|builtin| builtin.wasm.to_vec()).ok_or_else(|| {
                    Error::bad_input(&["source", "builtin"], "There is no built-in rule of this name.")
                })
            }
            RuleSource::Version(id) => {
                let mut versions = self.rule_versions_by_id(actor, std::slice::from_ref(id)).await?;
                let version = versions.remove(id).ok_or(Error::NotFound("rule version"))?;
                self.wasm(&version.row).await
            }
        }
    }
}

/// Checks what can be checked without running anything; answers the failure policy.
fn check(input: &UploadRule) -> Result<FailurePolicy> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=MAX_NAME).contains(&input.name.len()) || !input.name.bytes().all(allowed) {
        return Err(Error::bad_input(
            &["name"],
            "A name has 1 to 64 of a-z, 0-9 and -.",
        ));
    }
    if !input.configuration.is_object() || !storable(&input.configuration) {
        return Err(Error::bad_input(
            &["configuration"],
            "A configuration is a JSON object without NUL characters.",
        ));
    }
    if input.configuration.to_string().len() > MAX_CONFIGURATION {
        return Err(Error::bad_input(
            &["configuration"],
            format!("A configuration has at most {MAX_CONFIGURATION} bytes."),
        ));
    }
    match (input.kind, input.failure_policy) {
        (RuleKind::Limits, Some(FailurePolicy::KeepPending)) => Err(Error::bad_input(
            &["failurePolicy"],
            "Only usage can be kept pending; a limits rule cannot.",
        )),
        (kind, policy) => Ok(policy.unwrap_or_else(|| default_policy(kind))),
    }
}

/// What tells this input from another under the same idempotency key; wasm is told by its digest.
fn fingerprint(input: &UploadRule) -> serde_json::Value {
    let source = match &input.source {
        RuleSource::Wasm(wasm) => serde_json::json!({ "digest": Digest::of(wasm) }),
        RuleSource::Builtin(name) => serde_json::json!({ "builtin": name }),
        RuleSource::Version(id) => serde_json::json!({ "version": id }),
    };
    serde_json::json!([
        input.account_id,
        input.kind,
        input.name,
        source,
        input.configuration,
        input.failure_policy,
        input.check,
    ])
}

async fn write(
    txn: &impl ConnectionTrait,
    actor: &Actor,
    account: &AccountView,
    mut row: rule_version::Model,
    (wasm, schema): (&[u8], &Option<serde_json::Value>),
) -> Result<rule_version::Model> {
    let owner = store::lock_owner(txn, account.id()).await?;
    store::artifact(txn, &row.digest, wasm, schema.clone()).await?;
    row.version = store::next_number(txn, Some(account.id()), &row.name).await?;
    store::version(txn, row.clone()).await?;
    change::begin(txn, &owner, &row, &row.created_by).await?;
    let entry = audit::Entry {
        account_id: account.id(),
        path: account.path(),
        action: "rule.upload",
        target: row.id.as_str(),
        detail: serde_json::json!({
            "kind": row.kind,
            "name": row.name,
            "version": row.version,
            "digest": row.digest,
        }),
    };
    audit::write(txn, actor, entry).await?;
    Ok(row)
}
