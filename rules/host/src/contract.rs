//! What goes into a rule and what comes out, as plain Rust types: the twins of
//! rules/wit, which says what each value means. Knows nothing of how a rule is run.

mod single;

use serde::{Deserialize, Serialize};
use wasmtime::component::{ComponentType, Lift, Lower};

use crate::digest::Digest;

/// Bound of every integer of the contract: 2^53, up to which a double is exact.
pub const MAX_INTEGER: i64 = 1 << 53;

/// Most lines in one call.
pub const MAX_LINES: usize = 1000;

/// The two contracts a rule can fulfil.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RuleKind {
    /// World `limits`.
    Limits,
    /// World `pricing`.
    Pricing,
}

impl RuleKind {
    /// Name of the world, lowercase.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Limits => "limits",
            Self::Pricing => "pricing",
        }
    }
}

/// The account that used something, as one seller sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lower)]
#[component(record)]
pub struct PricingAccount {
    /// Ids from the seller down, each followed by `/`, its own included.
    pub path: String,
    /// Id of the seller's direct customer on that path.
    pub buyer: String,
    /// Id of the plan the buyer is on.
    #[component(name = "buyer-plan")]
    pub buyer_plan: String,
}

/// What the buyer and all below it used of the meter in the period before the
/// line; earlier lines of the same batch are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lower)]
#[component(record)]
pub struct PeriodTotals {
    /// Start of the calendar month (UTC), in seconds since 1970.
    pub start: i64,
    /// Sum of quantities, in micro-units.
    pub quantity: i64,
    /// Number of lines.
    pub lines: i64,
}

/// One thing that was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lower)]
#[component(record)]
pub struct UsageLine {
    /// Index into [`PricingInput::accounts`].
    pub account: u32,
    /// What was used.
    pub meter: String,
    /// How much, in micro-units. Negative in a correction.
    pub quantity: i64,
    /// What the seller pays for this line, in micro-units of the currency.
    pub cost: i64,
    /// When, in seconds since 1970.
    #[component(name = "occurred-at")]
    pub occurred_at: i64,
    /// The event's attributes: a JSON object.
    pub attributes: Option<String>,
    /// What was used in the period before.
    pub period: PeriodTotals,
}

/// A batch of lines of one seller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lower)]
#[component(record)]
pub struct PricingInput {
    /// Id of the seller, followed by `/`.
    #[component(name = "seller-path")]
    pub seller_path: String,
    /// ISO 4217 code of all money in the call.
    pub currency: String,
    /// JSON of the rule version, `{}` when there is none.
    pub configuration: String,
    /// The accounts that the lines point to.
    pub accounts: Vec<PricingAccount>,
    /// 1 to [`MAX_LINES`].
    pub lines: Vec<UsageLine>,
}

impl PricingInput {
    /// A batch without lines.
    pub fn new(
        seller_path: impl Into<String>,
        currency: impl Into<String>,
        configuration: impl Into<String>,
    ) -> Self {
        Self {
            seller_path: seller_path.into(),
            currency: currency.into(),
            configuration: configuration.into(),
            accounts: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// Index for [`UsageLine::account`]; an account that is already there keeps
    /// its index.
    pub fn account(&mut self, account: PricingAccount) -> u32 {
        let known = self.accounts.iter().rposition(|a| *a == account);
        let index = known.unwrap_or_else(|| {
            self.accounts.push(account);
            self.accounts.len() - 1
        });
        u32::try_from(index).expect("a batch has at most 1000 lines, so no more accounts matter")
    }

    /// SHA-256 of this input's JSON: the `input_digest` of its call.
    pub fn digest(&self) -> Digest {
        Digest::of_json(self)
    }
}

/// Part of an amount, as shown on the receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lift)]
#[component(record)]
pub struct LineItem {
    /// At most 200 bytes.
    pub description: String,
    /// The quantity charged for, in micro-units.
    pub quantity: i64,
    /// In micro-units of the currency; negative for a discount.
    pub amount: i64,
}

/// The price of one line. Checked: see rules/wit/pricing.wit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lift)]
#[component(record)]
pub struct PricedLine {
    /// What the buyer pays, in micro-units of the currency.
    pub amount: i64,
    /// At most 32; their amounts add up to `amount` when there are any.
    pub items: Vec<LineItem>,
    /// Why, in one sentence, or empty.
    pub reason: String,
}

impl PricedLine {
    /// SHA-256 of this line's JSON.
    pub fn digest(&self) -> Digest {
        Digest::of_json(self)
    }
}

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lower)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[component(enum)]
#[repr(u8)]
pub enum AccountKind {
    /// Root of a platform's tree.
    #[component(name = "platform")]
    Platform,
    /// A customer of the platform, with its own billing.
    #[component(name = "main")]
    Main,
    /// An account below a main account.
    #[component(name = "subaccount")]
    Subaccount,
}

/// How a subaccount's usage is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ComponentType, Lower, Lift)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[component(enum)]
#[repr(u8)]
pub enum CreditMode {
    /// From the parent's pool.
    #[component(name = "manual")]
    Manual,
    /// The subaccount buys credits.
    #[component(name = "reselling")]
    Reselling,
}

/// The account asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lower)]
#[component(record)]
pub struct AccountFacts {
    /// Its id, followed by `/`. A rule is told of nobody above.
    pub path: String,
    /// What it is.
    pub kind: AccountKind,
    /// Levels below the nearest platform or main account, which is level 0.
    pub level: u32,
    /// None for an account with its own billing.
    #[component(name = "credit-mode")]
    pub credit_mode: Option<CreditMode>,
}

/// How many of a resource the account has now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lower)]
#[component(record)]
pub struct ResourceCount {
    /// For example `subaccounts`.
    pub name: String,
    /// Not negative.
    pub used: i64,
}

/// What a limits rule is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lower)]
#[component(record)]
pub struct LimitsInput {
    /// Id of the account's plan.
    pub plan: String,
    /// The account asked about.
    pub account: AccountFacts,
    /// In order of name, each name once.
    pub counts: Vec<ResourceCount>,
    /// JSON, `{}` when there is none.
    pub configuration: String,
}

impl LimitsInput {
    /// SHA-256 of this input's JSON: the `input_digest` of its call.
    pub fn digest(&self) -> Digest {
        Digest::of_json(self)
    }
}

/// The most that the account may have of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lift)]
#[component(record)]
pub struct ResourceLimit {
    /// `[a-z0-9_.-]`, at most 64 bytes. `depth` is the highest level below.
    pub name: String,
    /// None for unlimited.
    pub max: Option<i64>,
    /// Why, in one sentence, or empty.
    pub reason: String,
}

/// Who has API keys for a subaccount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lift)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[component(enum)]
#[repr(u8)]
pub enum KeyPolicy {
    /// It makes its own.
    #[component(name = "own")]
    Own,
    /// One is made with it; it can neither make nor manage keys.
    #[component(name = "auto-one")]
    AutoOne,
    /// Only the main account has keys.
    #[component(name = "parent-only")]
    ParentOnly,
}

/// Who the members of a subaccount are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lift)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[component(enum)]
#[repr(u8)]
pub enum MemberPolicy {
    /// Its own.
    #[component(name = "own")]
    Own,
    /// Those of its parent.
    #[component(name = "inherited")]
    Inherited,
}

/// Credits that a new subaccount is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lift)]
#[component(record)]
pub struct StarterCredits {
    /// Number of credits.
    pub count: i64,
    /// What one is worth, in micro-units of the account's currency.
    #[component(name = "credit-value")]
    pub credit_value: i64,
}

impl StarterCredits {
    /// What they are worth together. At most 2^53: checked when the rule answers.
    pub fn value(&self) -> i64 {
        self.count.saturating_mul(self.credit_value)
    }
}

/// What holds for the subaccounts of the account asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lift)]
#[component(record)]
pub struct Policy {
    /// Who has API keys.
    pub keys: KeyPolicy,
    /// Who the members are.
    pub members: MemberPolicy,
    /// What a new one is given.
    #[component(name = "starter-credits")]
    pub starter_credits: StarterCredits,
    /// At least one, each once; the first is the default.
    #[component(name = "credit-modes")]
    pub credit_modes: Vec<CreditMode>,
    /// Kinds of resources shared with the main account.
    #[component(name = "shared-resources")]
    pub shared_resources: Vec<String>,
    /// Whether a seller may charge less than it pays.
    #[component(name = "allow-below-cost")]
    pub allow_below_cost: bool,
}

/// What a limits rule answers. Checked: see rules/wit/limits.wit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lift)]
#[component(record)]
pub struct LimitsAnswer {
    /// Each name once; at most 64. What is not named is unlimited.
    pub limits: Vec<ResourceLimit>,
    /// The policy.
    pub policy: Policy,
}

impl LimitsAnswer {
    /// The limit of a resource, if the rule names it.
    pub fn limit(&self, name: &str) -> Option<&ResourceLimit> {
        self.limits.iter().find(|limit| limit.name == name)
    }
}

/// A rule's own `err`.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift)]
#[component(variant)]
pub(crate) enum Refusal {
    #[component(name = "configuration")]
    Configuration(String),
    #[component(name = "unsupported")]
    Unsupported(String),
    #[component(name = "failed")]
    Failed(String),
}
