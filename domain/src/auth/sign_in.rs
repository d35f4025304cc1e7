//! Signing in by email and password, and making actors of those who need no credential.

use std::net::IpAddr;
use std::time::Duration;

use canopy_entity::time::{self, Timestamp};
use canopy_entity::{AccountId, AccountPath, Role, UserId, account, member, user};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{Actor, Grant, GrantKind, Principal};
use crate::events::{RightsChange, outbox};
use crate::transaction::{self, work};
use crate::{Domain, Error, Result};

/// A fresh token.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The JWT.
    pub token: String,
    /// Until when it holds.
    pub expires_at: Timestamp,
    /// Who signed in.
    pub user: user::Model,
}

impl Domain {
    /// Checks a password and makes a token. Takes as long for an unknown email as for a wrong password. Both are
    /// `Error::Unauthenticated`; who tries too often, for one email or from one network address, is
    /// `Error::RateLimited` before anything is looked at.
    pub async fn sign_in(&self, email: &str, password: &str, address: Option<IpAddr>) -> Result<SignedIn> {
        let email = email.trim().to_lowercase();
        self.0.sign_in.try_once(&email, address)?;
        let user = user::Entity::find()
            .filter(user::Column::Email.eq(&email))
            .one(&self.0.db)
            .await?;
        let hash = user.as_ref().and_then(|user| user.password_hash.clone());
        let matches = self.0.passwords.verify(password, hash).await?;
        let mut user = user.filter(|_| matches).ok_or(Error::Unauthenticated)?;
        self.0.sign_in.succeeded(&email);

        let now = time::now();
        user::Entity::update_many()
            .col_expr(user::Column::LastSignInAt, Expr::value(now))
            .filter(user::Column::Id.eq(user.id.clone()))
            .exec(&self.0.db)
            .await?;
        user.last_sign_in_at = Some(now);
        self.signed_in(user, None)
    }

    /// A token for `user` that holds for `lifetime` (the configured one if none), for the demo and for tests.
    pub async fn issue_token(&self, user: &UserId, lifetime: Option<Duration>) -> Result<SignedIn> {
        let user = user::Entity::find_by_id(user.clone()).one(&self.0.db).await?;
        self.signed_in(user.ok_or(Error::NotFound("user"))?, lifetime)
    }

    /// Makes all tokens of `user` invalid at once. For an operator.
    pub async fn revoke_tokens(&self, user: &UserId) -> Result<()> {
        let rights = &RightsChange::Of(user.to_string());
        transaction::run(&self.0.writer, "revoke-tokens", |txn| {
            work(async move {
                user::Entity::update_many()
                    .col_expr(
                        user::Column::TokenVersion,
                        Expr::col(user::Column::TokenVersion).add(1),
                    )
                    .col_expr(user::Column::TokensRevokedAt, Expr::value(time::now()))
                    .filter(user::Column::Id.eq(user.clone()))
                    .exec(txn)
                    .await?;
                // Whoever is a member of nothing has no rights to lose.
                let own = member::Entity::find().filter(member::Column::UserId.eq(user.clone()));
                let Some(member) = own.one(txn).await? else {
                    return Ok(());
                };
                let account = account::Entity::find_by_id(member.account_id).one(txn).await?;
                let account = account.ok_or_else(|| Error::internal("a member of no account"))?;
                outbox::write_rights_change(txn, &account.id, &account.path, rights).await
            })
        })
        .await?;
        self.0.hub.rights_changed(rights.clone());
        Ok(())
    }

    /// Canopy itself as an actor, with full access to the tree at `path`: for seeding, workers and the operator's
    /// command line.
    pub fn system_actor(&self, account: &AccountId, path: &AccountPath) -> Actor {
        let grant = Grant {
            account_id: account.clone(),
            path: path.clone(),
            kind: GrantKind::Role(Role::Owner),
        };
        Actor::new(Principal::System, vec![grant])
    }

    /// The operator on one account, named by its id on the command line.
    pub async fn operator(&self, account: &AccountId) -> Result<Actor> {
        let row = account::Entity::find_by_id(account.clone())
            .one(&self.0.db)
            .await?;
        let row = row.ok_or(Error::NotFound("account"))?;
        Ok(self.system_actor(&row.id, &row.path))
    }

    fn signed_in(&self, user: user::Model, lifetime: Option<Duration>) -> Result<SignedIn> {
        let (token, expires_at) = self.0.tokens.issue(&user.id, user.token_version, lifetime)?;
        Ok(SignedIn {
            token,
            expires_at,
            user,
        })
    }
}
