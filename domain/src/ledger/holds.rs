//! Holding credits, as pure computation: what is held for usage to come lies in an account of the ledger of its own, where
//! nothing else finds it, and goes back to the wallets that it came from before it is charged.

use canopy_entity::AccountId;
use canopy_entity::ledger_account::LedgerKind;

use super::Movement;
use super::settle::{Currency, Slot};

/// What one edge of a chain is to cost at most, and where the money for it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) seller: AccountId,
    pub(crate) buyer: AccountId,
    pub(crate) currency: Currency,
    /// In micro-units.
    pub(crate) price: i64,
    /// Of the buyer's purchased credits.
    pub(crate) purchased: i64,
    /// Of its pool. What is left of the price is its parent's.
    pub(crate) pool: i64,
}

impl Held {
    /// What is to be held for an edge that `movements` would pay.
    pub(crate) fn of(
        seller: &AccountId,
        buyer: &AccountId,
        currency: Currency,
        movements: &[Movement],
    ) -> Self {
        let from = |kind| {
            let from = movements.iter().filter(|movement| movement.debit.kind == kind);
            from.map(|movement| movement.amount).sum()
        };
        Self {
            seller: seller.clone(),
            buyer: buyer.clone(),
            currency,
            price: movements.iter().map(|movement| movement.amount).sum(),
            purchased: from(LedgerKind::Purchased),
            pool: from(LedgerKind::Pool),
        }
    }

    /// The movements that hold it.
    pub(crate) fn hold(&self) -> impl Iterator<Item = Movement> {
        let held = self.slot(LedgerKind::Held);
        self.wallets()
            .map(move |(wallet, amount)| Movement::new(wallet, held.clone(), amount))
    }

    /// The movements that give it back.
    pub(crate) fn release(&self) -> impl Iterator<Item = Movement> {
        let held = self.slot(LedgerKind::Held);
        self.wallets()
            .map(move |(wallet, amount)| Movement::new(held.clone(), wallet, amount))
    }

    /// The movements that pay `price`, which is no more than what is held, out of what was: in the order in which an edge is
    /// paid, by those who would have paid then.
    pub(crate) fn pay(&self, price: i64) -> Vec<Movement> {
        assert!(
            (0..=self.price).contains(&price),
            "no more is charged than is held"
        );
        let revenue = Slot::new(&self.seller, LedgerKind::Revenue, self.currency);
        let receivable = Slot::new(&self.seller, LedgerKind::Receivable, self.currency);
        let parent = self.price - self.purchased - self.pool;
        let mut missing = price;
        let mut movements = Vec::new();
        for (slot, most) in self.wallets().chain([(receivable, parent)]) {
            let amount = missing.min(most);
            if amount > 0 {
                movements.push(Movement::new(slot, revenue.clone(), amount));
                missing -= amount;
            }
        }
        assert_eq!(missing, 0, "an edge is paid to the last micro-unit");
        movements
    }

    fn wallets(&self) -> impl Iterator<Item = (Slot, i64)> {
        let wallets = [
            (self.slot(LedgerKind::Purchased), self.purchased),
            (self.slot(LedgerKind::Pool), self.pool),
        ];
        wallets.into_iter().filter(|(_, amount)| *amount > 0)
    }

    fn slot(&self, kind: LedgerKind) -> Slot {
        Slot::new(&self.buyer, kind, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_paid_in_the_order_of_the_sources_and_the_rest_goes_back() {
        use LedgerKind::{Pool, Purchased, Receivable};
        let held = Held {
            seller: AccountId::new(),
            buyer: AccountId::new(),
            currency: Currency::of("USD"),
            price: 18,
            purchased: 10,
            pool: 5,
        };
        for (price, expected) in [
            (0, vec![]),
            (4, vec![(Purchased, 4)]),
            (12, vec![(Purchased, 10), (Pool, 2)]),
            (18, vec![(Purchased, 10), (Pool, 5), (Receivable, 3)]),
        ] {
            let paid = held.pay(price);
            assert!(
                paid.iter()
                    .all(|movement| movement.credit.kind == LedgerKind::Revenue)
            );
            let sides = paid.iter().map(|movement| (movement.debit.kind, movement.amount));
            assert_eq!(sides.collect::<Vec<_>>(), expected, "{price}");
        }
        let moved: Vec<Movement> = held.hold().collect();
        assert_eq!(moved.iter().map(|movement| movement.amount).sum::<i64>(), 15);
        let back = moved.into_iter().map(|movement| Movement {
            debit: movement.credit,
            credit: movement.debit,
            amount: movement.amount,
        });
        assert_eq!(held.release().collect::<Vec<_>>(), back.collect::<Vec<_>>());
    }
}
