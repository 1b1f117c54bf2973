//! The files a control plane starts from: keys, tokens, the audit policy, kubeconfigs.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use kube::config::{AuthInfo, Cluster, Context, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext};
use secrecy::SecretString;

use super::Error;

/// Who asked for what, and which binding allowed it; no bodies, for they hold secrets.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
";

/// Writes the keys that sign service-account tokens, the administrator's token and the audit policy.
/// Returns the administrator's token.
pub(super) fn write_all(folder: &Path) -> Result<SecretString, Error> {
    let keys = rcgen::KeyPair::generate().map_err(Error::make("the keys that sign service-account tokens"))?;
    write_private(&folder.join("sa.key"), keys.serialize_pem().as_bytes())?;
    write_private(&folder.join("sa.pub"), keys.public_key_pem().as_bytes())?;
    let token = uuid::Uuid::new_v4().simple().to_string();
    let tokens = format!("{token},admin,admin,\"system:masters\"\n");
    write_private(&folder.join("tokens.csv"), tokens.as_bytes())?;
    write_private(&folder.join("audit-policy.yaml"), AUDIT_POLICY.as_bytes())?;
    Ok(token.into())
}

/// Writes a file that its owner alone can read.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = || Error::io(format!("write {}", path.display()));
    // A file that is there keeps its mode, so it goes first.
    if path.exists() {
        fs::remove_file(path).map_err(failed())?;
    }
    let mut file: File = File::options().write(true).create_new(true).mode(0o600).open(path).map_err(failed())?;
    file.write_all(bytes).map_err(failed())
}

/// The cluster at `server`, trusted by the certificates in `ca_file`.
pub(super) fn cluster(server: &str, ca_file: &Path) -> Cluster {
    Cluster {
        server: Some(server.to_owned()),
        certificate_authority: Some(ca_file.display().to_string()),
        ..Cluster::default()
    }
}

/// A user that shows `token`.
pub(super) fn bearer(token: SecretString) -> AuthInfo {
    AuthInfo { token: Some(token), ..AuthInfo::default() }
}

/// Writes a kubeconfig with one cluster, one user and one context, all called `testbed`.
pub(super) fn write_kubeconfig(
    path: &Path,
    cluster: Cluster,
    user: AuthInfo,
    namespace: Option<&str>,
) -> Result<(), Error> {
    let name = || "testbed".to_owned();
    let kubeconfig = Kubeconfig {
        kind: Some("Config".to_owned()),
        api_version: Some("v1".to_owned()),
        clusters: vec![NamedCluster { name: name(), cluster: Some(cluster), ..NamedCluster::default() }],
        auth_infos: vec![NamedAuthInfo { name: name(), auth_info: Some(user), ..NamedAuthInfo::default() }],
        contexts: vec![NamedContext {
            name: name(),
            context: Some(Context {
                cluster: name(),
                user: Some(name()),
                namespace: namespace.map(str::to_owned),
                ..Context::default()
            }),
            ..NamedContext::default()
        }],
        current_context: Some(name()),
        ..Kubeconfig::default()
    };
    let text = serde_yaml_ng::to_string(&kubeconfig).map_err(Error::make("a kubeconfig"))?;
    write_private(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_kubeconfig_is_its_owners_alone_even_when_it_replaces_a_public_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        fs::write(&path, "public").unwrap();
        let place = cluster("https://127.0.0.1:1", Path::new("ca.crt"));

        write_kubeconfig(&path, place, bearer("t0ken".into()), Some("shop")).unwrap();

        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let read = Kubeconfig::read_from(&path).unwrap();
        assert_eq!(read.current_context.as_deref(), Some("testbed"));
        assert!(fs::read_to_string(&path).unwrap().contains("t0ken"));
    }
}
