//! The mutations, by noun. Each takes one `input` and answers a payload with `userErrors`.

mod api_keys;
mod corrections;
mod documents;
mod holds;
mod moves;
mod permissions;
mod rule_life;
mod rules;
mod sign_in;
mod simulations;
mod subaccounts;
mod usage;
mod usage_alerts;
mod webhooks;

use async_graphql::{ID, MergedObject};
use canopy_domain::entity::MalformedId;
use canopy_domain::{Error, Result};

use api_keys::ApiKeyMutations;
use corrections::CorrectionMutations;
use documents::DocumentMutations;
use holds::HoldMutations;
use moves::MoveMutation;
use permissions::PermissionMutations;
use rule_life::RuleLifeMutations;
use rules::UploadRuleMutation;
use sign_in::SignInMutation;
use simulations::SimulationMutations;
use subaccounts::SubaccountMutations;
use usage::UsageMutations;
use usage_alerts::UsageAlertMutations;
use webhooks::WebhookMutations;

/// What can be changed. With an `idempotencyKey` a mutation can be sent again safely: the same key and input
/// give the same answer, marked as `replayed`; the same key with another input is a CONFLICT. A payload is
/// null only beside a top-level error.
#[derive(MergedObject, Default)]
pub struct Mutation(
    SignInMutation,
    SubaccountMutations,
    MoveMutation,
    PermissionMutations,
    ApiKeyMutations,
    DocumentMutations,
    UsageMutations,
    CorrectionMutations,
    UsageAlertMutations,
    WebhookMutations,
    HoldMutations,
    UploadRuleMutation,
    RuleLifeMutations,
    SimulationMutations,
);

/// Reads an id of the input. A malformed id is one that does not exist.
fn parse_id<T: std::str::FromStr<Err = MalformedId>>(id: &ID, what: &'static str) -> Result<T> {
    id.parse().map_err(|MalformedId| Error::NotFound(what))
}

/// The same for an id that need not be given.
fn parse_optional_id<T: std::str::FromStr<Err = MalformedId>>(
    id: Option<&ID>,
    what: &'static str,
) -> Result<Option<T>> {
    id.map(|id| parse_id(id, what)).transpose()
}
