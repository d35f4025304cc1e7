//! `uploadRule`.

use async_graphql::{Context, ID, InputObject, Object, OneofObject, SimpleObject};
use canopy_domain::Result;
use canopy_domain::rules::{RuleSource, UploadRule};

use super::parse_id;
use crate::authorization::gates;
use crate::errors::refuse;
use crate::scalars::{Base64, Json, Upload};
use crate::types::failure_policy::FailurePolicy;
use crate::types::rule_kind::RuleKind;
use crate::types::rule_version::RuleVersion;
use crate::types::user_error::UserError;

/// A part of `Mutation`.
#[derive(Default)]
pub(super) struct UploadRuleMutation;

#[Object]
impl UploadRuleMutation {
    /// Uploads a version of a rule. It decides nothing until it is activated. Needs BILLING FULL. The structure of
    /// the wasm is checked first and, unless `check` is false, it is compiled and called on samples: whatever is
    /// wrong with it is RULE_FAILED, and nothing is kept.
    async fn upload_rule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The version.")] input: UploadRuleInput,
    ) -> Option<Result<UploadRulePayload>> {
        let payload = async {
            let caller = gates::UPLOAD_RULE.caller(ctx)?;
            let rule = UploadRule {
                account_id: parse_id(&input.account_id, "account")?,
                kind: input.kind.into(),
                name: input.name,
                source: input.source.parse(ctx)?,
                configuration: input
                    .configuration
                    .map_or_else(|| serde_json::json!({}), |json| json.0),
                failure_policy: input.failure_policy.map(Into::into),
                check: input.check,
            };
            let key = input.idempotency_key.as_deref();
            let (uploaded, user_errors) =
                refuse(caller.domain().upload_rule(caller.actor(), rule, key).await)?;
            let replayed = uploaded.as_ref().is_some_and(|uploaded| uploaded.replayed);
            Ok(UploadRulePayload {
                rule_version: uploaded.map(|uploaded| uploaded.value.into()),
                replayed,
                user_errors,
            })
        };
        Some(payload.await)
    }
}

/// A version of a rule to upload.
#[derive(InputObject)]
struct UploadRuleInput {
    /// Id of the account whose rule it is: for PRICING the seller. NOT_FOUND if it is out of scope.
    account_id: ID,
    /// What it decides.
    kind: RuleKind,
    /// The rule's name within the account: 1 to 64 of a-z, 0-9 and "-". The same name makes the next version.
    name: String,
    /// Where the wasm comes from.
    source: RuleSourceInput,
    /// What the rule is called with: an object. Empty if not given.
    configuration: Option<Json>,
    /// What happens when it fails. KEEP_PENDING for PRICING and DENY for LIMITS if not given; KEEP_PENDING is for
    /// PRICING only.
    failure_policy: Option<FailurePolicy>,
    /// Whether it is compiled and called on samples now, so that it is CHECKED. If not it is a DRAFT, and
    /// `checkRule` checks it later.
    #[graphql(default = true)]
    check: bool,
    /// Makes it safe to send the mutation again.
    idempotency_key: Option<String>,
}

/// Where a rule's wasm comes from: exactly one of these.
#[derive(OneofObject)]
enum RuleSourceInput {
    /// The bytes of a WebAssembly component that exports one world of the package `canopy:rules@1.0.0` and
    /// imports nothing.
    Wasm(Base64),
    /// The same bytes, as a file of a multipart request. `PUT /rules` takes them without GraphQL.
    File(Upload),
    /// Name of a rule that Canopy ships: "tiered-pricing" or "limits-by-plan".
    Builtin(String),
    /// Id of a rule version that the caller may see, for a new version with the same wasm.
    RuleVersionId(ID),
}

impl RuleSourceInput {
    fn parse(self, ctx: &Context<'_>) -> Result<RuleSource> {
        Ok(match self {
            Self::Wasm(bytes) => RuleSource::Wasm(bytes.0),
            Self::File(file) => RuleSource::Wasm(file.bytes(ctx)?),
            Self::Builtin(name) => RuleSource::Builtin(name),
            Self::RuleVersionId(id) => RuleSource::Version(parse_id(&id, "rule version")?),
        })
    }
}

/// What uploading a rule came to.
#[derive(SimpleObject)]
struct UploadRulePayload {
    /// The new version; null if refused.
    rule_version: Option<RuleVersion>,
    /// True if the same input with the same idempotency key had been answered before.
    replayed: bool,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}
