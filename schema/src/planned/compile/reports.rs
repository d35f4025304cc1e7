//! What is selected from limits, money and usage.

use async_graphql::parser::types::SelectionSet;

use super::super::plan::{
    BillingTransferField, CreditsField, LimitDeciderField, LimitsField, MoneyField, ResourceLimitField,
    Selection, UsageBucketField, UsageField, UsagePeriodField, UsageTotalField,
};
use super::{Asked, Compiler, Planned};

impl<'d> Compiler<'d> {
    pub(super) fn limits(&mut self, sets: &[&'d SelectionSet]) -> Planned<Selection<LimitsField>> {
        self.select(sets, "Limits", |compiler, asked| {
            let limit = compiler.resource_limit(&asked.sets)?;
            Ok(match asked.name() {
                "resources" => LimitsField::Resources(asked.list(limit)),
                "resource" => LimitsField::Resource(compiler.arguments.name(asked.field), limit),
                _ => return Err(asked.unplanned("Limits")),
            })
        })
    }

    fn resource_limit(&mut self, sets: &[&'d SelectionSet]) -> Planned<Selection<ResourceLimitField>> {
        self.select(sets, "ResourceLimit", |compiler, asked| {
            Ok(match asked.name() {
                "resource" => ResourceLimitField::Resource,
                "max" => ResourceLimitField::Max,
                "used" => ResourceLimitField::Used,
                "remaining" => ResourceLimitField::Remaining,
                "decidedBy" => ResourceLimitField::DecidedBy(compiler.limit_decider(&asked.sets)?),
                "reason" => ResourceLimitField::Reason,
                _ => return Err(asked.unplanned("ResourceLimit")),
            })
        })
    }

    fn limit_decider(&mut self, sets: &[&'d SelectionSet]) -> Planned<Selection<LimitDeciderField>> {
        self.select(sets, "LimitDecider", |_, asked| {
            Ok(match asked.name() {
                "kind" => LimitDeciderField::Kind,
                "account" => LimitDeciderField::Account,
                "ruleVersion" => LimitDeciderField::RuleVersion,
                "ruleDigest" => LimitDeciderField::RuleDigest,
                _ => return Err(asked.unplanned("LimitDecider")),
            })
        })
    }

    pub(super) fn billing_transfer(
        &mut self,
        sets: &[&'d SelectionSet],
    ) -> Planned<Selection<BillingTransferField>> {
        self.select(sets, "BillingTransfer", |_, asked| {
            Ok(match asked.name() {
                "id" => BillingTransferField::Id,
                "state" => BillingTransferField::State,
                "badge" => BillingTransferField::Badge,
                "status" => BillingTransferField::Status,
                "startedAt" => BillingTransferField::StartedAt,
                "graceEndsAt" => BillingTransferField::GraceEndsAt,
                "completedAt" => BillingTransferField::CompletedAt,
                "keepAgencyAccess" => BillingTransferField::KeepAgencyAccess,
                _ => return Err(asked.unplanned("BillingTransfer")),
            })
        })
    }

    pub(super) fn credits(&mut self, sets: &[&'d SelectionSet]) -> Planned<Selection<CreditsField>> {
        self.select(sets, "Credits", |compiler, asked| {
            let money = compiler.money(&asked.sets)?;
            Ok(match asked.name() {
                "purchased" => CreditsField::Purchased(money),
                "pool" => CreditsField::Pool(money),
                "held" => CreditsField::Held(money),
                "available" => CreditsField::Available(money),
                _ => return Err(asked.unplanned("Credits")),
            })
        })
    }

    fn money(&mut self, sets: &[&'d SelectionSet]) -> Planned<Selection<MoneyField>> {
        self.select(sets, "Money", |_, asked| {
            Ok(match asked.name() {
                "amount" => MoneyField::Amount,
                "currency" => MoneyField::Currency,
                _ => return Err(asked.unplanned("Money")),
            })
        })
    }

    pub(super) fn usage(&mut self, sets: &[&'d SelectionSet]) -> Planned<Selection<UsageField>> {
        self.select(sets, "Usage", |compiler, asked| {
            Ok(match asked.name() {
                "period" => UsageField::Period(compiler.usage_period(&asked.sets)?),
                "granularity" => UsageField::Granularity,
                "timeZone" => UsageField::TimeZone,
                "totals" => {
                    let total = compiler.select(&asked.sets, "UsageTotal", Self::usage_total)?;
                    UsageField::Totals(asked.list(total))
                }
                "buckets" => UsageField::Buckets(asked.list(compiler.usage_bucket(&asked.sets)?)),
                _ => return Err(asked.unplanned("Usage")),
            })
        })
    }

    fn usage_period(&mut self, sets: &[&'d SelectionSet]) -> Planned<Selection<UsagePeriodField>> {
        self.select(sets, "UsagePeriod", |_, asked| {
            Ok(match asked.name() {
                "start" => UsagePeriodField::Start,
                "end" => UsagePeriodField::End,
                _ => return Err(asked.unplanned("UsagePeriod")),
            })
        })
    }

    fn usage_bucket(&mut self, sets: &[&'d SelectionSet]) -> Planned<Selection<UsageBucketField>> {
        self.select(sets, "UsageBucket", |compiler, asked| match asked.name() {
            "start" => Ok(UsageBucketField::Start),
            _ => compiler.usage_total(asked).map(UsageBucketField::Total),
        })
    }

    /// A field of `UsageTotal`, which `UsageBucket` has too.
    fn usage_total(&mut self, asked: &Asked<'d>) -> Planned<UsageTotalField> {
        Ok(match asked.name() {
            "meter" => UsageTotalField::Meter,
            "unit" => UsageTotalField::Unit,
            "aggregation" => UsageTotalField::Aggregation,
            "quantity" => UsageTotalField::Quantity,
            "events" => UsageTotalField::Events,
            "amount" => UsageTotalField::Amount(self.money(&asked.sets)?),
            _ => return Err(asked.unplanned("UsageTotal")),
        })
    }
}
