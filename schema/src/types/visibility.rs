//! Whether the id of an account on the path of a visible one may be shown.

use canopy_domain::entity::{AccountId, AccountPath, Scope};

/// `id` if it names an account that stands on `path` and within `scope`.
pub(super) fn if_in_scope<'i>(id: &'i AccountId, path: &AccountPath, scope: &Scope) -> Option<&'i AccountId> {
    let ids = path.ids();
    let mut above = ids.iter();
    let mut place = AccountPath::root(above.next()?);
    let mut last = ids.first()?;
    while last != id {
        last = above.next()?;
        place = place.child(last);
    }
    scope.covers(&place).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_on_the_path_and_in_scope_is_shown() {
        let (top, middle, below) = (AccountId::new(), AccountId::new(), AccountId::new());
        let middle_path = AccountPath::root(&top).child(&middle);
        let path = middle_path.child(&below);
        let scope = Scope::new(vec![middle_path]);

        let shown = |id: &AccountId| if_in_scope(id, &path, &scope).is_some();
        assert!(shown(&middle));
        assert!(shown(&below));
        assert!(!shown(&top));
        assert!(!shown(&AccountId::new()));
        assert!(if_in_scope(&middle, &path, &Scope::default()).is_none());
    }
}
