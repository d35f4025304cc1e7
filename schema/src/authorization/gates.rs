//! The gates: fields whose resolvers check something before they ask the domain.

use canopy_domain::entity::Level;
use canopy_domain::entity::PermissionKey as Key;

use super::Gate;

/// `Query.*`.
pub(crate) const ME: Gate = Gate::signed_in("me");
pub(crate) const NODE: Gate = Gate::signed_in("node");
pub(crate) const NODES: Gate = Gate::signed_in("nodes");
pub(crate) const ACCOUNT: Gate = Gate::signed_in("account");
pub(crate) const RATING: Gate = Gate::signed_in("rating");
pub(crate) const PLANS: Gate = Gate::signed_in("plans");
pub(crate) const SIMULATION: Gate = Gate::needs("simulation", Key::Billing, Level::Full);

/// All of `Query`.
pub(super) const QUERY: &[Gate] = &[ME, NODE, NODES, ACCOUNT, RATING, PLANS, SIMULATION];

/// `Mutation.*`, except `signIn`. The domain checks the level, in the transaction that changes something.
pub(crate) const CREATE_SUBACCOUNT: Gate = Gate::needs("createSubaccount", Key::Subaccounts, Level::Full);
pub(crate) const UPDATE_SUBACCOUNT: Gate = Gate::needs("updateSubaccount", Key::Subaccounts, Level::Full);
pub(crate) const MOVE_ACCOUNT: Gate = Gate::needs("moveAccount", Key::Subaccounts, Level::Full);
pub(crate) const SET_PERMISSIONS: Gate = Gate::needs("setPermissions", Key::Members, Level::Full);
pub(crate) const CREATE_API_KEY: Gate = Gate::needs("createApiKey", Key::ApiKeys, Level::Full);
pub(crate) const REGISTER_DOCUMENTS: Gate = Gate::needs("registerDocuments", Key::ApiKeys, Level::Full);
pub(crate) const REVOKE_API_KEY: Gate = Gate::needs("revokeApiKey", Key::ApiKeys, Level::Full);
pub(crate) const RECORD_USAGE: Gate = Gate::needs("recordUsage", Key::Usage, Level::Full);
pub(crate) const CORRECT_USAGE: Gate = Gate::needs("correctUsage", Key::Usage, Level::Full);
pub(crate) const CREATE_USAGE_ALERT: Gate = Gate::needs("createUsageAlert", Key::Settings, Level::Full);
pub(crate) const UPDATE_USAGE_ALERT: Gate = Gate::needs("updateUsageAlert", Key::Settings, Level::Full);
pub(crate) const DELETE_USAGE_ALERT: Gate = Gate::needs("deleteUsageAlert", Key::Settings, Level::Full);
pub(crate) const CREATE_WEBHOOK_ENDPOINT: Gate =
    Gate::needs("createWebhookEndpoint", Key::Webhooks, Level::Full);
pub(crate) const UPDATE_WEBHOOK_ENDPOINT: Gate =
    Gate::needs("updateWebhookEndpoint", Key::Webhooks, Level::Full);
pub(crate) const DELETE_WEBHOOK_ENDPOINT: Gate =
    Gate::needs("deleteWebhookEndpoint", Key::Webhooks, Level::Full);
pub(crate) const ROTATE_WEBHOOK_SECRET: Gate = Gate::needs("rotateWebhookSecret", Key::Webhooks, Level::Full);
pub(crate) const TEST_WEBHOOK_ENDPOINT: Gate = Gate::needs("testWebhookEndpoint", Key::Webhooks, Level::Full);
pub(crate) const REDELIVER_WEBHOOK: Gate = Gate::needs("redeliverWebhook", Key::Webhooks, Level::Full);
pub(crate) const QUOTE_USAGE: Gate = Gate::needs("quoteUsage", Key::Usage, Level::Full);
pub(crate) const HOLD_USAGE: Gate = Gate::needs("holdUsage", Key::Usage, Level::Full);
pub(crate) const SETTLE_HOLD: Gate = Gate::needs("settleHold", Key::Usage, Level::Full);
pub(crate) const VOID_HOLD: Gate = Gate::needs("voidHold", Key::Usage, Level::Full);
pub(crate) const UPLOAD_RULE: Gate = Gate::needs("uploadRule", Key::Billing, Level::Full);
pub(crate) const CHECK_RULE: Gate = Gate::needs("checkRule", Key::Billing, Level::Full);
pub(crate) const SHADOW_RULE: Gate = Gate::needs("shadowRule", Key::Billing, Level::Full);
pub(crate) const ACTIVATE_RULE: Gate = Gate::needs("activateRule", Key::Billing, Level::Full);
pub(crate) const RETIRE_RULE: Gate = Gate::needs("retireRule", Key::Billing, Level::Full);
pub(crate) const ROLLBACK_RULE: Gate = Gate::needs("rollbackRule", Key::Billing, Level::Full);
pub(crate) const SIMULATE_RULE: Gate = Gate::needs("simulateRule", Key::Billing, Level::Full);
pub(crate) const SET_RULE_GUARD: Gate = Gate::needs("setRuleGuard", Key::Billing, Level::Full);
pub(crate) const CANCEL_SIMULATION: Gate = Gate::needs("cancelSimulation", Key::Billing, Level::Full);

/// All of `Mutation` but `signIn`.
pub(super) const MUTATION: &[Gate] = &[
    CREATE_SUBACCOUNT,
    UPDATE_SUBACCOUNT,
    MOVE_ACCOUNT,
    SET_PERMISSIONS,
    CREATE_API_KEY,
    REGISTER_DOCUMENTS,
    REVOKE_API_KEY,
    RECORD_USAGE,
    CORRECT_USAGE,
    CREATE_USAGE_ALERT,
    UPDATE_USAGE_ALERT,
    DELETE_USAGE_ALERT,
    CREATE_WEBHOOK_ENDPOINT,
    UPDATE_WEBHOOK_ENDPOINT,
    DELETE_WEBHOOK_ENDPOINT,
    ROTATE_WEBHOOK_SECRET,
    TEST_WEBHOOK_ENDPOINT,
    REDELIVER_WEBHOOK,
    QUOTE_USAGE,
    HOLD_USAGE,
    SETTLE_HOLD,
    VOID_HOLD,
    UPLOAD_RULE,
    CHECK_RULE,
    SHADOW_RULE,
    ACTIVATE_RULE,
    RETIRE_RULE,
    ROLLBACK_RULE,
    SIMULATE_RULE,
    CANCEL_SIMULATION,
    SET_RULE_GUARD,
];

/// `Subscription.*`.
pub(crate) const SIMULATION_PROGRESS: Gate = Gate::needs("simulationProgress", Key::Billing, Level::Full);
pub(crate) const USAGE_UPDATES: Gate = Gate::needs("usageUpdates", Key::Usage, Level::Full);
pub(crate) const FOLLOW_USAGE_ALERTS: Gate = Gate::needs("usageAlerts", Key::Usage, Level::Full);
pub(crate) const RULE_CHANGES: Gate = Gate::needs("ruleChanges", Key::Billing, Level::Full);

/// All of `Subscription`.
pub(super) const SUBSCRIPTION: &[Gate] = &[
    USAGE_UPDATES,
    FOLLOW_USAGE_ALERTS,
    RULE_CHANGES,
    SIMULATION_PROGRESS,
];

/// Fields that `Tenant`, `Account` and `Subaccount` share and that need more than to be in scope.
pub(crate) const SUBACCOUNTS: Gate = Gate::needs("subaccounts", Key::Subaccounts, Level::Read);
pub(crate) const MEMBERS: Gate = Gate::needs("members", Key::Members, Level::Read);
pub(crate) const API_KEYS: Gate = Gate::needs("apiKeys", Key::ApiKeys, Level::Read);
pub(crate) const LIMITS: Gate = Gate::needs("limits", Key::Settings, Level::Read);
pub(crate) const BILLING_TRANSFER: Gate = Gate::needs("billingTransfer", Key::Billing, Level::Full);
pub(crate) const CREDITS: Gate = Gate::needs("credits", Key::Billing, Level::Full);
pub(crate) const USAGE: Gate = Gate::needs("usage", Key::Usage, Level::Full);
pub(crate) const CLOSED_PERIODS: Gate = Gate::needs("closedPeriods", Key::Usage, Level::Full);
pub(crate) const USAGE_EVENTS: Gate = Gate::needs("usageEvents", Key::Usage, Level::Full);
pub(crate) const USAGE_ALERTS: Gate = Gate::needs("usageAlerts", Key::Usage, Level::Full);
pub(crate) const WEBHOOK_ENDPOINTS: Gate = Gate::needs("webhookEndpoints", Key::Webhooks, Level::Read);
pub(crate) const USAGE_HOLDS: Gate = Gate::needs("usageHolds", Key::Usage, Level::Full);
pub(crate) const RULE_VERSIONS: Gate = Gate::needs("ruleVersions", Key::Billing, Level::Full);
pub(crate) const MAX_VARIANCE: Gate = Gate::needs("maxVariance", Key::Billing, Level::Full);
pub(crate) const SIMULATIONS: Gate = Gate::needs("simulations", Key::Billing, Level::Full);

/// All of the above.
pub(super) const TENANT: &[Gate] = &[
    SUBACCOUNTS,
    MEMBERS,
    API_KEYS,
    LIMITS,
    BILLING_TRANSFER,
    CREDITS,
    USAGE,
    CLOSED_PERIODS,
    USAGE_EVENTS,
    USAGE_ALERTS,
    WEBHOOK_ENDPOINTS,
    USAGE_HOLDS,
    RULE_VERSIONS,
    SIMULATIONS,
    MAX_VARIANCE,
];
