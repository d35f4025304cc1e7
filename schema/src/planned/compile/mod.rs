//! Makes a query plan of an operation that has passed validation.
//!
//! Fragments are expanded and fields with the same response key merged as async-graphql does it: the first occurrence
//! decides the place. What a plan cannot serve makes the whole operation one for async-graphql.

mod connections;
mod reports;
mod tenants;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use async_graphql::parser::types::{
    Directive, ExecutableDocument, Field, OperationDefinition, OperationType, Selection as Written,
    SelectionSet,
};
use async_graphql::{Name, Pos, Positioned, Value as Const, Variables};
use async_graphql_value::Value;

use super::bind::Arguments;
use super::plan::{
    ACCESSES, List, MeField, Named, QueryField, QueryPlan, ResponseKey, RootAccount, RootReads, Selected,
    Selection, What,
};
use crate::cost;
use crate::shape::{Count, Shape};

/// The most occurrences of fields that are looked at for a plan. Where a document asks accounts of both types different
/// things, and does so on many levels, each level doubles what is below it.
const MAX_OCCURRENCES: usize = 20_000;

/// Why an operation goes through async-graphql.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unplanned(pub(crate) String);

type Planned<T> = Result<T, Unplanned>;

/// An operation with what its directives are decided by.
pub(crate) struct Source<'d> {
    pub(crate) shape: &'d Shape,
    pub(crate) document: &'d ExecutableDocument,
    pub(crate) operation: &'d OperationDefinition,
    pub(crate) variables: &'d Variables,
}

/// The plan of an operation, or why there is none.
pub(crate) fn compile(source: Source<'_>) -> Planned<QueryPlan> {
    let operation = source.operation;
    if operation.ty != OperationType::Query {
        return Err(Unplanned("only queries are planned".to_owned()));
    }
    if !operation.directives.is_empty() {
        return Err(Unplanned("there are directives at the operation".to_owned()));
    }
    let mut compiler = Compiler {
        arguments: Arguments::of(operation),
        source,
        occurrences: 0,
        own: Own::default(),
        bytes: size_of::<QueryPlan>(),
    };
    let mut reads = RootReads::default();
    let sets = [&operation.selection_set.node];
    let root = compiler.select(&sets, "Query", |compiler, asked| match asked.name() {
        "account" => {
            let id = compiler.arguments.id(asked.field);
            compiler
                .root(asked, Named::Account(id), &mut reads)
                .map(QueryField::Account)
        }
        "node" => {
            let id = compiler.arguments.id(asked.field);
            compiler
                .root(asked, Named::Node(id), &mut reads)
                .map(QueryField::Node)
        }
        "me" => compiler.me(asked, &mut reads).map(QueryField::Me),
        _ => Err(asked.unplanned("Query")),
    })?;
    Ok(QueryPlan {
        root,
        reads,
        points: None,
        bytes: compiler.bytes + compiler.arguments.bytes(),
        arguments: compiler.arguments,
    })
}

struct Compiler<'d> {
    source: Source<'d>,
    arguments: Arguments,
    /// How many occurrences of fields were looked at so far.
    occurrences: usize,
    /// What is selected on the level of accounts that it is at.
    own: Own,
    /// The memory of what there is so far.
    bytes: usize,
}

/// What is selected from accounts on one level, without what is selected from other accounts.
#[derive(Default)]
struct Own {
    fields: usize,
    /// What they cost, if each list has one item.
    points: u64,
}

/// All occurrences of one response key.
struct Asked<'d> {
    /// The first of them.
    field: &'d Field,
    position: Pos,
    /// What all of them select.
    sets: Vec<&'d SelectionSet>,
    /// What they cost together.
    points: u64,
    is_list: bool,
}

impl Asked<'_> {
    fn name(&self) -> &str {
        &self.field.name.node
    }

    fn unplanned(&self, on: &str) -> Unplanned {
        Unplanned(format!("{on}.{} is not planned", self.name()))
    }

    /// What is selected from each item, where the field gives a list.
    fn list<S>(&self, each: S) -> List<S> {
        let points = self.points;
        List { points, each }
    }
}

/// What an object is asked for.
struct Flat<'d> {
    fields: Vec<Asked<'d>>,
    places: HashMap<&'d str, usize>,
    /// Whether some of it depends on the type of the account.
    by_type: bool,
}

impl<'d> Compiler<'d> {
    /// The place of a single account.
    fn root(&mut self, asked: &Asked<'d>, named: Named, reads: &mut RootReads) -> Planned<usize> {
        let selection = place(&mut reads.selections, self.tenants(&asked.sets)?);
        reads.accounts.push(RootAccount { named, selection });
        Ok(reads.accounts.len() - 1)
    }

    /// What is selected from the caller.
    fn me(&mut self, asked: &Asked<'d>, reads: &mut RootReads) -> Planned<Selection<MeField>> {
        self.select(&asked.sets, "Me", |compiler, asked| {
            Ok(match asked.name() {
                "user" => {
                    reads.user = true;
                    MeField::User(compiler.user(&asked.sets)?)
                }
                "actingAs" => MeField::ActingAs(compiler.root(asked, Named::ActedOn, reads)?),
                "accounts" => {
                    let (page, connection) = compiler.account_page(asked, ACCESSES)?;
                    MeField::Accounts(place(&mut reads.accessible, page), connection)
                }
                _ => return Err(asked.unplanned("Me")),
            })
        })
    }

    /// What `sets` select from an object of the type `on`; `field` says what each of its fields shows.
    fn select<F>(
        &mut self,
        sets: &[&'d SelectionSet],
        on: &'static str,
        field: impl FnMut(&mut Self, &Asked<'d>) -> Planned<F>,
    ) -> Planned<Selection<F>> {
        let flat = self.flat(sets, on)?;
        self.selection(flat, field)
    }

    fn selection<F>(
        &mut self,
        flat: Flat<'d>,
        mut field: impl FnMut(&mut Self, &Asked<'d>) -> Planned<F>,
    ) -> Planned<Selection<F>> {
        let mut selected = Vec::with_capacity(flat.fields.len());
        for asked in &flat.fields {
            let key = ResponseKey::new(&asked.field.response_key().node);
            self.own.fields += 1;
            self.own.points = self.own.points.saturating_add(asked.points);
            self.bytes += size_of::<Selected<F>>() + key.written().len();
            selected.push(Selected {
                key,
                position: asked.position,
                points: if asked.is_list { 0 } else { asked.points },
                what: match asked.name() {
                    "__typename" => What::TypeName,
                    _ => What::Field(field(self, asked)?),
                },
            });
        }
        Ok(Selection(selected.into()))
    }

    /// The fields that `sets` ask of an object of the type `on`, without fragments.
    fn flat(&mut self, sets: &[&'d SelectionSet], on: &str) -> Planned<Flat<'d>> {
        let mut flat = Flat {
            fields: Vec::new(),
            places: HashMap::new(),
            by_type: false,
        };
        for set in sets {
            self.flatten(set, on, &mut flat)?;
        }
        Ok(flat)
    }

    fn flatten(&mut self, set: &'d SelectionSet, on: &str, flat: &mut Flat<'d>) -> Planned<()> {
        for selection in &set.items {
            let selection = &selection.node;
            if !self.is_included(selection.directives())? {
                continue;
            }
            let (condition, inside) = match selection {
                Written::Field(field) => {
                    self.merge(field, on, flat)?;
                    continue;
                }
                Written::InlineFragment(own) => {
                    (own.node.type_condition.as_ref(), &own.node.selection_set.node)
                }
                Written::FragmentSpread(own) => {
                    let fragment = self.source.document.fragments.get(&own.node.fragment_name.node);
                    let fragment = fragment.ok_or_else(|| Unplanned("a fragment is missing".to_owned()))?;
                    let fragment = &fragment.node;
                    if !fragment.directives.is_empty() {
                        return Err(Unplanned("there are directives at a fragment".to_owned()));
                    }
                    (Some(&fragment.type_condition), &fragment.selection_set.node)
                }
            };
            let condition = condition.map(|own| own.node.on.node.as_str());
            flat.by_type |= matches!(condition, Some("Account" | "Subaccount"));
            if condition.is_none_or(|condition| is_a(on, condition)) {
                self.flatten(inside, on, flat)?;
            }
        }
        Ok(())
    }

    fn merge(&mut self, field: &'d Positioned<Field>, on: &str, flat: &mut Flat<'d>) -> Planned<()> {
        self.occurrences += 1;
        if self.occurrences > MAX_OCCURRENCES {
            return Err(Unplanned("the plan would be too large".to_owned()));
        }
        let (position, field) = (field.pos, &field.node);
        let name = field.name.node.as_str();
        let known = self.source.shape.field(on, name);
        let points = known.map_or(0, |known| cost::weight(on, name, known));
        let key = field.response_key().node.as_str();
        let Some(place) = flat.places.get(key) else {
            flat.places.insert(key, flat.fields.len());
            flat.fields.push(Asked {
                field,
                position,
                sets: vec![&field.selection_set.node],
                points,
                is_list: known.is_some_and(|known| !matches!(known.count, Count::One | Count::Page(_))),
            });
            return Ok(());
        };
        let first = &mut flat.fields[*place];
        let same = first.field.name.node == field.name.node
            && first.field.arguments.len() == field.arguments.len()
            && field.arguments.iter().all(|(name, value)| {
                let other = first.field.get_argument(&name.node);
                other.is_some_and(|other| other.node == value.node)
            });
        if !same {
            return Err(Unplanned(format!("{key} stands for two fields")));
        }
        first.sets.push(&field.selection_set.node);
        first.points = first.points.saturating_add(points);
        Ok(())
    }

    /// What `@skip` and `@include` decide. No other directive is known here.
    fn is_included(&self, directives: &[Positioned<Directive>]) -> Planned<bool> {
        let mut included = true;
        for directive in directives.iter().map(|own| &own.node) {
            let given = directive.get_argument("if").map(|own| &own.node);
            let odd = || Unplanned("a directive is not understood".to_owned());
            let condition = self.boolean(given.ok_or_else(odd)?).ok_or_else(odd)?;
            match directive.name.node.as_str() {
                "skip" => included &= !condition,
                "include" => included &= condition,
                _ => return Err(odd()),
            }
        }
        Ok(included)
    }

    fn boolean(&self, value: &Value) -> Option<bool> {
        match value {
            Value::Boolean(own) => Some(*own),
            Value::Variable(name) => switch(self.source.variables, name),
            _ => None,
        }
    }
}

/// The value of a variable that a directive reads, if it is one. Its default is among the variables already.
pub(super) fn switch(variables: &Variables, name: &Name) -> Option<bool> {
    match variables.get(name)? {
        Const::Boolean(own) => Some(*own),
        _ => None,
    }
}

/// The place of `item`, which is there once.
fn place<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    match list.iter().position(|own| *own == item) {
        Some(place) => place,
        None => {
            list.push(item);
            list.len() - 1
        }
    }
}

/// Whether an object of the type `on` is what a fragment is about.
fn is_a(on: &str, condition: &str) -> bool {
    on == condition
        || match on {
            "Account" | "Subaccount" => matches!(condition, "Tenant" | "Node"),
            "Member" | "Plan" => condition == "Node",
            _ => false,
        }
}
