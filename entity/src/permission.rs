//! The permission matrix: 28 keys, the levels that each allows, and what each role may do.
//!
//! Facts only. How levels combine down a path is decided in the domain.

use sea_orm::{DeriveActiveEnum, EnumIter, Iterable};
use serde::{Deserialize, Serialize};

/// How far a permission reaches. `Read` and `Limited` are of equal rank: no key allows both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Level {
    /// Nothing.
    None,
    /// See it.
    Read,
    /// A part of it, as the key says.
    Limited,
    /// All of it.
    Full,
}

impl Level {
    /// The level of this name, as it is stored; none if there is none.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "NONE" => Level::None,
            "READ" => Level::Read,
            "LIMITED" => Level::Limited,
            "FULL" => Level::Full,
            _ => return None,
        })
    }

    /// The place in the order `None < Limited = Read < Full`.
    pub fn rank(self) -> u8 {
        match self {
            Level::None => 0,
            Level::Read | Level::Limited => 1,
            Level::Full => 2,
        }
    }

    /// True if this level includes what `required` allows.
    pub fn allows(self, required: Level) -> bool {
        self.rank() >= required.rank()
    }
}

/// What somebody is in an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// Everything; the creator of an account.
    Owner,
    /// Everything.
    Admin,
    /// Everything but billing.
    AgencyAdmin,
    /// Works in the account; deletes nothing and does not administer it.
    Member,
    /// Looks.
    Viewer,
}

impl Role {
    /// The level that the role gives for `key`, before any account narrows it.
    pub fn level(self, key: PermissionKey) -> Level {
        use PermissionKey as Key;
        let group = key.group();
        match self {
            Role::Owner | Role::Admin => key.max_level(),
            Role::AgencyAdmin if group == Group::Billing => Level::None,
            Role::AgencyAdmin => key.max_level(),
            Role::Member => match group {
                Group::Overview | Group::Agents | Group::Deploy => key.max_level(),
                Group::Account | Group::Developers => key.at_most_reading(),
                Group::Billing => Level::None,
            },
            Role::Viewer if matches!(key, Key::Billing | Key::Usage) => Level::None,
            Role::Viewer => key.at_most_reading(),
        }
    }

    /// True if the role may delete what its levels let it change.
    pub fn may_delete(self) -> bool {
        !matches!(self, Role::Member | Role::Viewer)
    }
}

/// The part of the product that a key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// Conversations and tasks.
    Overview,
    /// Agents and what they know.
    Agents,
    /// Telephony and campaigns.
    Deploy,
    /// The account and who is in it.
    Account,
    /// Integrations, keys, webhooks.
    Developers,
    /// Billing and usage.
    Billing,
}

/// What a permission is about.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    EnumIter,
    DeriveActiveEnum,
    Serialize,
    Deserialize,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PermissionKey {
    /// History of conversations and live actions on them.
    Conversations,
    /// Tasks.
    Tasks,
    /// All about agents: the umbrella over the other agent keys.
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
    /// All about telephony: the umbrella over numbers, trunks and compliance.
    Telephony,
    /// Buying, configuring and releasing phone numbers.
    PhoneNumbers,
    /// SIP trunks.
    SipTrunks,
    /// Compliance profiles.
    ComplianceProfiles,
    /// Campaigns and contacts.
    CampaignsAndContacts,
    /// All about the account itself: the umbrella over settings, members, subaccounts, trust and schedules.
    Account,
    /// Settings.
    Settings,
    /// Inviting and managing members.
    Members,
    /// Creating and managing subaccounts.
    Subaccounts,
    /// Retention and privacy.
    TrustCenter,
    /// Business hours.
    Schedules,
    /// All that developers use: the umbrella over integrations, keys and webhooks.
    Developers,
    /// Integrations.
    Integrations,
    /// API keys.
    ApiKeys,
    /// Creating, testing and managing webhooks.
    Webhooks,
    /// All about money: the umbrella over usage.
    Billing,
    /// Viewing and exporting usage.
    Usage,
}

impl PermissionKey {
    /// All keys, in the order of the matrix.
    pub fn all() -> impl Iterator<Item = PermissionKey> {
        Self::iter()
    }

    /// The part of the product that the key belongs to.
    pub fn group(self) -> Group {
        use PermissionKey as Key;
        match self {
            Key::Conversations | Key::Tasks => Group::Overview,
            Key::Agents
            | Key::AgentGeneral
            | Key::AgentPrompt
            | Key::AgentKnowledge
            | Key::AgentTools
            | Key::AgentCallFlow
            | Key::AgentAnalytics
            | Key::AgentNotifications
            | Key::KnowledgeBases => Group::Agents,
            Key::Telephony
            | Key::PhoneNumbers
            | Key::SipTrunks
            | Key::ComplianceProfiles
            | Key::CampaignsAndContacts => Group::Deploy,
            Key::Account
            | Key::Settings
            | Key::Members
            | Key::Subaccounts
            | Key::TrustCenter
            | Key::Schedules => Group::Account,
            Key::Developers | Key::Integrations | Key::ApiKeys | Key::Webhooks => Group::Developers,
            Key::Billing | Key::Usage => Group::Billing,
        }
    }

    /// The key whose level bounds this one's, if there is one.
    pub fn umbrella(self) -> Option<PermissionKey> {
        use PermissionKey as Key;
        match self {
            Key::AgentGeneral
            | Key::AgentPrompt
            | Key::AgentKnowledge
            | Key::AgentTools
            | Key::AgentCallFlow
            | Key::AgentAnalytics
            | Key::AgentNotifications => Some(Key::Agents),
            Key::PhoneNumbers | Key::SipTrunks | Key::ComplianceProfiles => Some(Key::Telephony),
            Key::Settings | Key::Members | Key::Subaccounts | Key::TrustCenter | Key::Schedules => {
                Some(Key::Account)
            }
            Key::Integrations | Key::ApiKeys | Key::Webhooks => Some(Key::Developers),
            Key::Usage => Some(Key::Billing),
            _ => None,
        }
    }

    /// The levels that the key allows, from the lowest.
    pub fn allowed_levels(self) -> &'static [Level] {
        match self {
            PermissionKey::Conversations => &[Level::None, Level::Read],
            PermissionKey::Account => &[Level::None, Level::Limited, Level::Full],
            PermissionKey::Billing | PermissionKey::Usage => &[Level::None, Level::Full],
            _ => &[Level::None, Level::Read, Level::Full],
        }
    }

    /// The highest level that the key allows.
    pub fn max_level(self) -> Level {
        *self.allowed_levels().last().expect("each key allows some level")
    }

    /// The highest allowed level that changes nothing.
    fn at_most_reading(self) -> Level {
        *self
            .allowed_levels()
            .iter()
            .rfind(|level| **level != Level::Full)
            .expect("each key allows NONE")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_by_the_names_under_which_they_are_stored() {
        for level in Level::iter() {
            assert_eq!(Level::named(&sea_orm::ActiveEnum::to_value(&level)), Some(level));
        }
        assert_eq!(Level::named("none"), None);
    }

    #[test]
    fn the_matrix_has_28_keys_and_umbrellas_of_their_own_group() {
        assert_eq!(PermissionKey::all().count(), 28);
        for key in PermissionKey::all() {
            assert_eq!(key.allowed_levels()[0], Level::None);
            if let Some(umbrella) = key.umbrella() {
                assert_eq!(umbrella.group(), key.group());
                assert_eq!(umbrella.umbrella(), None);
            }
        }
    }

    #[test]
    fn a_role_gives_only_levels_that_the_key_allows() {
        for role in Role::iter() {
            for key in PermissionKey::all() {
                assert!(
                    key.allowed_levels().contains(&role.level(key)),
                    "{role:?} {key:?}"
                );
            }
        }
    }

    #[test]
    fn roles_differ_as_the_matrix_says() {
        assert_eq!(Role::AgencyAdmin.level(PermissionKey::Usage), Level::None);
        assert_eq!(Role::AgencyAdmin.level(PermissionKey::Members), Level::Full);
        assert_eq!(Role::Member.level(PermissionKey::AgentPrompt), Level::Full);
        assert_eq!(Role::Member.level(PermissionKey::Account), Level::Limited);
        assert_eq!(Role::Viewer.level(PermissionKey::Tasks), Level::Read);
        assert_eq!(Role::Viewer.level(PermissionKey::Billing), Level::None);
    }
}
