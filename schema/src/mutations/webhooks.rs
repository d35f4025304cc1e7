//! The mutations of webhook endpoints, their secrets and their messages.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use canopy_domain::entity::{webhook_delivery, webhook_endpoint};
use canopy_domain::idempotency::Replayable;
use canopy_domain::webhooks::{ChangeEndpoint, IssuedSecret, NewEndpoint};
use canopy_domain::{Error, Result, measures};

use super::parse_id;
use crate::authorization::gates;
use crate::errors::refuse;
use crate::types::user_error::UserError;
use crate::types::webhook_delivery::WebhookDelivery;
use crate::types::webhook_endpoint::WebhookEndpoint;
use crate::types::webhook_event_type::WebhookEventType;

/// A part of `Mutation`.
#[derive(Default)]
pub(super) struct WebhookMutations;

#[Object]
impl WebhookMutations {
    /// Makes an endpoint that is sent what happens at an account, at most 20 for each, and shows its secret, this once.
    /// Needs WEBHOOKS FULL, and USAGE FULL because it is sent usage.
    async fn create_webhook_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to make.")] input: CreateWebhookEndpointInput,
    ) -> Option<Result<CreateWebhookEndpointPayload>> {
        let payload = async {
            let caller = gates::CREATE_WEBHOOK_ENDPOINT.caller(ctx)?;
            let new = NewEndpoint {
                account_id: parse_id(&input.account_id, "account")?,
                url: input.url,
                description: input.description,
                enabled: input.enabled,
                include_descendants: input.include_descendants,
                event_types: input.event_types.into_iter().map(Into::into).collect(),
            };
            let key = input.idempotency_key.as_deref();
            let issued = caller.domain().create_webhook_endpoint(caller.actor(), new, key);
            let issued = Issued::of(issued.await)?;
            Ok(CreateWebhookEndpointPayload {
                webhook_endpoint: issued.endpoint,
                secret: issued.secret,
                replayed: issued.replayed,
                user_errors: issued.user_errors,
            })
        };
        Some(payload.await)
    }

    /// Changes an endpoint. Needs WEBHOOKS FULL and USAGE FULL at its account.
    async fn update_webhook_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change. What is not given stays.")] input: UpdateWebhookEndpointInput,
    ) -> Option<Result<UpdateWebhookEndpointPayload>> {
        let payload = async {
            let caller = gates::UPDATE_WEBHOOK_ENDPOINT.caller(ctx)?;
            let kinds = input.event_types;
            let change = ChangeEndpoint {
                id: parse_id(&input.id, "webhook endpoint")?,
                url: input.url,
                description: input.description,
                enabled: input.enabled,
                include_descendants: input.include_descendants,
                event_types: kinds.map(|kinds| kinds.into_iter().map(Into::into).collect()),
            };
            let key = input.idempotency_key.as_deref();
            let changed = caller
                .domain()
                .update_webhook_endpoint(caller.actor(), change, key);
            let (webhook_endpoint, replayed, user_errors) = changed_endpoint(changed.await)?;
            Ok(UpdateWebhookEndpointPayload {
                webhook_endpoint,
                replayed,
                user_errors,
            })
        };
        Some(payload.await)
    }

    /// Deletes an endpoint with all its messages, whether they were sent or not. Needs WEBHOOKS FULL at its account.
    async fn delete_webhook_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which endpoint.")] input: DeleteWebhookEndpointInput,
    ) -> Option<Result<DeleteWebhookEndpointPayload>> {
        let payload = async {
            let caller = gates::DELETE_WEBHOOK_ENDPOINT.caller(ctx)?;
            let id = parse_id(&input.id, "webhook endpoint")?;
            let key = input.idempotency_key.as_deref();
            let gone = caller.domain().delete_webhook_endpoint(caller.actor(), &id, key);
            let (webhook_endpoint, replayed, user_errors) = changed_endpoint(gone.await)?;
            Ok(DeleteWebhookEndpointPayload {
                webhook_endpoint,
                replayed,
                user_errors,
            })
        };
        Some(payload.await)
    }

    /// Gives an endpoint a new secret and shows it, this once. For a while messages are signed with both. Needs WEBHOOKS
    /// FULL at its account.
    async fn rotate_webhook_secret(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose secret.")] input: RotateWebhookSecretInput,
    ) -> Option<Result<RotateWebhookSecretPayload>> {
        let payload = async {
            let caller = gates::ROTATE_WEBHOOK_SECRET.caller(ctx)?;
            let id = parse_id(&input.id, "webhook endpoint")?;
            let rotate = async {
                let wrong = || Error::bad_input(&["overlap"], format!("This is not {}.", measures::DURATION));
                let overlap = input.overlap.as_deref();
                let overlap = overlap.map(|text| measures::duration(text).ok_or_else(wrong));
                let (overlap, key) = (overlap.transpose()?, input.idempotency_key.as_deref());
                let domain = caller.domain();
                domain
                    .rotate_webhook_secret(caller.actor(), &id, overlap, key)
                    .await
            };
            let issued = Issued::of(rotate.await)?;
            Ok(RotateWebhookSecretPayload {
                webhook_endpoint: issued.endpoint,
                secret: issued.secret,
                replayed: issued.replayed,
                user_errors: issued.user_errors,
            })
        };
        Some(payload.await)
    }

    /// Sends an endpoint a message of the type `webhook.test`, whatever it is told of. Needs WEBHOOKS FULL at its
    /// account.
    async fn test_webhook_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which endpoint.")] input: TestWebhookEndpointInput,
    ) -> Option<Result<TestWebhookEndpointPayload>> {
        let payload = async {
            let caller = gates::TEST_WEBHOOK_ENDPOINT.caller(ctx)?;
            let id = parse_id(&input.id, "webhook endpoint")?;
            let key = input.idempotency_key.as_deref();
            let made = caller.domain().test_webhook_endpoint(caller.actor(), &id, key);
            let (delivery, replayed, user_errors) = asked(made.await)?;
            Ok(TestWebhookEndpointPayload {
                delivery,
                replayed,
                user_errors,
            })
        };
        Some(payload.await)
    }

    /// Sends a message again, with the same id, whatever became of it. Needs WEBHOOKS FULL at the endpoint's account.
    async fn redeliver_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which message.")] input: RedeliverWebhookInput,
    ) -> Option<Result<RedeliverWebhookPayload>> {
        let payload = async {
            let caller = gates::REDELIVER_WEBHOOK.caller(ctx)?;
            let id = parse_id(&input.delivery_id, "webhook delivery")?;
            let key = input.idempotency_key.as_deref();
            let made = caller.domain().redeliver_webhook(caller.actor(), &id, key);
            let (delivery, replayed, user_errors) = asked(made.await)?;
            Ok(RedeliverWebhookPayload {
                delivery,
                replayed,
                user_errors,
            })
        };
        Some(payload.await)
    }
}

/// An endpoint, and its secret if that is new.
struct Issued {
    endpoint: Option<WebhookEndpoint>,
    secret: Option<String>,
    replayed: bool,
    user_errors: Vec<UserError>,
}

impl Issued {
    fn of(outcome: Result<Replayable<IssuedSecret>>) -> Result<Self> {
        let (issued, user_errors) = refuse(outcome)?;
        let replayed = issued.as_ref().is_some_and(|issued| issued.replayed);
        let (endpoint, secret) = match issued.map(|issued| issued.value) {
            Some(issued) => (Some(issued.endpoint.into()), issued.secret),
            None => (None, None),
        };
        Ok(Self {
            endpoint,
            secret,
            replayed,
            user_errors,
        })
    }
}

type ChangedEndpoint = (Option<WebhookEndpoint>, bool, Vec<UserError>);

fn changed_endpoint(outcome: Result<Replayable<webhook_endpoint::Model>>) -> Result<ChangedEndpoint> {
    let (changed, user_errors) = refuse(outcome)?;
    let replayed = changed.as_ref().is_some_and(|changed| changed.replayed);
    Ok((changed.map(|changed| changed.value.into()), replayed, user_errors))
}

type Asked = (Option<WebhookDelivery>, bool, Vec<UserError>);

fn asked(outcome: Result<Replayable<webhook_delivery::Model>>) -> Result<Asked> {
    let (made, user_errors) = refuse(outcome)?;
    let replayed = made.as_ref().is_some_and(|made| made.replayed);
    Ok((made.map(|made| made.value.into()), replayed, user_errors))
}

/// An endpoint to make.
#[derive(InputObject)]
struct CreateWebhookEndpointInput {
    /// Id of the account. NOT_FOUND if it is out of scope.
    account_id: ID,
    /// Where messages are sent: an https URL of a host on the public Internet, at most 2048 bytes.
    url: String,
    /// What people say of it, at most 500 characters.
    #[graphql(default)]
    description: String,
    /// Whether messages are made for it and sent.
    #[graphql(default = true)]
    enabled: bool,
    /// Whether what happens at all accounts below is sent too.
    #[graphql(default)]
    include_descendants: bool,
    /// What is sent; at least one.
    event_types: Vec<WebhookEventType>,
    /// Makes it safe to send the mutation again. The secret is in the first answer only.
    idempotency_key: Option<String>,
}

/// What to change of an endpoint.
#[derive(InputObject)]
struct UpdateWebhookEndpointInput {
    /// Id of the endpoint. NOT_FOUND if its account is out of scope.
    id: ID,
    /// Where messages are sent: an https URL of a host on the public Internet, at most 2048 bytes.
    url: Option<String>,
    /// What people say of it, at most 500 characters.
    description: Option<String>,
    /// Whether messages are made for it and sent.
    enabled: Option<bool>,
    /// Whether what happens at all accounts below is sent too.
    include_descendants: Option<bool>,
    /// What is sent; at least one.
    event_types: Option<Vec<WebhookEventType>>,
    /// Makes it safe to send the mutation again.
    idempotency_key: Option<String>,
}

/// An endpoint to delete.
#[derive(InputObject)]
struct DeleteWebhookEndpointInput {
    /// Id of the endpoint. NOT_FOUND if its account is out of scope.
    id: ID,
    /// Makes it safe to send the mutation again.
    idempotency_key: Option<String>,
}

/// A secret to take the place of another.
#[derive(InputObject)]
struct RotateWebhookSecretInput {
    /// Id of the endpoint. NOT_FOUND if its account is out of scope.
    id: ID,
    /// For how long the old secret signs beside the new one, such as "0s" or "2h", at most "7d". "24h" if not given.
    overlap: Option<String>,
    /// Makes it safe to send the mutation again. The secret is in the first answer only.
    idempotency_key: Option<String>,
}

/// An endpoint to try out.
#[derive(InputObject)]
struct TestWebhookEndpointInput {
    /// Id of the endpoint. NOT_FOUND if its account is out of scope.
    id: ID,
    /// Makes it safe to send the mutation again.
    idempotency_key: Option<String>,
}

/// A message to send again.
#[derive(InputObject)]
struct RedeliverWebhookInput {
    /// Id of the message. NOT_FOUND if its account is out of scope.
    delivery_id: ID,
    /// Makes it safe to send the mutation again.
    idempotency_key: Option<String>,
}

/// What making an endpoint came to.
#[derive(SimpleObject)]
struct CreateWebhookEndpointPayload {
    /// The new endpoint; null if refused.
    webhook_endpoint: Option<WebhookEndpoint>,
    /// What messages are signed with: `whsec_…`. It is never shown again: null in a replayed answer, and if refused.
    secret: Option<String>,
    /// True if the same input with the same idempotency key had been answered before.
    replayed: bool,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}

/// What changing an endpoint came to.
#[derive(SimpleObject)]
struct UpdateWebhookEndpointPayload {
    /// The endpoint as it is now; null if refused.
    webhook_endpoint: Option<WebhookEndpoint>,
    /// True if the same input with the same idempotency key had been answered before.
    replayed: bool,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}

/// What deleting an endpoint came to.
#[derive(SimpleObject)]
struct DeleteWebhookEndpointPayload {
    /// The endpoint as it was; null if refused.
    webhook_endpoint: Option<WebhookEndpoint>,
    /// True if the same input with the same idempotency key had been answered before.
    replayed: bool,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}

/// What giving an endpoint a new secret came to.
#[derive(SimpleObject)]
struct RotateWebhookSecretPayload {
    /// The endpoint as it is now; null if refused.
    webhook_endpoint: Option<WebhookEndpoint>,
    /// What messages are signed with from now on. It is never shown again: null in a replayed answer, and if refused.
    secret: Option<String>,
    /// True if the same input with the same idempotency key had been answered before.
    replayed: bool,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}

/// What trying an endpoint out came to.
#[derive(SimpleObject)]
struct TestWebhookEndpointPayload {
    /// The message, which is on its way; null if refused.
    delivery: Option<WebhookDelivery>,
    /// True if the same input with the same idempotency key had been answered before.
    replayed: bool,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}

/// What sending a message again came to.
#[derive(SimpleObject)]
struct RedeliverWebhookPayload {
    /// The message, which is on its way again; null if refused.
    delivery: Option<WebhookDelivery>,
    /// True if the same input with the same idempotency key had been answered before.
    replayed: bool,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}
