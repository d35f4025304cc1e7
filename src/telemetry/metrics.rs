//! The counts and durations of the process, as Prometheus reads them.

use std::sync::OnceLock;

use ::metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use Kind::{Counter, Gauge, Histogram};

/// Upper bounds of the buckets of durations, in seconds.
const DURATIONS: [f64; 14] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The metrics of the process, which every server in it shares.
pub(crate) fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATIONS)
                .expect("the buckets are not empty")
                .build_recorder();
            let handle = recorder.handle();
            // Where a program that embeds Canopy has a recorder of its own, that one counts.
            let _ = ::metrics::set_global_recorder(recorder);
            describe();
            handle
        })
        .clone()
}

enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Each metric: its kind, its name, its unit if it has one, what it counts.
const METRICS: [(Kind, &str, Option<Unit>, &str); 46] = [
    (
        Counter,
        "canopy_http_requests_total",
        None,
        "Requests answered, by method, route and status.",
    ),
    (
        Histogram,
        "canopy_http_request_duration_seconds",
        Some(Unit::Seconds),
        "Time to the response's head, by route.",
    ),
    (
        Counter,
        "canopy_graphql_operations_total",
        None,
        "Operations, by type and outcome.",
    ),
    (
        Histogram,
        "canopy_graphql_operation_duration_seconds",
        Some(Unit::Seconds),
        "Time of queries and mutations, by type.",
    ),
    (
        Counter,
        "canopy_usage_events_total",
        None,
        "Events of POST /usage, by outcome: accepted, replayed, conflict, rejected.",
    ),
    (
        Histogram,
        "canopy_usage_batch_events",
        None,
        "Events that one transaction recorded together.",
    ),
    (
        Counter,
        "canopy_remembered_total",
        None,
        "What was looked for in memory instead of being read or asked again, by what it is and whether it was there.",
    ),
    (
        Counter,
        "canopy_documents_total",
        None,
        "Documents looked up among those that are known, by outcome.",
    ),
    (
        Gauge,
        "canopy_documents_bytes",
        Some(Unit::Bytes),
        "Memory of the documents that are known, as it is estimated.",
    ),
    (
        Counter,
        "canopy_query_plans_total",
        None,
        "Queries looked up among the query plans, by outcome: hit, miss (made now), or unplanned (for the general executor).",
    ),
    (
        Gauge,
        "canopy_query_plans_bytes",
        Some(Unit::Bytes),
        "Memory of the query plans that are kept, about.",
    ),
    (
        Counter,
        "canopy_budget_refusals_total",
        None,
        "Answers that an account's budget had no points for, as the database said.",
    ),
    (Gauge, "canopy_connections_open", None, "Open connections."),
    (
        Counter,
        "canopy_connections_refused_total",
        None,
        "Connections that found no room, and were answered 503.",
    ),
    (
        Counter,
        "canopy_connections_displaced_total",
        None,
        "Idle connections that made room for others.",
    ),
    (
        Counter,
        "canopy_connections_overdue_total",
        None,
        "Connections that were closed because they were idle, or slow with a request's head, for too long.",
    ),
    (Gauge, "canopy_websockets_open", None, "Open WebSockets."),
    (
        Gauge,
        "canopy_subscriptions_open",
        None,
        "Running subscriptions, on WebSocket and SSE.",
    ),
    (
        Counter,
        "canopy_streams_lagged_total",
        None,
        "Subscriptions that ended because their reader fell too far behind.",
    ),
    (
        Counter,
        "canopy_outbox_published_total",
        None,
        "Events that the relay gave their place.",
    ),
    (
        Gauge,
        "canopy_leader",
        None,
        "1 where this process has the lease, by lease.",
    ),
    (Gauge, "canopy_nats_connected", None, "1 while NATS is connected."),
    (
        Counter,
        "canopy_nats_connections_total",
        None,
        "How often NATS was connected, the first time included.",
    ),
    (
        Counter,
        "canopy_nats_published_total",
        None,
        "Rows of the outbox that were published to NATS.",
    ),
    (
        Counter,
        "canopy_nats_heard_total",
        None,
        "Messages of other processes, by outcome: told as they came, known before, or read from the database.",
    ),
    (
        Counter,
        "canopy_transaction_retries_total",
        None,
        "Transactions that were tried again, by name.",
    ),
    (
        Counter,
        "canopy_webhook_attempts_total",
        None,
        "Tries to deliver webhooks, by outcome: delivered, retried (later), failed (given up), or overtaken.",
    ),
    (
        Histogram,
        "canopy_webhook_attempt_seconds",
        Some(Unit::Seconds),
        "Time of a try to deliver a webhook.",
    ),
    (
        Counter,
        "canopy_token_key_fetches_total",
        None,
        "Fetches of another issuer's keys, by outcome.",
    ),
    (
        Counter,
        "canopy_rule_calls_total",
        None,
        "Calls of rules, by world.",
    ),
    (
        Counter,
        "canopy_rule_failures_total",
        None,
        "Calls of rules that gave no answer, by world and kind.",
    ),
    (
        Counter,
        "canopy_rule_live_failures_total",
        None,
        "Failures of live rules that count towards their quarantine or were kept, by kind.",
    ),
    (
        Counter,
        "canopy_rule_quarantines_total",
        None,
        "Rule versions that were put into quarantine.",
    ),
    (
        Counter,
        "canopy_rule_refused_total",
        None,
        "Uploads that were refused, by kind.",
    ),
    (Histogram, "canopy_rule_fuel", None, "Fuel of a call, by world."),
    (
        Histogram,
        "canopy_rule_seconds",
        Some(Unit::Seconds),
        "Time of a call, by world.",
    ),
    (
        Histogram,
        "canopy_rule_compile_seconds",
        Some(Unit::Seconds),
        "Time of compiling a rule, by class.",
    ),
    (
        Gauge,
        "canopy_rule_compile_waiting",
        None,
        "Uploads that wait for their turn to be compiled, by class.",
    ),
    (
        Histogram,
        "canopy_rule_compile_wait_seconds",
        Some(Unit::Seconds),
        "How long an upload waited for its turn, by class.",
    ),
    (
        Counter,
        "canopy_rule_version_calls_total",
        None,
        "Calls of a rule version, by version.",
    ),
    (
        Counter,
        "canopy_rule_version_failures_total",
        None,
        "Failed calls of a rule version, by version and kind.",
    ),
    (
        Counter,
        "canopy_rule_version_fuel_total",
        None,
        "Fuel that a rule version used, by version.",
    ),
    (
        Histogram,
        "canopy_rule_version_seconds",
        Some(Unit::Seconds),
        "Time of a call of a rule version, by version.",
    ),
    (
        Histogram,
        "canopy_rule_version_wait_seconds",
        Some(Unit::Seconds),
        "How long a call waited for room in the sandbox, by version.",
    ),
    (
        Counter,
        "canopy_worker_rounds_total",
        None,
        "Rounds of the workers, by worker and outcome.",
    ),
    (
        Counter,
        "canopy_worker_items_total",
        None,
        "Outbox rows relayed and ratings made, by worker.",
    ),
];

fn describe() {
    for (kind, name, unit, text) in METRICS {
        match (kind, unit) {
            (Counter, Some(unit)) => describe_counter!(name, unit, text),
            (Counter, None) => describe_counter!(name, text),
            (Gauge, Some(unit)) => describe_gauge!(name, unit, text),
            (Gauge, None) => describe_gauge!(name, text),
            (Histogram, Some(unit)) => describe_histogram!(name, unit, text),
            (Histogram, None) => describe_histogram!(name, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The names of metrics in a text.
    fn names(text: &str) -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '_');
        let metrics = words.filter(|word| {
            let kinds = [
                "_total",
                "_seconds",
                "_bytes",
                "_open",
                "_fuel",
                "_waiting",
                "_leader",
                "_connected",
                "_events",
                "_bucket",
                "_sum",
                "_count",
            ];
            word.starts_with("canopy_") && kinds.iter().any(|kind| word.ends_with(kind))
        });
        let plain = |word: &str| {
            let histogram = ["_bucket", "_sum", "_count"];
            let ending = histogram.iter().find_map(|ending| word.strip_suffix(ending));
            ending.unwrap_or(word).to_owned()
        };
        metrics.map(plain).collect()
    }

    fn described() -> BTreeSet<String> {
        METRICS.iter().map(|(_, name, ..)| (*name).to_owned()).collect()
    }

    fn sources(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("a folder of the repository") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|own| own == "rs")
                && !path.ends_with("telemetry/metrics.rs")
            {
                found.extend(names(&fs::read_to_string(&path).expect("a text")));
            }
        }
    }

    #[test]
    fn each_metric_is_described_and_each_description_has_a_metric() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut counted = BTreeSet::new();
        for folder in ["src", "domain/src", "schema/src", "rules/host/src"] {
            sources(&root.join(folder), &mut counted);
        }
        assert_eq!(counted, described());
    }

    #[test]
    fn the_dashboard_shows_metrics_that_there_are() {
        let shown = names(include_str!("../../docs/grafana/canopy.json"));
        assert!(shown.len() > 10, "{shown:?}");
        assert!(
            shown.is_subset(&described()),
            "{:?}",
            shown.difference(&described())
        );
    }
}
