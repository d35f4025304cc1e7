//! Ids as types: a prefix that names the kind, then a ULID, so that ids sort by the time they were made.
//!
//! `acc_01jd…` can be told from `mem_01jd…` at a glance, and the compiler tells [`AccountId`] from [`MemberId`].

use std::sync::Mutex;

use ulid::Generator;

/// An id that does not have the shape that its type demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MalformedId;

impl std::fmt::Display for MalformedId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("not an id of this kind")
    }
}

impl std::error::Error for MalformedId {}

const ULID_LENGTH: usize = 26;

/// A lower-case ULID that is greater than each one this process made before.
fn fresh_ulid() -> String {
    static GENERATOR: Mutex<Generator> = Mutex::new(Generator::new());
    let mut generator = GENERATOR
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let ulid = match generator.generate() {
        Ok(ulid) => ulid,
        // More than 2^80 ids in a millisecond do not happen; counting on into the next one keeps the order.
        Err(overflow) => overflow.commit_overflow_increment(),
    };
    ulid.to_string().to_ascii_lowercase()
}

fn is_ulid(text: &str) -> bool {
    text.len() == ULID_LENGTH
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
        && ulid::Ulid::from_string(text).is_ok()
}

/// Plans that Canopy ships have a readable id (`pln_itellico`); all other ids end in a ULID.
fn is_name(text: &str) -> bool {
    (1..=ULID_LENGTH).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal, $accepts:ident;)*) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
            sea_orm::DeriveValueType,
        )]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// What each id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, greater than each that this process made before.
            #[expect(clippy::new_without_default, reason = "each id is a new one; there is no default")]
            pub fn new() -> Self {
                Self(format!("{}{}", $prefix, fresh_ulid()))
            }

            /// Reads an id that came from outside.
            pub fn parse(text: &str) -> Result<Self, MalformedId> {
                match text.strip_prefix($prefix) {
                    Some(rest) if $accepts(rest) => Ok(Self(text.to_owned())),
                    _ => Err(MalformedId),
                }
            }

            /// The id as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = MalformedId;

            fn from_str(text: &str) -> Result<Self, MalformedId> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = MalformedId;

            fn try_from(text: String) -> Result<Self, MalformedId> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl sea_orm::TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, sea_orm::DbErr> {
                Err(sea_orm::DbErr::ConvertFromU64(stringify!($name)))
            }
        }
    )*};
}

ids! {
    /// An account of the tree.
    AccountId = "acc_", is_ulid;
    /// A person who can sign in.
    UserId = "usr_", is_ulid;
    /// A person's membership in an account.
    MemberId = "mem_", is_ulid;
    /// A plan; those that Canopy ships have a name in place of the ULID.
    PlanId = "pln_", is_name;
    /// An API key.
    ApiKeyId = "key_", is_ulid;
    /// A version of a rule.
    RuleVersionId = "rul_", is_ulid;
    /// The time during which a rule version was live at an account.
    RuleActivationId = "act_", is_ulid;
    /// A step in the life of a rule version.
    RuleChangeId = "rch_", is_ulid;
    /// A failure of a rule.
    RuleFailureId = "rfl_", is_ulid;
    /// A usage event.
    UsageEventId = "evt_", is_ulid;
    /// What one seller charged one buyer for one usage event.
    RatingId = "rat_", is_ulid;
    /// An account of the ledger.
    LedgerAccountId = "lac_", is_ulid;
    /// A row of the ledger.
    PostingId = "pst_", is_ulid;
    /// A transfer of billing from a parent to its subaccount.
    BillingTransferId = "btr_", is_ulid;
    /// A dry run of a rule, or a shadow.
    SimulationId = "sim_", is_ulid;
    /// What a simulation came to for one account.
    SimulationAccountId = "sma_", is_ulid;
    /// An entry of the audit log.
    AuditId = "aud_", is_ulid;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_made_in_order_and_read_back() {
        let ids: Vec<AccountId> = (0..1_000).map(|_| AccountId::new()).collect();
        assert!(ids.is_sorted());
        assert_eq!(AccountId::parse(ids[0].as_str()), Ok(ids[0].clone()));
    }

    #[test]
    fn an_id_of_another_kind_or_shape_is_malformed() {
        let member = MemberId::new();
        for text in [
            member.as_str(),
            "",
            "acc_",
            "acc_%",
            "acc_01JD0000000000000000000000",
            "01jd",
        ] {
            assert_eq!(AccountId::parse(text), Err(MalformedId), "{text}");
        }
        assert!(PlanId::parse("pln_itellico").is_ok());
    }
}
