//! How an event is paid: examples, and a property over many made-up chains.

use super::*;

struct Wallets {
    buyer: AccountId,
    seller: AccountId,
    balances: Balances,
}

fn wallets(purchased: i64, pool: i64) -> Wallets {
    let (seller, buyer) = (AccountId::new(), AccountId::new());
    let balances = HashMap::from([
        (
            Slot::new(&buyer, LedgerKind::Purchased, Currency::of("USD")),
            purchased,
        ),
        (Slot::new(&buyer, LedgerKind::Pool, Currency::of("USD")), pool),
    ]);
    Wallets {
        buyer,
        seller,
        balances: Balances(balances),
    }
}

impl Wallets {
    fn due(&self, price: i64, billing: BillingMode, credit: CreditMode) -> Due {
        Due {
            seller: self.seller.clone(),
            buyer: self.buyer.clone(),
            currency: Currency::of("USD"),
            price,
            sources: Source::of(billing, credit),
        }
    }

    /// Pays one edge; answers which kinds were debited with how much.
    fn pay(
        &mut self,
        price: i64,
        billing: BillingMode,
        credit: CreditMode,
    ) -> Result<Vec<(LedgerKind, i64)>, Short> {
        let due = self.due(price, billing, credit);
        let settled = self.balances.settle(&[due])?;
        let revenue = Slot::new(&self.seller, LedgerKind::Revenue, Currency::of("USD"));
        assert!(settled[0].iter().all(|movement| movement.credit == revenue));
        Ok(settled[0]
            .iter()
            .map(|movement| (movement.debit.kind, movement.amount))
            .collect())
    }
}

#[test]
fn purchased_credits_are_spent_before_the_pool() {
    let mut wallets = wallets(30, 100);
    let paid = wallets.pay(50, BillingMode::Own, CreditMode::Manual);
    assert_eq!(
        paid,
        Ok(vec![(LedgerKind::Purchased, 30), (LedgerKind::Pool, 20)])
    );
    let paid = wallets.pay(80, BillingMode::Own, CreditMode::Manual);
    assert_eq!(paid, Ok(vec![(LedgerKind::Pool, 80)]));
    let short = Err(Short {
        buyer: wallets.buyer.clone(),
    });
    assert_eq!(wallets.pay(1, BillingMode::Own, CreditMode::Manual), short);
}

#[test]
fn a_reselling_subaccount_falls_back_to_its_parent_last() {
    let paid = wallets(30, 10).pay(50, BillingMode::Parent, CreditMode::Reselling);
    let expected = vec![
        (LedgerKind::Purchased, 30),
        (LedgerKind::Pool, 10),
        (LedgerKind::Receivable, 10),
    ];
    assert_eq!(paid, Ok(expected));
}

#[test]
fn a_manual_subaccount_keeps_what_it_bought() {
    let paid = wallets(30, 10).pay(50, BillingMode::Parent, CreditMode::Manual);
    assert_eq!(
        paid,
        Ok(vec![(LedgerKind::Pool, 10), (LedgerKind::Receivable, 40)])
    );
}

#[test]
fn nothing_moves_for_a_price_of_nothing() {
    assert_eq!(
        wallets(0, 0).pay(0, BillingMode::Own, CreditMode::Manual),
        Ok(Vec::new())
    );
}

#[test]
fn an_event_that_one_buyer_cannot_pay_takes_nothing_from_the_others() {
    let mut rich = wallets(0, 100);
    let poor = wallets(0, 1);
    let dues = [
        rich.due(40, BillingMode::Own, CreditMode::Manual),
        poor.due(2, BillingMode::Own, CreditMode::Manual),
    ];
    assert_eq!(rich.balances.settle(&dues), Err(Short { buyer: poor.buyer }));
    let paid = rich.pay(100, BillingMode::Own, CreditMode::Manual);
    assert_eq!(paid, Ok(vec![(LedgerKind::Pool, 100)]));
}

/// A small generator of the splitmix64 family, so that a failure is the same on each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn amount(&mut self, bound: u64) -> i64 {
        i64::try_from(self.below(bound)).unwrap()
    }
}

#[test]
fn any_chain_of_payments_balances_and_never_overdraws() {
    for seed in 0..500 {
        let mut dice = Dice(seed);
        let chain: Vec<AccountId> = (0..2 + dice.below(5)).map(|_| AccountId::new()).collect();
        let mut balances = Balances::default();
        for account in &chain {
            for kind in [LedgerKind::Purchased, LedgerKind::Pool] {
                balances
                    .0
                    .insert(Slot::new(account, kind, Currency::of("USD")), dice.amount(300));
            }
        }
        let opening: i64 = balances.0.values().sum();
        let (mut from_wallets, mut revenue, mut receivable, mut paid) = (0, 0, 0, 0);
        for _ in 0..30 {
            let dues: Vec<Due> = chain
                .windows(2)
                .map(|edge| Due {
                    seller: edge[0].clone(),
                    buyer: edge[1].clone(),
                    currency: Currency::of("USD"),
                    price: dice.amount(60),
                    sources: match dice.below(3) {
                        0 => Source::of(BillingMode::Own, CreditMode::Manual),
                        1 => Source::of(BillingMode::Parent, CreditMode::Manual),
                        _ => Source::of(BillingMode::Parent, CreditMode::Reselling),
                    },
                })
                .collect();
            let before = balances.clone();
            let Ok(settled) = balances.settle(&dues) else {
                assert_eq!(balances.0, before.0, "seed {seed}");
                continue;
            };
            paid += dues.iter().map(|due| due.price).sum::<i64>();
            for movement in settled.iter().flatten() {
                revenue += movement.amount;
                match movement.debit.kind {
                    LedgerKind::Receivable => receivable += movement.amount,
                    _ => from_wallets += movement.amount,
                }
            }
        }
        let left: i64 = balances.0.values().sum();
        assert!(balances.0.values().all(|balance| *balance >= 0), "seed {seed}");
        assert_eq!(opening - left, from_wallets, "seed {seed}");
        assert_eq!(from_wallets + receivable, revenue, "seed {seed}");
        assert_eq!(paid, revenue, "seed {seed}");
    }
}
