//! The faults: drawn from the seed, dealt, and healed. How long one lasts is a part of it.

use std::time::Duration;

use anyhow::Result;

use crate::Arena;
use crate::draw::Draw;
use crate::proxy::Mode;

/// What goes wrong, and with which node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    /// SIGKILL, and a new start.
    KillNode(usize),
    /// SIGTERM, the end of what runs, and a new start.
    RestartNode(usize),
    /// SIGSTOP and SIGCONT.
    PauseNode(usize),
    /// Immediate stop, and a new start with recovery.
    StopPostgres,
    KillNats,
    /// Connections between a node and the database are closed, and closed at once.
    CutDatabase(usize),
    /// Nothing passes between a node and the database.
    StallDatabase(usize),
    CutNats(usize),
    StallNats(usize),
}

/// One or two blows at once, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) blows: Vec<Blow>,
    pub(crate) lasts: Duration,
}

impl Step {
    pub(crate) fn draw(draw: &mut Draw, nodes: usize) -> Self {
        let mut blows = vec![Blow::draw(draw, nodes)];
        if draw.one_in(4) {
            let second = Blow::draw(draw, nodes);
            if blows[0].kind() != second.kind() && !(blows[0].is_of_process() && second.is_of_process()) {
                blows.push(second);
            }
        }
        // Some outlast the lease, most do not.
        let lasts = if draw.one_in(6) {
            draw.milliseconds(2_500, 6_000)
        } else {
            draw.milliseconds(20, 1_200)
        };
        Self { blows, lasts }
    }
}

impl Blow {
    fn draw(draw: &mut Draw, nodes: usize) -> Self {
        let node = draw.index(nodes);
        match draw.below(12) {
            0..=2 => Self::KillNode(node),
            3 => Self::RestartNode(node),
            4 | 5 => Self::PauseNode(node),
            6 => Self::StopPostgres,
            7 => Self::KillNats,
            8 => Self::CutDatabase(node),
            9 => Self::StallDatabase(node),
            10 => Self::CutNats(node),
            _ => Self::StallNats(node),
        }
    }

    /// Whether it befalls the process of a node: one that is paused cannot end in an orderly way.
    fn is_of_process(self) -> bool {
        matches!(
            self,
            Self::KillNode(_) | Self::RestartNode(_) | Self::PauseNode(_)
        )
    }

    /// A word for the summary; two of a kind are not dealt at once.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::KillNode(_) => "node killed",
            Self::RestartNode(_) => "node restarted",
            Self::PauseNode(_) => "node paused",
            Self::StopPostgres => "PostgreSQL stopped",
            Self::KillNats => "NATS killed",
            Self::CutDatabase(_) => "database cut off",
            Self::StallDatabase(_) => "database stalled",
            Self::CutNats(_) => "NATS cut off",
            Self::StallNats(_) => "NATS stalled",
        }
    }

    pub(crate) async fn deal(self, arena: &Arena) -> Result<()> {
        let nodes = &arena.nodes;
        match self {
            Self::KillNode(node) => nodes[node].kill().await?,
            Self::RestartNode(node) => nodes[node].stop().await?,
            Self::PauseNode(node) => nodes[node].send("STOP").await?,
            Self::StopPostgres => arena.postgres.lock().await.stop().await?,
            Self::KillNats => arena.nats.lock().await.kill().await?,
            Self::CutDatabase(node) => nodes[node].database.set(Mode::Cut),
            Self::StallDatabase(node) => nodes[node].database.set(Mode::Stall),
            Self::CutNats(node) => nodes[node].nats.set(Mode::Cut),
            Self::StallNats(node) => nodes[node].nats.set(Mode::Stall),
        }
        Ok(())
    }

    /// Ends it. Nodes are started by whoever waits for them.
    pub(crate) async fn heal(self, arena: &Arena) -> Result<()> {
        let nodes = &arena.nodes;
        match self {
            Self::KillNode(_) | Self::RestartNode(_) => {}
            Self::PauseNode(node) => nodes[node].send("CONT").await?,
            Self::StopPostgres => arena.postgres.lock().await.start_again().await?,
            Self::KillNats => arena.nats.lock().await.start_again().await?,
            Self::CutDatabase(node) | Self::StallDatabase(node) => nodes[node].database.set(Mode::Pass),
            Self::CutNats(node) | Self::StallNats(node) => nodes[node].nats.set(Mode::Pass),
        }
        Ok(())
    }
}
