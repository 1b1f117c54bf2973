//! The three servers of a control plane of our own: their command lines, their start and their end.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use super::process::{Process, tail};
use super::{Component, Error, files, plane};

/// How long a server may take on a busy machine; a quiet one needs about three seconds.
const READY_WITHIN_SECONDS: u64 = 120;
const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOOKS_A_SECOND: u64 = 20;
/// A port found free may be taken by somebody else before the server listens.
const ATTEMPTS: u32 = 4;

/// etcd, kube-apiserver and kube-controller-manager.
#[derive(Debug)]
pub(super) struct Servers {
    // In the order they end: whoever calls goes before whom it calls.
    manager: Option<Process>,
    apiserver: Process,
    etcd: Process,
    programs: PathBuf,
    apiserver_args: Vec<String>,
    kubeconfig: PathBuf,
    port: u16,
    store_port: u16,
}

impl Servers {
    /// Starts all in `folder`; returns when the API server is ready.
    pub(super) async fn start(
        programs: &Path,
        folder: &Path,
        kubeconfig: &Path,
        audit_log: Option<&Path>,
    ) -> Result<Self, Error> {
        let token = files::write_all(folder)?;
        let mut attempt = 1;
        loop {
            match Self::attempt(programs, folder, kubeconfig, audit_log, &token).await {
                Err(Error::Ended { tail, .. }) if attempt < ATTEMPTS && port_was_taken(&tail) => {
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    async fn attempt(
        programs: &Path,
        folder: &Path,
        kubeconfig: &Path,
        audit_log: Option<&Path>,
        token: &SecretString,
    ) -> Result<Self, Error> {
        let [client, peer, port] = free_ports()?;
        let data = folder.join("etcd");
        if data.exists() {
            std::fs::remove_dir_all(&data).map_err(Error::io(format!("remove {}", data.display())))?;
        }
        let etcd = Process::start(Component::Etcd, programs, folder, &etcd_args(&data, client, peer))?;
        let apiserver_args = apiserver_args(folder, client, port, audit_log);
        let apiserver = Process::start(Component::ApiServer, programs, folder, &apiserver_args)?;
        let mut servers = Self {
            manager: None,
            apiserver,
            etcd,
            programs: programs.to_owned(),
            apiserver_args,
            kubeconfig: kubeconfig.to_owned(),
            port,
            store_port: client,
        };
        let cluster = files::cluster(&servers.url(), &ca_file(folder));
        files::write_kubeconfig(kubeconfig, cluster, files::bearer(token.clone()), None)?;
        servers.wait_until_ready(folder).await?;
        if programs.join(Component::ControllerManager.program()).is_file() {
            let args = manager_args(kubeconfig);
            servers.manager = Some(Process::start(Component::ControllerManager, programs, folder, &args)?);
            servers.wait_until_managed().await?;
        }
        Ok(servers)
    }

    /// Ends the API server and starts it again at the same address, with the same keys and data.
    pub(super) async fn restart_apiserver(&mut self, folder: &Path) -> Result<(), Error> {
        let mut attempt = 1;
        loop {
            self.apiserver.stop();
            self.apiserver = Process::start(Component::ApiServer, &self.programs, folder, &self.apiserver_args)?;
            match self.wait_until_ready(folder).await {
                Err(Error::Ended { tail, .. }) if attempt < ATTEMPTS && port_was_taken(&tail) => {
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    pub(super) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    pub(super) fn store_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.store_port)
    }

    pub(super) fn process_ids(&self) -> Vec<u32> {
        [Some(&self.etcd), Some(&self.apiserver), self.manager.as_ref()]
            .into_iter()
            .flatten()
            .map(Process::id)
            .collect()
    }

    pub(super) fn release(&mut self) -> Result<(), Error> {
        self.etcd.release()?;
        self.apiserver.release()?;
        self.manager.as_mut().map_or(Ok(()), Process::release)
    }

    async fn wait_until_ready(&mut self, folder: &Path) -> Result<(), Error> {
        let within = Duration::from_secs(READY_WITHIN_SECONDS);
        if tokio::time::timeout(within, self.until_ready(folder)).await.is_err() {
            return Err(self.apiserver.not_ready(READY_WITHIN_SECONDS));
        }
        // The loop ends early when a server did; say which.
        self.etcd.check()?;
        self.apiserver.check()
    }

    /// The manager's first work that can be seen is a service account. One that ended does none, and nothing would be
    /// collected.
    async fn wait_until_managed(&mut self) -> Result<(), Error> {
        let client = plane::client_from(&self.kubeconfig).await?;
        let Some(manager) = &mut self.manager else { return Ok(()) };
        for _ in 0..READY_WITHIN_SECONDS * LOOKS_A_SECOND {
            manager.check()?;
            if answers(&client, "/api/v1/namespaces/default/serviceaccounts/default").await {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(manager.not_ready(READY_WITHIN_SECONDS))
    }

    async fn until_ready(&mut self, folder: &Path) {
        let mut client = None;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if self.etcd.check().is_err() || self.apiserver.check().is_err() {
                return;
            }
            // The API server makes its certificate in its first second.
            if client.is_none() && ca_file(folder).is_file() {
                client = plane::client_from(&self.kubeconfig).await.ok();
            }
            if let Some(client) = &client
                && answers(client, "/readyz").await
                && answers(client, "/api/v1/namespaces/default").await
            {
                return;
            }
        }
    }
}

async fn answers(client: &kube::Client, path: &str) -> bool {
    let Ok(request) = axum::http::Request::get(path).body(Vec::new()) else {
        return false;
    };
    client.request_text(request).await.is_ok()
}

/// The certificate the API server makes for itself, with the one that signed it.
pub(super) fn ca_file(folder: &Path) -> PathBuf {
    folder.join("certificates").join("apiserver.crt")
}

fn port_was_taken(log: &str) -> bool {
    log.contains("address already in use")
}

/// Three ports that were free a moment ago, all different because all are held while the next is sought.
fn free_ports() -> Result<[u16; 3], Error> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let find = || -> io::Result<[u16; 3]> {
        let listeners = [listen()?, listen()?, listen()?];
        let [a, b, c] = &listeners;
        Ok([a.local_addr()?.port(), b.local_addr()?.port(), c.local_addr()?.port()])
    };
    find().map_err(Error::io("find free ports on 127.0.0.1"))
}

pub(super) fn etcd_args(data: &Path, client: u16, peer: u16) -> Vec<String> {
    let (client, peer) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
    vec![
        "--name=testbed".to_owned(),
        format!("--data-dir={}", data.display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=testbed={peer}"),
        "--log-level=error".to_owned(),
        // The data does not outlive a test: never wait for the disk.
        "--unsafe-no-fsync=true".to_owned(),
    ]
}

fn apiserver_args(folder: &Path, etcd: u16, port: u16, audit_log: Option<&Path>) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    let mut args = vec![
        format!("--etcd-servers=http://127.0.0.1:{etcd}"),
        format!("--cert-dir={}", file("certificates")),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        format!("--service-account-key-file={}", file("sa.pub")),
        format!("--service-account-signing-key-file={}", file("sa.key")),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--token-auth-file={}", file("tokens.csv")),
        "--authorization-mode=RBAC".to_owned(),
        // OpenShift has the second one on: whoever sets ownerReferences is asked for the right to.
        "--disable-admission-plugins=ServiceAccount".to_owned(),
        "--enable-admission-plugins=OwnerReferencesPermissionEnforcement".to_owned(),
        "--allow-privileged=true".to_owned(),
    ];
    if let Some(log) = audit_log {
        args.push(format!("--audit-policy-file={}", file("audit-policy.yaml")));
        args.push(format!("--audit-log-path={}", log.display()));
        // Megabytes before it starts a new file: a test wants one.
        args.push("--audit-log-maxsize=100000".to_owned());
    }
    args
}

fn manager_args(kubeconfig: &Path) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
        "--controllers=garbage-collector-controller,namespace-controller,\
         serviceaccount-controller,clusterrole-aggregation-controller"
            .to_owned(),
    ]
}

/// The last lines of a component's log.
pub(super) fn log_tail(folder: &Path, component: Component) -> String {
    tail(&super::process::log_file(folder, component), 30)
}
