//! The domain as one value: the database, the rules' sandbox, the keys for tokens, and who listens.

use std::sync::Arc;
use std::time::Duration;

use canopy_rules_host::Host;
use sea_orm::DatabaseConnection;

use crate::accounts::RememberedAccounts;
use crate::auth::{
    ForeignSettings, ForeignTokens, LastUses, Passwords, RememberedActors, SignInSettings, Throttle,
    TokenSettings, Tokens,
};
use crate::budgets::{BudgetSettings, Budgets};
use crate::documents::KnownTexts;
use crate::events::{Hub, StreamSettings};
use crate::limits::{LimitsAnswers, RememberedTerms};
use crate::pricing::RememberedFacts;
use crate::rules::{QuarantineSettings, Refusals};
use crate::simulation::Bell;
use crate::store::{Lease, PipelineSettings, StatementListener, Store};
use crate::usage::{HoldSettings, Intake, IntakeSettings, UsageWindow};
use crate::webhooks::WebhookSettings;
use crate::{Result, transaction};

/// What the domain is opened with.
#[derive(Clone)]
pub struct Settings {
    /// How tokens are signed and checked.
    pub tokens: TokenSettings,
    /// Whose other tokens are taken.
    pub foreign: Option<ForeignSettings>,
    /// How often one may try to sign in.
    pub sign_in: SignInSettings,
    /// How often a rule may fail.
    pub quarantine: QuarantineSettings,
    /// How far a stream may fall behind.
    pub streams: StreamSettings,
    /// When reported usage may have occurred.
    pub usage_window: UsageWindow,
    /// How long credits may be held.
    pub holds: HoldSettings,
    /// How much usage may wait to be recorded.
    pub intake: IntakeSettings,
    /// Where webhooks go, and for how long they are tried.
    pub webhooks: WebhookSettings,
    /// What answers may cost.
    pub budget: BudgetSettings,
    /// For how long what was read may be used again while no change of it is told; zero for not at all.
    pub remember: Duration,
    /// How statements are sent together, where the database is PostgreSQL.
    pub pipeline: Option<PipelineSettings>,
    /// Told of the statements that go another way than by the connection that the domain is opened with.
    pub listener: Option<StatementListener>,
    /// Named steps at which a test may break off; see [`Faults`].
    pub faults: Faults,
}

impl Settings {
    /// The usual settings, with these keys for tokens.
    pub fn new(tokens: TokenSettings) -> Self {
        Self {
            tokens,
            foreign: None,
            sign_in: SignInSettings::default(),
            quarantine: QuarantineSettings::default(),
            streams: StreamSettings::default(),
            usage_window: UsageWindow::default(),
            holds: HoldSettings::default(),
            intake: IntakeSettings::default(),
            webhooks: WebhookSettings::default(),
            budget: BudgetSettings::default(),
            remember: Duration::from_secs(10),
            pipeline: None,
            listener: None,
            faults: Faults::default(),
        }
    }
}

/// Called with a step's name just before the step, so that a test can break off there; does nothing otherwise.
#[derive(Clone, Default)]
pub struct Faults(Option<Arc<dyn Fn(&'static str) -> bool + Send + Sync>>);

impl Faults {
    /// Breaks off at each step for which `breaks` says true.
    pub fn at(breaks: impl Fn(&'static str) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(breaks)))
    }

    /// An internal error if a test wants to break off at `step`.
    pub(crate) fn check(&self, step: &'static str) -> Result<()> {
        match &self.0 {
            Some(breaks) if breaks(step) => Err(crate::Error::internal(format!("fault point {step}"))),
            _ => Ok(()),
        }
    }
}

/// All services; cheap to clone.
#[derive(Clone)]
pub struct Domain(pub(crate) Arc<Core>, pub(crate) Lease);

pub(crate) struct Core {
    pub(crate) db: DatabaseConnection,
    /// Where transactions begin.
    pub(crate) writer: DatabaseConnection,
    pub(crate) store: Store,
    pub(crate) rules: Host,
    pub(crate) tokens: Tokens,
    pub(crate) foreign: Option<Arc<ForeignTokens>>,
    pub(crate) sign_in: Throttle,
    pub(crate) last_uses: LastUses,
    pub(crate) actors: RememberedActors,
    pub(crate) terms: RememberedTerms,
    pub(crate) accounts: RememberedAccounts,
    pub(crate) facts: RememberedFacts,
    pub(crate) answers: LimitsAnswers,
    pub(crate) passwords: Passwords,
    pub(crate) budgets: Budgets,
    pub(crate) documents: KnownTexts,
    pub(crate) intake: Intake,
    pub(crate) hub: Hub,
    pub(crate) faults: Faults,
    pub(crate) quarantine: QuarantineSettings,
    pub(crate) streams: StreamSettings,
    pub(crate) usage_window: UsageWindow,
    pub(crate) holds: HoldSettings,
    pub(crate) refusals: Refusals,
    pub(crate) simulations: Bell,
    pub(crate) webhooks: WebhookSettings,
}

impl Domain {
    /// Opens the domain on a migrated database.
    pub fn open(db: DatabaseConnection, rules: Host, settings: Settings) -> Result<Self> {
        let writer = transaction::writer(&db, settings.listener.clone());
        let store = Store::new(settings.pipeline.as_ref(), settings.listener);
        let hub = Hub::new();
        let core = Core {
            db,
            writer,
            store,
            rules,
            tokens: Tokens::new(settings.tokens)?,
            foreign: settings.foreign.map(ForeignTokens::new),
            sign_in: Throttle::new(settings.sign_in),
            last_uses: LastUses::new(),
            actors: RememberedActors::new(settings.remember, &hub),
            terms: RememberedTerms::new(settings.remember),
            accounts: RememberedAccounts::new(settings.remember),
            facts: RememberedFacts::new(settings.remember),
            answers: LimitsAnswers::default(),
            passwords: Passwords::new(),
            budgets: Budgets::new(settings.budget),
            documents: KnownTexts::new(),
            intake: Intake::new(settings.intake)?,
            hub,
            faults: settings.faults,
            quarantine: settings.quarantine,
            streams: settings.streams,
            usage_window: settings.usage_window,
            holds: settings.holds,
            refusals: Refusals::default(),
            simulations: Bell::default(),
            webhooks: settings.webhooks,
        };
        Ok(Self(Arc::new(core), Lease::default()))
    }

    /// The database, for a readiness probe.
    pub fn database(&self) -> &DatabaseConnection {
        &self.0.db
    }

    /// Puts the plans and rules that Canopy ships into the database, or brings them up to date. Run at each start.
    pub async fn ensure_builtins(&self) -> Result<()> {
        let limits_by_plan = self.ensure_builtin_rules().await?;
        self.ensure_preset_plans(&limits_by_plan).await
    }
}
