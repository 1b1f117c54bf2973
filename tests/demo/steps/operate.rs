//! Step 3: the operator, with its service account's token and nothing else.

use std::env;
use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use crate::error::{Error, Part};
use crate::narrate::Narrator;
use crate::process::Supervised;
use crate::world::{Bank, OPERATOR_NAMESPACE, SERVICE_ACCOUNT, World};

const READY_WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What a connection to bunq's own sandbox may need of this machine.
const FOR_THE_REAL_BANK: [&str; 8] =
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"];

pub(crate) async fn start(world: &mut World, narrator: &Narrator) -> Result<(), Error> {
    narrator.step(3, "run the operator with its service account's token and the deployed RBAC", "2 seconds");
    let kubeconfig = world.plane.service_account_kubeconfig(OPERATOR_NAMESPACE, SERVICE_ACCOUNT).await?;
    let as_operator = world.plane.kubectl().with_kubeconfig(&kubeconfig);
    narrator.command("kubectl --kubeconfig=OPERATOR auth whoami");
    narrator.output(&as_operator.run(&["auth", "whoami"]).await?);

    let address = free_address()?;
    let args = arguments(&world.bank, &address);
    narrator.command(format_args!("bunq-oauth-operator {}", args.join(" ")));
    let mut environment = vec![(OsString::from("KUBECONFIG"), kubeconfig.into_os_string())];
    if world.bank.emulator().is_none() {
        let inherited = FOR_THE_REAL_BANK.iter().filter_map(|&name| Some((name.into(), env::var_os(name)?)));
        environment.extend(inherited);
    }
    let log = world.file("operator.log");
    narrator.say(format_args!("its log: {}", log.display()));
    let program = &world.settings.operator;
    world.operator = Some(Supervised::start(Part::Operator, program, &args, environment, log, Stdio::null())?);
    narrator.patiently("the operator to be ready", "1 second", until_ready(world, &address)).await?;
    narrator.say(format_args!("http://{address}/readyz says it is ready"));
    Ok(())
}

fn arguments(bank: &Bank, http_address: &str) -> Vec<String> {
    let mut args = vec!["run".to_owned()];
    match bank {
        Bank::Emulator(emulator) => {
            // Both, or the operator would not let go of the bank's limits.
            for flag in ["--bunq-sandbox-url", "--bunq-production-url"] {
                args.extend([flag, &emulator.base_url].map(str::to_owned));
            }
            args.extend(["--bunq-limits", "off"].map(str::to_owned));
        }
        Bank::Real(_) => {}
    }
    args.extend(["--http-address", http_address].map(str::to_owned));
    args.extend(["--operator-namespace", OPERATOR_NAMESPACE, "--log-format", "json"].map(str::to_owned));
    args
}

fn free_address() -> Result<String, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("find a free port"))?;
    Ok(listener.local_addr().map_err(Error::io("find a free port"))?.to_string())
}

async fn until_ready(world: &World, address: &str) -> Result<(), Error> {
    let no_client = |error: reqwest::Error| Error::unexpected(Part::Operator, error.to_string());
    let http = reqwest::Client::builder().no_proxy().build().map_err(no_client)?;
    let url = format!("http://{address}/readyz");
    let ready = async {
        while !http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let late = Error::TooLate { part: Part::Operator, what: "/readyz", seconds: READY_WITHIN.as_secs() };
    world.attended(tokio::time::timeout(READY_WITHIN, ready)).await?.map_err(|_| late)
}
