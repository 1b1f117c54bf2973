//! The endpoint over a real socket, and both metric formats as a scraper reads them.

use std::collections::BTreeMap;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};

use super::*;
use crate::telemetry::{
    BankCall, ReconcileResult,
    metrics::{RestCall, RestCode},
};

struct Served {
    telemetry: Telemetry,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

async fn served() -> Served {
    served_within(DEADLINES).await
}

async fn served_within(deadlines: Deadlines) -> Served {
    let telemetry = Telemetry::new(|| Duration::ZERO);
    let mut endpoint = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    endpoint.deadlines = deadlines;
    let address = endpoint.address();
    let (stop, stopped) = oneshot::channel();
    let until = async { stopped.await.unwrap_or(()) };
    let server = tokio::spawn(endpoint.serve(telemetry.clone(), until));
    Served { telemetry, address, stop, server }
}

impl Served {
    async fn send(&self, request: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), body.to_owned())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.send(&format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await;
        (status, body)
    }

    async fn scrape(&self, accept: &str) -> (String, String) {
        let request = format!("GET /metrics HTTP/1.1\r\nhost: test\r\naccept: {accept}\r\n\r\n");
        let (status, head, body) = self.send(&request).await;
        assert_eq!(status, 200);
        let kind = head.lines().find_map(|line| line.strip_prefix("content-type: "));
        (kind.unwrap().to_owned(), body)
    }
}

#[tokio::test]
async fn readyz_turns_when_readiness_is_earned_and_again_at_shutdown() {
    let served = served().await;
    assert_eq!(served.get("/readyz").await.0, 503);
    let watch = served.telemetry.readiness.handle("watch");
    let (status, body) = served.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(body.contains("[-]watch failed: not yet\n"), "{body}");
    watch.set_ready();
    assert_eq!(served.get("/readyz").await, (200, "ok\n".to_owned()));
    let (_, body) = served.get("/readyz?verbose").await;
    assert!(body.contains("[+]watch ok\n") && body.ends_with("readyz check passed\n"), "{body}");
    served.telemetry.readiness.shutting_down();
    let (status, body) = served.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(body.contains("[-]not-shutting-down failed"), "{body}");
}

#[tokio::test]
async fn livez_turns_when_a_core_task_ends() {
    let served = served().await;
    let task = served.telemetry.liveness.task("controller");
    assert_eq!(served.get("/livez").await, (200, "ok\n".to_owned()));
    assert!(served.get("/livez?verbose").await.1.contains("[+]controller ok\n"));
    drop(task);
    let (status, body) = served.get("/livez").await;
    assert_eq!(status, 503);
    assert!(body.contains("[-]controller failed: the task has ended\n"), "{body}");
}

#[tokio::test]
async fn only_get_on_the_three_paths_is_answered() {
    let served = served().await;
    assert_eq!(served.get("/").await.0, 404);
    assert_eq!(served.get("/metrics/").await.0, 404);
    let post = "POST /metrics HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(served.send(post).await.0, 405);
    let huge = format!("GET /{} HTTP/1.1\r\nhost: test\r\n\r\n", "a".repeat(MAX_HEADER_BYTES));
    assert!((400..500).contains(&served.send(&huge).await.0));
}

#[tokio::test]
async fn silent_and_slow_peers_are_let_go_and_others_are_served_meanwhile() {
    for deadlines in [
        Deadlines { header: Duration::from_millis(50), ..DEADLINES },
        Deadlines { connection: Duration::from_millis(50), ..DEADLINES },
    ] {
        let served = served_within(deadlines).await;
        let mut silent = TcpStream::connect(served.address).await.unwrap();
        silent.write_all(b"GET /livez HTTP/1.1\r\nhos").await.unwrap();
        assert_eq!(served.get("/livez").await.0, 200);
        let mut rest = Vec::new();
        // Returns only because the server closes the connection, with an answer or without one.
        let closed = timeout(Duration::from_secs(4), silent.read_to_end(&mut rest)).await;
        assert!(closed.is_ok());
        assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
    }
}

#[tokio::test]
async fn a_probe_is_answered_at_once_whatever_hangs_on_the_port() {
    let served = served().await;
    served.telemetry.readiness.handle("watch").set_ready();
    let unread = "GET /metrics HTTP/1.1\r\nhost: test\r\n\r\n";
    for words in ["", "GET /livez HTTP/1.1\r\nhos", unread] {
        let mut hanging = Vec::new();
        for _ in 0..400 {
            let mut peer = TcpStream::connect(served.address).await.unwrap();
            // One that was closed to make room cannot be written to.
            let _ = peer.write_all(words.as_bytes()).await;
            hanging.push(peer);
        }
        for path in ["/livez", "/readyz", "/metrics"] {
            let answered = timeout(Duration::from_millis(100), served.get(path)).await;
            assert_eq!(answered.unwrap_or_else(|_| panic!("{path} is late after {words:?}")).0, 200);
        }
    }
    // Whoever knocks without end is no hindrance either.
    let address = served.address;
    let knocking = tokio::spawn(async move {
        let mut hanging = VecDeque::new();
        loop {
            hanging.push_back(TcpStream::connect(address).await.unwrap());
            hanging.drain(..hanging.len().saturating_sub(2 * MAX_CONNECTIONS));
        }
    });
    for _ in 0..50 {
        let answered = timeout(Duration::from_millis(100), served.get("/livez")).await;
        assert_eq!(answered.unwrap(), (200, "ok\n".to_owned()));
    }
    knocking.abort();
}

#[tokio::test]
async fn a_peer_that_asked_outlives_those_that_say_nothing() {
    let quiet = || (Arc::new(AtomicBool::new(false)), std::future::pending());
    let mut connections = Connections::default();
    connections.open(Arc::new(AtomicBool::new(true)), std::future::pending());
    for _ in 0..2 * MAX_CONNECTIONS {
        let (has_asked, connection) = quiet();
        connections.open(has_asked, connection);
        yield_now().await;
    }
    assert!(!connections.peers[0].task.is_finished(), "who asked is served to the end");
    assert!(connections.peers.len() <= MAX_CONNECTIONS);
}

#[tokio::test]
async fn the_server_ends_when_it_is_told_to() {
    let served = served().await;
    assert_eq!(served.get("/livez").await.0, 200);
    served.stop.send(()).unwrap();
    served.server.await.unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}

#[tokio::test]
async fn the_format_of_metrics_is_negotiated() {
    let served = served().await;
    let (kind, text) = served.scrape("*/*").await;
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    assert!(!text.contains("# EOF"), "{text}");
    // What Prometheus 3 sends.
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,\
                  text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    let (kind, text) = served.scrape(accept).await;
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    let (kind, _) = served.scrape("application/openmetrics-text;q=0.1,text/plain").await;
    assert!(kind.starts_with("text/plain"), "{kind}");
}

#[tokio::test]
async fn every_series_is_announced_with_help_and_type_in_both_formats() {
    let served = served().await;
    let metrics = &served.telemetry.metrics;
    metrics.reconciled(ReconcileResult::Error, Duration::from_millis(7));
    metrics.knows_environment("sandbox");
    let call = BankCall { environment: "sandbox", method: "GET", endpoint: "oauth-client", outcome: "ok" };
    metrics.bank_call(call, Duration::from_millis(70));
    metrics.rest_call(&RestCall { code: RestCode::NoAnswer, method: "GET", host: "10.0.0.1:443".into() });
    metrics.leader("lease", true);
    metrics.session_opened("sandbox");
    metrics.installed("sandbox");
    metrics.limiter_waited();
    metrics.secret_repaired();
    metrics.max_concurrent_reconciles(32);
    let classic = parsed(&served.scrape("text/plain").await.1, &[]);
    let open =
        parsed(&served.scrape("application/openmetrics-text").await.1, &[("counter", "_total"), ("info", "_info")]);
    // What the process costs has changed between two scrapes.
    let lasting = |series: &BTreeMap<String, String>| {
        let mut lasting = series.clone();
        lasting.retain(|name, _| !name.starts_with("process_"));
        lasting
    };
    assert_eq!(lasting(&classic), lasting(&open));
    let labels = "controller=\"bunqoauthclient\"";
    for (series, value) in [
        (format!("controller_runtime_reconcile_total{{{labels},result=\"error\"}}"), "1"),
        (format!("controller_runtime_reconcile_errors_total{{{labels}}}"), "1"),
        (format!("controller_runtime_reconcile_time_seconds_count{{{labels}}}"), "1"),
        (format!("controller_runtime_max_concurrent_reconciles{{{labels}}}"), "32"),
        ("bunq_sessions_opened_total{environment=\"sandbox\"}".to_owned(), "1"),
        ("bunq_installations_total{environment=\"sandbox\"}".to_owned(), "1"),
        ("bunq_limiter_waits_total".to_owned(), "1"),
        ("bunq_api_unverified_answers_total{environment=\"sandbox\"}".to_owned(), "0"),
        ("bunq_breaker_open{environment=\"sandbox\"}".to_owned(), "0"),
        ("rest_client_requests_total{code=\"<error>\",method=\"GET\",host=\"10.0.0.1:443\"}".to_owned(), "1"),
        ("leader_election_master_status{name=\"lease\"}".to_owned(), "1"),
        ("bunq_api_request_duration_seconds_count{method=\"GET\",endpoint=\"oauth-client\"}".to_owned(), "1"),
        ("bunq_secret_repairs_total".to_owned(), "1"),
        (
            "bunq_api_requests_total{environment=\"sandbox\",method=\"GET\",\
             endpoint=\"oauth-client\",outcome=\"ok\"}"
                .to_owned(),
            "1",
        ),
    ] {
        assert_eq!(classic.get(&series).map(String::as_str), Some(value), "{series}");
    }
    let build = classic.keys().find(|key| key.starts_with("bunq_oauth_operator_build_info{"));
    assert!(build.unwrap().contains(super::super::VERSION));
}

/// Reads an exposition strictly: every series must follow the HELP and TYPE of its family, whose
/// series end in what `suffixes` says for the type.
fn parsed(text: &str, suffixes: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut series = BTreeMap::new();
    let (mut helped, mut family, mut kind) = ("", "", "");
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap();
            assert!(!text.is_empty() && name != helped, "{line}");
            helped = name;
        } else if let Some(typed) = line.strip_prefix("# TYPE ") {
            (family, kind) = typed.split_once(' ').unwrap();
            assert_eq!(family, helped, "{line}");
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            value.parse::<f64>().unwrap();
            let suffix = name.strip_prefix(family).unwrap();
            let suffix = suffix.split('{').next().unwrap();
            let declared = suffixes.iter().find(|(of, _)| *of == kind);
            match kind {
                "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}"),
                _ => assert_eq!(suffix, declared.map_or("", |(_, suffix)| suffix), "{line}"),
            }
            assert!(series.insert(name.to_owned(), value.to_owned()).is_none(), "{line}");
        }
    }
    series
}
