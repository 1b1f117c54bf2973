//! The command line that others script against.

use std::{fs, process::Stdio, time::Duration};

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use testbed::harness::{Outcome, bench::repository, ensure, ensure_eq, process::binary};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::timeout,
};

use crate::stage::{Stage, report};

const LOCAL: &str = "http://127.0.0.1:9/v1/";

/// Nobody listens there.
const NO_CLUSTER: &str = "\
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: 'http://127.0.0.1:9'}}]
users: [{name: none, user: {}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
current-context: none
";

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    vec![
        stage.plain("cli", "crd_prints_the_committed_definition", crd_prints_the_committed_definition()),
        stage.plain("cli", "the_version_has_a_git_revision", the_version_has_a_git_revision()),
        stage.plain("cli", "an_unknown_flag_ends_with_2", an_unknown_flag_ends_with_2()),
        stage.plain("cli", "help_names_every_flag", help_names_every_flag()),
        stage.plain(
            "cli",
            "without_a_cluster_it_waits_and_says_so_once",
            without_a_cluster_it_waits_and_says_so_once(),
        ),
        stage.plain("cli", "limits_are_lifted_only_for_a_local_bank", limits_are_lifted_only_for_a_local_bank()),
        stage.plain("cli", "base_urls_are_taken_or_refused_by_rule", base_urls_are_taken_or_refused_by_rule()),
    ]
}

/// What the operator answered: exit code, standard output, standard error.
struct Answer {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// What an operator says that found nothing to complain about, and no cluster.
const WAITING: &str = "waiting: ";

/// Runs the operator in a place without any cluster; one that waits for it is told to end.
async fn operator(args: &[&str]) -> Outcome<Answer> {
    operator_waiting(args, Duration::ZERO).await
}

/// The same, and it waits for so long.
async fn operator_waiting(args: &[&str], wait: Duration) -> Outcome<Answer> {
    let folder = tempfile::tempdir()?;
    let kubeconfig = folder.path().join("kubeconfig");
    fs::write(&kubeconfig, NO_CLUSTER)?;
    let mut child = Command::new(binary()?)
        .args(args)
        .env_clear()
        .env("KUBECONFIG", &kubeconfig)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stderr.take().ok_or("no standard error")?).lines();
    let mut stderr = String::new();
    let listened = async {
        while let Some(line) = lines.next_line().await? {
            let is_waiting = line.contains(WAITING);
            stderr.push_str(&line);
            stderr.push('\n');
            if is_waiting {
                tokio::time::sleep(wait).await;
                let id =
                    child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).ok_or("it ended while it waited")?;
                kill_process(id, Signal::TERM)?;
            }
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(child.wait_with_output().await?)
    };
    let output = timeout(Duration::from_mins(1), listened).await??;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(Answer { code: output.status.code(), stdout, stderr })
}

/// The lines for people: those that are not the log.
fn said(answer: &Answer) -> Vec<&str> {
    answer.stderr.lines().filter(|line| !line.starts_with('{')).collect()
}

async fn crd_prints_the_committed_definition() -> Outcome {
    let committed = fs::read_to_string(repository().join("crds/bunqoauthclients.bunq-operator.io.yaml"))?;
    let printed = operator(&["crd"]).await?;
    ensure_eq(printed.code, Some(0), "the exit code")?;
    ensure(printed.stdout == committed, || "the committed definition differs: run make crds".to_owned())
}

async fn the_version_has_a_git_revision() -> Outcome {
    let answer = operator(&["--version"]).await?;
    let revision = answer.stdout.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(it, _)| it);
    let hex = revision.unwrap_or_default().trim_end_matches("-dirty");
    let is_revision = hex.len() == 12 && hex.chars().all(|digit| digit.is_ascii_hexdigit());
    ensure(is_revision, || format!("--version says {:?}", answer.stdout))
}

async fn an_unknown_flag_ends_with_2() -> Outcome {
    for args in [&["run", "--no-such-flag"][..], &["no-such-command"], &["run", "--bunq-limits", "some"], &[]] {
        let answer = operator(args).await?;
        ensure_eq(answer.code, Some(2), &format!("the exit code of {args:?}"))?;
        ensure(!answer.stderr.is_empty(), || format!("{args:?} is not explained"))?;
    }
    Ok(())
}

async fn help_names_every_flag() -> Outcome {
    let help = operator(&["run", "--help"]).await?.stdout;
    for flag in [
        "--operator-namespace",
        "--watch-namespace",
        "--bunq-production-url",
        "--bunq-sandbox-url",
        "--bunq-ca-file",
        "--bunq-limits",
        "--egress-ip",
        "--device-description",
        "--http-address",
        "--log-format",
        "POD_NAMESPACE",
        "BUNQ_PRODUCTION_URL",
        "BUNQ_SANDBOX_URL",
        "[default: 0.0.0.0:8080]",
        "[default: bunq-operator]",
    ] {
        ensure(help.contains(flag), || format!("--help does not name {flag}"))?;
    }
    Ok(())
}

/// F44.
async fn without_a_cluster_it_waits_and_says_so_once() -> Outcome {
    let several_questions = Duration::from_secs(3);
    let answer = operator_waiting(&["run", "--http-address", "127.0.0.1:0"], several_questions).await?;
    ensure_eq(answer.code, Some(0), "the exit code when it is told to end")?;
    let said: Vec<&str> = answer.stderr.lines().filter(|line| line.contains(WAITING)).collect();
    ensure(said.len() == 1 && said[0].contains("API server cannot be reached"), || format!("it says {said:?}"))
}

async fn limits_are_lifted_only_for_a_local_bank() -> Outcome {
    let remote = "https://bank.example/v1/";
    for (sandbox, production, refused) in [(LOCAL, LOCAL, false), (remote, LOCAL, true), (LOCAL, remote, true)] {
        let answer = operator(&[
            "run",
            "--http-address",
            "127.0.0.1:0",
            "--bunq-limits",
            "off",
            "--bunq-sandbox-url",
            sandbox,
            "--bunq-production-url",
            production,
        ])
        .await?;
        let said = said(&answer).join("\n");
        ensure_eq(said.contains("loopback"), refused, &format!("{sandbox} and {production} refused: {said}"))?;
        ensure_eq(answer.code, Some(i32::from(refused)), "the exit code")?;
    }
    Ok(())
}

/// Who may receive an API key (`H01`): thirty-odd URLs, and the rule that refuses each.
const BASE_URLS: &[(&str, Option<&str>)] = &[
    ("https://bank.example/v1/", None),
    ("https://bank.example:8443/proxy/v1/", None),
    ("https://BANK.example/v1/", None),
    ("https://bank.example./v1/", None),
    ("https://xn--bnq-hoa.example/v1/", None),
    ("https://10.0.0.1/v1/", None),
    (LOCAL, None),
    ("http://127.255.255.254:9/v1/", None),
    ("http://[::1]:9/v1/", None),
    ("http://bank.example/v1/", Some("loopback")),
    ("http://localhost:9/v1/", Some("loopback")),
    ("http://localhost.evil.example/v1/", Some("loopback")),
    ("http://127.0.0.1.evil.example/v1/", Some("loopback")),
    ("http://10.0.0.1/v1/", Some("loopback")),
    ("http://0.0.0.0/v1/", Some("loopback")),
    ("http://[::ffff:127.0.0.1]/v1/", Some("loopback")),
    ("http://[::ffff:1.2.3.4]/v1/", Some("loopback")),
    ("http://127.1/v1/", Some("host")),
    ("http://2130706433/v1/", Some("host")),
    ("http://0x7f000001/v1/", Some("host")),
    ("http://0177.0.0.1/v1/", Some("host")),
    ("https://a_b.example/v1/", Some("host")),
    ("https://user:password@bank.example/v1/", Some("user name")),
    ("http://127.0.0.1@evil.example/v1/", Some("user name")),
    ("https://evil.example#@bank.example/v1/", Some("fragment")),
    ("https://bank.example/v1/?a=b", Some("query")),
    ("https://bank.example\\@evil.example/v1/", Some("backslashes")),
    ("https://bank.example /v1/", Some("spaces")),
    (" https://bank.example/v1/", Some("spaces")),
    ("https://b\u{fc}nq.example/v1/", Some("ASCII")),
    ("https://bank.example:0/v1/", Some("port")),
    ("https://bank.example:65536/v1/", Some("port")),
    ("https://bank.example/v1", Some("/v1/")),
    ("https://bank.example/", Some("/v1/")),
    ("https://bank.example/%2e%2e/v1/", Some("/v1/")),
    ("HTTPS://bank.example/v1/", Some("https://")),
    ("ftp://bank.example/v1/", Some("https://")),
    ("//bank.example/v1/", Some("https://")),
    ("", Some("https://")),
];

async fn base_urls_are_taken_or_refused_by_rule() -> Outcome {
    for (number, (url, refused)) in BASE_URLS.iter().enumerate() {
        let flag = ["--bunq-sandbox-url", "--bunq-production-url"][number % 2];
        let answer = operator(&["run", "--http-address", "127.0.0.1:0", flag, url]).await?;
        let said = said(&answer).join("\n");
        match refused {
            None => ensure_eq(answer.code, Some(0), &format!("{flag} {url} is no wrong use: {said}"))?,
            Some(rule) => {
                ensure_eq(answer.code, Some(2), &format!("the exit code of {flag} {url}"))?;
                ensure(said.contains(rule), || format!("the refusal of {url:?} does not say {rule}: {said}"))?;
            }
        }
    }
    report(&format!("base URLs: {} on the command line", BASE_URLS.len()));
    Ok(())
}
