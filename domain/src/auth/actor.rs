//! The actor: who asks, through which grants, and on which account.

use std::collections::HashMap;
use std::sync::Arc;

use canopy_entity::time::{self, Timestamp};
use canopy_entity::{AccountId, AccountPath, ApiKeyId, Level, PermissionKey, Role, Scope, UserId};

/// Who stands behind a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A person who signed in.
    User(UserId),
    /// A program with an API key.
    ApiKey(ApiKeyId),
    /// Canopy itself: seeding, workers, the command line of an operator. Reaches what it is given grants for.
    System,
}

/// What a grant rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantKind {
    /// A membership with a role.
    Role(Role),
    /// An API key with levels; a missing key is NONE.
    Levels(HashMap<PermissionKey, Level>),
}

/// Access to one account and all below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The account that the grant was given at.
    pub account_id: AccountId,
    /// Where that account stands.
    pub path: AccountPath,
    /// What it allows there.
    pub kind: GrantKind,
}

/// Who is asking. Only `auth` can make one, so holding an actor proves that a credential was checked.
#[derive(Debug, Clone)]
pub struct Actor {
    pub(super) principal: Principal,
    pub(super) grants: Arc<[Grant]>,
    pub(super) acting_as: Option<(AccountId, AccountPath)>,
    pub(super) scope: Scope,
    /// The version of the person's tokens that the one presented has.
    pub(super) token_version: Option<i32>,
    /// From when on the credential does not hold any more.
    pub(super) expires_at: Option<Timestamp>,
    /// Of an API key: what it has of documents of its own.
    pub(super) documents: OwnDocuments,
}

/// What an API key has of documents that were registered for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OwnDocuments {
    /// Whether it may run nothing else.
    pub(crate) only: bool,
    /// How often they were changed; 0 if there never were any.
    pub(crate) version: i32,
}

impl Actor {
    /// An actor that acts on its first grant's account and may read all that its grants reach.
    pub(super) fn new(principal: Principal, grants: Vec<Grant>) -> Self {
        Self {
            principal,
            acting_as: grants
                .first()
                .map(|grant| (grant.account_id.clone(), grant.path.clone())),
            scope: Scope::new(grants.iter().map(|grant| grant.path.clone()).collect()),
            grants: grants.into(),
            token_version: None,
            expires_at: None,
            documents: OwnDocuments::default(),
        }
    }

    /// The same actor, with these documents of its own.
    pub(super) fn with_documents(mut self, documents: OwnDocuments) -> Self {
        self.documents = documents;
        self
    }

    /// Whether the credential may run nothing but the documents that were registered for it.
    pub fn is_persisted_only(&self) -> bool {
        self.documents.only
    }

    pub(crate) fn documents(&self) -> OwnDocuments {
        self.documents
    }

    /// The same actor, by a token of this version.
    pub(super) fn of_token(mut self, token_version: i32) -> Self {
        self.token_version = Some(token_version);
        self
    }

    /// The same actor, by a credential that holds until then; for ever if there is no end.
    pub(super) fn until(mut self, expires_at: Option<Timestamp>) -> Self {
        self.expires_at = expires_at;
        self
    }

    /// From when on the credential does not hold any more. Whoever serves the actor for longer than one request, such
    /// as a stream, ends then.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// True if the credential's time is over.
    pub fn has_expired(&self) -> bool {
        self.expires_at.is_some_and(|end| end <= time::now())
    }

    pub(super) fn token_version(&self) -> Option<i32> {
        self.token_version
    }

    /// True if reads are narrowed to one of the accounts that the grants reach.
    pub(super) fn is_narrowed(&self) -> bool {
        self.scope != self.reach()
    }

    /// The same actor on one of the accounts in its scope: reads are narrowed to it and below, the grants stay.
    pub(super) fn acting_on(mut self, account_id: AccountId, path: AccountPath) -> Self {
        debug_assert!(self.scope.covers(&path), "an actor acts within its scope");
        self.scope = Scope::new(vec![path.clone()]);
        self.acting_as = Some((account_id, path));
        self
    }

    /// Who stands behind the request.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What was granted, wherever it was granted.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// The grants, to be kept with what they allow.
    pub(crate) fn shared_grants(&self) -> Arc<[Grant]> {
        Arc::clone(&self.grants)
    }

    /// All that the grants reach, whichever account is acted on.
    pub(crate) fn reach(&self) -> Scope {
        Scope::new(self.grants.iter().map(|grant| grant.path.clone()).collect())
    }

    /// What may be read: the subtrees of the grants, narrowed to the account acted on.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The account acted on when none is named: the one of `X-Sub-Account-Id`, or the first grant's.
    pub fn acting_as(&self) -> Option<&AccountId> {
        self.acting_as.as_ref().map(|(id, _)| id)
    }

    /// The same account, with where it stands.
    pub(crate) fn acting_on_path(&self) -> Option<(&AccountId, &AccountPath)> {
        self.acting_as.as_ref().map(|(id, path)| (id, path))
    }

    /// All that decides what the actor may see, as text: who it is, its grants and what it is narrowed to.
    pub fn sight(&self) -> String {
        let grants = self.grants.iter().map(|grant| {
            let may = match &grant.kind {
                GrantKind::Role(role) => format!("{role:?}"),
                GrantKind::Levels(levels) => {
                    let mut levels: Vec<String> = levels.iter().map(|level| format!("{level:?}")).collect();
                    levels.sort_unstable();
                    levels.concat()
                }
            };
            (grant.path.as_str(), may)
        });
        let grants: Vec<_> = grants.collect();
        format!("{:?}", (self.label(), grants, &self.acting_as, &self.scope))
    }

    /// How the actor is written in the audit log and in idempotency records.
    pub fn label(&self) -> String {
        match &self.principal {
            Principal::User(id) => id.to_string(),
            Principal::ApiKey(id) => id.to_string(),
            Principal::System => "system".to_owned(),
        }
    }
}
