//! What a query plan is made of: what is selected from each object, in the order of the answer, and what has to be read
//! for it. It holds nothing of who asks, and no value of a variable but of those that `@skip` and `@include` read.

use async_graphql::Pos;

use super::bind::{Arguments, IdAt, KeyAt, NameAt, PageAt, UsageAt};

/// How an operation is answered without async-graphql.
pub(crate) struct QueryPlan {
    pub(super) root: Selection<QueryField>,
    /// What `root` needs.
    pub(super) reads: RootReads,
    /// What the fields are asked with.
    pub(super) arguments: Arguments,
    /// The most points that an answer may cost by the sizes of its pages, if no variable is one of these.
    pub(super) points: Option<u64>,
    /// The memory that it takes, about.
    pub(super) bytes: usize,
}

/// What is selected from an object, in the order of the answer. Fragments are gone, and a response key is there once.
#[derive(PartialEq)]
pub(super) struct Selection<F>(pub(super) Box<[Selected<F>]>);

/// One field of an answer.
#[derive(PartialEq)]
pub(super) struct Selected<F> {
    pub(super) key: ResponseKey,
    /// Where it stands in the document first.
    pub(super) position: Pos,
    /// What it costs when it is there. For a list it is each item that costs something; see [`List`].
    pub(super) points: u64,
    pub(super) what: What<F>,
}

/// What a field of an answer shows.
#[derive(PartialEq)]
pub(super) enum What<F> {
    /// `__typename`.
    TypeName,
    Field(F),
}

/// What is selected from each item of a list.
#[derive(PartialEq)]
pub(super) struct List<S> {
    /// What each item costs, without what is selected from it.
    pub(super) points: u64,
    pub(super) each: S,
}

/// A response key as JSON writes it before the value: `"name":`.
#[derive(PartialEq)]
pub(super) struct ResponseKey(Box<str>);

impl ResponseKey {
    /// The key of a field with this name or alias. Names of GraphQL need no escapes.
    pub(super) fn new(name: &str) -> Self {
        Self(format!("\"{name}\":").into())
    }

    /// As it is written before the value.
    pub(super) fn written(&self) -> &str {
        &self.0
    }

    /// The name or alias.
    pub(super) fn name(&self) -> &str {
        &self.0[1..self.0.len() - 2]
    }
}

/// The fields of `Query`. Numbers are places in [`RootReads`].
pub(super) enum QueryField {
    Account(usize),
    /// `node`, if it is an account.
    Node(usize),
    Me(Selection<MeField>),
}

/// The fields of `Me`. Numbers are places in [`RootReads`].
pub(super) enum MeField {
    User(Selection<UserField>),
    ActingAs(usize),
    Accounts(usize, Connection<usize>),
}

/// What the root of a query reads.
#[derive(Default)]
pub(super) struct RootReads {
    /// Single accounts, read together.
    pub(super) accounts: Vec<RootAccount>,
    /// What is selected from these. Those that are asked the same are gone on with together.
    pub(super) selections: Vec<Tenants>,
    /// Whether the person who asks is read.
    pub(super) user: bool,
    /// The accounts that the caller may switch to.
    pub(super) accessible: Vec<AccountPage>,
}

/// A single account.
pub(super) struct RootAccount {
    pub(super) named: Named,
    /// A place in [`RootReads::selections`].
    pub(super) selection: usize,
}

/// How a single account is named.
#[derive(Clone, Copy)]
pub(super) enum Named {
    /// As `account` names it: by its id, or as the one that is acted on.
    Account(IdAt),
    /// By an id that may be one of something else; a request where it is, is none for the plan.
    Node(IdAt),
    ActedOn,
}

/// What is selected from accounts of both types.
#[derive(PartialEq)]
pub(super) struct Tenants {
    /// From those of the type `Account`, and from all where the document asks both the same.
    pub(super) account: Box<TenantPlan>,
    /// From those of the type `Subaccount`, where it asks them something else.
    pub(super) subaccount: Option<Box<TenantPlan>>,
}

/// What is selected from accounts of one type, and what has to be read for it.
#[derive(PartialEq)]
pub(super) struct TenantPlan {
    pub(super) selection: Selection<TenantField>,
    pub(super) reads: TenantReads,
    /// How many fields are selected from each, without those of other accounts.
    pub(super) fields: usize,
    /// What these cost, if each list has one item.
    pub(super) points: u64,
}

/// What is read for accounts, each once for all fields that ask the same.
#[derive(Default, PartialEq)]
pub(super) struct TenantReads {
    pub(super) plans: bool,
    pub(super) limits: bool,
    pub(super) billing: bool,
    pub(super) credits: bool,
    pub(super) usage: Vec<UsageAt>,
    pub(super) members: Vec<PageAt>,
    pub(super) subaccounts: Vec<AccountPage>,
    /// What is selected from parents, as often as they are; none: they are not read.
    pub(super) parents: Vec<Tenants>,
    /// The same of all ancestors.
    pub(super) ancestors: Vec<Tenants>,
}

/// A page of accounts.
#[derive(PartialEq)]
pub(super) struct AccountPage {
    pub(super) page: PageAt,
    /// What is selected from its accounts, as often as the connection shows them.
    pub(super) tenants: Vec<Tenants>,
}

/// The fields of `Tenant`, `Account` and `Subaccount`. Numbers are places in [`TenantReads`].
#[derive(PartialEq)]
pub(super) enum TenantField {
    Id,
    Name,
    Status,
    Kind,
    Depth,
    Level,
    Currency,
    TimeZone,
    CreatedAt,
    PlanInherited,
    BillingMode,
    CreditMode,
    Plan(Selection<PlanField>),
    PermissionSet(Selection<PermissionSetField>),
    Parent(usize),
    Ancestors(List<usize>),
    Subaccounts(usize, Connection<usize>),
    Members(usize, Connection<Selection<MemberField>>),
    Limits(Selection<LimitsField>),
    BillingTransfer(Selection<BillingTransferField>),
    Credits(Selection<CreditsField>),
    Usage(usize, Selection<UsageField>),
}

#[derive(PartialEq)]
pub(super) enum PlanField {
    Id,
    Name,
    Description,
    Configuration,
}

#[derive(PartialEq)]
pub(super) enum PermissionSetField {
    Permissions(List<Selection<PermissionField>>),
    Permission(KeyAt, Selection<PermissionField>),
}

#[derive(PartialEq)]
pub(super) enum PermissionField {
    Key,
    Level,
    MaxLevel,
    DecidedBy(Selection<PermissionDeciderField>),
}

#[derive(PartialEq)]
pub(super) enum PermissionDeciderField {
    Kind,
    Account,
    Key,
    Role,
}

/// What a connection and its edges are called.
#[derive(Clone, Copy)]
pub(super) struct ConnectionTypes {
    pub(super) connection: &'static str,
    pub(super) edge: &'static str,
}

pub(super) const TENANTS: ConnectionTypes = ConnectionTypes {
    connection: "TenantConnection",
    edge: "TenantEdge",
};

pub(super) const ACCESSES: ConnectionTypes = ConnectionTypes {
    connection: "AccessConnection",
    edge: "AccessEdge",
};

pub(super) const MEMBERS: ConnectionTypes = ConnectionTypes {
    connection: "MemberConnection",
    edge: "MemberEdge",
};

/// What is selected from a connection whose nodes show `N`.
pub(super) type Connection<N> = Selection<ConnectionField<N>>;

#[derive(PartialEq)]
pub(super) enum ConnectionField<N> {
    Edges(List<Selection<EdgeField<N>>>),
    Nodes(List<N>),
    PageInfo(Selection<PageInfoField>),
    TotalCount,
}

#[derive(PartialEq)]
pub(super) enum EdgeField<N> {
    Cursor,
    Node(N),
    /// Of an `AccessEdge`.
    Role,
}

#[derive(PartialEq)]
pub(super) enum PageInfoField {
    HasNextPage,
    HasPreviousPage,
    StartCursor,
    EndCursor,
}

#[derive(PartialEq)]
pub(super) enum MemberField {
    Id,
    User(Selection<UserField>),
    Role,
    CreatedAt,
    LastSignInAt,
}

#[derive(PartialEq)]
pub(super) enum UserField {
    Id,
    Name,
    Email,
}

#[derive(PartialEq)]
pub(super) enum LimitsField {
    Resources(List<Selection<ResourceLimitField>>),
    Resource(NameAt, Selection<ResourceLimitField>),
}

#[derive(PartialEq)]
pub(super) enum ResourceLimitField {
    Resource,
    Max,
    Used,
    Remaining,
    DecidedBy(Selection<LimitDeciderField>),
    Reason,
}

#[derive(PartialEq)]
pub(super) enum LimitDeciderField {
    Kind,
    Account,
    RuleVersion,
    RuleDigest,
}

#[derive(PartialEq)]
pub(super) enum BillingTransferField {
    Id,
    State,
    Badge,
    Status,
    StartedAt,
    GraceEndsAt,
    CompletedAt,
    KeepAgencyAccess,
}

#[derive(PartialEq)]
pub(super) enum CreditsField {
    Purchased(Selection<MoneyField>),
    Pool(Selection<MoneyField>),
    Held(Selection<MoneyField>),
    Available(Selection<MoneyField>),
}

#[derive(PartialEq)]
pub(super) enum MoneyField {
    Amount,
    Currency,
}

#[derive(PartialEq)]
pub(super) enum UsageField {
    Period(Selection<UsagePeriodField>),
    Granularity,
    TimeZone,
    Totals(List<Selection<UsageTotalField>>),
    Buckets(List<Selection<UsageBucketField>>),
}

#[derive(PartialEq)]
pub(super) enum UsagePeriodField {
    Start,
    End,
}

#[derive(PartialEq)]
pub(super) enum UsageTotalField {
    Meter,
    Unit,
    Aggregation,
    Quantity,
    Events,
    Amount(Selection<MoneyField>),
}

#[derive(PartialEq)]
pub(super) enum UsageBucketField {
    Start,
    Total(UsageTotalField),
}
