//! `PermissionKey`.

use async_graphql::Enum;
use canopy_domain::entity;

/// What a permission is about. An umbrella's level bounds the levels of the keys under it. Each key allows
/// NONE, READ and FULL unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::PermissionKey")]
pub(crate) enum PermissionKey {
    /// History of conversations and live actions on them. NONE or READ.
    Conversations,
    /// Tasks.
    Tasks,
    /// All about agents: the umbrella over the keys that begin with AGENT.
    Agents,
    /// An agent's identity and AI stack.
    AgentGeneral,
    /// An agent's prompt.
    AgentPrompt,
    /// An agent's knowledge.
    AgentKnowledge,
    /// An agent's tools.
    AgentTools,
    /// An agent's call flow.
    AgentCallFlow,
    /// An agent's analytics.
    AgentAnalytics,
    /// An agent's notifications.
    AgentNotifications,
    /// Knowledge bases.
    KnowledgeBases,
    /// All about telephony: the umbrella over PHONE_NUMBERS, SIP_TRUNKS and COMPLIANCE_PROFILES.
    Telephony,
    /// Buying, configuring and releasing phone numbers.
    PhoneNumbers,
    /// SIP trunks.
    SipTrunks,
    /// Compliance profiles.
    ComplianceProfiles,
    /// Campaigns and contacts.
    CampaignsAndContacts,
    /// All about the account itself: the umbrella over SETTINGS, MEMBERS, SUBACCOUNTS, TRUST_CENTER and
    /// SCHEDULES. NONE, LIMITED or FULL.
    Account,
    /// Settings; reading the limits.
    Settings,
    /// Inviting and managing members.
    Members,
    /// Creating and managing subaccounts.
    Subaccounts,
    /// Retention and privacy.
    TrustCenter,
    /// Business hours.
    Schedules,
    /// All that developers use: the umbrella over INTEGRATIONS, API_KEYS and WEBHOOKS.
    Developers,
    /// Integrations.
    Integrations,
    /// API keys.
    ApiKeys,
    /// Creating, testing and managing webhooks.
    Webhooks,
    /// All about money: the umbrella over USAGE. NONE or FULL.
    Billing,
    /// Viewing, recording and exporting usage. NONE or FULL.
    Usage,
}
