//! What is selected from connections, and from the people in those of members.

use async_graphql::parser::types::SelectionSet;

use super::super::bind::LookedAt;
use super::super::plan::{
    ACCESSES, AccountPage, Connection, ConnectionField, ConnectionTypes, EdgeField, MemberField,
    PageInfoField, Selection, UserField, What,
};
use super::{Asked, Compiler, Planned};

/// What is selected of a list.
pub(super) fn looked_at<N>(connection: &Connection<N>) -> LookedAt {
    let mut looked_at = LookedAt::default();
    for own in &connection.0 {
        match own.what {
            What::Field(ConnectionField::TotalCount) => looked_at.total = true,
            What::Field(_) => looked_at.rows = true,
            What::TypeName => {}
        }
    }
    looked_at
}

impl<'d> Compiler<'d> {
    /// What `sets` select from a connection, which is called as `types` says; `node` says what they select
    /// from its nodes.
    pub(super) fn connection<N>(
        &mut self,
        sets: &[&'d SelectionSet],
        types: ConnectionTypes,
        mut node: impl FnMut(&mut Self, &[&'d SelectionSet]) -> Planned<N>,
    ) -> Planned<Connection<N>> {
        let ConnectionTypes { connection, edge } = types;
        self.select(sets, connection, |compiler, asked| {
            Ok(match asked.name() {
                "edges" => {
                    let edges = compiler.select(&asked.sets, edge, |compiler, asked| {
                        Ok(match asked.name() {
                            "cursor" => EdgeField::Cursor,
                            "node" => EdgeField::Node(node(compiler, &asked.sets)?),
                            "role" if edge == ACCESSES.edge => EdgeField::Role,
                            _ => return Err(asked.unplanned(edge)),
                        })
                    })?;
                    ConnectionField::Edges(asked.list(edges))
                }
                "nodes" => ConnectionField::Nodes(asked.list(node(compiler, &asked.sets)?)),
                "pageInfo" => ConnectionField::PageInfo(compiler.page_info(&asked.sets)?),
                "totalCount" => ConnectionField::TotalCount,
                _ => return Err(asked.unplanned(connection)),
            })
        })
    }

    /// The same from a page of accounts, beside which page it is.
    pub(super) fn account_page(
        &mut self,
        asked: &Asked<'d>,
        types: ConnectionTypes,
    ) -> Planned<(AccountPage, Connection<usize>)> {
        let mut tenants = Vec::new();
        let connection = self.connection(&asked.sets, types, |compiler, sets| {
            tenants.push(compiler.tenants(sets)?);
            Ok(tenants.len() - 1)
        })?;
        let page = self.arguments.page(asked.field, looked_at(&connection));
        Ok((AccountPage { page, tenants }, connection))
    }

    fn page_info(&mut self, sets: &[&'d SelectionSet]) -> Planned<Selection<PageInfoField>> {
        self.select(sets, "PageInfo", |_, asked| {
            Ok(match asked.name() {
                "hasNextPage" => PageInfoField::HasNextPage,
                "hasPreviousPage" => PageInfoField::HasPreviousPage,
                "startCursor" => PageInfoField::StartCursor,
                "endCursor" => PageInfoField::EndCursor,
                _ => return Err(asked.unplanned("PageInfo")),
            })
        })
    }

    pub(super) fn member(&mut self, sets: &[&'d SelectionSet]) -> Planned<Selection<MemberField>> {
        self.select(sets, "Member", |compiler, asked| {
            Ok(match asked.name() {
                "id" => MemberField::Id,
                "user" => MemberField::User(compiler.user(&asked.sets)?),
                "role" => MemberField::Role,
                "createdAt" => MemberField::CreatedAt,
                "lastSignInAt" => MemberField::LastSignInAt,
                _ => return Err(asked.unplanned("Member")),
            })
        })
    }

    pub(super) fn user(&mut self, sets: &[&'d SelectionSet]) -> Planned<Selection<UserField>> {
        self.select(sets, "User", |_, asked| {
            Ok(match asked.name() {
                "id" => UserField::Id,
                "name" => UserField::Name,
                "email" => UserField::Email,
                _ => return Err(asked.unplanned("User")),
            })
        })
    }
}
