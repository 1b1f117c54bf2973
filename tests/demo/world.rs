//! Everything that runs, and the two things every step does with it: call kubectl, and wait.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use secrecy::SecretString;
use serde::Deserialize;
use testbed::controlplane::{Component, ControlPlane};
use testbed::harness::oauth_client::RedirectListener;
use tokio::process::Command;

use super::error::{Error, Part};
use super::narrate::Narrator;
use super::process::{Supervised, tail};
use super::settings::Settings;

/// The tenant's namespace.
pub(crate) const SHOP: &str = "shop";
/// The sample, and the Secret of the same name.
pub(crate) const SAMPLE: &str = "my-app";
/// The operator's namespace and service account.
pub(crate) const OPERATOR_NAMESPACE: &str = "bunq-operator";
pub(crate) const SERVICE_ACCOUNT: &str = "bunq-oauth-operator";
/// Lines of a log that are shown when something failed.
const TAIL: usize = 30;
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Dropped in this order: whoever calls goes before whom it calls.
pub(crate) struct World {
    pub(crate) operator: Option<Supervised>,
    pub(crate) bank: Bank,
    pub(crate) plane: ControlPlane,
    pub(crate) redirect: RedirectListener,
    pub(crate) settings: Settings,
}

/// Whom the operator speaks with.
pub(crate) enum Bank {
    /// The emulator, started here.
    Emulator(Emulator),
    /// bunq's own sandbox, with the person's key.
    Real(SecretString),
}

/// The bank emulator, a process of its own.
pub(crate) struct Emulator {
    pub(crate) process: Supervised,
    pub(crate) base_url: String,
    pub(crate) call_log: PathBuf,
    pub(crate) api_key: SecretString,
}

impl Bank {
    pub(crate) fn api_key(&self) -> &SecretString {
        match self {
            Self::Emulator(emulator) => &emulator.api_key,
            Self::Real(api_key) => api_key,
        }
    }

    pub(crate) fn emulator(&self) -> Option<&Emulator> {
        match self {
            Self::Emulator(emulator) => Some(emulator),
            Self::Real(_) => None,
        }
    }

    /// How long Ready may take: bunq allows one session in 30 s.
    pub(crate) fn patience_seconds(&self) -> u32 {
        match self {
            Self::Emulator(_) => 60,
            Self::Real(_) => 300,
        }
    }
}

/// What the tour reads of a `BunqOAuthClient`'s status.
#[derive(Debug, Deserialize)]
pub(crate) struct SampleStatus {
    #[serde(rename = "authorizationUrl")]
    pub(crate) authorization_url: Option<String>,
}

impl World {
    /// A file in the temporary folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.plane.dir().join(name)
    }

    /// A file of the repository.
    pub(crate) fn repository(&self, path: &str) -> String {
        self.settings.root.join(path).display().to_string()
    }

    /// Runs kubectl as the administrator and shows both the command and what it said.
    pub(crate) async fn kubectl(&self, narrator: &Narrator, args: &[&str]) -> Result<String, Error> {
        narrator.command(self.shown(args));
        let output = self.attended(self.plane.kubectl().run(args)).await??;
        narrator.output(&output);
        Ok(output)
    }

    /// What `kubectl diff` shows for a manifest: it ends with 1, and not as a failure, where there is something.
    pub(crate) async fn difference(&self, manifest: &str) -> Result<String, Error> {
        let kubectl = self.plane.kubectl();
        let output = Command::new(kubectl.program())
            .arg("--kubeconfig")
            .arg(kubectl.kubeconfig())
            .args(["diff", "-f", manifest])
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(Error::io("run kubectl diff"))?;
        if matches!(output.status.code(), Some(0 | 1)) {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let words = String::from_utf8_lossy(&output.stderr);
        Err(Error::unexpected(Part::ControlPlane(Component::ApiServer), format!("kubectl diff failed: {words}")))
    }

    /// The command as a person in the repository would type it.
    fn shown(&self, args: &[&str]) -> String {
        let root = format!("{}/", self.settings.root.display());
        let folder = format!("{}/", self.plane.dir().display());
        let args: Vec<String> = args.iter().map(|arg| quoted(&arg.replace(&root, "").replace(&folder, ""))).collect();
        format!("kubectl {}", args.join(" "))
    }

    /// Waits for something, but no longer than the processes live.
    pub(crate) async fn attended<T>(&self, wait: impl Future<Output = T>) -> Result<T, Error> {
        let mut wait = std::pin::pin!(wait);
        loop {
            match tokio::time::timeout(LOOK_EVERY, &mut wait).await {
                Ok(done) => return Ok(done),
                Err(_) => self.check()?,
            }
        }
    }

    /// An error if the operator or the emulator ended by itself.
    fn check(&self) -> Result<(), Error> {
        self.operator.as_ref().map_or(Ok(()), Supervised::check)?;
        self.bank.emulator().map_or(Ok(()), |emulator| emulator.process.check())
    }

    /// Secrets of the tenant, as the administrator.
    pub(crate) async fn secrets(&self) -> Result<Api<Secret>, Error> {
        Ok(Api::namespaced(self.plane.admin_client().await?, SHOP))
    }

    /// The sample's status.
    pub(crate) async fn status(&self) -> Result<SampleStatus, Error> {
        let args = ["-n", SHOP, "get", "bunqoauthclient", SAMPLE, "-o", "jsonpath={.status}"];
        let text = self.plane.kubectl().run(&args).await?;
        serde_json::from_str(&text).map_err(|error| {
            Error::unexpected(Part::Operator, format!("it wrote a status that cannot be read ({error}): {text}"))
        })
    }

    /// The last lines of a part's log.
    pub(crate) fn last_lines(&self, part: Part) -> String {
        let log = |process: &Supervised| tail(process.log(), TAIL);
        match part {
            Part::ControlPlane(component) => self.plane.logs(component),
            Part::Operator => self.operator.as_ref().map(log).unwrap_or_default(),
            Part::Emulator => self.bank.emulator().map(|emulator| log(&emulator.process)).unwrap_or_default(),
        }
    }

    /// The operator's log.
    pub(crate) fn operator_log(&self) -> Result<&Path, Error> {
        let operator = self.operator.as_ref();
        operator.map(Supervised::log).ok_or_else(|| Error::unexpected(Part::Operator, "it was not started"))
    }

    /// Leaves everything running when this program ends; returns the processes' ids.
    pub(crate) fn leave_running(mut self) -> Result<Vec<u32>, Error> {
        let mut ids = Vec::new();
        if let Some(operator) = &mut self.operator {
            operator.release();
            ids.push(operator.id());
        }
        if let Bank::Emulator(emulator) = &mut self.bank {
            emulator.process.release();
            ids.push(emulator.process.id());
        }
        ids.extend(self.plane.leave_running()?);
        Ok(ids)
    }

    /// Ends all processes and removes the folder.
    pub(crate) async fn stop(self) -> Result<(), Error> {
        let Self { operator, bank, plane, .. } = self;
        drop(operator);
        drop(bank);
        Ok(plane.stop().await?)
    }
}

/// As a shell wants it.
fn quoted(arg: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,".contains(c);
    if arg.chars().all(plain) { arg.to_owned() } else { format!("'{arg}'") }
}
