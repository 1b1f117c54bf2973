//! What is counted, when, and how it is written.

use super::*;
use std::{cell::Cell, panic::AssertUnwindSafe};

fn series<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
}

#[test]
fn a_timed_reconcile_is_active_then_counted_with_its_time() {
    let metrics = Metrics::new();
    let now = Cell::new(Duration::from_secs(10));
    let timer = metrics.reconcile_started(|| now.get());
    let active = "controller_runtime_active_workers{controller=\"bunqoauthclient\"}";
    assert_eq!(series(&metrics.prometheus_text().unwrap(), active), Some("1"));
    now.set(Duration::from_millis(12_500));
    timer.finished(ReconcileResult::RequeueAfter);
    let text = metrics.prometheus_text().unwrap();
    let total = "controller_runtime_reconcile_total\
                 {controller=\"bunqoauthclient\",result=\"requeue_after\"}";
    let sum = "controller_runtime_reconcile_time_seconds_sum{controller=\"bunqoauthclient\"}";
    assert_eq!(series(&text, active), Some("0"));
    assert_eq!(series(&text, total), Some("1"));
    assert_eq!(series(&text, sum), Some("2.5"));
}

#[test]
fn a_panic_counts_as_panic_and_error_and_a_dropped_timer_as_nothing() {
    let metrics = Metrics::new();
    drop(metrics.reconcile_started(Duration::default));
    let text = metrics.prometheus_text().unwrap();
    let errors = "controller_runtime_reconcile_errors_total{controller=\"bunqoauthclient\"}";
    let panics = "controller_runtime_reconcile_panics_total{controller=\"bunqoauthclient\"}";
    assert_eq!((series(&text, errors), series(&text, panics)), (Some("0"), Some("0")));
    let reconcile = AssertUnwindSafe(|| {
        let _timer = metrics.reconcile_started(Duration::default);
        panic!("a reconcile dies");
    });
    assert!(std::panic::catch_unwind(reconcile).is_err());
    let text = metrics.prometheus_text().unwrap();
    assert_eq!((series(&text, errors), series(&text, panics)), (Some("1"), Some("1")));
    assert!(text.contains("active_workers{controller=\"bunqoauthclient\"} 0"), "{text}");
}

#[test]
fn a_census_replaces_the_one_before() {
    let metrics = Metrics::new();
    let ready = |reason| ClientCensus { condition: "Ready", status: "True", reason };
    metrics.clients([(ready("Provisioned"), 3)]);
    metrics.clients([(ready("Cancelled"), 1)]);
    let text = metrics.prometheus_text().unwrap();
    let cancelled = "bunq_oauth_clients{condition=\"Ready\",status=\"True\",reason=\"Cancelled\"}";
    assert_eq!(series(&text, cancelled), Some("1"));
    assert!(!text.contains("Provisioned"), "{text}");
}
