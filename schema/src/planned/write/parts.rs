//! Limits, money and usage of accounts.

use canopy_domain::billing::BillingView;
use canopy_domain::ledger::Credits;
use canopy_domain::limits::{LimitDecider, ResourceLimit};
use canopy_domain::usage::{UsageTotal, UsageView};
use canopy_domain::{AccountView, Money};

use super::super::plan::{
    BillingTransferField, CreditsField, LimitDeciderField, LimitsField, MoneyField, ResourceLimitField,
    Selection, UsageBucketField, UsageField, UsagePeriodField, UsageTotalField,
};
use super::Writer;
use crate::scalars::{DateTime, int, signed_int};
use crate::types::billing_transfer::{BillingState, BillingTransferStatus, badge, completed_at};
use crate::types::granularity::Granularity;
use crate::types::limit_decider::{LimitDeciderKind, deciding_rule, visible_account};
use crate::types::limits;
use crate::types::resource_limit::remaining;
use crate::types::usage_aggregation::UsageAggregation;

impl<'w> Writer<'w> {
    pub(super) fn limits(
        &mut self,
        selection: &'w Selection<LimitsField>,
        view: &AccountView,
        resources: &[ResourceLimit],
    ) {
        self.object(selection, "Limits", |writer, field| match field {
            LimitsField::Resources(list) => {
                writer.list(list, resources.iter(), |writer, selection, limit| {
                    writer.resource_limit(selection, view, limit);
                });
            }
            LimitsField::Resource(at, selection) => {
                let limit = limits::of_name(resources, writer.bound.name(*at));
                writer.nullable(limit, |writer, limit| {
                    writer.resource_limit(selection, view, limit)
                });
            }
        });
    }

    fn resource_limit(
        &mut self,
        selection: &'w Selection<ResourceLimitField>,
        view: &AccountView,
        limit: &ResourceLimit,
    ) {
        self.object(selection, "ResourceLimit", |writer, field| match field {
            ResourceLimitField::Resource => writer.text(&limit.resource),
            ResourceLimitField::Max => writer.nullable(limit.max, |writer, max| writer.int(int(max))),
            ResourceLimitField::Used => writer.int(int(limit.used)),
            ResourceLimitField::Remaining => writer.nullable(remaining(limit), Self::int),
            ResourceLimitField::DecidedBy(selection) => {
                writer.limit_decider(selection, view, &limit.decided_by);
            }
            ResourceLimitField::Reason => writer.nullable(limit.reason.as_deref(), Self::text),
        });
    }

    fn limit_decider(
        &mut self,
        selection: &'w Selection<LimitDeciderField>,
        view: &AccountView,
        decider: &LimitDecider,
    ) {
        let visible = visible_account(decider, view, self.actor.scope());
        let rule = visible.and_then(|_| deciding_rule(decider));
        self.object(selection, "LimitDecider", |writer, field| match field {
            LimitDeciderField::Kind => writer.item::<LimitDeciderKind>(LimitDeciderKind::of(decider)),
            LimitDeciderField::Account => writer.nullable(visible, |writer, id| writer.plain(id.as_str())),
            LimitDeciderField::RuleVersion => {
                writer.nullable(rule, |writer, (id, _)| writer.plain(id.as_str()))
            }
            LimitDeciderField::RuleDigest => writer.nullable(rule, |writer, (_, digest)| writer.text(digest)),
        });
    }

    pub(super) fn billing_transfer(
        &mut self,
        selection: &'w Selection<BillingTransferField>,
        view: &BillingView,
    ) {
        let transfer = view.transfer.as_ref();
        self.object(selection, "BillingTransfer", |writer, field| match field {
            BillingTransferField::Id => {
                writer.nullable(transfer, |writer, own| writer.plain(own.id.as_str()))
            }
            BillingTransferField::State => writer.item::<BillingState>(view.state),
            BillingTransferField::Badge => writer.text(badge(view.state)),
            BillingTransferField::Status => {
                writer.nullable(transfer, |writer, own| {
                    writer.item::<BillingTransferStatus>(own.status)
                });
            }
            BillingTransferField::StartedAt => {
                writer.nullable(transfer, |writer, own| writer.shown(DateTime(own.started_at)));
            }
            BillingTransferField::GraceEndsAt => {
                writer.nullable(transfer, |writer, own| writer.shown(DateTime(own.grace_ends_at)));
            }
            BillingTransferField::CompletedAt => {
                writer.nullable(transfer.and_then(completed_at), Self::shown);
            }
            BillingTransferField::KeepAgencyAccess => {
                writer.nullable(transfer, |writer, own| writer.boolean(own.keep_agency_access));
            }
        });
    }

    pub(super) fn credits(&mut self, selection: &'w Selection<CreditsField>, credits: &Credits) {
        self.object(selection, "Credits", |writer, field| match field {
            CreditsField::Purchased(selection) => writer.money(selection, &credits.purchased),
            CreditsField::Pool(selection) => writer.money(selection, &credits.pool),
            CreditsField::Held(selection) => writer.money(selection, &credits.held),
            CreditsField::Available(selection) => writer.money(selection, &credits.available),
        });
    }

    fn money(&mut self, selection: &'w Selection<MoneyField>, money: &Money) {
        self.object(selection, "Money", |writer, field| match field {
            MoneyField::Amount => writer.shown(money.amount),
            MoneyField::Currency => writer.text(&money.currency),
        });
    }

    pub(super) fn usage(
        &mut self,
        selection: &'w Selection<UsageField>,
        granularity: Granularity,
        usage: &UsageView,
    ) {
        self.object(selection, "Usage", |writer, field| match field {
            UsageField::Period(selection) => writer.object(selection, "UsagePeriod", |writer, field| {
                writer.shown(DateTime(match field {
                    UsagePeriodField::Start => usage.period.start,
                    UsagePeriodField::End => usage.period.end,
                }));
            }),
            UsageField::Granularity => writer.item::<Granularity>(granularity),
            UsageField::TimeZone => writer.plain(usage.zone.name()),
            UsageField::Totals(list) => {
                writer.list(list, usage.totals.iter(), |writer, selection, total| {
                    writer.object(selection, "UsageTotal", |writer, field| {
                        writer.usage_total(field, total)
                    });
                });
            }
            UsageField::Buckets(list) => {
                writer.list(list, usage.buckets.iter(), |writer, selection, bucket| {
                    writer.object(selection, "UsageBucket", |writer, field| match field {
                        UsageBucketField::Start => writer.shown(DateTime(bucket.start)),
                        UsageBucketField::Total(field) => writer.usage_total(field, &bucket.total),
                    });
                });
            }
        });
    }

    fn usage_total(&mut self, field: &'w UsageTotalField, total: &UsageTotal) {
        match field {
            UsageTotalField::Meter => self.text(&total.meter),
            UsageTotalField::Unit => self.nullable(total.unit.as_deref(), |writer, unit| writer.text(unit)),
            UsageTotalField::Aggregation => self.item::<UsageAggregation>(total.aggregation),
            UsageTotalField::Quantity => self.shown(total.quantity),
            UsageTotalField::Events => self.int(signed_int(total.events)),
            UsageTotalField::Amount(selection) => self.money(selection, &total.amount),
        }
    }
}
