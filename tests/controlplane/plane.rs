//! The handle of a control plane.

use std::path::{Path, PathBuf};

use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{
    Api,
    api::PostParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use rustls::crypto::aws_lc_rs;
use tokio::sync::Mutex;

use super::folder::Folder;
use super::resolve::{Source, resolve};
use super::servers::{self, Servers};
use super::{Component, Error, Kubectl, Options, files, go_program, named, store};

/// How long a service account's token is asked to be valid, in seconds.
const A_DAY: i64 = 24 * 60 * 60;

/// A running control plane. Dropping it ends its processes and removes its folder, unless that is kept.
#[derive(Debug)]
pub struct ControlPlane {
    // Before the folder, so that nobody writes there when it goes; absent: a cluster of the user's.
    servers: Option<Mutex<Servers>>,
    folder: Folder,
    server_url: String,
    ca_file: PathBuf,
    admin_kubeconfig: PathBuf,
    audit_log: Option<PathBuf>,
    kubectl: Kubectl,
}

impl ControlPlane {
    /// Starts a control plane, or joins the cluster that the user names; builds what is missing first.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let progress = options.progress.clone();
        let resolved =
            tokio::task::spawn_blocking(move || resolve(&progress)).await.map_err(Error::make("a control plane"))?;
        match resolved? {
            Source::Named { kubeconfig, context, kubectl } => {
                Self::existing(&kubeconfig, context.as_deref(), &kubectl, &options)
            }
            Source::Programs { folder, stop_at_eof } => Self::own(&folder, stop_at_eof, &options).await,
        }
    }

    /// Joins a running cluster. It is never stopped, restarted or audited from here.
    pub fn existing(
        kubeconfig: &Path,
        context: Option<&str>,
        kubectl: &Path,
        options: &Options,
    ) -> Result<Self, Error> {
        let folder = Folder::create(options)?;
        let admin_kubeconfig = folder.path().join("admin.kubeconfig");
        let server_url = named::import(kubeconfig, context, &admin_kubeconfig)?;
        let ca_file = folder.path().join("ca.crt");
        named::write_ca(&named::only_cluster(&admin_kubeconfig)?, &ca_file)?;
        let kubectl = link_kubectl(&folder, kubectl, &admin_kubeconfig)?;
        Ok(Self { servers: None, folder, server_url, ca_file, admin_kubeconfig, audit_log: None, kubectl })
    }

    async fn own(programs: &Path, stop_at_eof: bool, options: &Options) -> Result<Self, Error> {
        let folder = Folder::create(options)?;
        let path = folder.path();
        let admin_kubeconfig = path.join("admin.kubeconfig");
        let audit_log = options.audit.then(|| path.join("audit.log"));
        let servers = Servers::start(programs, path, &admin_kubeconfig, audit_log.as_deref()).await?;
        let server_url = servers.url();
        options.progress.say(format!("ready at {server_url}, logs and kubeconfig in {}", path.display()));
        if !stop_at_eof {
            options.progress.say("these programs outlive this one if it is killed");
        }
        let ca_file = servers::ca_file(path);
        let kubectl = link_kubectl(&folder, &programs.join("kubectl"), &admin_kubeconfig)?;
        Ok(Self {
            servers: Some(Mutex::new(servers)),
            folder,
            server_url,
            ca_file,
            admin_kubeconfig,
            audit_log,
            kubectl,
        })
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.admin_kubeconfig
    }

    /// `https://127.0.0.1:port`.
    #[must_use]
    pub fn server_url(&self) -> &str {
        &self.server_url
    }

    /// The certificates the API server is trusted by; an empty file if a named cluster uses the system's.
    #[must_use]
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// The audit log, one JSON object a line; absent when not asked for or when the cluster is not ours.
    #[must_use]
    pub fn audit_log(&self) -> Option<&Path> {
        self.audit_log.as_deref()
    }

    /// The folder with data, logs, kubeconfigs and a link to `kubectl`.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// kubectl as the administrator.
    #[must_use]
    pub fn kubectl(&self) -> Kubectl {
        self.kubectl.clone()
    }

    /// Makes a kubeconfig that holds a token of a service account which exists.
    /// The token is asked for a day; the server may shorten that.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf, Error> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin_client().await?, namespace);
        let spec = TokenRequestSpec { expiration_seconds: Some(A_DAY), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let answer = accounts.create_token_request(name, &PostParams::default(), &request).await;
        let token = answer.map_err(Error::make("a token"))?.status.map(|status| status.token).unwrap_or_default();
        let path = self.dir().join(format!("{namespace}-{name}.kubeconfig"));
        let user = files::bearer(token.into());
        files::write_kubeconfig(&path, named::only_cluster(&self.admin_kubeconfig)?, user, Some(namespace))?;
        Ok(path)
    }

    /// A client with the administrator's rights.
    pub async fn admin_client(&self) -> Result<kube::Client, Error> {
        self.client_for(&self.admin_kubeconfig).await
    }

    /// A client with the rights of a kubeconfig.
    pub async fn client_for(&self, kubeconfig: &Path) -> Result<kube::Client, Error> {
        client_from(kubeconfig).await
    }

    /// Ends the API server and starts it again at the same address; returns when it is ready.
    pub async fn restart_apiserver(&self) -> Result<(), Error> {
        match &self.servers {
            Some(servers) => servers.lock().await.restart_apiserver(self.folder.path()).await,
            None => Err(Error::NotOurs { action: "restart the API server" }),
        }
    }

    /// Has the store forget every version but the last: whoever goes on from an older one is refused.
    pub async fn compact(&self) -> Result<(), Error> {
        match &self.servers {
            Some(servers) => store::compact(&servers.lock().await.store_url()).await,
            None => Err(Error::NotOurs { action: "compact the store" }),
        }
    }

    /// Ends everything; returns when no process is left.
    pub async fn stop(self) -> Result<(), Error> {
        tokio::task::spawn_blocking(move || drop(self)).await.map_err(Error::make("an end of the control plane"))
    }

    /// Leaves processes and folder in place when this program ends. Returns the processes' ids, to be ended with
    /// `kill -KILL`: asked politely all at once, the API server waits long for a store that is gone.
    pub fn leave_running(mut self) -> Result<Vec<u32>, Error> {
        self.folder.keep()?;
        let Some(servers) = self.servers.as_mut().map(Mutex::get_mut) else {
            return Ok(Vec::new());
        };
        servers.release()?;
        Ok(servers.process_ids())
    }

    /// The processes that were started; none for a cluster that is not ours, or while a server is restarted.
    #[must_use]
    pub fn process_ids(&self) -> Vec<u32> {
        let servers = self.servers.as_ref().and_then(|servers| servers.try_lock().ok());
        servers.map(|servers| servers.process_ids()).unwrap_or_default()
    }

    /// The last lines that a component logged.
    #[must_use]
    pub fn logs(&self, component: Component) -> String {
        servers::log_tail(self.dir(), component)
    }
}

fn link_kubectl(folder: &Folder, program: &Path, kubeconfig: &Path) -> Result<Kubectl, Error> {
    let link = folder.path().join("kubectl");
    let program = program.canonicalize().map_err(Error::io(format!("find {}", program.display())))?;
    go_program::link(program, &link)?;
    Ok(Kubectl::new(link, kubeconfig.to_owned(), folder.path()))
}

/// A client with the rights of a kubeconfig.
pub(super) async fn client_from(path: &Path) -> Result<kube::Client, Error> {
    // Somebody else in this process may have been first: then it is installed, which is all we want.
    let _ = aws_lc_rs::default_provider().install_default();
    let unusable = |source| Error::Kubeconfig { path: path.to_owned(), source: Box::new(source) };
    let kubeconfig = Kubeconfig::read_from(path).map_err(unusable)?;
    let config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(unusable)?;
    let server = config.cluster_url.to_string();
    kube::Client::try_from(config).map_err(|source| Error::Client { server, source: Box::new(source) })
}
