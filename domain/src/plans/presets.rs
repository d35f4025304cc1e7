//! The plans that Canopy ships: the policies of four known systems, as data.

use canopy_entity::{PlanId, RuleVersionId, plan, time};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde::Deserialize;

use crate::events::outbox;
use crate::transaction::{self, work};
use crate::{Domain, Error, Result};

const PRESETS: [&str; 4] = [
    include_str!("presets/itellico.json"),
    include_str!("presets/bolna.json"),
    include_str!("presets/connector.json"),
    include_str!("presets/agentphone.json"),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Preset {
    id: PlanId,
    name: String,
    description: String,
    /// The configuration of `limits-by-plan`.
    configuration: serde_json::Value,
    /// What [`Meters`](super::Meters) reads.
    meters: serde_json::Value,
}

impl Domain {
    /// Writes the presets, each as this version of Canopy has it.
    pub(crate) async fn ensure_preset_plans(&self, limits_by_plan: &RuleVersionId) -> Result<()> {
        let presets = presets()?.into_iter().map(|preset| plan::ActiveModel {
            id: Set(preset.id),
            owner_account_id: Set(None),
            name: Set(preset.name),
            description: Set(preset.description),
            limits_rule_version_id: Set(limits_by_plan.clone()),
            limits_configuration: Set(preset.configuration),
            meters: Set(preset.meters),
            created_at: Set(time::now()),
        });
        let presets = &presets.collect::<Vec<_>>();
        let changed = transaction::run(&self.0.writer, "ensure-preset-plans", |txn| {
            work(async move {
                if are_there(txn, presets).await? {
                    return Ok(false);
                }
                plan::Entity::insert_many(presets.iter().cloned())
                    .on_conflict(
                        OnConflict::column(plan::Column::Id)
                            .update_columns([
                                plan::Column::Name,
                                plan::Column::Description,
                                plan::Column::LimitsRuleVersionId,
                                plan::Column::LimitsConfiguration,
                                plan::Column::Meters,
                            ])
                            .to_owned(),
                    )
                    .exec_without_returning(txn)
                    .await?;
                outbox::write_plans_change(txn).await?;
                Ok(true)
            })
        })
        .await?;
        if changed {
            self.0.hub.terms_changed();
        }
        Ok(())
    }
}

/// Whether all of them are stored as they are.
async fn are_there(txn: &impl ConnectionTrait, presets: &[plan::ActiveModel]) -> Result<bool> {
    let ids = presets.iter().map(|preset| preset.id.as_ref().clone());
    let stored = plan::Entity::find()
        .filter(plan::Column::Id.is_in(ids))
        .all(txn)
        .await?;
    let is_stored = |preset: &plan::ActiveModel| {
        stored.iter().any(|row| {
            preset.id.as_ref() == &row.id
                && preset.name.as_ref() == &row.name
                && preset.description.as_ref() == &row.description
                && preset.limits_rule_version_id.as_ref() == &row.limits_rule_version_id
                && preset.limits_configuration.as_ref() == &row.limits_configuration
                && preset.meters.as_ref() == &row.meters
        })
    };
    Ok(presets.iter().all(is_stored))
}

fn presets() -> Result<Vec<Preset>> {
    PRESETS
        .iter()
        .map(|text| serde_json::from_str(text).map_err(Error::internal))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_presets_say_what_the_four_systems_do() {
        let presets = presets().unwrap();
        let of = |id: &str, key: &str| {
            let preset = presets.iter().find(|preset| preset.id.as_str() == id).unwrap();
            preset.configuration[key].clone()
        };
        assert_eq!(of("pln_itellico", "max_depth"), 5);
        assert_eq!(of("pln_bolna", "member_policy"), "INHERITED");
        assert_eq!(of("pln_bolna", "key_policy"), "AUTO_ONE");
        assert_eq!(of("pln_connector", "starter_credits"), 100);
        assert_eq!(of("pln_connector", "credit_value"), 150_000);
        assert_eq!(
            of("pln_connector", "credit_modes"),
            json!(["MANUAL", "RESELLING"])
        );
        assert_eq!(of("pln_agentphone", "caps")["subaccounts"], 25);
        assert_eq!(of("pln_agentphone", "key_policy"), "PARENT_ONLY");
    }

    #[test]
    fn the_presets_declare_meters_with_their_units() {
        for preset in presets().unwrap() {
            let meters = super::super::Meters::read(&preset.meters).unwrap();
            let units: Vec<_> = meters
                .declared()
                .map(|(_, meter)| meter.unit.as_deref())
                .collect();
            let expected = ["CREDIT", "MESSAGE", "MINUTE", "SECOND", "TOKEN"];
            assert_eq!(units, expected.map(Some), "{}", preset.id);
        }
    }
}
