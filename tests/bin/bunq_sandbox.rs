//! `bunq-sandbox`: the bunq emulator as a process, to develop against.

use std::{
    fs,
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    thread,
};

use clap::Parser;
use serde_json::json;
use testbed::sandbox::{Behaviour, Call, Options, Sandbox, Tls};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// An emulator of the bunq API: the signed handshake, OAuth clients, redirect URLs, logins.
///
/// When it is ready it prints one JSON line: `base_url`, `authorize_url`, `token_url`. Calls are
/// logged to stderr. POST {base_url}sandbox-user-person makes a user and answers its API key.
#[derive(Debug, Parser)]
#[command(name = "bunq-sandbox", version)]
struct Arguments {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Enforce the bank's rate limits.
    #[arg(long)]
    limits: bool,
    /// Append one JSON line per call to this file; it holds no secrets.
    #[arg(long, value_name = "FILE")]
    call_log: Option<PathBuf>,
    /// Serve HTTPS, with a certificate authority made at the start.
    #[arg(long)]
    tls: bool,
    /// Write that authority here (PEM); implies --tls.
    #[arg(long, value_name = "FILE")]
    ca_out: Option<PathBuf>,
    /// Switches that differ from the default, as JSON: {"callbackRoutes": "off"}.
    #[arg(long, value_name = "FILE")]
    behaviour: Option<PathBuf>,
    /// Make a user with this API key; repeatable.
    #[arg(long = "key", value_name = "API_KEY")]
    keys: Vec<String>,
    /// Stop when stdin ends, so that no emulator outlives the script that started it.
    #[arg(long)]
    exit_with_stdin: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when stderr is gone.
            let _ = writeln!(io::stderr(), "bunq-sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> io::Result<()> {
    let Arguments { listen, limits, call_log, tls, ca_out, behaviour, keys, exit_with_stdin } = arguments;
    let behaviour: Behaviour = match behaviour {
        Some(path) => serde_json::from_slice(&fs::read(path)?)?,
        None => Behaviour::default(),
    };
    let sandbox = Sandbox::start(Options {
        behaviour,
        limits,
        tls: (tls || ca_out.is_some()).then_some(Tls::Valid),
        listen,
        call_log,
    })
    .await?;
    sandbox.on_call(log);
    for key in &keys {
        let _user = sandbox.new_user_with_key(key);
    }
    if let (Some(path), Some(pem)) = (ca_out, sandbox.ca_pem()) {
        fs::write(path, pem)?;
    }
    let ready = json!({
        "base_url": sandbox.base_url(),
        "authorize_url": sandbox.authorize_url(),
        "token_url": sandbox.token_url(),
    });
    writeln!(io::stdout(), "{ready}")?;
    stopped(exit_with_stdin).await
}

fn log(call: &Call) {
    // A closed stderr must not stop the bank.
    let _ = writeln!(io::stderr(), "{call}");
}

/// Waits for SIGTERM, SIGINT or, if asked, the end of stdin.
async fn stopped(exit_with_stdin: bool) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        done = tokio::signal::ctrl_c() => done,
        done = end_of_stdin(), if exit_with_stdin => done,
    }
}

/// A thread of its own: tokio's stdin would keep the runtime from ending.
async fn end_of_stdin() -> io::Result<()> {
    let (ended, wait) = oneshot::channel();
    thread::spawn(move || {
        let read = io::copy(&mut io::stdin().lock(), &mut io::sink());
        // Nobody waits any more when a signal came first.
        let _ = ended.send(read.map(drop));
    });
    wait.await.unwrap_or(Ok(()))
}
