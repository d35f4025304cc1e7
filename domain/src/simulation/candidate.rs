//! Asking the candidate what it would have charged: the question that the live path asks, put together from what is
//! kept with the rating, and the live path's checks of the answer.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use canopy_entity::digest;
use canopy_entity::{AccountId, RuleVersionId};
use canopy_rules_host::{
    Digest, Host, LoadedRule, MAX_LINES, PeriodTotals, PricedLine, PricingAccount, PricingInput, UsageLine,
};

use super::accounts::Accounts;
use super::page::Row;
use super::tally::Tally;
use crate::pricing::{Oracle, Unanswered, ask_each, refusal};

/// How often a call is made again when the sandbox has no room, and the pause before.
const MAX_ATTEMPTS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(250);

/// A version that is tried, at its owner's edge.
pub(super) struct Candidate {
    pub(super) host: Host,
    pub(super) rule: LoadedRule,
    pub(super) seller: AccountId,
    pub(super) currency: String,
    pub(super) configuration: String,
    /// Whether the seller's plan lets it sell for less than it pays.
    pub(super) allow_below_cost: bool,
    /// The version, if it runs with its own configuration: then its receipts can be compared to the byte.
    pub(super) itself: Option<RuleVersionId>,
    /// Set when the sandbox could not run it, which says nothing about the rule.
    pub(super) unavailable: AtomicBool,
}

/// An event to ask about, with what was used before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event<'p> {
    /// The account's place among those that were met.
    pub(super) place: usize,
    /// The buyer's plan then; none if that was not kept, and then the present one counts.
    pub(super) plan: Option<&'p str>,
    pub(super) period: PeriodTotals,
    pub(super) row: Row<'p>,
}

impl Candidate {
    /// Prices `events` and counts what comes of it, by account and in `sums`. `failure` gets the words of the first
    /// failure.
    pub(super) async fn run(
        &self,
        accounts: &mut Accounts,
        events: &[Event<'_>],
        sums: &mut Tally,
        failure: &mut Option<String>,
    ) {
        for batch in events.chunks(MAX_LINES) {
            let question = Question {
                candidate: self,
                accounts: &*accounts,
                events: batch,
            };
            let answers = ask_each(&question, batch.len()).await;
            for (event, answer) in batch.iter().zip(answers) {
                let differs = event.row.receipt.is_some() && !self.is_equal(accounts, event, &answer);
                let tally = accounts.tally(event.place);
                sums.differing += i64::from(differs);
                match answer.and_then(|priced| self.checked(event, &priced)) {
                    Ok(price) => {
                        tally.priced(event.row.price, price);
                        sums.add(event.row.price, price);
                    }
                    Err(message) => {
                        tally.failed();
                        sums.failed();
                        failure.get_or_insert(message);
                    }
                }
            }
        }
    }

    /// The price, if it may be charged.
    fn checked(&self, event: &Event<'_>, priced: &PricedLine) -> Result<i64, String> {
        match refusal(priced, event.row.cost, self.allow_below_cost) {
            None => Ok(priced.amount),
            Some((_kind, message)) => Err(message),
        }
    }

    /// Whether the answer is the receipt's; and the question too, where it was this version that was asked.
    fn is_equal(&self, accounts: &Accounts, event: &Event<'_>, answer: &Result<PricedLine, String>) -> bool {
        let Some(receipt) = &event.row.receipt else {
            return true;
        };
        let Ok(priced) = answer else {
            return false;
        };
        let by_itself = self
            .itself
            .as_ref()
            .is_some_and(|id| id.as_str() == receipt.rule_version);
        let input = || self.input(accounts, std::slice::from_ref(event)).digest();
        let is_kept = |digest: Digest, kept: &str| digest::kept(digest.as_bytes()) == kept;
        is_kept(priced.digest(), receipt.output) && (!by_itself || is_kept(input(), receipt.input))
    }

    /// The input that asks about `events`.
    fn input(&self, accounts: &Accounts, events: &[Event<'_>]) -> PricingInput {
        // Paths begin at the seller, as in `pricing`.
        let seller = format!("{}/", self.seller);
        let mut input = PricingInput::new(seller, self.currency.as_str(), self.configuration.as_str());
        input.lines.reserve_exact(events.len());
        let mut last: Option<(usize, Option<&str>, u32)> = None;
        for event in events {
            // Events of one account stand together, so the list of accounts is rarely looked through.
            let account = match last {
                Some((place, plan, account)) if place == event.place && plan == event.plan => account,
                _ => {
                    let met = accounts.at(event.place);
                    input.account(PricingAccount {
                        path: met.seen.to_string(),
                        buyer: met.buyer.to_string(),
                        buyer_plan: event
                            .plan
                            .unwrap_or_else(|| accounts.plan_now(&met.buyer))
                            .to_owned(),
                    })
                }
            };
            last = Some((event.place, event.plan, account));
            input.lines.push(UsageLine {
                account,
                meter: event.row.meter.to_owned(),
                quantity: event.row.quantity,
                cost: event.row.cost,
                occurred_at: event.row.occurred.div_euclid(1_000_000),
                attributes: Some(event.row.attributes.to_owned()),
                period: event.period,
            });
        }
        input
    }
}

/// A batch that the candidate is asked about.
struct Question<'a> {
    candidate: &'a Candidate,
    accounts: &'a Accounts,
    events: &'a [Event<'a>],
}

impl Oracle for Question<'_> {
    type Answer = PricedLine;
    type Failure = String;

    async fn ask(&self, lines: Range<usize>) -> Result<Vec<PricedLine>, Unanswered<String>> {
        let candidate = self.candidate;
        let mut attempt = 0;
        loop {
            let input = candidate.input(self.accounts, &self.events[lines.clone()]);
            let error = match candidate
                .host
                .examine_pricing(&candidate.rule, input)
                .await
                .result
            {
                Ok(priced) => return Ok(priced),
                Err(error) => error,
            };
            let unanswered = Unanswered {
                failure: error.to_string(),
                hopeless: false,
            };
            if error.is_rules_fault() {
                return Err(unanswered);
            }
            // The sandbox has no room: live calls go first.
            attempt += 1;
            if attempt == MAX_ATTEMPTS {
                candidate.unavailable.store(true, Ordering::Relaxed);
                return Err(unanswered);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn assumed(&self, last: &String) -> String {
        last.clone()
    }
}
