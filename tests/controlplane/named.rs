//! A cluster that the user names: its kubeconfig cut down to the one context.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use kube::config::{Cluster, Kubeconfig};

use super::{Error, files};

/// Copies one context of `source` to the kubeconfig `admin`. Returns the server's URL.
pub(super) fn import(source: &Path, context: Option<&str>, admin: &Path) -> Result<String, Error> {
    let kubeconfig = read(source)?;
    let no_cluster = || Error::NoCluster { path: source.to_owned() };
    let name = context.or(kubeconfig.current_context.as_deref()).ok_or_else(no_cluster)?;
    let context = kubeconfig
        .contexts
        .iter()
        .find(|entry| entry.name == name)
        .and_then(|entry| entry.context.as_ref())
        .ok_or_else(no_cluster)?;
    let cluster = find_cluster(&kubeconfig, &context.cluster).ok_or_else(no_cluster)?;
    let server = cluster.server.clone().ok_or_else(no_cluster)?;
    let user = kubeconfig
        .auth_infos
        .iter()
        .find(|entry| Some(&entry.name) == context.user.as_ref())
        .and_then(|entry| entry.auth_info.clone())
        .unwrap_or_default();
    files::write_kubeconfig(admin, cluster, user, context.namespace.as_deref())?;
    Ok(server)
}

/// The one cluster in a kubeconfig of our own making.
pub(super) fn only_cluster(path: &Path) -> Result<Cluster, Error> {
    let kubeconfig = read(path)?;
    find_cluster(&kubeconfig, "testbed").ok_or_else(|| Error::NoCluster { path: path.to_owned() })
}

/// Writes the certificates that the cluster is trusted by; an empty file when they are the system's.
pub(super) fn write_ca(cluster: &Cluster, ca_file: &Path) -> Result<(), Error> {
    let bytes = if let Some(data) = &cluster.certificate_authority_data {
        base64::engine::general_purpose::STANDARD
            .decode(data)
            .map_err(Error::make("the cluster's CA file from its kubeconfig"))?
    } else if let Some(path) = &cluster.certificate_authority {
        fs::read(path).map_err(Error::io(format!("read {path}")))?
    } else {
        Vec::new()
    };
    fs::write(ca_file, bytes).map_err(Error::io(format!("write {}", ca_file.display())))
}

fn read(path: &Path) -> Result<Kubeconfig, Error> {
    Kubeconfig::read_from(path).map_err(|source| Error::Kubeconfig { path: path.to_owned(), source: Box::new(source) })
}

fn find_cluster(kubeconfig: &Kubeconfig, name: &str) -> Option<Cluster> {
    kubeconfig.clusters.iter().find(|entry| entry.name == name).and_then(|entry| entry.cluster.clone())
}
