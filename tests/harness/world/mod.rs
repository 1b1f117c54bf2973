//! One scenario's world: an operator's namespace with the deployed rights, a tenant's namespace,
//! a bank, and a witness who judges every status.

mod crowd;
mod in_process;
mod logged;
mod neighbours;
mod objects;
mod operator;
mod proxied;
mod secrets;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use kube::{Client, api::ListParams};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{
    bench::Bench,
    deployment::{self, SERVICE_ACCOUNT},
    outcome::{Outcome, chain},
    process::OperatorProcess,
    witness::Witness,
};
use crate::sandbox::{self, Sandbox};

pub use crowd::Member;
pub use in_process::{IMPATIENCE, InProcess, Seams};
pub use logged::Logged;
pub use objects::{Happening, condition, is_ready, ready_reason};

/// The Secret that holds the API key, and its key.
pub const KEY_SECRET: &str = "bunq-api-key";

/// One scenario's world.
pub struct World {
    /// What it shares with the others.
    pub bench: Arc<Bench>,
    /// A name that no other world of this run has.
    pub name: String,
    /// The bank.
    pub sandbox: Sandbox,
    /// Where claims and contexts are.
    pub operator_namespace: String,
    /// Where the manifests are.
    pub namespace: String,
    folder: PathBuf,
    kubeconfig: PathBuf,
    witness: Witness,
    operator: Mutex<Option<OperatorProcess>>,
}

impl World {
    /// Installs the operator's rights, opens a tenant's namespace that grants access, and a bank.
    pub async fn new(bench: Arc<Bench>, story: &str) -> Outcome<Arc<Self>> {
        let sandbox = Sandbox::start(sandbox::Options::default()).await?;
        bench.remember_bank(sandbox.clone());
        Self::with_bank(bench, story, sandbox).await
    }

    async fn with_bank(bench: Arc<Bench>, story: &str, sandbox: Sandbox) -> Outcome<Arc<Self>> {
        let name = bench.name_a_world(story);
        let (operator_namespace, namespace) = (format!("op-{name}"), format!("shop-{name}"));
        let admin = bench.admin();
        for object in bench.deployment().own(&operator_namespace, &name) {
            deployment::apply(&admin, &object).await?;
        }
        deployment::apply(&admin, &deployment::namespace(&namespace)).await?;
        deployment::apply(&admin, &deployment::tenant_binding(&namespace, &operator_namespace)).await?;
        let kubeconfig = bench.control_plane().service_account_kubeconfig(&operator_namespace, SERVICE_ACCOUNT).await?;
        let folder = bench.folder().join(&name);
        fs::create_dir_all(&folder)?;
        let witness = Witness::start(admin, &namespace, &folder.join("statuses.jsonl"))?;
        let operator = Mutex::default();
        let world = Self { bench, name, sandbox, operator_namespace, namespace, folder, kubeconfig, witness, operator };
        world.plant_token()?;
        Ok(Arc::new(world))
    }

    /// The operator's own token must not be seen anywhere either.
    fn plant_token(&self) -> Outcome {
        let kubeconfig: Value = serde_yaml_ng::from_str(&fs::read_to_string(&self.kubeconfig)?)?;
        let token = kubeconfig["users"][0]["user"]["token"].as_str().ok_or("the operator has no token")?;
        self.bench.plant(token);
        Ok(())
    }

    /// The administrator.
    #[must_use]
    pub fn admin(&self) -> Client {
        self.bench.admin()
    }

    /// Where this world keeps what was said.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the operator reaches the API server with.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The operator's name for the API server.
    #[must_use]
    pub fn operator_user(&self) -> String {
        format!("system:serviceaccount:{}:{SERVICE_ACCOUNT}", self.operator_namespace)
    }

    /// kubectl as the administrator, in the tenant's namespace.
    pub async fn kubectl(&self, args: &[&str]) -> Outcome<String> {
        let args = [&["--namespace", &self.namespace], args].concat();
        Ok(self.bench.control_plane().kubectl().run(&args).await?)
    }

    /// The smallest manifest, with the fields of `spec` on top; a null removes a field.
    #[must_use]
    pub fn manifest(&self, name: &str, spec: &Value) -> Value {
        let mut manifest = json!({
            "apiVersion": "bunq-operator.io/v1alpha1",
            "kind": "BunqOAuthClient",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "displayName": "My Cool App",
                "redirectUrl": "https://myapp.com/oauth/callback",
                "credentials": {"apiKeySecretRef": {"name": KEY_SECRET}},
            },
        });
        for (field, value) in spec.as_object().into_iter().flatten() {
            manifest["spec"][field] = value.clone();
        }
        manifest
    }

    /// Ends the world: what was said is kept, and all of it is judged.
    pub async fn finish(&self, outcome: Outcome) -> Outcome {
        let kept = self.keep_what_was_said().await;
        let verdict = outcome.and(kept).and_then(|()| self.witness.verdict());
        verdict.map_err(|error| {
            let said = self.folder.display();
            format!("{}\n(what was said in this world is in {said})", chain(error.as_ref())).into()
        })
    }

    async fn keep_what_was_said(&self) -> Outcome {
        if let Some(operator) = self.operator.lock().await.take() {
            let (_, metrics) = operator.get("metrics").await?;
            fs::write(self.folder.join("metrics.txt"), metrics)?;
            let status = operator.stop().await?;
            if !status.success() {
                return Err(format!("the operator was asked to end and said {status}").into());
            }
        }
        let events = self.events_api().list(&ListParams::default()).await?;
        fs::write(self.folder.join("events.json"), serde_json::to_vec_pretty(&events.items)?)?;
        let claims = self.claims().await?;
        fs::write(self.folder.join("claims.json"), serde_json::to_vec_pretty(&claims)?)?;
        Ok(())
    }
}
