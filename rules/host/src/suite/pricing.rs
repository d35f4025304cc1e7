//! The checks of a pricing rule: which laws its answers keep. Pure.

use super::runner::{Case, Place, Said};
use super::samples::{UNIT, line};
use super::shown::decimal;
use crate::contract::{PricedLine, PricingInput, UsageLine};

/// What must hold of the answers to one input, beyond that each keeps the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Law {
    /// Nothing more.
    Kept,
    /// The same input has the same answer, after a restart too.
    Repeated,
    /// A line has the same price in a batch and alone.
    Split,
    /// The lines are of ascending quantities: none costs less than the one before.
    Ascending,
    /// The lines are of one quantity at several costs: if the rule looks at the cost, no price is below it.
    Covering,
    /// No price is below the cost.
    Covered,
}

#[derive(Debug, Clone)]
pub(super) struct PricingCase {
    pub(super) check: &'static str,
    pub(super) law: Law,
    pub(super) input: PricingInput,
}

type Answered = Said<Vec<PricedLine>>;

impl PricingCase {
    fn with(&self, input: PricingInput) -> Self {
        Self {
            input,
            ..self.clone()
        }
    }

    fn of_lines(&self, lines: &[UsageLine]) -> Self {
        let mut input = self.input.clone();
        input.lines = lines.to_vec();
        self.with(input)
    }

    /// The case with each line changed, unless that changes nothing.
    fn each_line(&self, change: impl Fn(&mut UsageLine)) -> Option<Self> {
        let mut changed = self.clone();
        changed.input.lines.iter_mut().for_each(change);
        (changed.input != self.input).then_some(changed)
    }

    fn repeated(&self, said: &[Answered]) -> Result<(), String> {
        let words = ["a second call", "a restart"];
        for (other, what) in said[1..].iter().zip(words) {
            if *other != said[0] {
                return Err(format!(
                    "The same input has another answer after {what}: it was asked about {}.",
                    self.subject()
                ));
            }
        }
        Ok(())
    }

    fn split(&self, said: &[Answered]) -> Result<(), String> {
        let (batch, singles) = said.split_first().expect("there is the batch");
        let Some(batch) = batch.answer() else {
            return if singles.iter().all(|single| single.answer().is_some()) {
                Err("It answers each line alone, and refuses them together.".into())
            } else {
                Ok(())
            };
        };
        for (index, (together, single)) in batch.iter().zip(singles).enumerate() {
            let place = format!("Line {} ({})", index + 1, usage(&self.input.lines[index]));
            match single.answer().and_then(|answer| answer.first()) {
                None => return Err(format!("{place} has a price in a batch and is refused alone.")),
                Some(alone) if alone.amount != together.amount => {
                    let (together, alone) = (decimal(together.amount), decimal(alone.amount));
                    return Err(format!(
                        "{place} is priced {together} in a batch and {alone} alone."
                    ));
                }
                Some(alone) if alone != together => {
                    return Err(format!(
                        "{place} has other items or another reason in a batch than alone."
                    ));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// The first line that costs less than one before it, and that one.
    fn descent(&self, answer: &[PricedLine]) -> Option<(usize, usize)> {
        let mut dearest = 0;
        for (index, priced) in answer.iter().enumerate() {
            if priced.amount < answer[dearest].amount {
                return Some((dearest, index));
            }
            dearest = index;
        }
        None
    }

    fn ascending(&self, answer: &[PricedLine]) -> Result<(), String> {
        let Some((before, after)) = self.descent(answer) else {
            return Ok(());
        };
        let says = |index: usize| {
            let (line, amount) = (&self.input.lines[index], decimal(answer[index].amount));
            (decimal(line.quantity), amount)
        };
        let ((less, dearer), (more, cheaper)) = (says(before), says(after));
        let meter = &self.input.lines[after].meter;
        Err(format!(
            "More usage costs less: {more} of `{meter}` is priced {cheaper}, and {less} is priced {dearer}. If that \
             is meant, declare it in the manifest: \"monotonic\": false."
        ))
    }

    /// The two lines that break the law.
    fn pair(&self, said: &[Answered]) -> Option<Self> {
        let answer = said[0].answer()?;
        let (one, other) = match self.law {
            Law::Ascending => self.descent(answer)?,
            _ => {
                let below = self.loss(answer)?;
                let differs = |priced: &PricedLine| priced.amount != answer[below].amount;
                (answer.iter().position(differs)?, below)
            }
        };
        let lines = &self.input.lines;
        let pair = [one.min(other), one.max(other)];
        Some(self.of_lines(&pair.map(|index| lines[index].clone())))
    }

    /// The first line below its cost, if that is against the law.
    fn loss(&self, answer: &[PricedLine]) -> Option<usize> {
        let looks_at_cost = answer.iter().any(|priced| priced.amount != answer[0].amount);
        if self.law == Law::Covering && !looks_at_cost {
            return None;
        }
        let lines = self.input.lines.iter().zip(answer);
        lines
            .into_iter()
            .position(|(line, priced)| priced.amount < line.cost)
    }

    fn covered(&self, answer: &[PricedLine]) -> Result<(), String> {
        let Some(index) = self.loss(answer) else {
            return Ok(());
        };
        let (line, priced) = (&self.input.lines[index], decimal(answer[index].amount));
        let whose = if self.law == Law::Covered {
            "this account really pays"
        } else {
            "the seller pays"
        };
        Err(format!(
            "Its price is below the cost, which the plan does not allow: {} is priced {priced}, and {whose} {}.",
            usage(line),
            decimal(line.cost)
        ))
    }
}

fn usage(line: &UsageLine) -> String {
    format!("{} of `{}`", decimal(line.quantity), line.meter)
}

/// Fewer lines: the halves; each line left out when there are few.
fn fewer(lines: &[UsageLine]) -> Vec<Vec<UsageLine>> {
    let (first, second) = lines.split_at(lines.len() / 2);
    let mut fewer = vec![first.to_vec(), second.to_vec()];
    if lines.len() <= 8 {
        for index in 0..lines.len() {
            let mut without = lines.to_vec();
            without.remove(index);
            fewer.push(without);
        }
    } else {
        fewer.push(lines[..lines.len() * 7 / 8].to_vec());
    }
    fewer.retain(|some| !some.is_empty() && some.len() < lines.len());
    fewer
}

impl Case for PricingCase {
    type Question = PricingInput;

    fn check(&self) -> &'static str {
        self.check
    }

    fn questions(&self) -> Vec<(Place, PricingInput)> {
        let whole = (Place::Here, self.input.clone());
        match self.law {
            Law::Repeated => vec![whole.clone(), whole, (Place::Restarted, self.input.clone())],
            Law::Split => {
                let singles = (0..self.input.lines.len()).filter_map(|index| self.input.single(index));
                std::iter::once(whole)
                    .chain(singles.map(|single| (Place::Here, single)))
                    .collect()
            }
            _ => vec![whole],
        }
    }

    fn judge(&self, said: &[Answered]) -> Result<(), String> {
        match (self.law, said[0].answer()) {
            (Law::Repeated, _) => self.repeated(said),
            (Law::Split, _) => self.split(said),
            (Law::Ascending, Some(answer)) => self.ascending(answer),
            (Law::Covering | Law::Covered, Some(answer)) => self.covered(answer),
            _ => Ok(()),
        }
    }

    fn subject(&self) -> String {
        match self.input.lines.as_slice() {
            [line] => usage(line),
            lines => format!("{} lines, the first of them {}", lines.len(), usage(&lines[0])),
        }
    }

    fn parts(&self) -> Vec<Self> {
        let lines = &self.input.lines;
        if lines.len() < 2 || matches!(self.law, Law::Repeated | Law::Split) {
            return Vec::new();
        }
        let (first, second) = lines.split_at(lines.len() / 2);
        [second, first].map(|half| self.of_lines(half)).into()
    }

    fn smaller(&self, said: &[Answered]) -> Vec<Self> {
        let lines = &self.input.lines;
        let mut smaller = Vec::new();
        match self.law {
            Law::Ascending | Law::Covering if lines.len() > 2 => smaller.extend(self.pair(said)),
            Law::Ascending => {
                let (less, more) = (&lines[0], &lines[lines.len() - 1]);
                let middle = less.quantity + (more.quantity - less.quantity) / 2;
                if middle > less.quantity && middle < more.quantity {
                    let mut between = more.clone();
                    between.quantity = middle;
                    between.cost = less.cost + (more.cost - less.cost) / 2;
                    smaller.push(self.of_lines(&[less.clone(), between.clone()]));
                    smaller.push(self.of_lines(&[between, more.clone()]));
                }
            }
            Law::Covering => {}
            _ => smaller.extend(fewer(lines).iter().map(|fewer| self.of_lines(fewer))),
        }
        if lines.len() <= 8 {
            smaller.extend(self.each_line(|line| line.attributes = None));
            smaller.extend(self.each_line(|line| (line.period.quantity, line.period.lines) = (0, 0)));
            if !matches!(self.law, Law::Covering | Law::Covered) {
                smaller.extend(self.each_line(|line| line.cost = 0));
            }
            let usual = line("", UNIT, 0, 0);
            smaller.extend(self.each_line(|line| {
                (line.occurred_at, line.period.start) = (usual.occurred_at, usual.period.start);
            }));
        }
        smaller.extend(self.with_one_account());
        smaller
    }

    /// Quantity, cost and what was before, of a single line. Of a group at several costs, the highest cost.
    fn knobs(&self) -> usize {
        match (self.law, self.input.lines.len()) {
            (Law::Kept | Law::Repeated, 1) => 3,
            (Law::Covering, 2) => 1,
            _ => 0,
        }
    }

    fn turned(&self, knob: usize) -> i64 {
        let last = &self.input.lines[self.input.lines.len() - 1];
        match (self.law, knob) {
            (Law::Covering, _) | (_, 1) => last.cost,
            (_, 0) => last.quantity,
            _ => last.period.quantity,
        }
    }

    fn turn(&self, knob: usize, value: i64) -> Self {
        let mut turned = self.clone();
        let last = turned.input.lines.len() - 1;
        let line = &mut turned.input.lines[last];
        match (self.law, knob) {
            (Law::Covering, _) | (_, 1) => line.cost = value,
            (_, 0) => line.quantity = value,
            _ => line.period.quantity = value,
        }
        turned
    }
}

impl PricingCase {
    /// With the first account for all lines.
    fn with_one_account(&self) -> Option<Self> {
        let mut changed = self.clone();
        changed.input.accounts.truncate(1);
        changed.input.lines.iter_mut().for_each(|line| line.account = 0);
        (changed.input != self.input).then_some(changed)
    }
}
