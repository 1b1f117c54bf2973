//! Step 1: a control plane and a bank on free loopback ports, in a temporary folder.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use testbed::controlplane::{ControlPlane, Options, Progress};
use testbed::harness::oauth_client::RedirectListener;

use crate::error::{Error, Part};
use crate::narrate::Narrator;
use crate::process::{Supervised, tail};
use crate::settings::Settings;
use crate::world::{Bank, Emulator, World};

const READY_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const TAIL: usize = 30;

pub(crate) async fn everything(settings: Settings, narrator: &Arc<Narrator>) -> Result<World, Error> {
    narrator.step(
        1,
        "start a Kubernetes control plane and a bank on this machine",
        "5 seconds, and 4 to 8 minutes more the very first time, to build Kubernetes",
    );
    narrator.say(version(&settings.operator)?);
    let redirect = RedirectListener::bind().await?;
    let told = Arc::clone(narrator);
    let progress = Progress::new(move |sentence| told.say(format_args!("control plane: {sentence}")));
    let plane = ControlPlane::start(Options { progress, ..Options::default() }).await?;
    let bank = bank(&settings, plane.dir(), narrator).await?;
    Ok(World { operator: None, bank, plane, redirect, settings })
}

fn version(operator: &Path) -> Result<String, Error> {
    let output = Command::new(operator)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io(format!("run {}", operator.display())))?;
    if !output.status.success() {
        return Err(Error::Ended { part: Part::Operator, status: output.status });
    }
    Ok(format!("operator: {}", String::from_utf8_lossy(&output.stdout).trim()))
}

async fn bank(settings: &Settings, folder: &Path, narrator: &Narrator) -> Result<Bank, Error> {
    if let Some(api_key) = &settings.api_key {
        narrator.say("bank: bunq's own sandbox, with your BUNQ_API_KEY");
        return Ok(Bank::Real(api_key.clone()));
    }
    let output_file = folder.join("bunq-sandbox.json");
    let call_log = folder.join("bunq-calls.jsonl");
    let log = folder.join("bunq-sandbox.log");
    let output = File::create(&output_file).map_err(Error::io(format!("write {}", output_file.display())))?;
    let args = ["--call-log".into(), call_log.clone().into_os_string()];
    let no_environment: [(&str, &str); 0] = [];
    let process =
        Supervised::start(Part::Emulator, &settings.emulator, args, no_environment, log.clone(), output.into())?;
    let base_url = match base_url(&process, &output_file).await {
        Ok(url) => url,
        Err(error) => {
            // The folder goes with this step, so its log has to be told now.
            narrator.evidence(Part::Emulator, &tail(&log, TAIL));
            return Err(error);
        }
    };
    narrator.say(format_args!("bank: the bunq emulator at {base_url}"));
    narrator.command(format_args!("curl -X POST {base_url}sandbox-user-person"));
    let api_key = new_api_key(&base_url).await?;
    narrator.output("(a new user; its API key is kept to ourselves)");
    Ok(Bank::Emulator(Emulator { process, base_url, call_log, api_key }))
}

/// The line that the emulator prints when it is ready.
async fn base_url(process: &Supervised, output: &Path) -> Result<String, Error> {
    let ready = async {
        loop {
            let text = tokio::fs::read_to_string(output).await.unwrap_or_default();
            if let Some((line, _)) = text.split_once('\n') {
                let ready: Value = serde_json::from_str(line).unwrap_or_default();
                let url = ready["base_url"].as_str().map(str::to_owned);
                return url.ok_or_else(|| Error::unexpected(Part::Emulator, format!("it printed {line}")));
            }
            process.check()?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let late = Error::TooLate { part: Part::Emulator, what: "its start", seconds: READY_WITHIN.as_secs() };
    tokio::time::timeout(READY_WITHIN, ready).await.unwrap_or(Err(late))
}

/// What the README's curl does.
async fn new_api_key(base_url: &str) -> Result<SecretString, Error> {
    let failed = |error: reqwest::Error| Error::ApiKey(error.to_string());
    let http = reqwest::Client::builder().no_proxy().build().map_err(failed)?;
    let answer = http.post(format!("{base_url}sandbox-user-person")).send().await.map_err(failed)?;
    let body = answer.bytes().await.map_err(failed)?;
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut items = body["Response"].as_array().into_iter().flatten();
    let key = items.find_map(|item| item["ApiKey"]["api_key"].as_str());
    key.map(SecretString::from).ok_or_else(|| Error::ApiKey("the answer holds none".to_owned()))
}
