//! From a presented credential to an [`Actor`]: the one place where grants are made.
//!
//! Whatever is wrong with a credential, the answer is the same.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use canopy_entity::account::AccountStatus;
use canopy_entity::time::{self, Timestamp};
use canopy_entity::{AccountId, AccountPath, Role, UserId, account, api_key, user};
use futures_util::FutureExt;
use ipnet::IpNet;
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QuerySelect};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::actor::OwnDocuments;
use super::foreign::Person;
use super::remembered::{Made, Presented};
use super::tokens::Named;
use super::{Actor, Credentials, Grant, GrantKind, Principal, ranges};
use crate::statement::statement;
use crate::{Domain, Error, Result};

/// What each API key begins with.
pub(super) const KEY_PREFIX: &str = "ck_live_";
/// The longest credential that is looked at, in bytes.
const MAX_CREDENTIAL: usize = 8_192;
/// The most memberships of one person that count; the oldest do.
pub(crate) const MAX_MEMBERSHIPS: u64 = 200;

const MEMBERSHIPS: &str = "
SELECT m.role, a.id, a.path
FROM members m JOIN accounts a ON a.id = m.account_id
WHERE m.user_id = $1
ORDER BY m.id
LIMIT $2
";

#[derive(FromQueryResult)]
struct Membership {
    role: Role,
    id: AccountId,
    path: AccountPath,
}

/// A credential, checked as far as that needs no database.
enum Shown {
    /// An API key, as its hash.
    Key(String),
    /// A token of ours.
    Token(Named),
    /// A token of another issuer.
    Person(Person),
}

impl Shown {
    /// All of it that decides who the actor is. An empty header is not the same as none.
    fn presented(&self, sub_account: Option<&str>) -> Presented {
        let number;
        let mut parts = match self {
            Self::Key(hash) => vec!["key", hash],
            Self::Token(named) => {
                number = named.token_version.to_string();
                vec!["token", named.user_id.as_str(), &number]
            }
            // Those that were issued before the person's tokens were withdrawn hold no more.
            Self::Person(person) => {
                number = person.issued_at.timestamp_micros().to_string();
                vec!["person", &person.email, &number]
            }
        };
        parts.extend(sub_account);
        Presented::of(&parts)
    }

    /// The actor, for as long as the token holds.
    fn bounded(&self, actor: Actor) -> Actor {
        match self {
            Self::Key(_) => actor,
            Self::Token(Named { expires_at, .. }) | Self::Person(Person { expires_at, .. }) => {
                actor.until(Some(*expires_at))
            }
        }
    }
}

impl Domain {
    /// Who is asking; none if there is no credential at all. Any credential that does not hold is
    /// `Error::Unauthenticated`; an `X-Sub-Account-Id` that is no descendant is `Error::NotFound("account")`.
    ///
    /// A signature is checked each time. What the database says is remembered for a while, as long as this process is
    /// told of no change of rights that concerns the actor.
    pub async fn authenticate(&self, credentials: &Credentials) -> Result<Option<Actor>> {
        let Some(authorization) = &credentials.authorization else {
            // Without a credential nobody is asking, and a header alone names nobody.
            return match credentials.sub_account {
                Some(_) => Err(Error::Unauthenticated),
                None => Ok(None),
            };
        };
        let shown = self
            .shown(bearer(authorization).ok_or(Error::Unauthenticated)?)
            .await?;
        let (sub_account, address) = (credentials.sub_account.as_deref(), credentials.address);
        let presented = shown.presented(sub_account);
        let actors = &self.0.actors;
        if let Some(made) = actors.get(&presented) {
            if !made.allows(address) {
                return Err(Error::Unauthenticated);
            }
            if let Principal::ApiKey(id) = made.actor.principal() {
                self.note_use(id, None);
            }
            return Ok(Some(shown.bounded(made.actor)));
        }
        let version = actors.version();
        let mut made = self.made_of(&shown, address).boxed().await?;
        if let Some(id) = sub_account {
            made.actor = self.act_on(made.actor, id).boxed().await?;
        }
        actors.keep(presented, version, &made);
        Ok(Some(shown.bounded(made.actor)))
    }

    /// What a credential says, checked as far as that needs no database.
    async fn shown(&self, credential: &str) -> Result<Shown> {
        if credential.starts_with(KEY_PREFIX) {
            return Ok(Shown::Key(hash_of(credential)));
        }
        match self
            .0
            .foreign
            .as_ref()
            .filter(|foreign| foreign.is_for(credential))
        {
            Some(foreign) => foreign.check(credential).boxed().await.map(Shown::Person),
            None => self.0.tokens.check(credential).map(Shown::Token),
        }
    }

    async fn made_of(&self, shown: &Shown, address: Option<IpAddr>) -> Result<Made> {
        match shown {
            Shown::Key(hash) => self.actor_of_key(hash, address).await,
            Shown::Token(named) => self.actor_of_user(&named.user_id, named.token_version).await,
            Shown::Person(person) => self.actor_of_person(person).await,
        }
    }

    /// The user whom a token of another issuer names. There must be one: a foreign token makes none.
    async fn actor_of_person(&self, person: &Person) -> Result<Made> {
        let user = user::Entity::find()
            .filter(user::Column::Email.eq(&person.email))
            .one(&self.0.db)
            .await?;
        let user = user
            .filter(|user| {
                user.tokens_revoked_at
                    .is_none_or(|revoked| revoked < person.issued_at)
            })
            .ok_or(Error::Unauthenticated)?;
        self.actor_of_user(&user.id, user.token_version).await
    }

    async fn actor_of_user(&self, id: &UserId, token_version: i32) -> Result<Made> {
        let db = &self.0.db;
        let user = user::Entity::find_by_id(id.clone()).one(db).await?;
        let user = user
            .filter(|user| user.token_version == token_version)
            .ok_or(Error::Unauthenticated)?;
        let limit = i64::try_from(MAX_MEMBERSHIPS).expect("the bound is small");
        let memberships = statement(
            db.get_database_backend(),
            MEMBERSHIPS,
            [user.id.as_str().into(), limit.into()],
        );
        let memberships = Membership::find_by_statement(memberships).all(db).await?;
        let granted = memberships.len();
        let grants = memberships
            .into_iter()
            .map(|membership| Grant {
                account_id: membership.id,
                path: membership.path,
                kind: GrantKind::Role(membership.role),
            })
            .collect();
        let grants = self.without_closed(grants).await?;
        Ok(Made {
            is_whole: grants.len() == granted,
            actor: Actor::new(Principal::User(user.id), grants).of_token(token_version),
            ranges: Arc::new([]),
        })
    }

    async fn actor_of_key(&self, hash: &str, address: Option<IpAddr>) -> Result<Made> {
        let db = &self.0.db;
        let key = api_key::Entity::find()
            .filter(api_key::Column::SecretHash.eq(hash))
            .one(db)
            .await?
            .filter(|key| bool::from(key.secret_hash.as_bytes().ct_eq(hash.as_bytes())))
            .ok_or(Error::Unauthenticated)?;
        let ranges: Vec<IpNet> = serde_json::from_value(key.allowed_ips.clone()).map_err(Error::internal)?;
        if !ranges::allow(&ranges, address) {
            return Err(Error::Unauthenticated);
        }
        let actor = self.actor_of_row(&key).await?;
        self.note_use(&key.id, key.last_used_at);
        Ok(Made {
            actor,
            ranges: ranges.into(),
            is_whole: true,
        })
    }

    async fn actor_of_row(&self, key: &api_key::Model) -> Result<Actor> {
        if !holds(key, time::now()) {
            return Err(Error::Unauthenticated);
        }
        let db = &self.0.db;
        let account = account::Entity::find_by_id(key.account_id.clone())
            .one(db)
            .await?;
        let account = account.ok_or(Error::Unauthenticated)?;
        let levels = serde_json::from_value(key.levels.clone()).map_err(Error::internal)?;
        let grants = self
            .without_closed(vec![Grant {
                account_id: account.id,
                path: account.path,
                kind: GrantKind::Levels(levels),
            }])
            .await?;
        if grants.is_empty() {
            return Err(Error::Unauthenticated);
        }
        let documents = OwnDocuments {
            only: key.persisted_only,
            version: key.documents_version,
        };
        let actor = Actor::new(Principal::ApiKey(key.id.clone()), grants);
        Ok(actor.until(key.expires_at).with_documents(documents))
    }

    /// The actor as the same credential would make it now, on the same account: for those who go on for longer than
    /// a request. `Error::Unauthenticated` if the credential was revoked or has expired, `Error::NotFound("account")`
    /// if it does not reach the account acted on any more.
    pub async fn renewed(&self, actor: &Actor) -> Result<Actor> {
        if actor.has_expired() {
            return Err(Error::Unauthenticated);
        }
        let renewed = match (actor.principal(), actor.token_version()) {
            (Principal::System, _) => return Ok(actor.clone()),
            (Principal::User(id), Some(token_version)) => {
                let renewed = self.actor_of_user(id, token_version).await?;
                renewed.actor.until(actor.expires_at())
            }
            (Principal::User(_), None) => return Err(Error::Unauthenticated),
            (Principal::ApiKey(id), _) => {
                let key = api_key::Entity::find_by_id(id.clone()).one(&self.0.db).await?;
                self.actor_of_row(&key.ok_or(Error::Unauthenticated)?).await?
            }
        };
        match actor.acting_as() {
            Some(id) if actor.is_narrowed() => self.act_on(renewed, id.as_str()).await,
            _ => Ok(renewed),
        }
    }

    /// The grants without those at or below a closed account: there is nothing left for them to reach. A grant above
    /// a closed account still reaches it, so that it can be restored.
    async fn without_closed(&self, mut grants: Vec<Grant>) -> Result<Vec<Grant>> {
        let ids: HashSet<AccountId> = grants.iter().flat_map(|grant| grant.path.each_id()).collect();
        if ids.is_empty() {
            return Ok(grants);
        }
        let closed: Vec<AccountPath> = account::Entity::find()
            .select_only()
            .column(account::Column::Path)
            .filter(account::Column::Id.is_in(ids))
            .filter(account::Column::Status.eq(AccountStatus::Closed))
            .into_tuple()
            .all(&self.0.db)
            .await?;
        grants.retain(|grant| !closed.iter().any(|closed| closed.contains(&grant.path)));
        Ok(grants)
    }

    /// The actor on one of its descendants. An id that is not in its scope is told like one that does not exist.
    async fn act_on(&self, actor: Actor, id: &str) -> Result<Actor> {
        let missing = Error::NotFound("account");
        let Ok(id) = AccountId::parse(id) else {
            return Err(missing);
        };
        let account = actor
            .scope()
            .accounts()
            .filter(account::Column::Id.eq(id))
            .one(&self.0.db)
            .await?;
        match account {
            Some(account) if account.status != AccountStatus::Closed => {
                Ok(actor.acting_on(account.id, account.path))
            }
            _ => Err(missing),
        }
    }
}

/// The credential of an `Authorization` header.
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, credential) = authorization.trim().split_once(' ')?;
    let credential = credential.trim_start();
    (scheme.eq_ignore_ascii_case("bearer") && !credential.is_empty() && credential.len() <= MAX_CREDENTIAL)
        .then_some(credential)
}

/// What is kept of an API key.
pub(super) fn hash_of(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// True if the key is neither revoked nor expired.
fn holds(key: &api_key::Model, now: Timestamp) -> bool {
    key.revoked_at.is_none() && key.expires_at.is_none_or(|expires| expires > now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_credential_is_read() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        for other in ["", "Bearer", "Bearer ", "Basic abc", "abc"] {
            assert_eq!(bearer(other), None, "{other}");
        }
        assert_eq!(
            bearer(&format!("Bearer {}", "x".repeat(MAX_CREDENTIAL + 1))),
            None
        );
    }
}
