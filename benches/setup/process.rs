//! What a process has used so far, from /proc.

use std::time::Duration;

use anyhow::{Context, Result};

/// Ticks of /proc/PID/stat in a second, on every Linux that matters.
const TICKS: u64 = 100;

pub(crate) struct Usage {
    pub(crate) processor: Duration,
    /// Resident, in KiB.
    pub(crate) memory: u64,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
            .with_context(|| format!("process {pid} is gone"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        Ok(Self {
            processor: processor(pid, Own::Only).with_context(|| format!("process {pid} is gone"))?,
            memory: memory.unwrap_or(0),
        })
    }
}

/// Whose time is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Own {
    Only,
    /// With that of children that have ended.
    AndEnded,
}

/// Processor time so far; none if there is no such process.
pub(crate) fn processor(pid: u32, own: Own) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let count = if own == Own::Only { 2 } else { 4 };
    let fields = fields.split_whitespace().skip(11).take(count);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(ticks * 1000 / TICKS))
}

/// The processes that a process has started and that still run.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}
