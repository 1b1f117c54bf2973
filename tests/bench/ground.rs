//! What a chapter stands on: a control plane of its own, the deployed rights for the whole cluster, a bank, and
//! tenants' namespaces with keys and manifests.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bunq_oauth_operator::{api::BunqOAuthClient, bunq::Environment};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client, api::ListParams};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testbed::{
    harness::{
        Bench, Outcome,
        deployment::{self, SERVICE_ACCOUNT},
        ensure,
        world::is_ready,
    },
    sandbox::{self, Sandbox},
};

use super::{audit::Trail, operator::Operator, settings::Settings};

/// The operator's namespace.
const HOME: &str = "bunq-operator";
const LOOK_EVERY: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_mins(1);

/// Everything but the operator.
pub(crate) struct Ground {
    bench: Bench,
    pub(crate) bank: Sandbox,
    pub(crate) admin: Client,
    kubeconfig: PathBuf,
    program: PathBuf,
    starts: AtomicU64,
}

impl Ground {
    pub(crate) async fn new(settings: &Settings, like: Option<&Bench>) -> Outcome<Self> {
        let bench = match like {
            Some(other) => other.another().await?,
            None => Bench::start().await?,
        };
        let admin = bench.admin();
        for object in bench.deployment().own(HOME, "bench") {
            deployment::apply(&admin, &object).await?;
        }
        let kubeconfig = bench.control_plane().service_account_kubeconfig(HOME, SERVICE_ACCOUNT).await?;
        let bank = Sandbox::start(sandbox::Options::default()).await?;
        let program = settings.operator.clone();
        Ok(Self { bench, bank, admin, kubeconfig, program, starts: AtomicU64::new(0) })
    }

    /// What another chapter's control plane is made like.
    pub(crate) fn bench(&self) -> &Bench {
        &self.bench
    }

    /// Starts the operator for all namespaces and waits until it is ready.
    pub(crate) async fn start_operator(&self) -> Outcome<Operator> {
        self.start(&self.program).await
    }

    /// The same with another program.
    pub(crate) async fn start(&self, program: &Path) -> Outcome<Operator> {
        let bank = self.bank.base_url();
        let args = [
            "run",
            "--operator-namespace",
            HOME,
            "--bunq-sandbox-url",
            &bank,
            "--bunq-production-url",
            &bank,
            "--bunq-limits",
            "off",
        ];
        let number = self.starts.fetch_add(1, Ordering::Relaxed);
        let log = self.bench.folder().join(format!("{}-{number}.log", self.bank.base_url().replace(['/', ':'], "")));
        Operator::start(program, &args, &self.kubeconfig, &log).await
    }

    /// A tenant's namespace that grants access.
    pub(crate) async fn tenant(&self, namespace: &str) -> Outcome {
        deployment::apply(&self.admin, &deployment::namespace(namespace)).await?;
        deployment::apply(&self.admin, &deployment::tenant_binding(namespace, HOME)).await.map(drop)
    }

    /// A new user's key, in a Secret.
    pub(crate) async fn key(&self, namespace: &str, secret: &str) -> Outcome {
        let user = self.bank.new_user();
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret, "namespace": namespace},
            "stringData": {"api-key": user.api_key},
        });
        deployment::apply(&self.admin, &secret).await.map(drop)
    }

    /// A new user's key, in a Secret, and a context that holds a key pair already: making one is most of a handshake.
    pub(crate) async fn key_with_pair(&self, namespace: &str, secret: &str, pair: &str) -> Outcome {
        let user = self.bank.new_user();
        let hash = Sha256::digest(format!("{}\0{}", Environment::Sandbox.as_str(), user.api_key));
        let name = hash.iter().fold("bunq-context-".to_owned(), |name, byte| format!("{name}{byte:02x}"));
        let labels = json!({
            "app.kubernetes.io/managed-by": "bunq-oauth-operator",
            "bunq-operator.io/part": "context",
        });
        let context = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": HOME, "labels": labels},
            "type": "bunq-operator.io/context",
            "stringData": {"environment": Environment::Sandbox.as_str(), "private-key": pair},
        });
        deployment::apply(&self.admin, &context).await?;
        let key = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret, "namespace": namespace},
            "stringData": {"api-key": user.api_key},
        });
        deployment::apply(&self.admin, &key).await.map(drop)
    }

    /// A manifest that names a key.
    pub(crate) async fn apply(&self, namespace: &str, name: &str, secret: &str) -> Outcome {
        let manifest = json!({
            "apiVersion": "bunq-operator.io/v1alpha1",
            "kind": "BunqOAuthClient",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "displayName": "My Cool App",
                "redirectUrl": "https://myapp.com/oauth/callback",
                "credentials": {"apiKeySecretRef": {"name": secret}},
                "resyncInterval": "5m",
            },
        });
        deployment::apply(&self.admin, &manifest).await.map(drop)
    }

    /// A namespace with a key and a manifest that is Ready.
    pub(crate) async fn ready_tenant(&self, namespace: &str, name: &str) -> Outcome {
        self.tenant(namespace).await?;
        self.key(namespace, "bunq-api-key").await?;
        self.apply(namespace, name, "bunq-api-key").await?;
        self.ready(namespace, name).await
    }

    /// Waits until a manifest is Ready.
    pub(crate) async fn ready(&self, namespace: &str, name: &str) -> Outcome {
        let api = self.objects(namespace);
        let since = std::time::Instant::now();
        loop {
            let object: Value = serde_json::to_value(api.get(name).await?)?;
            if is_ready(&object) {
                return Ok(());
            }
            ensure(since.elapsed() < PATIENCE, || format!("{namespace}/{name} is not Ready: {}", object["status"]))?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until no claim is left.
    pub(crate) async fn no_claims(&self) -> Outcome {
        let api: Api<ConfigMap> = Api::namespaced(self.admin.clone(), HOME);
        let since = std::time::Instant::now();
        loop {
            let claims = api.list_metadata(&ListParams::default()).await?.items;
            let is_claim = |name: &String| name.starts_with("bunq-user-");
            if !claims.iter().any(|map| map.metadata.name.as_ref().is_some_and(is_claim)) {
                return Ok(());
            }
            ensure(since.elapsed() < PATIENCE, || "a claim is not freed".to_owned())?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until a Secret is gone.
    pub(crate) async fn gone(&self, namespace: &str, secret: &str) -> Outcome {
        let api = self.secrets(namespace);
        let since = std::time::Instant::now();
        while api.get_metadata_opt(secret).await?.is_some() {
            ensure(since.elapsed() < PATIENCE, || format!("Secret {namespace}/{secret} is still there"))?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// The manifests of a namespace.
    pub(crate) fn objects(&self, namespace: &str) -> Api<BunqOAuthClient> {
        Api::namespaced(self.admin.clone(), namespace)
    }

    /// The Secrets of a namespace.
    pub(crate) fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.admin.clone(), namespace)
    }

    /// What the operator asks of the API server from here on.
    pub(crate) fn trail(&self) -> Outcome<Trail> {
        let log = self.bench.control_plane().audit_log().ok_or("only a control plane of our own has an audit log")?;
        Trail::from_here(log, &format!("system:serviceaccount:{HOME}:{SERVICE_ACCOUNT}"))
    }

    /// Ends the control plane.
    pub(crate) async fn stop(self) -> Outcome {
        self.bench.stop().await
    }
}
