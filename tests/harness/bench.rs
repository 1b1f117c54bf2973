//! What all worlds of a run share: the control plane, what `deploy/` installs, and the folder in
//! which everything that the operators said is kept.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    deployment::{self, Deployment},
    outcome::Outcome,
};
use crate::{
    controlplane::{ControlPlane, Options},
    sandbox::Sandbox,
};

/// How long a definition may take to be served.
const ESTABLISHED: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// One run of the scenarios.
pub struct Bench {
    control_plane: ControlPlane,
    deployment: Deployment,
    admin: kube::Client,
    folder: PathBuf,
    kind: &'static str,
    worlds: AtomicU64,
    sandboxes: Mutex<Vec<Sandbox>>,
    planted: Mutex<Vec<String>>,
}

impl Bench {
    /// Starts the control plane and installs what all worlds share. The folder of the last run
    /// is emptied.
    pub async fn start() -> Outcome<Self> {
        let folder = target_folder().join("testbed/run");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Self::in_folder(folder).await
    }

    /// One more control plane, for what would disturb everybody else's; its worlds keep what was
    /// said where the others do, under names of their own.
    pub async fn another(&self) -> Outcome<Self> {
        Ok(Self { kind: "alone-", ..Self::in_folder(self.folder.clone()).await? })
    }

    async fn in_folder(folder: PathBuf) -> Outcome<Self> {
        let options = Options { audit: true, ..Options::default() };
        let control_plane = ControlPlane::start(options).await?;
        let admin = control_plane.admin_client().await?;
        let deploy = repository().join("deploy").display().to_string();
        let rendered = control_plane.kubectl().run(&["kustomize", &deploy]).await?;
        let deployment = Deployment::parse(&rendered)?;
        for object in deployment.shared() {
            deployment::apply(&admin, object).await?;
        }
        established(&admin).await?;
        Ok(Self {
            control_plane,
            deployment,
            admin,
            folder,
            kind: "",
            worlds: AtomicU64::new(0),
            sandboxes: Mutex::default(),
            planted: Mutex::default(),
        })
    }

    /// The control plane.
    #[must_use]
    pub fn control_plane(&self) -> &ControlPlane {
        &self.control_plane
    }

    /// A client with the administrator's rights.
    #[must_use]
    pub fn admin(&self) -> kube::Client {
        self.admin.clone()
    }

    /// What `deploy/` installs.
    #[must_use]
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Where the worlds keep what was said: logs, statuses, Events, metrics.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A name that no other world of this run has; it can be part of a namespace's.
    pub fn name_a_world(&self, story: &str) -> String {
        let number = self.worlds.fetch_add(1, Ordering::Relaxed) + 1;
        format!("{}-{}{number}", story.replace('_', "-"), self.kind)
    }

    /// How many worlds there were.
    #[must_use]
    pub fn worlds(&self) -> u64 {
        self.worlds.load(Ordering::Relaxed)
    }

    /// Remembers a bank, whose secrets must not be seen anywhere.
    pub fn remember_bank(&self, sandbox: Sandbox) {
        self.sandboxes.lock().unwrap_or_else(PoisonError::into_inner).push(sandbox);
    }

    /// Remembers a secret that must not be seen anywhere.
    pub fn plant(&self, secret: impl Into<String>) {
        self.planted.lock().unwrap_or_else(PoisonError::into_inner).push(secret.into());
    }

    /// Every secret of the run: what the banks issued and what was planted.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.planted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for sandbox in &*self.sandboxes.lock().unwrap_or_else(PoisonError::into_inner) {
            secrets.extend(sandbox.secrets());
        }
        secrets.sort();
        secrets.dedup();
        secrets
    }

    /// Ends the control plane; returns when no process is left.
    pub async fn stop(self) -> Outcome {
        Ok(self.control_plane.stop().await?)
    }
}

/// Waits until the server serves the resource.
async fn established(client: &kube::Client) -> Outcome {
    use bunq_oauth_operator::api::BunqOAuthClient;
    let api: kube::Api<BunqOAuthClient> = kube::Api::all(client.clone());
    let since = Instant::now();
    loop {
        match api.list_metadata(&kube::api::ListParams::default().limit(1)).await {
            Ok(_) => return Ok(()),
            Err(error) if since.elapsed() > ESTABLISHED => return Err(error.into()),
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// The root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// Cargo's target folder.
#[must_use]
pub fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}
