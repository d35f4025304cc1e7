//! Ids as types: a prefix that names the kind, then a ULID, so that ids sort by the time they were made.
//!
//! The id of a rating is that of its event with the place of the seller, as a rating lies in its event.
//!
//! `acc_01jd…` can be told from `mem_01jd…` at a glance, and the compiler tells [`AccountId`] from [`MemberId`].

use std::sync::Mutex;

use ulid::{Generator, Ulid};

use crate::time::Timestamp;

/// An id that does not have the shape that its type demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MalformedId;

impl std::fmt::Display for MalformedId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("not an id of this kind")
    }
}

impl std::error::Error for MalformedId {}

pub(crate) const ULID_LENGTH: usize = 26;
const PREFIX_LENGTH: usize = 4;

/// The text of an id, in place: ids are copied and compared more often than anything else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Text {
    /// What is beyond the length is zero, so that the order is that of the texts.
    bytes: [u8; PREFIX_LENGTH + ULID_LENGTH],
    length: u8,
}

impl Text {
    /// None if it is too long for an id.
    fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; PREFIX_LENGTH + ULID_LENGTH];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        let length = u8::try_from(text.len()).ok()?;
        Some(Self { bytes, length })
    }

    /// A prefix and a ULID in lower case.
    fn of_ulid(prefix: &str, ulid: Ulid) -> Self {
        let mut bytes = [0; PREFIX_LENGTH + ULID_LENGTH];
        bytes[..PREFIX_LENGTH].copy_from_slice(prefix.as_bytes());
        ulid.array_to_str(bytes[PREFIX_LENGTH..].first_chunk_mut().expect("there is room"))
            .make_ascii_lowercase();
        Self {
            bytes,
            length: bytes.len() as u8,
        }
    }

    fn as_str(&self) -> &str {
        let bytes = &self.bytes[..usize::from(self.length)];
        std::str::from_utf8(bytes).expect("it was made of a string")
    }
}

impl std::hash::Hash for Text {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        // All in one: no two ids differ in their lengths alone.
        state.write(&self.bytes);
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self.as_str(), formatter)
    }
}

/// A ULID that is greater than each one this process made before.
fn fresh_ulid() -> Ulid {
    static GENERATOR: Mutex<Generator> = Mutex::new(Generator::new());
    let mut generator = GENERATOR
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    match generator.generate() {
        Ok(ulid) => ulid,
        // More than 2^80 ids in a millisecond do not happen; counting on into the next one keeps the order.
        Err(overflow) => overflow.commit_overflow_increment(),
    }
}

fn first_ulid_at(instant: Timestamp) -> String {
    let millis = u64::try_from(instant.timestamp_millis()).unwrap_or(0);
    Ulid::from_parts(millis, 0).to_string().to_ascii_lowercase()
}

/// 128 bits in the lower-case digits of Crockford's Base32, which leave 2 bits of the first one unused.
fn is_ulid(text: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'h' | b'j' | b'k' | b'm' | b'n' | b'p'..=b't' | b'v'..=b'z');
    text.len() == ULID_LENGTH && text.as_bytes()[0] <= b'7' && text.bytes().all(is_digit)
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
        #[sea_orm(value_type = "String")]
        pub struct $name(Text);

        impl $name {
            /// What each id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, greater than each that this process made before.
            #[expect(clippy::new_without_default, reason = "each id is a new one; there is no default")]
            pub fn new() -> Self {
                Self(Text::of_ulid($prefix, fresh_ulid()))
            }

            /// What the text of an id that is made at `instant` is not below: where to begin among ids in their order.
            pub fn first_at(instant: Timestamp) -> String {
                format!("{}{}", $prefix, first_ulid_at(instant))
            }

            /// Reads an id that came from outside.
            pub fn parse(text: &str) -> Result<Self, MalformedId> {
                let rest = text.strip_prefix($prefix).filter(|rest| $accepts(rest));
                rest.and_then(|_| Text::new(text)).map(Self).ok_or(MalformedId)
            }

            /// The id as it is written.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
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
                id.as_str().to_owned()
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
    /// A batch of usage: what one transaction recorded, or rated.
    UsageBatchId = "bat_", is_ulid;
    /// An account of the ledger.
    LedgerAccountId = "lac_", is_ulid;
    /// Credits that are held for usage to come.
    UsageHoldId = "hld_", is_ulid;
    /// A row of the ledger.
    PostingId = "pst_", is_ulid;
    /// A transfer of billing from a parent to its subaccount.
    BillingTransferId = "btr_", is_ulid;
    /// A dry run of a rule, or a shadow.
    SimulationId = "sim_", is_ulid;
    /// What a simulation came to for one account.
    SimulationAccountId = "sma_", is_ulid;
    /// A threshold on usage.
    UsageAlertId = "alr_", is_ulid;
    /// That usage crossed a threshold.
    UsageAlertCrossingId = "alc_", is_ulid;
    /// Where webhooks of an account go.
    WebhookEndpointId = "whe_", is_ulid;
    /// A message to an endpoint.
    WebhookDeliveryId = "whd_", is_ulid;
    /// A try to deliver a message.
    WebhookAttemptId = "wha_", is_ulid;
    /// An entry of the audit log.
    AuditId = "aud_", is_ulid;
}

impl AccountId {
    /// An id that stands in a path.
    pub(crate) fn of_path(text: &str) -> Self {
        Self(Text::new(text).expect("a stored path holds ids, as its check says"))
    }
}

/// What one seller charged one buyer for one usage event: `rat_`, the event's ULID, and the place of the seller in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RatingId {
    event: UsageEventId,
    edge: u16,
}

impl RatingId {
    /// What each id of this kind begins with.
    pub const PREFIX: &'static str = "rat_";

    /// The rating of `event` at `edge`.
    pub fn new(event: &UsageEventId, edge: u16) -> Self {
        Self {
            event: event.clone(),
            edge,
        }
    }

    /// Reads an id that came from outside.
    pub fn parse(text: &str) -> Result<Self, MalformedId> {
        let (event, edge) = text
            .strip_prefix(Self::PREFIX)
            .and_then(|rest| rest.split_once('_'))
            .ok_or(MalformedId)?;
        let id = Self {
            event: UsageEventId::parse(&format!("{}{event}", UsageEventId::PREFIX))?,
            edge: edge.parse().map_err(|_| MalformedId)?,
        };
        // One text for each: no sign, and no zeros before the number.
        (id.to_string() == text).then_some(id).ok_or(MalformedId)
    }

    /// The event that it is of.
    pub fn event(&self) -> &UsageEventId {
        &self.event
    }
}

impl std::fmt::Display for RatingId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let event = self.event.as_str();
        let ulid = event.strip_prefix(UsageEventId::PREFIX).unwrap_or(event);
        write!(formatter, "{}{ulid}_{}", Self::PREFIX, self.edge)
    }
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
    fn the_first_id_of_an_instant_is_not_greater_than_those_made_then() {
        let now = crate::time::now();
        let id = UsageEventId::new();
        assert!(UsageEventId::first_at(now) <= id.to_string());
        assert!(UsageEventId::first_at(now + chrono::Duration::seconds(9)) > id.to_string());
    }

    #[test]
    fn the_id_of_a_rating_names_its_event_and_has_one_text() {
        let event = UsageEventId::new();
        let id = RatingId::new(&event, 12);
        assert_eq!(RatingId::parse(&id.to_string()), Ok(id.clone()));
        assert_eq!(id.event(), &event);
        let ulid = &event.as_str()[4..];
        for text in [
            format!("rat_{ulid}"),
            format!("rat_{ulid}_"),
            format!("rat_{ulid}_+1"),
            format!("rat_{ulid}_01"),
            format!("rat_{ulid}_-1"),
            format!("rat_{ulid}_1_1"),
            format!("rat_{ulid}_70000"),
            format!("evt_{ulid}_1"),
            event.to_string(),
        ] {
            assert_eq!(RatingId::parse(&text), Err(MalformedId), "{text}");
        }
    }

    #[test]
    fn what_is_a_ulid_is_what_its_library_reads_in_lower_case() {
        let ulid = "01jd0000000000000000000zzz";
        for place in 0..ULID_LENGTH {
            for byte in 0..=127_u8 {
                let mut bytes = ulid.as_bytes().to_vec();
                bytes[place] = byte;
                let text = String::from_utf8(bytes).unwrap();
                let read =
                    ulid::Ulid::from_string(&text).is_ok_and(|ulid| ulid.to_string().to_lowercase() == text);
                assert_eq!(is_ulid(&text), read, "{text}");
            }
        }
    }

    #[test]
    fn ids_sort_as_their_texts_do() {
        let mut ids = ["pln_b", "pln_ab", "pln_a", "pln_abc"].map(|id| PlanId::parse(id).unwrap());
        ids.sort();
        assert_eq!(
            ids.map(|id| id.to_string()),
            ["pln_a", "pln_ab", "pln_abc", "pln_b"]
        );
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
