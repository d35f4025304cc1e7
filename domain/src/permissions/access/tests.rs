//! How roles, keys and restrictions combine down a path.

use std::collections::HashMap;

use canopy_entity::account::{AccountKind, AccountStatus};

use super::*;
use crate::permissions::Restrictions;

struct Tree {
    ids: Vec<AccountId>,
    paths: Vec<AccountPath>,
    restrictions: Vec<Restrictions>,
}

impl Tree {
    /// A chain of accounts, each below the one before.
    fn chain(length: usize) -> Self {
        let ids: Vec<AccountId> = (0..length).map(|_| AccountId::new()).collect();
        let mut paths = vec![AccountPath::root(&ids[0])];
        for id in &ids[1..] {
            paths.push(paths[paths.len() - 1].child(id));
        }
        Self {
            restrictions: vec![Restrictions::default(); length],
            ids,
            paths,
        }
    }

    fn restrict(mut self, account: usize, key: PermissionKey, level: Level) -> Self {
        self.restrictions[account].add(key, level);
        self
    }

    fn grant(&self, account: usize, kind: GrantKind) -> Grant {
        Grant {
            account_id: self.ids[account].clone(),
            path: self.paths[account].clone(),
            kind,
        }
    }

    fn role(&self, account: usize, role: Role) -> Grant {
        self.grant(account, GrantKind::Role(role))
    }

    fn access(self, account: usize, grants: Vec<Grant>) -> Option<Access> {
        let standing = self.restrictions[..=account].iter().fold(None, |above, own| {
            let standing = Standing::new(above, AccountKind::Subaccount, AccountStatus::Active, *own);
            Some(Arc::new(standing))
        });
        Access::new(grants.into(), self.paths[account].clone(), standing?)
    }
}

#[test]
fn without_restrictions_the_role_decides() {
    let tree = Tree::chain(3);
    let (id, grant) = (tree.ids[0].clone(), tree.role(0, Role::Member));
    let access = tree.access(2, vec![grant]).unwrap();
    let settings = access.effective(PermissionKey::Settings);
    assert_eq!(settings.level, Level::Read);
    assert_eq!(
        settings.decided_by,
        Decider::Role {
            role: Role::Member,
            account_id: id
        }
    );
    assert!(access.from_above());
}

#[test]
fn the_least_on_the_path_wins_and_the_topmost_of_equals_decides() {
    let tree = Tree::chain(3)
        .restrict(1, PermissionKey::AgentPrompt, Level::Read)
        .restrict(2, PermissionKey::AgentPrompt, Level::Read);
    let (second, grant) = (tree.ids[1].clone(), tree.role(0, Role::Owner));
    let access = tree.access(2, vec![grant]).unwrap();
    let prompt = access.effective(PermissionKey::AgentPrompt);
    assert_eq!(prompt.level, Level::Read);
    assert_eq!(
        prompt.decided_by,
        Decider::Account {
            account_id: second,
            key: PermissionKey::AgentPrompt
        }
    );
    assert_eq!(access.effective(PermissionKey::AgentTools).level, Level::Full);
}

#[test]
fn an_umbrella_bounds_its_keys_in_their_own_words() {
    let tree = Tree::chain(2).restrict(1, PermissionKey::Account, Level::Limited);
    let (id, grant) = (tree.ids[1].clone(), tree.role(0, Role::Owner));
    let access = tree.access(1, vec![grant]).unwrap();
    let members = access.effective(PermissionKey::Members);
    assert_eq!(members.level, Level::Read);
    assert_eq!(
        members.decided_by,
        Decider::Account {
            account_id: id,
            key: PermissionKey::Account
        }
    );
    assert_eq!(access.effective(PermissionKey::Account).level, Level::Limited);
    assert!(access.require(PermissionKey::Members, Level::Read).is_ok());
    let refusal = access.require(PermissionKey::Members, Level::Full).unwrap_err();
    assert_eq!(refusal.to_string(), "This needs MEMBERS FULL.");
}

#[test]
fn a_restriction_of_the_grants_own_account_counts_and_one_above_it_does_not() {
    let tree = Tree::chain(3)
        .restrict(0, PermissionKey::Tasks, Level::None)
        .restrict(1, PermissionKey::Webhooks, Level::None);
    let grant = tree.role(1, Role::Admin);
    let access = tree.access(2, vec![grant]).unwrap();
    assert_eq!(access.effective(PermissionKey::Tasks).level, Level::Full);
    assert_eq!(access.effective(PermissionKey::Webhooks).level, Level::None);
}

#[test]
fn the_best_of_several_grants_wins() {
    let tree = Tree::chain(3).restrict(1, PermissionKey::Tasks, Level::None);
    let grants = vec![tree.role(0, Role::Owner), tree.role(2, Role::Viewer)];
    let low = tree.ids[2].clone();
    let access = tree.access(2, grants).unwrap();
    let tasks = access.effective(PermissionKey::Tasks);
    assert_eq!(
        tasks.level,
        Level::Read,
        "the lower grant is not narrowed from above it"
    );
    assert_eq!(
        tasks.decided_by,
        Decider::Role {
            role: Role::Viewer,
            account_id: low
        }
    );
    assert_eq!(access.effective(PermissionKey::Usage).level, Level::Full);
    assert_eq!(access.granted(PermissionKey::Tasks), Level::Full);
}

#[test]
fn an_api_key_has_what_it_was_given_and_nothing_else() {
    let tree = Tree::chain(2);
    let levels = HashMap::from([(PermissionKey::Usage, Level::Full)]);
    let (id, grant) = (tree.ids[0].clone(), tree.grant(0, GrantKind::Levels(levels)));
    let access = tree.access(0, vec![grant]).unwrap();
    assert_eq!(access.effective(PermissionKey::Usage).level, Level::Full);
    let members = access.effective(PermissionKey::Members);
    assert_eq!(members.level, Level::None);
    assert_eq!(members.decided_by, Decider::ApiKey { account_id: id });
    assert!(!access.from_above());
}

#[test]
fn a_grant_reaches_neither_upward_nor_sideways() {
    let (tree, other) = (Tree::chain(2), Tree::chain(1));
    let grants = vec![tree.role(1, Role::Owner), other.role(0, Role::Owner)];
    assert!(tree.access(0, grants).is_none());
}
