//! What is counted, when, and how it is written.

use std::{cell::Cell, panic::AssertUnwindSafe, time::Duration};

use super::*;

fn series<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
}

/// The value of a series that has the label `controller` and this name.
fn of_controller(metrics: &Metrics, name: &str) -> Option<String> {
    let text = metrics.prometheus_text().unwrap();
    series(&text, &format!("controller_runtime_{name}{{controller=\"bunqoauthclient\"}}")).map(str::to_owned)
}

#[test]
fn a_timed_reconcile_is_active_then_counted_with_its_time() {
    let metrics = Metrics::new();
    let now = Cell::new(Duration::from_secs(10));
    let timer = metrics.reconcile_started(|| now.get());
    assert_eq!(of_controller(&metrics, "active_workers").as_deref(), Some("1"));
    now.set(Duration::from_millis(12_500));
    timer.finished(ReconcileResult::RequeueAfter);
    let text = metrics.prometheus_text().unwrap();
    let total = "controller_runtime_reconcile_total\
                 {controller=\"bunqoauthclient\",result=\"requeue_after\"}";
    assert_eq!(of_controller(&metrics, "active_workers").as_deref(), Some("0"));
    assert_eq!(series(&text, total), Some("1"));
    assert_eq!(of_controller(&metrics, "reconcile_time_seconds_sum").as_deref(), Some("2.5"));
}

#[test]
fn a_panic_counts_as_panic_and_error_and_a_dropped_timer_as_nothing() {
    let metrics = Metrics::new();
    let counted = || ["reconcile_errors_total", "reconcile_panics_total"].map(|name| of_controller(&metrics, name));
    drop(metrics.reconcile_started(Duration::default));
    assert_eq!(counted(), [Some("0".to_owned()), Some("0".to_owned())]);
    let reconcile = AssertUnwindSafe(|| {
        let _timer = metrics.reconcile_started(Duration::default);
        panic!("a reconcile dies");
    });
    assert!(std::panic::catch_unwind(reconcile).is_err());
    assert_eq!(counted(), [Some("1".to_owned()), Some("1".to_owned())]);
    assert_eq!(of_controller(&metrics, "active_workers").as_deref(), Some("0"));
}

#[test]
fn an_error_that_only_a_person_can_mend_is_one_of_the_errors() {
    let metrics = Metrics::new();
    metrics.reconciled(ReconcileResult::Error, Duration::ZERO);
    metrics.reconciled(ReconcileResult::Terminal, Duration::ZERO);
    metrics.reconcile_timed_out();
    let counted = ["reconcile_errors_total", "terminal_reconcile_errors_total", "reconcile_timeouts_total"];
    assert_eq!(counted.map(|name| of_controller(&metrics, name).unwrap()), ["2", "1", "1"]);
    let failed = "controller_runtime_reconcile_total{controller=\"bunqoauthclient\",result=\"error\"}";
    assert_eq!(series(&metrics.prometheus_text().unwrap(), failed), Some("2"));
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

#[test]
fn what_happens_at_the_bank_begins_at_zero_so_that_the_first_time_is_an_increase() {
    let metrics = Metrics::new();
    metrics.knows_environment("Sandbox");
    let here = |name: &str| {
        let text = metrics.prometheus_text().unwrap();
        series(&text, &format!("bunq_{name}{{environment=\"Sandbox\"}}")).map(str::to_owned)
    };
    let names = ["api_unverified_answers_total", "sessions_opened_total", "installations_total", "breaker_open"];
    assert_eq!(names.map(|name| here(name).unwrap()), ["0"; 4]);
    metrics.bank_answer_unverified("Sandbox");
    metrics.breaker("Sandbox", true);
    metrics.knows_environment("Sandbox");
    assert_eq!(names.map(|name| here(name).unwrap()), ["1", "0", "0", "1"]);
}

#[test]
fn the_time_that_calls_waited_for_their_turn_adds_up() {
    let metrics = Metrics::new();
    metrics.limiter_waited_for(Duration::from_millis(1500));
    metrics.limiter_waited_for(Duration::from_secs(30));
    assert_eq!(series(&metrics.prometheus_text().unwrap(), "bunq_limiter_wait_seconds_total"), Some("31.5"));
}
