//! The command line: flags, environment variables and exit codes. The only place that reads the
//! environment.

use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    api,
    bunq::{BaseUrl, Endpoints, Environment, HttpOptions, HttpTransport, HttpTransportError, LimitMode},
    clock::SystemClock,
    controller::{self, ApiServer, Config, ConnectError, RunError},
    telemetry::{self, Telemetry, Traces, log::LogFormat},
};

/// Threads, at most: a node may have a hundred cores, and each thread costs memory while all of them wait.
const WORKERS: usize = 4;

/// Keeps bunq OAuth clients equal to `BunqOAuthClient` manifests.
#[derive(Debug, Parser)]
#[command(name = "bunq-oauth-operator", version = telemetry::LONG_VERSION, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator.
    Run(Box<RunArgs>),
    /// Print the custom resource definition.
    Crd,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The namespace that holds claims and contexts.
    #[arg(long, env = "POD_NAMESPACE", default_value = "bunq-operator")]
    operator_namespace: String,

    /// The service account that tenants grant access to; named in messages only.
    #[arg(long, env = "POD_SERVICE_ACCOUNT", default_value = "bunq-oauth-operator")]
    service_account: String,

    /// Look at `BunqOAuthClients` of this namespace only; may be repeated. All if left out.
    #[arg(long = "watch-namespace", value_name = "NAMESPACE")]
    watch_namespaces: Vec<String>,

    /// Base URL of bunq's production API: https, or http on a literal loopback address; ends in /v1/.
    #[arg(long, env = "BUNQ_PRODUCTION_URL", value_name = "URL", value_parser = BaseUrl::parse)]
    bunq_production_url: Option<BaseUrl>,

    /// Base URL of bunq's sandbox API: https, or http on a literal loopback address; ends in /v1/.
    #[arg(long, env = "BUNQ_SANDBOX_URL", value_name = "URL", value_parser = BaseUrl::parse)]
    bunq_sandbox_url: Option<BaseUrl>,

    /// PEM file with CA certificates to trust for bunq, in addition to the system's.
    #[arg(long, value_name = "FILE")]
    bunq_ca_file: Option<PathBuf>,

    /// Whether bunq's rate limits are kept; off is for tests and needs loopback base URLs.
    #[arg(long, value_enum, default_value_t = Limits::Bunq)]
    bunq_limits: Limits,

    /// An IPv4 address that bunq shall permit for new API keys; may be repeated and must hold the
    /// one in use. If left out, bunq permits the address that it sees.
    #[arg(long = "egress-ip", value_name = "IPV4")]
    egress_ips: Vec<Ipv4Addr>,

    /// What the account owner sees in the bunq app as the name of this device.
    #[arg(long, default_value = "bunq-oauth-operator")]
    device_description: String,

    /// Whether replicas elect one that works, by a Lease in the operator's namespace. Without it there must
    /// never be two.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    leader_elect: bool,

    /// What the Lease shows as its holder, before a random suffix.
    #[arg(long, env = "POD_NAME", default_value = "bunq-oauth-operator")]
    pod_name: String,

    /// Where /livez, /readyz and /metrics are served.
    #[arg(long, value_name = "ADDRESS", default_value_t = Config::default_http_address())]
    http_address: SocketAddr,

    /// The form of log lines.
    #[arg(long, value_enum, default_value = "json")]
    log_format: LogFormat,

    /// Which log lines are written; see the documentation of tracing-subscriber's `EnvFilter`.
    #[arg(long, env = "RUST_LOG", value_name = "FILTER")]
    log_filter: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Limits {
    /// As bunq publishes them, with a margin.
    Bunq,
    /// Not at all.
    Off,
}

/// Why the program ends with exit code 1.
#[derive(Debug, Error)]
enum CliError {
    #[error("refuse --bunq-limits off: both base URLs must be on a literal loopback address")]
    LimitsOff,
    #[error("read --bunq-ca-file {}", file.display())]
    CaFile {
        file: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("prepare the connection to bunq")]
    Transport(#[source] HttpTransportError),
    #[error("switch core dumps off")]
    CoreDumps(#[source] rustix::io::Errno),
    #[error("install the crypto provider: another one is installed")]
    CryptoProvider,
    #[error("start logging")]
    Log(#[source] telemetry::log::LogError),
    #[error("start the runtime")]
    Runtime(#[source] std::io::Error),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("run the operator")]
    Run(#[source] RunError),
    #[error("render the definition")]
    Crd(#[source] api::RenderError),
    #[error("write to stdout")]
    Stdout(#[source] std::io::Error),
}

/// The definition of the command line, for those who document it.
#[must_use]
pub fn definition() -> clap::Command {
    Cli::command()
}

/// Parses the command line and runs it. Exit codes: 0 done, 1 failed, 2 wrong use.
#[must_use]
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Crd => print_crd(),
        Command::Run(args) => run(*args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if even this fails.
            let _ = writeln!(std::io::stderr(), "error: {}", telemetry::chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn print_crd() -> Result<(), CliError> {
    let yaml = api::crd_yaml().map_err(CliError::Crd)?;
    std::io::stdout().write_all(yaml.as_bytes()).map_err(CliError::Stdout)
}

fn run(args: RunArgs) -> Result<(), CliError> {
    leave_no_core().map_err(CliError::CoreDumps)?;
    rustls::crypto::aws_lc_rs::default_provider().install_default().map_err(|_| CliError::CryptoProvider)?;
    let cores = std::thread::available_parallelism().map_or(WORKERS, NonZeroUsize::get);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(cores.min(WORKERS)).enable_all().build().map_err(CliError::Runtime)?;
    // The OpenTelemetry crates read the rest of `OTEL_*` themselves.
    let traces = Traces::start(runtime.handle(), |name| std::env::var(name).ok());
    let (traces, untraced) = traces.map_or_else(|error| (None, Some(error)), |traces| (traces, None));
    telemetry::log::init(args.log_format, args.log_filter.as_deref(), traces.as_ref()).map_err(CliError::Log)?;
    if let Some(error) = untraced {
        // Others may have set the variables for all pods alike.
        tracing::warn!(error = telemetry::chain(&error), "spans are not exported");
    }
    let ca_pem = args
        .bunq_ca_file
        .as_ref()
        .map(|file| std::fs::read(file).map_err(|source| CliError::CaFile { file: file.clone(), source }));
    let transport = HttpTransport::new(HttpOptions { ca_pem: ca_pem.transpose()? }).map_err(CliError::Transport)?;
    let config = config(args)?;
    let result = runtime.block_on(async {
        let clock = SystemClock::shared();
        let monotonic = Arc::clone(&clock);
        let telemetry = Telemetry::new(move || monotonic.monotonic());
        let api_server = ApiServer::infer(&telemetry).await?;
        tracing::info!(version = telemetry::LONG_VERSION, "starting");
        controller::run(config, api_server, Arc::new(transport), clock, telemetry, told_to_stop())
            .await
            .map_err(CliError::Run)
    });
    if let Some(traces) = traces {
        traces.finish();
    }
    result
}

/// API keys and sessions are in this memory: a crash writes none of it to a disk, and no other process of this
/// user may read it (`H06`).
fn leave_no_core() -> rustix::io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

fn config(args: RunArgs) -> Result<Config, CliError> {
    let RunArgs {
        operator_namespace,
        service_account,
        watch_namespaces,
        bunq_production_url,
        bunq_sandbox_url,
        bunq_ca_file: _,
        bunq_limits,
        egress_ips,
        device_description,
        leader_elect,
        pod_name,
        http_address,
        log_format: _,
        log_filter: _,
    } = args;
    let is_local = |url: &Option<BaseUrl>| url.as_ref().is_some_and(BaseUrl::is_loopback);
    let limits = match bunq_limits {
        Limits::Bunq => LimitMode::Bunq,
        Limits::Off if is_local(&bunq_production_url) && is_local(&bunq_sandbox_url) => LimitMode::Off,
        Limits::Off => return Err(CliError::LimitsOff),
    };
    let endpoints =
        |url: Option<BaseUrl>, environment| url.map_or_else(|| Endpoints::of(environment), Endpoints::overridden);
    Ok(Config {
        operator_namespace,
        service_account,
        watch_namespaces,
        production: endpoints(bunq_production_url, Environment::Production),
        sandbox: endpoints(bunq_sandbox_url, Environment::Sandbox),
        limits,
        egress_ips,
        device_description,
        http_address,
        leader_elect,
        pod_name,
    })
}

/// The first SIGTERM or ctrl-c asks for an orderly end, the second ends at once.
async fn told_to_stop() {
    let (Ok(mut term), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping: passes under way come to an end; a second signal ends at once");
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(1);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Config, String> {
        let args = ["bunq-oauth-operator", "run"].iter().chain(args);
        let cli = Cli::try_parse_from(args).map_err(|error| error.to_string())?;
        match cli.command {
            Command::Run(args) => config(*args).map_err(|error| error.to_string()),
            Command::Crd => Err("crd".to_owned()),
        }
    }

    #[test]
    fn limits_can_only_be_lifted_for_a_bank_on_this_machine() {
        let (local, remote) = ("http://127.0.0.1:1/v1/", "https://bank.example/v1/");
        assert!(parse(&["--bunq-limits", "off", "--bunq-sandbox-url", local, "--bunq-production-url", local]).is_ok());
        for sandbox in [local, remote] {
            let args = ["--bunq-limits", "off", "--bunq-sandbox-url", sandbox, "--bunq-production-url", remote];
            assert!(parse(&args).unwrap_err().contains("loopback"));
        }
        assert!(
            parse(&["--bunq-limits", "off", "--bunq-sandbox-url", local]).is_err(),
            "the bank's own production URL"
        );
    }

    #[test]
    fn a_base_url_is_refused_with_the_rule_it_breaks() {
        let error = parse(&["--bunq-sandbox-url", "http://bank.example/v1/"]).unwrap_err();
        assert!(error.contains("loopback"), "{error}");
    }

    #[test]
    fn an_overridden_base_url_moves_the_published_endpoints_along() {
        let config = parse(&["--bunq-sandbox-url", "http://127.0.0.1:1/v1/"]).unwrap();
        assert_eq!(config.sandbox.authorize, "http://127.0.0.1:1/auth");
        assert_eq!(config.sandbox.token, "http://127.0.0.1:1/v1/token");
        assert_eq!(config.production.authorize, "https://oauth.bunq.com/auth");
    }

    #[test]
    fn the_whole_command_line_is_consistent() {
        definition().debug_assert();
    }
}
