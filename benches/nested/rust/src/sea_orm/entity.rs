//! The tables as sea-orm's entities, with the columns that are read.

macro_rules! table {
    ($module:ident, $table:literal, { $($(#[$attribute:meta])* $column:ident: $type:ty,)* }) => {
        pub mod $module {
            use sea_orm::entity::prelude::*;

            #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
            #[sea_orm(table_name = $table)]
            pub struct Model {
                $($(#[$attribute])* pub $column: $type,)*
            }

            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}

            impl ActiveModelBehavior for ActiveModel {}
        }
    };
}

table!(account, "accounts", {
    #[sea_orm(primary_key, auto_increment = false)]
    id: String,
    parent_id: Option<String>,
    path: String,
    kind: String,
    name: String,
    status: String,
    plan_id: Option<String>,
    billing_mode: String,
    member_count: i64,
    subaccount_count: i64,
});

table!(plan, "plans", {
    #[sea_orm(primary_key, auto_increment = false)]
    id: String,
    name: String,
    limits_configuration: Json,
});

table!(user, "users", {
    #[sea_orm(primary_key, auto_increment = false)]
    id: String,
    email: String,
});

table!(member, "members", {
    #[sea_orm(primary_key, auto_increment = false)]
    id: String,
    account_id: String,
    user_id: String,
    role: String,
});

table!(api_key, "api_keys", {
    #[sea_orm(primary_key, auto_increment = false)]
    id: String,
    account_id: String,
    expires_at: Option<DateTimeUtc>,
    revoked_at: Option<DateTimeUtc>,
});

table!(permission_level, "permission_levels", {
    #[sea_orm(primary_key, auto_increment = false)]
    account_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    key: String,
    level: String,
});

table!(account_limit, "account_limits", {
    #[sea_orm(primary_key, auto_increment = false)]
    account_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    resource: String,
    maximum: i64,
});

table!(usage_aggregate, "usage_aggregates", {
    #[sea_orm(primary_key, auto_increment = false)]
    account_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    granularity: String,
    #[sea_orm(primary_key, auto_increment = false)]
    bucket_start: DateTimeUtc,
    #[sea_orm(primary_key, auto_increment = false)]
    meter: String,
    quantity: i64,
    amount: i64,
});

table!(billing_transfer, "billing_transfers", {
    #[sea_orm(primary_key, auto_increment = false)]
    id: String,
    account_id: String,
    status: String,
});
