//! `Member`.

use async_graphql::{ID, Object};
use canopy_domain::members::MemberView;

use super::role::Role;
use super::user::User;
use crate::connection::{Edge, List};
use crate::scalars::DateTime;

/// A membership.
pub(crate) struct Member(MemberView);

impl From<MemberView> for Member {
    fn from(view: MemberView) -> Self {
        Self(view)
    }
}

/// A person's membership in an account.
#[Object]
impl Member {
    /// The id, with the prefix `mem_`.
    async fn id(&self) -> ID {
        ID(self.0.member.id.to_string())
    }

    /// The person.
    async fn user(&self) -> User {
        self.0.user.clone().into()
    }

    /// What the person is in this account.
    async fn role(&self) -> Role {
        self.0.member.role.into()
    }

    /// Since when the person is a member.
    async fn created_at(&self) -> DateTime {
        self.0.member.created_at.into()
    }

    /// When the person last signed in, to whichever account; null if never.
    async fn last_sign_in_at(&self) -> Option<DateTime> {
        self.0.user.last_sign_in_at.map(DateTime)
    }
}

/// The members of an account.
pub(crate) struct Members;

impl List for Members {
    const NAME: &'static str = "Member";
    type Row = MemberView;
    type Node = Member;
    type Edge = Edge<Self>;

    fn node(row: MemberView) -> Member {
        row.into()
    }

    fn edge(cursor: String, row: MemberView) -> Edge<Self> {
        Edge::new(cursor, row)
    }
}
