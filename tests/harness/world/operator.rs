//! Starting and ending the operator of a world.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::World;
use crate::{
    harness::{
        audit_trail::AuditTrail,
        outcome::{Outcome, ensure},
        process::OperatorProcess,
    },
    sandbox::Sandbox,
};

const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl World {
    /// The command line of this world's operator.
    #[must_use]
    pub fn operator_args(&self) -> Vec<String> {
        self.operator_args_for(&self.sandbox.base_url(), "off")
    }

    /// The command line of an operator that talks to this bank, within its limits or not.
    fn operator_args_for(&self, bank: &str, limits: &str) -> Vec<String> {
        let args = [
            "run",
            "--operator-namespace",
            &self.operator_namespace,
            "--watch-namespace",
            &self.namespace,
            "--bunq-sandbox-url",
            bank,
            "--bunq-production-url",
            bank,
            "--bunq-limits",
            limits,
            "--http-address",
            "127.0.0.1:0",
            "--log-format",
            "json",
            "--leader-elect",
            "false",
        ];
        args.map(str::to_owned).to_vec()
    }

    /// Starts the operator as a process and waits until it is ready.
    pub async fn start_operator(&self) -> Outcome {
        self.start_operator_with(&[]).await
    }

    /// The same, with more arguments.
    pub async fn start_operator_with(&self, more: &[&str]) -> Outcome {
        self.start(self.operator_args(), more).await
    }

    /// Starts the operator for another bank than this world's own, within the bank's limits.
    pub async fn start_operator_within_limits(&self, bank: &Sandbox, more: &[&str]) -> Outcome {
        self.start(self.operator_args_for(&bank.base_url(), "bunq"), more).await
    }

    /// Starts the operator with these variables in its environment.
    pub async fn start_operator_in(&self, environment: &[(&str, &str)], more: &[&str]) -> Outcome {
        self.start_in(self.operator_args(), environment, more).await
    }

    /// Starts the operator for a bank at this address of this machine, without limits.
    pub async fn start_operator_at(&self, bank: &str, more: &[&str]) -> Outcome {
        self.start(self.operator_args_for(bank, "off"), more).await
    }

    async fn start(&self, args: Vec<String>, more: &[&str]) -> Outcome {
        self.start_in(args, &[], more).await
    }

    async fn start_in(&self, mut args: Vec<String>, environment: &[(&str, &str)], more: &[&str]) -> Outcome {
        args.extend(more.iter().map(|&arg| arg.to_owned()));
        let log = self.folder().join("operator.log");
        let started = OperatorProcess::start(&args, environment, &self.kubeconfig, &log).await?;
        *self.operator.lock().await = Some(started);
        Ok(())
    }

    /// Kills the operator as the kernel would.
    pub async fn kill_operator(&self) -> Outcome {
        self.take_operator().await?.kill9().await
    }

    /// Ends the operator as a pod's deletion would.
    pub async fn stop_operator(&self) -> Outcome {
        let status = self.take_operator().await?.stop().await?;
        ensure(status.success(), || format!("the operator ended with {status}"))
    }

    async fn take_operator(&self) -> Outcome<OperatorProcess> {
        Ok(self.operator.lock().await.take().ok_or("no operator runs in this world")?)
    }

    /// Asks the operator's endpoint: status and body.
    pub async fn ask_operator(&self, path: &str) -> Outcome<(u16, String)> {
        let operator = self.operator.lock().await;
        operator.as_ref().ok_or("no operator runs in this world")?.get(path).await
    }

    /// The same, for somebody who accepts this.
    pub async fn ask_operator_as(&self, path: &str, accept: &str) -> Outcome<(u16, String)> {
        let operator = self.operator.lock().await;
        operator.as_ref().ok_or("no operator runs in this world")?.get_as(path, accept).await
    }

    /// Opens a connection to the operator's endpoint, and says nothing.
    pub async fn hang_on_operator(&self) -> Outcome<TcpStream> {
        let operator = self.operator.lock().await;
        operator.as_ref().ok_or("no operator runs in this world")?.hang_on().await
    }

    /// How many passes the running operator has ended, of whatever manifest.
    pub async fn passes(&self) -> Outcome<u64> {
        let (_, metrics) = self.ask_operator("metrics").await?;
        let ended = metrics.lines().filter(|line| line.starts_with("controller_runtime_reconcile_total{"));
        Ok(ended.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
    }

    /// Waits until the running operator has ended more passes than that.
    pub async fn until_passes(&self, before: u64) -> Outcome {
        let since = Instant::now();
        while self.passes().await? <= before {
            ensure(since.elapsed() < PATIENCE, || format!("there was no pass within {PATIENCE:?}"))?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// What the running operator logged.
    pub async fn operator_log(&self) -> String {
        self.operator.lock().await.as_ref().map(OperatorProcess::log).unwrap_or_default()
    }

    /// The audit log from here on.
    pub fn audit_trail(&self) -> Outcome<AuditTrail> {
        let log = self.bench.control_plane().audit_log().ok_or("a cluster of yours keeps no audit log here")?;
        AuditTrail::from_here(log)
    }
}
