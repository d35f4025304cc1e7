//! The points of an answer that is there.

use async_graphql::Value;
use async_graphql::parser::types::Field;

use super::{Place, Priced, Selected};

impl<'d> Priced<'d> {
    /// The points that an answer with this `data` cost.
    pub(crate) fn actual(&self, data: &Value) -> u64 {
        self.of(self.root(), data)
    }

    /// The points of what is selected from one object.
    fn of(&self, place: Place<'d>, object: &Value) -> u64 {
        let selections = place.set.items.iter();
        selections.fold(0_u64, |points, selection| {
            points.saturating_add(match self.selected(place, &selection.node) {
                Selected::Field(field) => self.answered(place, field, object),
                Selected::Set(place) => self.of(place, object),
                Selected::Nothing => 0,
            })
        })
    }

    fn answered(&self, place: Place<'d>, field: &'d Field, object: &Value) -> u64 {
        // What the schema does not have is refused by validation.
        let (Some(known), Value::Object(fields)) = (self.shape.field(place.ty, &field.name.node), object)
        else {
            return 0;
        };
        let Some(value) = fields.get(&field.response_key().node) else {
            return 0;
        };
        let inside = self.inside(place, field, known);
        self.given(inside, self.weight(place, field, known), value)
    }

    /// The points of what a field gave.
    fn given(&self, inside: Place<'d>, weight: u64, value: &Value) -> u64 {
        match value {
            Value::List(items) => items.iter().fold(0, |points: u64, item| {
                points.saturating_add(self.given(inside, weight, item))
            }),
            Value::Object(_) => weight.saturating_add(self.of(inside, value)),
            _ => weight,
        }
    }
}
