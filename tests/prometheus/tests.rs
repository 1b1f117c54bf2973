//! The judge finds what is wrong.

use serde_json::json;

use super::*;

const GOOD: &str =
    "# HELP bunq_things_total Things.\n# TYPE bunq_things_total counter\nbunq_things_total{kind=\"a\"} 1\n";

async fn refusal(format: Format, scrape: &str) -> String {
    let judge = Prometheus::ready().await.unwrap();
    judge.read(format, scrape).unwrap_err().to_string()
}

#[tokio::test]
async fn a_scrape_is_read_as_it_is() {
    let judge = Prometheus::ready().await.unwrap();

    let read = judge.read(Format::Classic, GOOD).unwrap();

    assert_eq!(read.count, 1);
    assert_eq!(read.families["bunq_things_total"], "counter");
    assert_eq!(read.series["bunq_things_total"], ["kind"]);
    assert_eq!(read.labels["kind"], ["a"]);
    assert!(read.problems.is_empty(), "{:?}", read.problems);
}

#[tokio::test]
async fn a_broken_scrape_is_refused_and_a_poor_one_is_told() {
    let judge = Prometheus::ready().await.unwrap();
    assert!(refusal(Format::Classic, "bunq_things_total{kind=} 1\n").await.contains("broken"));
    assert!(refusal(Format::Classic, "# TYPE bunq_things_total counter\nbunq_things_total 1\n").await.contains("help"));
    let twice = format!("{GOOD}bunq_things_total{{kind=\"a\"}} 2\n");
    assert!(refusal(Format::Classic, &twice).await.contains("twice"));
    assert!(refusal(Format::OpenMetrics, "bunq_things_total 1\n").await.contains("broken"), "there is no # EOF");

    let poor = judge.read(Format::Classic, &GOOD.replace("_total", "")).unwrap();
    assert!(poor.problems[0].contains("_total"), "{:?}", poor.problems);
}

#[tokio::test]
async fn a_query_is_taken_apart() {
    let judge = Prometheus::ready().await.unwrap();
    let query = "sum by (reason) (rate(bunq_things_total{kind=\"a\"}[5m])) > 0".to_owned();

    let named = judge.names(&[query]).unwrap();

    assert_eq!(named.len(), 1);
    assert_eq!(
        (named[0].metric.as_str(), &*named[0].labels),
        ("bunq_things_total", &["kind".to_owned(), "reason".to_owned()][..])
    );
    assert!(judge.names(&["sum(".to_owned()]).is_err());
}

#[tokio::test]
async fn a_manifest_with_a_field_that_nobody_knows_is_refused() {
    let judge = Prometheus::ready().await.unwrap();
    let mut monitor =
        json!({"kind": "PodMonitor", "spec": {"jobLabel": "app", "selector": {}, "podMetricsEndpoints": []}});
    assert_eq!(judge.manifest(&monitor).unwrap(), "PodMonitor");

    monitor["spec"]["labelOfTheJob"] = json!("app");

    let refused = judge.manifest(&monitor).unwrap_err().to_string();
    assert!(refused.contains("labelOfTheJob"), "{refused}");
}

#[tokio::test]
async fn an_alert_that_does_not_do_as_a_case_says_is_a_fault() {
    let judge = Prometheus::ready().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (rules, cases) = (folder.path().join("rules.yaml"), folder.path().join("cases.yaml"));
    std::fs::write(&rules, "groups: [{name: g, rules: [{alert: High, expr: x > 1, for: 2m}]}]").unwrap();
    let case = |firing: &str| {
        format!(
            "cases: [{{name: it rises, series: [{{series: x, values: 0x5 2x20}}], \
             expect: [{{at: 7m, firing: []}}, {{at: 9m, firing: {firing}}}]}}]"
        )
    };

    std::fs::write(&cases, case("[{alertname: High}]")).unwrap();
    let right = judge.alerts(&rules, &cases).unwrap();
    std::fs::write(&cases, case("[]")).unwrap();
    let wrong = judge.alerts(&rules, &cases).unwrap();

    assert!(right.faults.is_empty(), "{:?}", right.faults);
    assert_eq!((right.fired["High"], right.silent["High"]), (1, 1));
    assert_eq!(wrong.faults.len(), 1);
}
